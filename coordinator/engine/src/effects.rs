//! What a step asks the shell to do, in the same write as the new document.

use model::{TaskId, TaskKind};
use serde::{Deserialize, Serialize};

/// Everything a step causes outside the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
}

/// A task for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The task.
    pub task: TaskId,
    /// Who does it.
    pub kind: TaskKind,
    /// Which dispatch of the attempt.
    pub epoch: u32,
    /// JSON text of the request.
    pub request: String,
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
