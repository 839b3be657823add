//! What goes into a store and what comes out.

use std::collections::BTreeMap;

use model::{ExecutionId, ExecutionStatus, Pool, TaskId};
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::Store;
use crate::{Fence, SlotChange, SlotRequest, SlotRow};

/// Something from outside the coordinator must act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// What makes it the same event however often it is told.
    pub key: String,
    /// JSON text of a `wire::Event`.
    pub body: String,
    /// When it becomes due; `None`: at once.
    pub not_before_ms: Option<u64>,
    /// When this is not empty, the event is accepted only if a definition is indexed under one of these keys.
    pub if_indexed: Vec<String>,
}

impl EventRow {
    /// An event that is due at once.
    pub fn new(key: impl Into<String>, body: impl Into<String>) -> Self {
        Self { key: key.into(), body: body.into(), not_before_ms: None, if_indexed: Vec::new() }
    }
}

/// Answer to [`Store::event_accept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventAccepted {
    /// Stored now.
    New,
    /// Known already.
    Duplicate,
    /// Not stored: it was to be accepted only for definitions that are not there.
    Unwanted,
}

/// Where an event stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventState {
    /// Due now or later.
    Pending {
        /// Why it was deferred last, if it was.
        note: Option<String>,
    },
    /// Done with; JSON text for people.
    Settled {
        /// What came of it.
        outcome: String,
    },
}

/// An event as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// What makes it unique.
    pub key: String,
    /// JSON text of a `wire::Event`.
    pub body: String,
    /// When it was accepted.
    pub accepted_ms: u64,
    /// When it became due for the first time, or will: later than its acceptance for one that was accepted for
    /// a later time.
    pub since_ms: u64,
    /// How often it was taken by [`Store::due`].
    pub tries: u32,
    /// Where it stands.
    pub state: EventState,
}

/// A new execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    /// Its id.
    pub id: ExecutionId,
    /// Owner; for lists.
    pub application: String,
    /// The pipeline it runs; for lists.
    pub pipeline_id: String,
    /// The event it came from; for lists.
    pub event_key: String,
    /// The first transition. `expect_version` and `input_id` are not looked at: creation is
    /// idempotent by id, and the created execution has version 1. Its `slot` is not looked at
    /// either: `slot` beside it is asked for.
    pub first: Commit,
    /// What it needs before it may run. One that is complete from the start gets nothing.
    pub slot: SlotRequest,
}

/// Answer to [`Store::execution_create`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// Created now.
    New,
    /// It is there, or was there and was removed.
    Exists,
    /// The rules forbid it.
    Refused {
        /// Which rule.
        reason: String,
    },
}

/// One transition of one execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Which execution.
    pub id: ExecutionId,
    /// The version the caller computed from.
    pub expect_version: u64,
    /// Unique id of the input that caused the transition; a second commit of it is a duplicate.
    pub input_id: String,
    /// The new snapshot, opaque.
    pub document: String,
    /// Version of the snapshot's format; a store never goes back to an older one.
    pub schema: u32,
    /// The public view, JSON text.
    pub view: String,
    /// Status after the transition.
    pub status: ExecutionStatus,
    /// Timeline rows to append.
    pub timeline: Vec<String>,
    /// Messages to publish.
    pub outbox: Vec<OutboxRow>,
    /// Changes to the leases of its tasks.
    pub tasks: Vec<TaskChange>,
    /// Lock owners (of this execution) that are done.
    pub unlock_owners: Vec<String>,
    /// When to look at it again. A live execution needs one at most five minutes ahead.
    pub wake_ms: Option<u64>,
    /// A change to its slot. A terminal transition frees slot or place in any case.
    pub slot: Option<SlotChange>,
    /// Events accepted with it; known keys change nothing, and neither do unwanted ones.
    pub events: Vec<EventRow>,
    /// Other executions that must look at what this one did: the wakes of the live ones are brought
    /// forward to now.
    pub notify: Vec<ExecutionId>,
    /// Whether it may start from a terminal state.
    pub reopen: Reopen,
}

