//! How the cloud is called: reads are repeated with patience, changes are made once, under every guard, and what
//! came of them is told apart.

use runtime::Chain;
use tracing::{debug, warn};
use wire::FailureKind;
use worker::{End, Pauses};

use super::Work;
use crate::ports::{CloudError, Fault, Reply};

/// What came of a call that changes something.
#[derive(Debug)]
pub(super) enum Changed<T> {
    /// It happened.
    Done(T),
    /// Something of that name is there.
    Taken,
    /// It may or may not have happened, or what it names is not there, or is busy: look at the world again.
    Look,
}

impl Work<'_> {
    /// Reads until there is an answer. Being throttled is waited out; other failures too, for as
    /// long as a group may take to become healthy.
    pub(super) async fn read<'f, T>(
        &self,
        doing: &str,
        call: impl Fn() -> Reply<'f, T>,
    ) -> Result<T, End> {
        let began_ms = self.task.now_ms();
        let mut pauses = self.pauses();
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passing = match &error.fault {
                Fault::Throttled | Fault::UnknownOutcome(_) | Fault::InUse(_) => true,
                Fault::NotFound(_) | Fault::AlreadyExists(_) | Fault::Refused { .. } => false,
            };
            let waited_ms = self.task.now_ms().saturating_sub(began_ms);
            if !passing || waited_ms >= self.deployer.config.healthy_timeout_ms() {
                let kind = if passing { FailureKind::Transient } else { FailureKind::User };
                return Err(End::failed(kind, format!("{doing} failed: {}", Chain(&error))));
            }
            debug!(error = %Chain(&error), "{doing} did not succeed, trying again");
            self.pause(pauses.next_pause()).await?;
        }
    }

    /// Makes one call that changes something, if that is allowed at this moment.
    pub(super) async fn change<'f, T>(
        &self,
        doing: &str,
        call: impl FnOnce() -> Reply<'f, T>,
    ) -> Result<Changed<T>, End> {
        self.guard_lock(doing).await?;
        self.change_guarded(doing, call).await
    }

    /// As [`Self::change`], by somebody who has just seen that the cluster's lock is ours.
    pub(super) async fn change_guarded<'f, T>(
        &self,
        doing: &str,
        call: impl FnOnce() -> Reply<'f, T>,
    ) -> Result<Changed<T>, End> {
        // The last thing before the call: everything else may have taken its time.
        self.task.may_change(self.phase)?;
        let error = match call().await {
            Ok(answer) => return Ok(Changed::Done(answer)),
            Err(error) => error,
        };
        match &error.fault {
            Fault::AlreadyExists(_) => Ok(Changed::Taken),
            Fault::NotFound(_) => Ok(Changed::Look),
            Fault::Throttled | Fault::UnknownOutcome(_) | Fault::InUse(_) => {
                warn!(error = %Chain(&error), "{doing} is unsettled, looking again");
                self.pause(self.pauses().next_pause()).await?;
                Ok(Changed::Look)
            }
            Fault::Refused { .. } => Err(refused(doing, &error)),
        }
    }

    /// A worker that was overtaken finds here that the cluster is another's.
    pub(super) async fn guard_lock(&self, doing: &str) -> Result<(), End> {
        let held = match &self.lock {
            Some(lock) => self.task.holds(lock).await?,
            None => false,
        };
        if held {
            return Ok(());
        }
        let message = format!("{doing} was not tried: the cluster's lock is not ours any more");
        Err(End::failed(FailureKind::Transient, message))
    }

    fn pauses(&self) -> Pauses {
        Pauses::new(self.task.task(), self.deployer.config.poll_interval())
    }
}

fn refused(doing: &str, error: &CloudError) -> End {
    End::failed(FailureKind::User, format!("{doing} failed: {}", Chain(error)))
}
