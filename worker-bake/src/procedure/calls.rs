//! How the answers of the cloud are borne.

use std::time::Duration;

use wire::{FailureKind, TaskFailure};
use worker::{End, Pauses, TaskContext};

use super::Run;
use crate::ports::{Answer, CloudError};

/// The first pause is at most twice this.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Unclear answers in a row before an attempt gives up and the engine decides about another.
/// Throttled calls never count.
pub(super) const UNCLEAR_MAX: u32 = 8;

/// The patience with a call whose answers are unclear.
#[derive(Debug)]
pub(super) struct Backoff {
    pauses: Pauses,
    unclear: u32,
}

impl Backoff {
    /// The first pause is never much longer than the interval at which the world is looked at: where that is
    /// milliseconds, so are these.
    pub(super) fn new(task: &TaskContext, interval: Duration) -> Self {
        Self { pauses: Pauses::new(task.task(), interval.min(PAUSE_MIN) * 2), unclear: 0 }
    }

    /// The pause after a call that did not answer clearly; `None` when it is time to give up.
    pub(super) fn after(&mut self, error: &CloudError) -> Option<Duration> {
        match error {
            CloudError::Throttled { .. } => {}
            CloudError::UnknownOutcome { .. }
            | CloudError::NotFound { .. }
            | CloudError::NameTaken { .. }
            | CloudError::TokenReused { .. }
            | CloudError::NoCapacity { .. }
            | CloudError::Refused { .. } => {
                self.unclear += 1;
                if self.unclear >= UNCLEAR_MAX {
                    return None;
                }
            }
        }
        Some(self.pauses.next_pause())
    }
}

impl Run<'_> {
    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(self.task, self.bake.config.poll_interval())
    }

    /// Asks until there is a clear answer.
    pub(super) async fn read<'c, T>(&self, ask: impl Fn() -> Answer<'c, T>) -> Result<T, End> {
        let mut backoff = self.backoff();
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !is_passing(&error) {
                return Err(failure_of(&error).into());
            }
            match backoff.after(&error) {
                Some(pause) => self.task.sleep(pause).await?,
                None => return Err(failure_of(&error).into()),
            }
        }
    }
}

/// True when the same question may be answered later.
pub(super) const fn is_passing(error: &CloudError) -> bool {
    match error {
        CloudError::Throttled { .. } | CloudError::UnknownOutcome { .. } => true,
        CloudError::NotFound { .. }
        | CloudError::NameTaken { .. }
        | CloudError::TokenReused { .. }
        | CloudError::NoCapacity { .. }
        | CloudError::Refused { .. } => false,
    }
}

/// The failure that an error is when nothing more can be done about it here.
pub(super) fn failure_of(error: &CloudError) -> TaskFailure {
    let (kind, hint) = match error {
        CloudError::Throttled { .. } | CloudError::UnknownOutcome { .. } => {
            (FailureKind::Transient, None)
        }
        CloudError::NoCapacity { .. } => (
            FailureKind::Transient,
            Some("another instance type, another subnet or a higher quota would help"),
        ),
        CloudError::TokenReused { .. } => (FailureKind::Transient, None),
        CloudError::NotFound { .. } | CloudError::NameTaken { .. } => (FailureKind::User, None),
        CloudError::Refused { code, .. } => (FailureKind::User, hint_of(code)),
    };
    TaskFailure { kind, message: error.to_string(), detail: None, hint: hint.map(str::to_owned) }
}

fn hint_of(code: &str) -> Option<&'static str> {
    match code {
        "UnauthorizedOperation" | "AccessDenied" => {
            Some("the bake worker's role lacks a permission; see the IAM policy for bake workers")
        }
        "AuthFailure" | "ExpiredToken" | "InvalidClientTokenId" | "NoCredentials" => {
            Some("the bake worker has no valid credentials for this account")
        }
        _ => None,
    }
}
