//! The document: everything known about one execution.

use model::{ExecutionId, ExecutionStatus, StageId, TaskId, TaskKind, pipeline::OnFailure};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{FailureKind, TaskFailure};

/// Version of the document's form. A reader accepts this and the one before.
pub const SCHEMA: u32 = 1;

/// One execution, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Its id.
    pub id: ExecutionId,
    /// Owner.
    pub application: String,
    /// The pipeline's id.
    pub pipeline_id: String,
    /// The pipeline's name.
    pub pipeline_name: String,
    /// The event it came from.
    pub event_key: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was created.
    pub created_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Set once somebody asked it to stop.
    pub canceled: Option<Canceled>,
    /// Why it never started, when it did not.
    pub startup_failure: Option<String>,
    /// What started it; data, never evaluated.
    pub trigger: Map<String, Value>,
    /// Every stage; a synthetic one comes after the stage it is a part of.
    pub stages: Vec<Stage>,
}

/// Who stopped it, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canceled {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at_ms: u64,
}

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its id.
    pub id: StageId,
    /// Its name in the graph.
    pub ref_id: String,
    /// Its type.
    pub kind: String,
    /// Its label.
    pub name: String,
    /// Ref ids it requires.
    pub requires: Vec<String>,
    /// The stage it is a part of.
    pub parent: Option<StageId>,
    /// What its failure means to others.
    pub on_failure: OnFailure,
    /// Its configuration as written; for a synthetic stage, what makes it this one.
    pub config: Map<String, Value>,
    /// Where it stands.
    pub state: StageState,
    /// When it began.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// What later stages may read.
    pub outputs: Map<String, Value>,
    /// Why it failed.
    pub failure: Option<TaskFailure>,
    /// Tries that are over, oldest first.
    pub attempts: Vec<Attempt>,
}

/// Where a stage stands, with what is valid there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// Waits for what it requires.
    NotStarted,
    /// Works.
    Running(Work),
    /// Over.
    Done(ExecutionStatus),
}

/// What a running stage does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Its synthetic stages work.
    Children,
    /// A worker has its task, or will.
    Task {
        /// Who.
        kind: TaskKind,
        /// Which try.
        attempt: u32,
        /// Which dispatch of the try.
        epoch: u32,
        /// What was asked; JSON text, its digest is what the lease compares.
        request: String,
        /// When this try began.
        started_ms: u64,
        /// When it was published last.
        published_ms: u64,
        /// How often this epoch was published.
        publishes: u32,
        /// Checkpoints at the time of the dispatch; whether a worker gets further is seen by it.
        checkpoints: u64,
        /// Dispatches in a row that brought no new checkpoint.
        fruitless: u32,
        /// When it was told to stop.
        canceling_ms: Option<u64>,
    },
    /// Waits before the next try.
    BackingOff {
        /// Who does it.
        kind: TaskKind,
        /// The next try.
        attempt: u32,
        /// What will be asked.
        request: String,
        /// When.
        due_ms: u64,
    },
}

/// A try that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which.
    pub number: u32,
    /// How it ended.
    pub status: ExecutionStatus,
    /// When it was dispatched.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// Why it failed.
    pub failure: Option<TaskFailure>,
}

impl Document {
    /// True when nothing changes any more.
    pub const fn is_complete(&self) -> bool {
        self.status.is_complete()
    }

    /// The stages of the definition, in its order.
    pub fn top_level(&self) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(|stage| stage.parent.is_none())
    }

    /// The synthetic stages of a stage, in order.
    pub fn children<'a>(&'a self, parent: &'a StageId) -> impl Iterator<Item = &'a Stage> {
        self.stages.iter().filter(move |stage| stage.parent.as_ref() == Some(parent))
    }

    /// A stage of the definition by its ref id.
    pub fn by_ref(&self, ref_id: &str) -> Option<&Stage> {
        self.top_level().find(|stage| stage.ref_id == ref_id)
    }

    /// The task a stage's current try is known by, if it has one.
    pub fn task_of(&self, stage: &Stage) -> Option<TaskId> {
        match &stage.state {
            StageState::Running(Work::Task { attempt, .. }) => Some(TaskId {
                execution: self.id.clone(),
                stage: stage.id.clone(),
                attempt: *attempt,
            }),
            StageState::NotStarted
            | StageState::Running(Work::Children | Work::BackingOff { .. })
            | StageState::Done(_) => None,
        }
    }

    /// Stages this one builds on, nearest first, each once.
    pub fn ancestors<'a>(&'a self, stage: &'a Stage) -> Vec<&'a Stage> {
        let mut found: Vec<&Stage> = Vec::new();
        let mut next: Vec<&str> = stage.requires.iter().map(String::as_str).collect();
        while !next.is_empty() {
            let mut after = Vec::new();
            for ref_id in next {
                let Some(ancestor) = self.by_ref(ref_id) else { continue };
                if found.iter().any(|seen| seen.id == ancestor.id) {
                    continue;
                }
                after.extend(ancestor.requires.iter().map(String::as_str));
                found.push(ancestor);
            }
            next = after;
        }
        found
    }
}

impl Stage {
    /// How it is shown and judged.
    pub const fn status(&self) -> ExecutionStatus {
        match &self.state {
            StageState::NotStarted => ExecutionStatus::NotStarted,
            StageState::Running(_) => ExecutionStatus::Running,
            StageState::Done(status) => *status,
        }
    }
}

/// A failure nobody outside can mend by trying again.
pub(crate) fn user_failure(message: String, hint: Option<String>) -> TaskFailure {
    TaskFailure { kind: FailureKind::User, message, detail: None, hint }
}
