//! Named locks that a run waits for, and what counts as a reason to stop while it does.

use std::time::Duration;

use store::{Fence, Locked};
use tracing::info;

use crate::{Stop, TaskContext};

/// What a run is doing. It decides whether a cancel is a reason to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It works towards its result: a cancel stops it.
    Working,
    /// It ends early and puts back what it changed: a cancel does not stop that.
    CleaningUp,
}

/// A named lock which this run holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLock {
    resource: String,
    fence: Fence,
}

impl HeldLock {
    /// The number that grows with each holder.
    pub fn fence(&self) -> Fence {
        self.fence
    }
}

impl TaskContext {
    /// Takes a named lock for this task's stage, and waits for whoever has it, asking again after each `pause`.
    ///
    /// # Errors
    ///
    /// The reason to stop; `Lost` also when the execution is over: nobody waits for a result, and nothing may be
    /// changed.
    pub async fn lock_when_free(
        &self,
        resource: String,
        pause: Duration,
        phase: Phase,
    ) -> Result<HeldLock, Stop> {
        let mut logged = None;
        loop {
            match self.lock(&resource).await? {
                Locked::Granted { fence } => return Ok(HeldLock { resource, fence }),
                Locked::Busy { owner } => {
                    if logged.as_ref() != Some(&owner) {
                        info!(%resource, %owner, "waiting for the holder of a lock");
                        logged = Some(owner);
                    }
                    self.pause(pause, phase).await?;
                }
                Locked::Gone => return Err(Stop::Lost),
            }
        }
    }

    /// Frees a lock.
    pub async fn free(&self, lock: HeldLock) -> Result<(), Stop> {
        self.unlock(&lock.resource, lock.fence).await
    }

    /// Whether this task's stage holds the lock still, asked of the store now.
    pub async fn holds(&self, lock: &HeldLock) -> Result<bool, Stop> {
        self.lock_held(&lock.resource, lock.fence).await
    }

    /// Sleeps, or ends early with the reason to stop.
    pub async fn pause(&self, time: Duration, phase: Phase) -> Result<(), Stop> {
        match phase {
            Phase::Working => self.sleep(time).await,
            Phase::CleaningUp => self.sleep_cleaning_up(time).await,
        }
    }

    /// Asked immediately before *every* call that changes something: [`TaskContext::may_mutate`] or
    /// [`TaskContext::may_clean_up`].
    pub fn may_change(&self, phase: Phase) -> Result<(), Stop> {
        match phase {
            Phase::Working => self.may_mutate(),
            Phase::CleaningUp => self.may_clean_up(),
        }
    }
}
