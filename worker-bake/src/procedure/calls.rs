//! How the answers of the cloud are borne.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use wire::{FailureKind, TaskFailure};
use worker::{End, TaskContext};

use super::Run;
use crate::ports::{Answer, CloudError};

/// Longest pause between two calls.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// First pause.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Unclear answers in a row before an attempt gives up and the engine decides about another.
/// Throttled calls never count.
pub(super) const UNCLEAR_MAX: u32 = 8;

/// Pauses that grow, and differ between tasks so that a crowd does not return as one.
#[derive(Debug)]
pub(super) struct Backoff {
    seed: u64,
    calls: u32,
    unclear: u32,
    first: Duration,
}

impl Backoff {
    /// The first pause is never longer than the interval at which the world is looked at: where
    /// that is milliseconds, so are these.
    pub(super) fn new(task: &TaskContext, interval: Duration) -> Self {
        let mut hash = DefaultHasher::new();
        task.task().hash(&mut hash);
        Self { seed: hash.finish(), calls: 0, unclear: 0, first: interval.min(PAUSE_MIN) }
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
        Some(self.pause())
    }

    fn pause(&mut self) -> Duration {
        self.calls = self.calls.saturating_add(1);
        let full = self.first.saturating_mul(1 << self.calls.min(10)).min(PAUSE_MAX);
        let mut hash = DefaultHasher::new();
        (self.seed, self.calls).hash(&mut hash);
        // Between half and all of it.
        let part = u32::try_from(hash.finish() % 512).unwrap_or(0) + 512;
        full.saturating_mul(part) / 1024
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
