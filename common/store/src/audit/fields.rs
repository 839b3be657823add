//! Rows without their bodies, alike for every kind of store.

use model::{ExecutionStatus, Pool, TaskId};

use crate::{DefinitionIndex, LeaseRow};

/// An execution's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionFields {
    /// Its id.
    pub id: String,
    /// Owner.
    pub application: String,
    /// The pipeline it runs.
    pub pipeline_id: String,
    /// The event it came from.
    pub event_key: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// Whether the row itself says that it is live, where a store keeps that.
    pub live: Option<bool>,
    /// Version of the snapshot.
    pub version: u64,
    /// Format of the snapshot.
    pub schema: u32,
    /// When it was created.
    pub created_ms: u64,
    /// When it will be looked at, where the row itself says so.
    pub wake_ms: Option<u64>,
    /// Its slot or its place among those that wait, where the row itself says so.
    pub slot: Option<SlotFields>,
    /// When it became complete, if it is.
    pub ended_ms: Option<u64>,
    /// How many lines its history has, where the row itself says so.
    pub timeline_rows: Option<u64>,
}

/// A slot, or a place among those that wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotFields {
    /// Its place in the order.
    pub number: u64,
    /// Since when it waits; `None`: it holds one.
    pub waits_since_ms: Option<u64>,
}

/// An event's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFields {
    /// Its key.
    pub key: String,
    /// JSON text of a `wire::Event`.
    pub body: String,
    /// When it was accepted.
    pub accepted_ms: u64,
    /// When it became due for the first time, or will.
    pub since_ms: u64,
    /// When it is due, where the row itself says so.
    pub due_ms: Option<u64>,
    /// What came of it, once it is settled.
    pub outcome: Option<String>,
}

/// The row of a message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFields {
    /// Its id.
    pub id: String,
    /// Where it goes.
    pub route: String,
    /// The message.
    pub body: String,
    /// The task and epoch it is for.
    pub only_if: Option<(TaskId, u32)>,
    /// When it was written, where the row itself says so.
    pub added_ms: Option<u64>,
    /// When it is due, where the row itself says so.
    pub due_ms: Option<u64>,
}

/// A task's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFields {
    /// The task's id, as its key says it.
    pub task: String,
    /// The execution, where the row itself says so.
    pub execution: Option<String>,
    /// Who does it.
    pub kind: Pool,
    /// Digest of the request a worker must show.
    pub digest: String,
    /// The lease.
    pub row: LeaseRow,
    /// What the holder shows.
    pub token: Option<u64>,
    /// Progress.
    pub checkpoint: Option<String>,
}

impl TaskFields {
    /// The execution it belongs to, by the task's id.
    pub fn execution_id(&self) -> &str {
        self.task.split('/').next().unwrap_or_default()
    }
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFields {
    /// What is locked.
    pub resource: String,
    /// The execution that holds it.
    pub execution: String,
    /// Who inside it.
    pub owner: String,
    /// The fencing number.
    pub fence: u64,
}

/// A definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineFields {
    /// Pipeline config id.
    pub id: String,
    /// Owner.
    pub application: String,
    /// Unique inside the application.
    pub name: String,
    /// The definition, JSON text.
    pub body: String,
    /// Counted from 1.
    pub version: u64,
    /// When it was written.
    pub updated_ms: u64,
    /// The keys under which it is found.
    pub index: DefinitionIndex,
}
