//! A stage: what it is, how it runs, how it ran before.

use model::{ExecutionId, ExecutionStatus, OnFailure, PartKey, StageId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{Decision, TaskFailure};

use crate::{state::StageState, transitions::State};

/// Runs that are kept beside a stage; older ones are dropped, and the timeline tells of all restarts.
const RUNS_KEPT: usize = 10;

/// True for what a field is when nothing was written in its place. A document holds hundreds of stages, so
/// such fields are left out of its stored form.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A node of the graph. Up to `config` it is defined when it is made and stays as it is; `run` and
/// `history` change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// The stage's id.
    pub id: StageId,
    /// The node's name in the graph.
    pub ref_id: String,
    /// The name of its type.
    pub kind: String,
    /// The name people gave it.
    pub name: String,
    /// Ref ids of the stages it requires; a part requires none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub requires: Vec<String>,
    /// What it is a part of; `None` for a stage of the definition.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part: Option<PartOf>,
    /// What its failure means to others.
    pub on_failure: OnFailure,
    /// Its configuration as written; for a part, what makes it this one.
    pub config: Map<String, Value>,
    /// How it runs. A restart puts a new run here. Boxed: the list of stages moves whenever a part is added.
    pub run: Box<Run>,
    /// The runs before, oldest first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub history: Vec<PastRun>,
}

/// How a synthetic stage belongs to the stage it was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// The stage it was made for.
    pub parent: StageId,
    /// When it runs.
    pub synthetic: Synthetic,
    /// What makes it this part of that stage and no other; `None` for a time window, of which there is one.
    pub key: Option<PartKey>,
}

/// When a part runs, seen from the stage it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Synthetic {
    /// Before the stage ends: its time window, or a part of its work.
    Before,
    /// After the work of the stage has failed.
    After,
}

/// One run of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Where it stands.
    pub state: State,
    /// When it began.
    #[serde(default, skip_serializing_if = "is_default")]
    pub started_ms: Option<u64>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ended_ms: Option<u64>,
    /// The configuration with expressions evaluated, where that made a difference.
    #[serde(default, skip_serializing_if = "is_default")]
    pub evaluated: Option<Map<String, Value>>,
    /// How long it may take, and how often it may be tried.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: RunLimits,
    /// What later stages may read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub outputs: Map<String, Value>,
    /// What was found out while it ran. People see it, and the stage's own expressions; the engine never
    /// decides by it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub context: Map<String, Value>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failure: Option<TaskFailure>,
    /// What decided how it ended, where no work did.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decision: Option<Decision>,
    /// The execution that it started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub child: Option<ExecutionId>,
    /// Tries that are over, oldest first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attempts: Vec<Attempt>,
    /// Milliseconds in pauses and time windows, which do not count for its timeout.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held_ms: u64,
    /// Its time ran out, and its work was asked to stop.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timed_out: bool,
    /// The highest number among tries of earlier runs: new tries count on from here.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tries_before: u32,
    /// A person restarted another stage after this one failed: the failure still counts for how the
    /// execution ends, and stops nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overruled: bool,
}

/// What the rules of a stage's configuration come to when it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimits {
    /// How long the stage may run, pauses and time windows not counted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_ms: Option<u64>,
    /// Running out of time counts as success.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeout_succeeds: bool,
    /// Least pause between two tries.
    #[serde(default, skip_serializing_if = "is_default")]
    pub back_off_ms: Option<u64>,
}

/// A run that a restart put an end to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRun {
    /// How it ended.
    pub status: ExecutionStatus,
    /// When it began.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Why it failed.
    pub failure: Option<TaskFailure>,
    /// The tries of the stage and of its parts.
    pub attempts: Vec<Attempt>,
}

/// A try that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counted from 1, over all runs of the stage.
    pub number: u32,
    /// How the try ended.
    pub status: ExecutionStatus,
    /// When it was dispatched.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// Why it failed.
    pub failure: Option<TaskFailure>,
}

impl Run {
    /// A run that has not begun, whose tries count on from `tries_before`.
    pub(crate) fn after(tries_before: u32) -> Self {
        Self {
            state: State::not_started(),
            started_ms: None,
            ended_ms: None,
            evaluated: None,
            limits: RunLimits::default(),
            outputs: Map::new(),
            context: Map::new(),
            failure: None,
            decision: None,
            child: None,
            attempts: Vec::new(),
            held_ms: 0,
            timed_out: false,
            tries_before,
            overruled: false,
        }
    }

    /// Notes something for people.
    pub(crate) fn tell(&mut self, key: &str, value: impl Into<Value>) {
        self.context.insert(key.to_owned(), value.into());
    }
}

impl Stage {
    /// A stage that has not run, with nothing known but its place in the graph.
    pub(crate) fn blank(execution: &ExecutionId, ref_id: &str) -> Self {
        Self {
            id: StageId::of(execution, ref_id),
            ref_id: ref_id.to_owned(),
            kind: String::new(),
            name: String::new(),
            requires: Vec::new(),
            part: None,
            on_failure: OnFailure::HaltPipeline,
            config: Map::new(),
            run: Box::new(Run::after(0)),
            history: Vec::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> &StageState {
        self.run.state.get()
    }

    /// How it is shown and judged.
    pub fn status(&self) -> ExecutionStatus {
        self.run.state.status()
    }

    /// Whether it has begun and is not over.
    pub fn is_running(&self) -> bool {
        matches!(self.state(), StageState::Running(_))
    }

    /// The stage it is a part of.
    pub const fn parent(&self) -> Option<&StageId> {
        match &self.part {
            Some(part) => Some(&part.parent),
            None => None,
        }
    }

    /// Whether it runs because the work of the stage it belongs to has failed.
    pub const fn follows_failure(&self) -> bool {
        match &self.part {
            Some(part) => matches!(part.synthetic, Synthetic::After),
            None => false,
        }
    }

    /// Its configuration as it counts: with expressions evaluated, once it has begun.
    pub fn config(&self) -> &Map<String, Value> {
        self.run.evaluated.as_ref().unwrap_or(&self.config)
    }

    /// Puts a new run in the place of the current one. What has run to its end is kept, with the tries of
    /// the stage and of its parts.
    pub(crate) fn restart(&mut self, mut tries: Vec<Attempt>, tries_before: u32) {
        let over = std::mem::replace(&mut *self.run, Run::after(tries_before));
        if !over.state.status().is_complete() {
            return;
        }
        // Logs of old failures would make the document grow with every restart.
        for failure in tries.iter_mut().filter_map(|attempt| attempt.failure.as_mut()) {
            failure.detail = None;
        }
        self.history.push(PastRun {
            status: over.state.status(),
            started_ms: over.started_ms,
            ended_ms: over.ended_ms,
            failure: over.failure,
            attempts: tries,
        });
        let surplus = self.history.len().saturating_sub(RUNS_KEPT);
        self.history.drain(..surplus);
    }
}
