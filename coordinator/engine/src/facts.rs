//! What a step may know beside the document: everything the store says at this moment.

use std::{collections::BTreeMap, fmt};

use definitions::Pipeline;
use model::{ExecutionId, ExecutionStatus, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{ExecutionView, TaskOutcome};

/// What is true around a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Its live tasks.
    pub leases: BTreeMap<TaskId, Lease>,
    /// Who runs and who waits of its pipeline. Needed while it waits, and for a restart of a finished
    /// execution.
    pub slot: Option<SlotFact>,
    /// The policy of its pipeline's current definition. Needed while it waits, and for a restart of a
    /// finished execution; `None` when the definition is gone or cannot be read: then the last one
    /// counts.
    pub policy: Option<Policy>,
    /// The executions that its stages started and follow.
    pub children: BTreeMap<ExecutionId, ChildFact>,
}

/// What the store says about a live task.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// Epoch that may be claimed or is held.
    pub epoch: u32,
    /// Until when it is held, if it is.
    pub until_ms: Option<u64>,
    /// Whether it was claimed in this epoch.
    pub claimed: bool,
    /// Checkpoints stored, over all epochs.
    pub checkpoints: u64,
    /// How it ended, once it has.
    pub result: Option<TaskOutcome>,
}

/// The slots of a pipeline, as one of its executions sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotFact {
    /// How this execution stands to them.
    pub own: SlotState,
    /// Those that hold a slot, oldest first. May be empty for one that holds one itself.
    pub holders: Vec<Place>,
    /// Those that wait for one, oldest first. May be empty for one that holds a slot.
    pub waiting: Vec<Place>,
}

/// How an execution stands to the slots of its pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotState {
    /// Neither: it is complete.
    #[default]
    None,
    /// It may run.
    Holds,
    /// It waits.
    Waits,
}

/// An execution in the order in which those of its pipeline were registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The execution.
    pub execution: ExecutionId,
    /// Larger for the newer one.
    pub order: u64,
}

/// How many executions of a pipeline run at a time, and what becomes of those that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The highest number of executions at a time; `None` is no limit.
    pub limit: Option<u32>,
    /// Waiting executions all run, oldest first; otherwise only the newest does.
    pub keep_waiting: bool,
}

/// What became of an execution that a stage started.
#[derive(Clone, Debug, PartialEq)]
pub enum ChildFact {
    /// It could not be made.
    Refused {
        /// The reason, for people.
        reason: String,
    },
    /// It exists.
    Known {
        /// The pipeline's name.
        name: String,
        /// Where it stands.
        status: ExecutionStatus,
        /// Why it was canceled or never started.
        reason: Option<String>,
        /// What its stages gave, merged; later stages win.
        outputs: Map<String, Value>,
    },
}

impl Policy {
    /// The policy of a definition. Source: Orca; `limitConcurrent` wins, a maximum of 0 is no limit.
    pub const fn of(pipeline: &Pipeline) -> Self {
        let limit = match (pipeline.limit_concurrent, pipeline.max_concurrent_executions) {
            (true, _) => Some(1),
            (false, 0) => None,
            (false, max) => Some(max),
        };
        Self { limit, keep_waiting: pipeline.keep_waiting_pipelines }
    }
}

/// For people: `at most 2 at a time, all that wait run`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            None => f.write_str("no limit"),
            Some(limit) => {
                let waiting =
                    if self.keep_waiting { "all that wait run" } else { "the newest runs" };
                write!(f, "at most {limit} at a time, {waiting}")
            }
        }
    }
}

impl ChildFact {
    /// The fact that follows from a stored view.
    pub fn of(view: &ExecutionView) -> Self {
        let mut outputs = Map::new();
        for stage in view.stages.iter().filter(|stage| stage.parent_stage_id.is_none()) {
            outputs.extend(stage.outputs.clone());
        }
        Self::Known {
            name: view.name.clone(),
            status: view.status,
            reason: view.cancellation_reason.clone(),
            outputs,
        }
    }
}
