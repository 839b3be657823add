//! The document: everything known about one execution.

use std::collections::{BTreeMap, BTreeSet};

use model::{ExecutionId, ExecutionStatus, OnFailure, PartKey, Pool, StageId, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stages::Until;
use wire::TaskFailure;

use crate::facts::Policy;

/// Version of the document's form. A reader accepts this and the one before: what a newer form adds has a
/// default that means what the older one meant.
pub const SCHEMA: u32 = 2;

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
    /// When it got its slot and began.
    #[serde(default)]
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Set once somebody asked it to stop.
    pub canceled: Option<Canceled>,
    /// Why it never started, when it did not.
    pub startup_failure: Option<String>,
    /// What started it; data, never evaluated.
    pub trigger: Map<String, Value>,
    /// How many executions of the pipeline run at a time, as last read from its definition.
    #[serde(default)]
    pub policy: Policy,
    /// Its place among those that wait, while it waits.
    #[serde(default)]
    pub queue: Option<Queue>,
    /// After this it does not begin any more.
    #[serde(default)]
    pub start_expiry_ms: Option<u64>,
    /// The zone of time windows, an IANA name; `None` is Spinnaker's default.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// The latest pause.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// Every stage; a synthetic one comes after the stage it is a part of. Its ref id is that stage's, `<` and
    /// a number (0 for the time window, from 1 for the work), or `>` and a number from 1 for what is done
    /// after a failure.
    pub stages: Vec<Stage>,
}

/// A place among those that wait for a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Counted from 1, the oldest first.
    pub position: usize,
    /// Those that hold the slots, oldest first.
    pub waiting_for: Vec<ExecutionId>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who paused it.
    pub by: String,
    /// When.
    pub at_ms: u64,
    /// Who let it go on.
    pub resumed_by: Option<String>,
    /// When.
    pub resumed_ms: Option<u64>,
    /// Milliseconds in all pauses that are over.
    pub total_ms: u64,
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

/// What says nothing is not written: a document holds hundreds of stages.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
    #[serde(default, skip_serializing_if = "is_default")]
    pub requires: Vec<String>,
    /// The stage it is a part of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parent: Option<StageId>,
    /// What makes it this part of that stage and no other.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part: Option<PartKey>,
    /// The type of the stage that asked for this part: results go back to it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub asked_by: Option<String>,
    /// Where it stands to the stage it is a part of, if it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub synthetic: Synthetic,
    /// What its failure means to others.
    pub on_failure: OnFailure,
    /// Its configuration as written; for a synthetic stage, what makes it this one.
    pub config: Map<String, Value>,
    /// Its configuration with expressions evaluated, where that made a difference.
    #[serde(default, skip_serializing_if = "is_default")]
    pub evaluated: Option<Map<String, Value>>,
    /// Where it stands.
    pub state: StageState,
    /// When it began.
    #[serde(default, skip_serializing_if = "is_default")]
    pub started_ms: Option<u64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ended_ms: Option<u64>,
    /// What later stages may read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub outputs: Map<String, Value>,
    /// What was found out while it ran; shown, and read by nobody but its own stage.
    #[serde(default, skip_serializing_if = "is_default")]
    pub context: Map<String, Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failure: Option<TaskFailure>,
    /// Tries that are over, oldest first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempts: Vec<Attempt>,
    /// How long it may run, pauses and time windows not counted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_ms: Option<u64>,
    /// Milliseconds that do not count for its timeout.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held_ms: u64,
    /// Least pause between two tries, where the definition says one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub back_off_ms: Option<u64>,
    /// Set once it ran out of time and its work was told to stop.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timed_out: bool,
    /// The highest number among tries of runs before the latest restart: new tries count on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tries_before: u32,
    /// Runs that a restart has put an end to, oldest first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runs: Vec<Run>,
    /// A person restarted another stage after this one failed: it still counts for how the execution ends,
    /// and stops nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overruled: bool,
}

/// Where a synthetic stage stands to the stage it is a part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Synthetic {
    /// Its end comes before the end of the other's work: a time window, or a part of that work.
    #[default]
    Before,
    /// It comes after that work has failed: an on-failure stage.
    After,
}

/// A run of a stage before it was restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// How it ended.
    pub status: ExecutionStatus,
    /// When it began.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Why it failed.
    pub failure: Option<TaskFailure>,
    /// Its tries and those of its parts.
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
    /// It waits until its time window, its part `1<0`, opens; nothing else is decided yet.
    Held,
    /// Its synthetic stages work.
    Children,
    /// Its work has failed, its on-failure stages work; when they are over, it is too.
    OnFailure {
        /// As its work ended: what it will end as, before "if stage fails" says what that means.
        status: ExecutionStatus,
    },
    /// It is such a time window.
    Window {
        /// When it opens.
        opens_ms: u64,
    },
    /// It pauses.
    Waiting {
        /// Until then.
        until_ms: u64,
    },
    /// A person decides.
    Judging {
        /// The answers that are offered; any, or none, will do when it is empty.
        choices: Vec<String>,
    },
    /// Another execution does it.
    Child {
        /// Which.
        execution: ExecutionId,
        /// Which try of the stage.
        attempt: u32,
        /// When the stage is over.
        until: Until,
        /// When the other one was told to stop.
        canceling_ms: Option<u64>,
    },
    /// A worker has its task, or will.
    Task {
        /// The workers that carry it out.
        pool: Pool,
        /// Which try.
        attempt: u32,
        /// Which dispatch of the try.
        epoch: u32,
        /// The text of the call (`wire::OperationCall`); its digest is what the lease compares.
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
        /// The workers that carry it out.
        pool: Pool,
        /// The next try.
        attempt: u32,
        /// The text of the call.
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
            | StageState::Running(
                Work::Held
                | Work::Children
                | Work::OnFailure { .. }
                | Work::Window { .. }
                | Work::Waiting { .. }
                | Work::Judging { .. }
                | Work::Child { .. }
                | Work::BackingOff { .. },
            )
            | StageState::Done(_) => None,
        }
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
}

impl Document {
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

impl Stage {
    /// One that has not started, with nothing known but where it stands in the graph.
    pub(crate) fn blank(execution: &ExecutionId, ref_id: &str) -> Self {
        Self {
            id: StageId::of(execution, ref_id),
            ref_id: ref_id.to_owned(),
            kind: String::new(),
            name: String::new(),
            requires: Vec::new(),
            parent: None,
            part: None,
            asked_by: None,
            synthetic: Synthetic::Before,
            on_failure: OnFailure::HaltPipeline,
            config: Map::new(),
            evaluated: None,
            state: StageState::NotStarted,
            started_ms: None,
            ended_ms: None,
            outputs: Map::new(),
            context: Map::new(),
            failure: None,
            attempts: Vec::new(),
            timeout_ms: None,
            held_ms: 0,
            back_off_ms: None,
            timed_out: false,
            tries_before: 0,
            runs: Vec::new(),
            overruled: false,
        }
    }

    /// How it is shown and judged.
    pub const fn status(&self) -> ExecutionStatus {
        match &self.state {
            StageState::NotStarted => ExecutionStatus::NotStarted,
            StageState::Running(_) => ExecutionStatus::Running,
            StageState::Done(status) => *status,
        }
    }

    /// Its configuration as it counts: with expressions evaluated, once it has begun.
    pub fn config(&self) -> &Map<String, Value> {
        self.evaluated.as_ref().unwrap_or(&self.config)
    }
}
