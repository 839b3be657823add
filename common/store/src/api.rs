//! The seam: what can be asked of a store, and every answer it can give.
//!
//! All calls are idempotent: an ambiguous outcome ([`StoreError::Unavailable`]) is repeated with
//! the same ids. All times are UTC milliseconds since the epoch and come from the store's own clock
//! unless they are part of the caller's data; the store's clock never goes backwards.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use futures::future::BoxFuture;
use model::{ExecutionId, ExecutionStatus, TaskId, TaskKind};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::StoreError;

/// A store behind its seam; cheap to clone.
pub type SharedStore = Arc<dyn Store>;

/// What the rooms ask of the state of everything.
///
/// One contract suite (`tests/it/contract.rs`) runs against every implementation.
pub trait Store: Debug + Send + Sync + 'static {
    // Definitions.

    /// Writes a pipeline definition. With `expected_version`, only over exactly that version
    /// (0: only if it does not exist). Names are unique inside an application.
    fn pipeline_put(&self, put: PipelinePut) -> Answer<'_, PipelineWritten>;
    /// Reads one definition by its id.
    fn pipeline_get<'a>(&'a self, id: &'a str) -> Answer<'a, Option<PipelineRow>>;
    /// Reads every definition, of one application or of all, ordered by application, index and name.
    fn pipeline_list<'a>(&'a self, application: Option<&'a str>) -> Answer<'a, Vec<PipelineRow>>;
    /// Removes a definition; false when there was none.
    fn pipeline_delete<'a>(&'a self, id: &'a str) -> Answer<'a, bool>;

    // Intake. An event is anything from outside that the coordinator must act on: a finished build,
    // a manual start, a cancel. It is accepted once per key, and stays due until it is settled.

    /// Accepts an event once per key, makes it due now, rings the bell.
    fn event_accept(&self, event: EventRow) -> Answer<'_, EventAccepted>;
    /// Settles an event with its final outcome (a JSON body for people). A settled event is kept,
    /// is no longer due, and stays a duplicate for later offers of its key.
    fn event_settle<'a>(&'a self, key: &'a str, outcome: &'a str) -> Answer<'a, ()>;
    /// Makes an unsettled event due again at `not_before_ms`, and notes why.
    fn event_defer<'a>(
        &'a self,
        key: &'a str,
        not_before_ms: u64,
        note: &'a str,
    ) -> Answer<'a, ()>;
    /// Reads one event.
    fn event_get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<StoredEvent>>;
    /// The newest events first, at most `limit`.
    fn event_list(&self, limit: u32) -> Answer<'_, Vec<StoredEvent>>;

    // Executions.

    /// Creates an execution once per id.
    fn execution_create(&self, create: Create) -> Answer<'_, Created>;
    /// Reads the snapshot, with the leases of its live tasks.
    fn execution_load<'a>(
        &'a self,
        id: &'a ExecutionId,
    ) -> Answer<'a, Option<StoredExecution>>;
    /// The transition: applies everything in `commit`, or nothing.
    fn execution_commit(&self, commit: Commit) -> Answer<'_, Committed>;
    /// Reads public views, newest first.
    fn execution_list(&self, filter: ExecutionFilter) -> Answer<'_, Vec<ExecutionRow>>;
    /// Reads one public view.
    fn execution_view<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<ExecutionRow>>;
    /// Reads the timeline of an execution, oldest first.
    fn execution_timeline<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Vec<TimelineRow>>;
    /// Moves the wake of a live execution without a transition; ignored when it is terminal or gone.
    fn execution_rewake<'a>(&'a self, id: &'a ExecutionId, wake_ms: u64) -> Answer<'a, ()>;

    // Due work, for coordinators.

    /// Takes due events, outbox rows and wakes, and hides each from other callers for `hide_ms`:
    /// what is not settled by then is due again. At most `limit` of each kind.
    fn due(&self, limit: u32, hide_ms: u64) -> Answer<'_, Due>;
    /// Deletes outbox rows which the broker has confirmed.
    fn outbox_done<'a>(&'a self, message_ids: &'a [String]) -> Answer<'a, ()>;
    /// Makes outbox rows due again at `not_before_ms` (the broker refused or returned them).
    fn outbox_defer<'a>(
        &'a self,
        message_ids: &'a [String],
        not_before_ms: u64,
    ) -> Answer<'a, ()>;

    // Leases, for workers.

    /// Takes the lease of a dispatched task for `ttl_ms`. The digest must be the committed one: a
    /// message carries no authority. A repeat by the same holder of a live lease is granted again
    /// with the same token.
    fn lease_claim(&self, claim: TaskClaim) -> Answer<'_, Claim>;
    /// Extends a lease and, with `checkpoint`, stores progress for whoever continues.
    fn lease_beat<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        ttl_ms: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat>;
    /// Ends the task with its result, the truth about it; brings the execution's wake forward to
    /// now + `notice_ms`, so that the result is applied even if no message tells of it. A repeat
    /// with the same token answers [`Beat::Held`] again and changes nothing.
    fn lease_finish<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        result: &'a str,
        notice_ms: u64,
    ) -> Answer<'a, Beat>;
    /// Gives a lease up before its end, with progress, so that another continues at once: the
    /// execution's wake is brought forward to now.
    fn lease_release<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat>;

    // Named locks without expiry. They belong to an execution (and inside it to `owner`) and are
    // freed by unlock, by `Commit::unlock_owners`, or by the execution's terminal commit.

    /// Takes a named lock. A repeat by its owner is granted again with the same fence. The owner
    /// must be a live execution's: otherwise the answer is [`Locked::Gone`].
    fn lock<'a>(
        &'a self,
        resource: &'a str,
        execution: &'a ExecutionId,
        owner: &'a str,
    ) -> Answer<'a, Locked>;
    /// Frees a lock if `owner` holds it with `fence`; otherwise nothing happens.
    fn unlock<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        fence: Fence,
    ) -> Answer<'a, ()>;
    /// True while `owner` holds the lock with `fence`.
    fn lock_held<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        fence: Fence,
    ) -> Answer<'a, bool>;

    // The whole.

    /// Figures for gauges.
    fn stats(&self) -> Answer<'_, Stats>;
    /// The store's clock, and proof that it answers.
    fn now_ms(&self) -> Answer<'_, u64>;
    /// Changes when work may have become due, a view changed, or a lease was told to cancel.
    /// A hint, best effort: whoever waits on it also looks on its own, seldom.
    fn bell(&self) -> watch::Receiver<u64>;
}