/// Whether a transition may change a terminal execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reopen {
    /// It may not: terminal is final.
    #[default]
    Never,
    /// It may: a person restarts a stage, an input of its own. It must ask for a slot.
    ByRestart,
}

/// A message to publish, stored with the state that caused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Unique; a second row with the same id replaces the first.
    pub message_id: String,
    /// Where it goes: a `wire::Route` in text form.
    pub route: String,
    /// The message.
    pub body: String,
    /// Publish only while this task is live in this epoch (`None`: always).
    pub only_if: Option<(TaskId, u32)>,
}

/// A change to a task's lease inside a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskChange {
    /// A task may be claimed, in this epoch. A higher epoch of a known task keeps its checkpoint
    /// and takes the lease from a holder that fell silent; one that was heard of in time keeps it,
    /// and the whole transition is answered with [`Committed::Conflict`]. The same or a lower epoch
    /// changes nothing. A result that came in before stays: then only the epoch is raised.
    Dispatch {
        /// The task.
        task: TaskId,
        /// Who does such tasks.
        kind: Pool,
        /// Which dispatch of the attempt this is, from 1.
        epoch: u32,
        /// Digest of the request a worker must show.
        digest: String,
    },
    /// Whoever holds the lease should stop.
    Cancel {
        /// The task.
        task: TaskId,
    },
    /// The task is history: its lease row is deleted, later claims answer "gone".
    Retire {
        /// The task.
        task: TaskId,
    },
}

impl TaskChange {
    /// The task it changes.
    pub const fn task(&self) -> &TaskId {
        match self {
            Self::Dispatch { task, .. } | Self::Cancel { task } | Self::Retire { task } => task,
        }
    }
}

/// Answer to [`Store::execution_commit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// Applied.
    Applied {
        /// The new version.
        version: u64,
    },
    /// This input was applied before: treat as success.
    Duplicate,
    /// Somebody else was quicker: load and decide again. Either the version moved on, or the
    /// transition would dispatch a task anew that somebody holds now ([`TaskChange::Dispatch`]).
    Conflict {
        /// The stored version.
        version: u64,
    },
    /// No such execution.
    Gone,
    /// It must take a slot and there is none; nothing was changed. Load and decide again.
    NoSlot,
    /// The rules forbid it; nothing was changed. A bug in the caller.
    Refused {
        /// Which rule.
        reason: String,
    },
}

/// What a coordinator decides on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredExecution {
    /// Version of the snapshot.
    pub version: u64,
    /// Format of the snapshot.
    pub schema: u32,
    /// The snapshot.
    pub document: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// Leases of its live tasks.
    pub leases: BTreeMap<TaskId, LeaseRow>,
    /// When it will be looked at again.
    pub wake_ms: Option<u64>,
    /// The slots of its pipeline.
    pub slot: SlotRow,
    /// The store's clock at the read.
    pub now_ms: u64,
}

/// A task's lease as a coordinator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
    /// Epoch that may be claimed or is held.
    pub epoch: u32,
    /// Who holds or held it in this epoch.
    pub holder: Option<String>,
    /// Until when it is held; `None` when it was never claimed in this epoch or was released.
    pub until_ms: Option<u64>,
    /// When this epoch was dispatched.
    pub dispatched_ms: u64,
    /// Whether a claim happened in this epoch (also when it was released since).
    pub claimed: bool,
    /// Counts checkpoints stored, over all epochs: progress.
    pub checkpoints: u64,
    /// The result, once there is one.
    pub result: Option<String>,
    /// Whether it was told to stop.
    pub cancel: bool,
}

impl LeaseRow {
    /// Whether somebody works on it and was heard of in time.
    pub fn is_held(&self, now_ms: u64) -> bool {
        self.result.is_none() && self.until_ms.is_some_and(|until_ms| until_ms > now_ms)
    }
}

