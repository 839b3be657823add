//! The seam: what can be asked of a store, and every answer it can give.
//!
//! All calls are idempotent: an ambiguous outcome ([`StoreError::Unavailable`]) is repeated with
//! the same ids. All times are UTC milliseconds since the epoch and come from the store's own clock
//! unless they are part of the caller's data; the store's clock never goes backwards.

use std::{fmt::Debug, sync::Arc};

use futures::future::BoxFuture;
use model::{ExecutionId, TaskId};
use tokio::sync::watch;

use crate::{
    Beat, Claim, Commit, Committed, Create, Created, DefinitionIndex, Due, EventAccepted, EventRow,
    ExecutionFilter, ExecutionRow, Expired, Expiry, FinishedFilter, FinishedPage, Locked,
    PipelineMark, PipelinePut, PipelineRow, PipelineWritten, Removed, Stats, StoreError,
    StoredEvent, StoredExecution, TaskClaim, TimelineRow,
};

/// A store behind its seam; cheap to clone.
pub type SharedStore = Arc<dyn Store>;

/// What the rooms ask of the state of everything.
///
/// One contract suite (`tests/it/contract.rs`) runs against every implementation.
pub trait Store: Debug + Send + Sync + 'static {
    // Definitions.

    /// Writes a pipeline definition. With `expected_version`, only over exactly that version
    /// (0: only if it does not exist). Names are unique inside an application. Whoever waits for a
    /// slot of the pipeline looks at once: the limit may be another one now. The index follows in the same
    /// write.
    fn pipeline_put(&self, put: PipelinePut) -> Answer<'_, PipelineWritten>;
    /// Reads one definition by its id.
    fn pipeline_get<'a>(&'a self, id: &'a str) -> Answer<'a, Option<PipelineRow>>;
    /// Reads every definition, of one application or of all, ordered by application, index and name.
    fn pipeline_list<'a>(&'a self, application: Option<&'a str>) -> Answer<'a, Vec<PipelineRow>>;
    /// Removes a definition; false when there was none. Whoever waits for a slot of it looks at
    /// once.
    fn pipeline_delete<'a>(&'a self, id: &'a str) -> Answer<'a, bool>;

    /// Finds the definitions that are indexed under any of these keys, each once, ordered by id.
    fn pipelines_keyed<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<PipelineMark>>;
    /// Reads definitions whose index has another version than this one, at most `limit`.
    fn pipelines_indexed_otherwise(&self, version: u32, limit: u32)
    -> Answer<'_, Vec<PipelineRow>>;
    /// Replaces the index of a definition that still has this version and time; false when it has not. The
    /// definition itself stays as it is.
    fn pipeline_index<'a>(
        &'a self,
        mark: &'a PipelineMark,
        index: DefinitionIndex,
    ) -> Answer<'a, bool>;

    // Intake. An event is anything from outside that the coordinator must act on: a finished build,
    // a manual start, a cancel. It is accepted once per key, and stays due until it is settled.

    /// Accepts an event once per key, makes it due now or when it says, rings the bell.
    fn event_accept(&self, event: EventRow) -> Answer<'_, EventAccepted>;
    /// Settles an event with its final outcome (a JSON body for people). A settled event is kept,
    /// is no longer due, and stays a duplicate for later offers of its key. With it, in the same write, `then`
    /// is accepted; nothing is when the event was settled before.
    fn event_settle<'a>(
        &'a self,
        key: &'a str,
        outcome: &'a str,
        then: Vec<EventRow>,
    ) -> Answer<'a, ()>;
    /// Makes an unsettled event due again at `not_before_ms`, and notes why.
    fn event_defer<'a>(&'a self, key: &'a str, not_before_ms: u64, note: &'a str)
    -> Answer<'a, ()>;
    /// Reads one event.
    fn event_get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<StoredEvent>>;
    /// The newest events first, at most `limit`.
    fn event_list(&self, limit: u32) -> Answer<'_, Vec<StoredEvent>>;

    // Executions.

    /// Creates an execution once per id, also when the first of that id was removed since.
    fn execution_create(&self, create: Create) -> Answer<'_, Created>;
    /// Reads the snapshot, with the leases of its live tasks and the slots of its pipeline.
    fn execution_load<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<StoredExecution>>;
    /// The transition: applies everything in `commit`, or nothing.
    ///
    /// When an execution gives up its slot or its place among the waiters, and when a waiter takes
    /// a slot, the wakes of the pipeline's other waiters are brought forward to now. A transition
    /// computed before a wake was brought forward does not overwrite it: the first one after that
    /// keeps the earlier of both.
    fn execution_commit(&self, commit: Commit) -> Answer<'_, Committed>;
    /// Reads public views, newest first.
    fn execution_list(&self, filter: ExecutionFilter) -> Answer<'_, Vec<ExecutionRow>>;
    /// Reads one public view.
    fn execution_view<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<ExecutionRow>>;
    /// Reads the timeline of an execution, oldest first.
    fn execution_timeline<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Vec<TimelineRow>>;
    /// Whether an input was applied to an execution: a commit with its `input_id` took place.
    fn execution_applied<'a>(&'a self, id: &'a ExecutionId, input_id: &'a str) -> Answer<'a, bool>;
    /// Moves the wake of a live execution without a transition, if it is still the one that the
    /// caller saw when it decided: a wake that was brought forward since stays.
    fn execution_rewake<'a>(
        &'a self,
        id: &'a ExecutionId,
        seen_ms: Option<u64>,
        wake_ms: u64,
    ) -> Answer<'a, ()>;

    // Retention.

    /// Looks through old executions, the oldest by creation first, for those that are complete and
    /// may be removed.
    fn executions_finished(&self, filter: FinishedFilter) -> Answer<'_, FinishedPage>;
    /// Removes a complete execution with everything about it. Its id is remembered, so that a build
    /// which is told again does not run again ([`Created::Exists`]).
    fn execution_remove<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Removed>;
    /// Forgets old settled events and ids of removed executions. Pending events stay.
    fn expire(&self, expiry: Expiry) -> Answer<'_, Expired>;

    // Due work, for coordinators.

    /// Takes due events, outbox rows and wakes, and hides each from other callers for `hide_ms`:
    /// what is not settled by then is due again. At most `limit` of each kind.
    fn due(&self, limit: u32, hide_ms: u64) -> Answer<'_, Due>;
    /// Deletes outbox rows which the broker has confirmed.
    fn outbox_done<'a>(&'a self, message_ids: &'a [String]) -> Answer<'a, ()>;
    /// Makes outbox rows due again at `not_before_ms` (the broker refused or returned them).
    fn outbox_defer<'a>(&'a self, message_ids: &'a [String], not_before_ms: u64) -> Answer<'a, ()>;

    // Leases, for workers.

    /// Takes the lease of a dispatched task for `ttl_ms`. The digest must be the committed one: a
    /// message carries no authority. A repeat by the same holder of a live lease is granted again
    /// with the same token. Brings the execution's wake forward to the lease's end, so that a holder
    /// which falls silent at once is noticed then.
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
    ///
    /// A commit computed from an older state does not overwrite that wake: the first commit after
    /// the result that leaves the task in place keeps the earlier of both.
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
    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str, fence: Fence) -> Answer<'a, ()>;
    /// True while `owner` holds the lock with `fence`.
    fn lock_held<'a>(&'a self, resource: &'a str, owner: &'a str, fence: Fence)
    -> Answer<'a, bool>;

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