/// A pending reply of the store.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A fencing number: grows with every new holder of a lock.
pub type Fence = u64;

/// A definition to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelinePut {
    /// Pipeline config id.
    pub id: String,
    /// Owner.
    pub application: String,
    /// Unique inside the application.
    pub name: String,
    /// The definition, JSON text, kept byte for byte.
    pub body: String,
    /// Write only over this version; 0 means "must not exist"; `None` writes over anything.
    pub expected_version: Option<u64>,
}

/// A stored definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRow {
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
}

/// Answer to [`Store::pipeline_put`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipelineWritten {
    /// Written as this version.
    Saved {
        /// The new version.
        version: u64,
        /// When.
        updated_ms: u64,
    },
    /// Somebody else wrote in between (or it exists although it must not).
    Stale {
        /// The stored version; 0 if there is none.
        version: u64,
    },
    /// Another pipeline of the application has this name.
    NameTaken {
        /// The other pipeline's id.
        id: String,
    },
}

/// Something from outside the coordinator must act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// What makes it the same event however often it is told.
    pub key: String,
    /// JSON text of a `wire::Event`.
    pub body: String,
}

/// Answer to [`Store::event_accept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventAccepted {
    /// Stored now.
    New,
    /// Known already.
    Duplicate,
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
    /// idempotent by id, and the created execution has version 1.
    pub first: Commit,
}

/// Answer to [`Store::execution_create`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// Created now.
    New,
    /// It was there.
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
    /// and takes the lease from its holder; the same or a lower epoch changes nothing.
    Dispatch {
        /// The task.
        task: TaskId,
        /// Who does such tasks.
        kind: TaskKind,
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
    /// Somebody else committed in between: load and decide again.
    Conflict {
        /// The stored version.
        version: u64,
    },
    /// No such execution.
    Gone,
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
    /// Executions by status; terminal ones are counted too.
    pub executions: BTreeMap<ExecutionStatus, u64>,
    /// Leases held now, by kind of task.
    pub leases_running: BTreeMap<TaskKind, u64>,
    /// Tasks dispatched and not yet claimed or finished, by kind.
    pub tasks_waiting: BTreeMap<TaskKind, u64>,
    /// Age of the oldest dispatched and never claimed task, by kind.
    pub oldest_waiting_ms: BTreeMap<TaskKind, u64>,
    /// Messages not yet confirmed.
    pub outbox_depth: u64,
    /// Age of the oldest of them.
    pub outbox_oldest_ms: u64,
    /// Events not yet settled.
    pub events_pending: u64,
    /// Age of the oldest of them.
    pub events_oldest_ms: u64,
    /// Live executions whose wake is overdue by more than a minute: should be 0.
    pub wakes_overdue: u64,
}
