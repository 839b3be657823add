//! The document: everything known about one execution.

use std::collections::{BTreeMap, BTreeSet};

use model::{ExecutionId, ExecutionStatus, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    arena::Stages,
    facts::Policy,
    stage::Stage,
    state::{StageState, Work},
};

/// Version of the document's form. A program reads documents of its own version only.
pub const SCHEMA: u32 = 3;

/// One execution, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The execution's id.
    pub id: ExecutionId,
    /// What it is for.
    pub purpose: Purpose,
    /// The application that owns it.
    pub application: String,
    /// The pipeline's id.
    pub pipeline_id: String,
    /// The pipeline's name.
    pub pipeline_name: String,
    /// The key of the event that started it.
    pub event_key: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was created.
    pub created_ms: u64,
    /// When it got its slot and began.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// The cancel, once somebody asked for it.
    pub canceled: Option<Canceled>,
    /// Why it never started, when it did not.
    pub startup_failure: Option<String>,
    /// What started it; data, never evaluated.
    pub trigger: Map<String, Value>,
    /// How many executions of the pipeline run at a time, as last read from its definition.
    pub policy: Policy,
    /// Its place among those that wait, while it waits.
    pub queue: Option<Queue>,
    /// After this it does not begin any more.
    pub start_expiry_ms: Option<u64>,
    /// The zone of time windows, an IANA name; `None` is Spinnaker's default.
    pub time_zone: Option<String>,
    /// The latest pause.
    pub pause: Option<Pause>,
    /// Every stage. The ref id of a part is that of the stage it belongs to, then `<` and a number (0 for the
    /// time window, from 1 for the work), or `>` and a number from 1 for what follows a failure.
    pub stages: Stages,
}

/// What an execution is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A run of a pipeline.
    Run,
    /// The questions of a dry run to workers. It belongs to no pipeline and counts for no history.
    DryRun,
}

/// A place among those that wait for a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Counted from 1, the oldest first.
    pub position: usize,
    /// The executions that hold the slots, oldest first.
    pub waiting_for: Vec<ExecutionId>,
}

/// A pause of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The user who paused it.
    pub by: String,
    /// When the pause began.
    pub at_ms: u64,
    /// The user who resumed it.
    pub resumed_by: Option<String>,
    /// When the pause ended.
    pub resumed_ms: Option<u64>,
    /// Milliseconds in all pauses that are over.
    pub total_ms: u64,
}

/// A cancel of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canceled {
    /// The user who canceled it.
    pub by: String,
    /// The reason the user gave.
    pub reason: Option<String>,
    /// When it was canceled.
    pub at_ms: u64,
}

impl Document {
    /// True when nothing changes any more.
    pub const fn is_complete(&self) -> bool {
        self.status.is_complete()
    }

    /// The stages of the definition, in its order.
    pub fn top_level(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(|stage| stage.part.is_none())
    }

    /// The synthetic stages of a stage, in order.
    pub fn children<'a>(&'a self, parent: &'a model::StageId) -> impl Iterator<Item = &'a Stage> {
        self.stages.iter().filter(move |stage| stage.parent() == Some(parent))
    }

    /// A stage of the definition by its ref id.
    pub fn by_ref(&self, ref_id: &str) -> Option<&Stage> {
        self.top_level().find(|stage| stage.ref_id == ref_id)
    }

    /// The task a stage's current try is known by, if it has one.
    pub fn task_of(&self, stage: &Stage) -> Option<TaskId> {
        match stage.state() {
            StageState::Running(Work::Operation(operation)) => {
                Some(self.task_id(stage, operation.attempt))
            }
            StageState::NotStarted
            | StageState::Running(
                Work::Held
                | Work::Parts
                | Work::AfterFailure { .. }
                | Work::Awaiting(_)
                | Work::Child(_)
                | Work::BackingOff { .. },
            )
            | StageState::Done(_) => None,
        }
    }

    /// The id of a try of a stage.
    pub(crate) fn task_id(&self, stage: &Stage, attempt: u32) -> TaskId {
        TaskId { execution: self.id.clone(), stage: stage.id.clone(), attempt }
    }

    /// Stages of the definition that this one of it builds on, nearest first, each once.
    pub fn ancestors<'a>(&'a self, stage: &'a Stage) -> Vec<&'a Stage> {
        let by_ref: BTreeMap<&str, &Stage> =
            self.top_level().map(|stage| (stage.ref_id.as_str(), stage)).collect();
        let mut found: Vec<&Stage> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = stage.requires.iter().map(String::as_str).collect();
        while !next.is_empty() {
            let mut after = Vec::new();
            for ref_id in next {
                let Some(ancestor) = by_ref.get(ref_id) else { continue };
                if seen.insert(ref_id) {
                    after.extend(ancestor.requires.iter().map(String::as_str));
                    found.push(ancestor);
                }
            }
            next = after;
        }
        found
    }

    /// Stages of the definition that build on this one, directly or not, in the order of the definition.
    pub fn descendants<'a>(&'a self, stage: &'a Stage) -> Vec<&'a Stage> {
        let mut dependents: BTreeMap<&str, Vec<&Stage>> = BTreeMap::new();
        for later in self.top_level() {
            for required in &later.requires {
                dependents.entry(required).or_default().push(later);
            }
        }
        let mut seen = BTreeSet::new();
        let mut next = vec![stage.ref_id.as_str()];
        while let Some(ref_id) = next.pop() {
            for later in dependents.get(ref_id).into_iter().flatten() {
                if seen.insert(later.ref_id.as_str()) {
                    next.push(&later.ref_id);
                }
            }
        }
        self.top_level().filter(|later| seen.contains(later.ref_id.as_str())).collect()
    }
}
