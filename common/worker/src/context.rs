//! What a procedure may ask about its task.

use std::time::Duration;

use model::TaskId;
use serde::{Serialize, de::DeserializeOwned};
use store::{Fence, Locked};

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

/// One held lease, seen from inside the work. (Skeleton of the API; the `worker` room fills it in.)
#[derive(Debug)]
pub struct TaskContext {}

impl TaskContext {
    /// Which task this is.
    pub fn task(&self) -> &TaskId { unreachable!() }
    /// Which dispatch of the attempt.
    pub fn epoch(&self) -> u32 { unreachable!() }
    /// What a predecessor (or this run) saved last. An unreadable checkpoint is an error text.
    pub fn checkpoint<C: DeserializeOwned>(&self) -> Result<Option<C>, String> { unreachable!() }
    /// Saves progress, durably, before it returns; also proves that the lease is still held. Retries
    /// while the store is away, until the lease may be lost.
    pub async fn save<C: Serialize + Sync>(&self, checkpoint: &C) -> Result<(), Stop> { unreachable!() }
    /// Asked immediately before *every* mutating call: the last good beat must be younger than
    /// `limits::SELF_FENCE` on the monotonic and on the wall clock, and nobody has canceled.
    pub fn may_mutate(&self) -> Result<(), Stop> { unreachable!() }
    /// As `may_mutate`, for cleaning up after a cancel: ignores the cancel.
    pub fn may_clean_up(&self) -> Result<(), Stop> { unreachable!() }
    /// Sleeps, or ends early with the reason to stop.
    pub async fn sleep(&self, time: Duration) -> Result<(), Stop> { unreachable!() }
    /// Sleeps while cleaning up after a cancel: a cancel does not end it.
    pub async fn sleep_cleaning_up(&self, time: Duration) -> Result<(), Stop> { unreachable!() }
    /// Takes a named lock for this task's stage (`TaskId::owner`), or says who has it.
    pub async fn lock(&self, resource: &str) -> Result<Locked, Stop> { unreachable!() }
    /// Frees it.
    pub async fn unlock(&self, resource: &str, fence: Fence) -> Result<(), Stop> { unreachable!() }
    /// True while this task's stage holds the lock with this fence, asked of the store now.
    pub async fn lock_held(&self, resource: &str, fence: Fence) -> Result<bool, Stop> { unreachable!() }
    /// The store's clock when the lease was claimed plus the time since: epoch milliseconds.
    pub fn now_ms(&self) -> u64 { unreachable!() }
}
