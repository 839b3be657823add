//! What a step asks the shell to do, in the same write as the new document.

use model::{ExecutionId, Pool, TaskId};
use serde::{Deserialize, Serialize};

/// Everything a step causes outside the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// Lines for the timeline.
    pub timeline: Vec<TimelineEvent>,
    /// Tasks to hand to workers.
    pub dispatch: Vec<Dispatch>,
    /// Tasks whose holders should stop.
    pub cancel: Vec<TaskId>,
    /// Tasks that are history.
    pub retire: Vec<TaskId>,
    /// Lock owners that are done.
    pub unlock: Vec<String>,
    /// Events to accept in the same write, with their keys; a known key is ignored.
    pub events: Vec<(String, wire::Event)>,
    /// Executions to look at now.
    pub notify: Vec<ExecutionId>,
    /// What it does about its slot. The write fails when the slot cannot be had, and the step is taken again.
    pub slot: Option<SlotChange>,
    /// Whether a finished execution becomes a live one: a person restarted a stage of it.
    pub reopen: Reopen,
}

/// What an execution does about its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotChange {
    /// Takes one, if fewer than `limit` are held.
    Take {
        /// `None`: whoever holds one.
        limit: Option<u32>,
    },
    /// Waits for one.
    Wait,
}

/// Whether a write may change a finished execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reopen {
    /// It may not.
    #[default]
    No,
    /// It does: a person restarted a stage.
    Yes,
}

/// A task for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The task.
    pub task: TaskId,
    /// The workers that carry it out.
    pub pool: Pool,
    /// Which dispatch of the attempt.
    pub epoch: u32,
    /// The text of the call.
    pub call: String,
}

/// One line of history, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// What happened, as a word: `stage_started`.
    pub event: String,
    /// The stage it happened to, by its ref id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// More.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Effects {
    pub(crate) fn note(&mut self, event: &str, stage: Option<&str>, detail: Option<String>) {
        self.timeline.push(TimelineEvent {
            event: event.to_owned(),
            stage: stage.map(str::to_owned),
            detail,
        });
    }
}