/// What a worker shows to get a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskClaim {
    /// The task.
    pub task: TaskId,
    /// From the message.
    pub epoch: u32,
    /// Digest of the request in the message.
    pub digest: String,
    /// Who asks.
    pub holder: String,
    /// How long it may be silent.
    pub ttl_ms: u64,
}

/// Answer to [`Store::lease_claim`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Yours until the ttl runs out.
    Granted {
        /// Shown with every beat.
        token: u64,
        /// Progress of whoever had it before.
        checkpoint: Option<String>,
        /// Whether it was told to stop: clean up and say so.
        cancel: bool,
    },
    /// Somebody has it.
    Busy {
        /// Who.
        holder: String,
    },
    /// A newer epoch was dispatched.
    Stale {
        /// The newest.
        epoch: u32,
    },
    /// It has a result already.
    Finished,
    /// Unknown task or another digest.
    Gone,
}

/// Answer to calls of a lease's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Still yours.
    Held {
        /// Stop at the next safe point, clean up, say so.
        cancel: bool,
    },
    /// Not yours (any more): stop at once, touch nothing.
    Lost,
}

/// Answer to [`Store::lock`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Yours.
    Granted {
        /// Grows with every new holder.
        fence: Fence,
    },
    /// Somebody has it.
    Busy {
        /// Its owner.
        owner: String,
    },
    /// The execution is terminal or unknown: it may hold nothing.
    Gone,
}

/// Work that is due, taken for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Events to act on.
    pub events: Vec<StoredEvent>,
    /// Messages to publish.
    pub outbox: Vec<OutboxRow>,
    /// Executions to look at.
    pub wakes: Vec<ExecutionId>,
    /// The store's clock.
    pub now_ms: u64,
    /// When something is due next, if anything is.
    pub next_ms: Option<u64>,
}

/// Which executions to list. Empty fields do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Of this application.
    pub application: Option<String>,
    /// Of any of these pipelines.
    pub pipeline_ids: Vec<String>,
    /// With any of these statuses.
    pub statuses: Vec<ExecutionStatus>,
    /// Created from this event.
    pub event_key: Option<String>,
    /// At most so many; 0 means 100.
    pub limit: u32,
}

/// A public view with what lists sort and filter by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionRow {
    /// Its id.
    pub id: ExecutionId,
    /// Owner.
    pub application: String,
    /// The pipeline it runs.
    pub pipeline_id: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// Version of the snapshot the view was made from.
    pub version: u64,
    /// When it was created.
    pub created_ms: u64,
    /// JSON text of the view.
    pub view: String,
}

/// One line of an execution's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineRow {
    /// The version the commit produced.
    pub version: u64,
    /// When.
    pub at_ms: u64,
    /// JSON text.
    pub body: String,
}

/// Figures for gauges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Executions by status; terminal ones are counted until they are removed.
    pub executions: BTreeMap<ExecutionStatus, u64>,
    /// Executions that wait for a slot.
    pub executions_waiting: u64,
    /// For how long the one waits that has waited longest.
    pub executions_waiting_oldest_ms: u64,
    /// Leases held now, by kind of task.
    pub leases_running: BTreeMap<Pool, u64>,
    /// Tasks dispatched and not yet claimed or finished, by kind.
    pub tasks_waiting: BTreeMap<Pool, u64>,
    /// Age of the oldest dispatched and never claimed task, by kind.
    pub oldest_waiting_ms: BTreeMap<Pool, u64>,
    /// Messages not yet confirmed.
    pub outbox_depth: u64,
    /// Age of the oldest of them.
    pub outbox_oldest_ms: u64,
    /// Events that are or were due and are not yet settled.
    pub events_pending: u64,
    /// Age of the oldest of them.
    pub events_oldest_ms: u64,
    /// Live executions whose wake is overdue by more than a minute: should be 0.
    pub wakes_overdue: u64,
    /// How often acknowledged writes were found to be gone: a backup was restored under running
    /// programs, or a replica that lagged took over.
    pub rollbacks: u64,
}
