//! What a procedure may ask about its task.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use model::TaskId;
use serde::{Serialize, de::DeserializeOwned};
use store::{Fence, Locked};

use crate::lease::{Heed, Lease};

/// Why a procedure must stop now, without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The execution was told to stop: undo what is in flight and return `Canceled`.
    #[error("the task was canceled")]
    Canceled,
    /// Somebody else has the lease, or we could not renew it in time: touch nothing more.
    #[error("the lease was lost")]
    Lost,
    /// This worker is shutting down: the checkpoint is handed to another.
    #[error("the worker is draining")]
    Draining,
}

/// One held lease, seen from inside the work.
///
/// When there are several reasons to stop, a lost lease is told before a drain, and a drain before
/// a cancel: whoever continues after a drain is told of the cancel.
#[derive(Debug)]
pub struct TaskContext {
    lease: Arc<Lease>,
    /// After how many more saves a test takes the lease away; 0 is never.
    saves_left: AtomicU32,
}

impl TaskContext {
    pub(crate) fn new(lease: Arc<Lease>) -> Self {
        Self { lease, saves_left: AtomicU32::new(0) }
    }

    /// Which task this is.
    pub fn task(&self) -> &TaskId {
        self.lease.task()
    }

    /// Which dispatch of the attempt.
    pub fn epoch(&self) -> u32 {
        self.lease.epoch()
    }

    /// What a predecessor (or this run) saved last.
    ///
    /// # Errors
    ///
    /// An unreadable checkpoint, as text for a person: something other than this procedure wrote it.
    pub fn checkpoint<C: DeserializeOwned>(&self) -> Result<Option<C>, String> {
        let Some(text) = self.lease.checkpoint() else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            format!("the checkpoint of task `{}` is unreadable: {error}", self.task())
        })
    }

    /// Saves progress, durably, before it returns; also proves that the lease is still held. Retries
    /// while the store is away, until the lease may be lost.
    ///
    /// # Errors
    ///
    /// `Lost`, or `Draining` while the store is away (the checkpoint is handed over all the same).
    /// A cancel is no reason not to save: ask [`TaskContext::may_mutate`] next, as always.
    pub async fn save<C: Serialize + Sync>(&self, checkpoint: &C) -> Result<(), Stop> {
        match serde_json::to_string(checkpoint) {
            Ok(text) => {
                self.lease.save(text).await?;
                self.count_save()
            }
            Err(error) => {
                // Reported as our own fault; nothing more is done under this lease.
                self.lease
                    .note_fault(format!("a checkpoint could not be written as JSON: {error}"));
                Err(Stop::Lost)
            }
        }
    }

    /// For tests: the lease is lost right after this many more saves.
    pub(crate) fn lose_after_saves(&self, saves: u32) {
        self.saves_left.store(saves, Ordering::Relaxed);
    }

    fn count_save(&self) -> Result<(), Stop> {
        let count = |left: u32| left.checked_sub(1);
        match self.saves_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count) {
            Ok(1) => {
                self.lease.lose();
                Err(Stop::Lost)
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Asked immediately before *every* mutating call: the last good beat must be younger than
    /// `limits::SELF_FENCE` on the monotonic and on the wall clock, nobody has canceled, and this
    /// worker is not draining.
    pub fn may_mutate(&self) -> Result<(), Stop> {
        self.lease.may_mutate(Heed::Everything)
    }

    /// As `may_mutate`, for cleaning up after a cancel: ignores the cancel.
    pub fn may_clean_up(&self) -> Result<(), Stop> {
        self.lease.may_mutate(Heed::AllButCancel)
    }

    /// Sleeps, or ends early with the reason to stop.
    pub async fn sleep(&self, time: Duration) -> Result<(), Stop> {
        self.lease.sleep(time, Heed::Everything).await
    }

    /// Sleeps while cleaning up after a cancel: a cancel does not end it.
    pub async fn sleep_cleaning_up(&self, time: Duration) -> Result<(), Stop> {
        self.lease.sleep(time, Heed::AllButCancel).await
    }

    /// Takes a named lock for this task's stage (`TaskId::owner`), or says who has it. Retries while
    /// the store is away; the lock is the same one however often it was asked for.
    pub async fn lock(&self, resource: &str) -> Result<Locked, Stop> {
        let owner = self.task().owner();
        let (store, execution) = (self.lease.store(), &self.task().execution);
        self.lease.insist("taking a lock", || store.lock(resource, execution, &owner)).await
    }

    /// Frees it.
    pub async fn unlock(&self, resource: &str, fence: Fence) -> Result<(), Stop> {
        let owner = self.task().owner();
        let store = self.lease.store();
        self.lease.insist("freeing a lock", || store.unlock(resource, &owner, fence)).await
    }

    /// True while this task's stage holds the lock with this fence, asked of the store now.
    pub async fn lock_held(&self, resource: &str, fence: Fence) -> Result<bool, Stop> {
        let owner = self.task().owner();
        let store = self.lease.store();
        self.lease.insist("looking at a lock", || store.lock_held(resource, &owner, fence)).await
    }

    /// The store's clock when the lease was claimed plus the time since: epoch milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.lease.now_ms()
    }
}
