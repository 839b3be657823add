//! Where an execution, a stage, a task stands.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where an execution or a stage stands.
///
/// Source: the names and their meaning follow Orca's `ExecutionStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// Created, or waiting for a slot or for upstream stages.
    NotStarted,
    /// Working.
    Running,
    /// Held by a person.
    Paused,
    /// Waiting for an outside event.
    Suspended,
    /// Done.
    Succeeded,
    /// Failed, and told to be ignored.
    FailedContinue,
    /// Failed.
    Terminal,
    /// Canceled by a person or by a failure elsewhere.
    Canceled,
    /// Asked to begin its loop again.
    Redirect,
    /// This branch failed; others may go on.
    Stopped,
    /// Not run: its condition was false, or a person skipped it.
    Skipped,
    /// Held back by load shedding.
    Buffered,
}

impl ExecutionStatus {
    /// Every status, in the order of the enum.
    pub const ALL: [Self; 12] = [
        Self::NotStarted,
        Self::Running,
        Self::Paused,
        Self::Suspended,
        Self::Succeeded,
        Self::FailedContinue,
        Self::Terminal,
        Self::Canceled,
        Self::Redirect,
        Self::Stopped,
        Self::Skipped,
        Self::Buffered,
    ];

    /// True when nothing changes any more.
    pub const fn is_complete(self) -> bool {
        match self {
            Self::Succeeded
            | Self::FailedContinue
            | Self::Terminal
            | Self::Canceled
            | Self::Stopped
            | Self::Skipped => true,
            Self::NotStarted
            | Self::Running
            | Self::Paused
            | Self::Suspended
            | Self::Redirect
            | Self::Buffered => false,
        }
    }

    /// True when stages that require this one may start.
    pub const fn lets_others_start(self) -> bool {
        match self {
            Self::Succeeded | Self::FailedContinue | Self::Skipped => true,
            Self::NotStarted
            | Self::Running
            | Self::Paused
            | Self::Suspended
            | Self::Terminal
            | Self::Canceled
            | Self::Redirect
            | Self::Stopped
            | Self::Buffered => false,
        }
    }

    /// True when stages that require this one never start.
    pub const fn halts(self) -> bool {
        matches!(self, Self::Terminal | Self::Canceled | Self::Stopped)
    }

    /// True for what failed, whatever that means to others. Source: Orca's `isFailure`.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Terminal | Self::Stopped | Self::FailedContinue)
    }

    /// The name on the wire: `NOT_STARTED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Suspended => "SUSPENDED",
            Self::Succeeded => "SUCCEEDED",
            Self::FailedContinue => "FAILED_CONTINUE",
            Self::Terminal => "TERMINAL",
            Self::Canceled => "CANCELED",
            Self::Redirect => "REDIRECT",
            Self::Stopped => "STOPPED",
            Self::Skipped => "SKIPPED",
            Self::Buffered => "BUFFERED",
        }
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status; RUNNING, SUCCEEDED, TERMINAL, CANCELED, NOT_STARTED and so on are")]
pub struct StatusError(String);

impl FromStr for ExecutionStatus {
    type Err = StatusError;
    fn from_str(text: &str) -> Result<Self, StatusError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| StatusError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_name_in_text_and_json() {
        for status in ExecutionStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{status}\""));
            assert!(!(status.lets_others_start() && status.halts()));
        }
        assert!("succeeded".parse::<ExecutionStatus>().is_err());
    }
}
