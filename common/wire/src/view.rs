//! The public form of an execution: Gate's field names, times in epoch milliseconds.

use model::{ExecutionId, ExecutionStatus, StageId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Awaits, Decision, ExecutionOrder, StageOrder, TaskFailure};

/// One run of a pipeline, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionView {
    /// Its id.
    pub id: ExecutionId,
    /// Always `PIPELINE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Owner.
    pub application: String,
    /// The pipeline's name.
    pub name: String,
    /// The pipeline's id.
    pub pipeline_config_id: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was created.
    pub build_time: u64,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<u64>,
    /// Whether somebody canceled it.
    pub canceled: bool,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canceled_by: Option<String>,
    /// Why it was canceled, or why it never started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation_reason: Option<String>,
    /// The latest pause, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<PauseView>,
    /// Where it stands among those that wait for a slot, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueView>,
    /// One execution of the pipeline at a time.
    #[serde(default)]
    pub limit_concurrent: bool,
    /// Executions of the pipeline at a time when `limit_concurrent` is off; 0 is no limit.
    #[serde(default)]
    pub max_concurrent_executions: u32,
    /// Waiting executions all run, oldest first.
    #[serde(default)]
    pub keep_waiting_pipelines: bool,
    /// When it is too late to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time_expiry: Option<u64>,
    /// What started it.
    pub trigger: Map<String, Value>,
    /// The orders that the whole execution takes now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<ExecutionOrder>,
    /// Its stages, parents before their synthetic children.
    pub stages: Vec<StageView>,
}

/// A pause, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseView {
    /// Who paused it.
    pub paused_by: String,
    /// When.
    pub pause_time: u64,
    /// Who let it go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_time: Option<u64>,
    /// Milliseconds in all pauses that are over.
    pub paused_ms: u64,
}

/// A place in the queue for a slot, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueView {
    /// Counted from 1, the oldest first.
    pub position: usize,
    /// The executions that hold the slots.
    pub waiting_for: Vec<ExecutionId>,
}

/// A stage, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageView {
    /// Its id.
    pub id: StageId,
    /// The node's name in the definition; `1<1` for the first stage before stage 1.
    pub ref_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its label.
    pub name: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<u64>,
    /// Ref ids it requires.
    pub requisite_stage_ref_ids: Vec<String>,
    /// The stage it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_stage_id: Option<StageId>,
    /// `STAGE_BEFORE` or `STAGE_AFTER` for such a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic_stage_owner: Option<String>,
    /// What it waits for, when nobody works for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits: Option<Awaits>,
    /// The orders that it takes now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<StageOrder>,
    /// What decided how it ended, where no work did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The execution that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionId>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<TaskFailure>,
    /// How many runs of it restarts have put an end to.
    #[serde(default)]
    pub past_runs: usize,
    /// Its configuration and what was found out; `exception` when it failed.
    pub context: Map<String, Value>,
    /// What later stages may read.
    pub outputs: Map<String, Value>,
    /// Tries of its work.
    pub tasks: Vec<TaskView>,
}

/// One try of a stage's work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// Counted from 1.
    pub id: String,
    /// `bake` or `deploy`.
    pub name: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was dispatched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<u64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<u64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<TaskFailure>,
}
