//! How commands end.

use std::process::ExitCode;

use model::ExecutionStatus;

/// How a command ended, for whoever called it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; what was waited for succeeded.
    Succeeded,
    /// Not done, or what was waited for failed.
    Failed,
    /// Called wrongly.
    Usage,
    /// Waited long enough.
    Timeout,
    /// What was waited for was canceled.
    Canceled,
    /// The server's configuration is wrong (`EX_USAGE` of sysexits).
    Configuration,
}

impl Exit {
    /// The number the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Timeout => 3,
            Self::Canceled => 4,
            Self::Configuration => 64,
        }
    }

    /// How waiting for an execution of this final status ends.
    pub(crate) const fn of(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Succeeded => Self::Succeeded,
            ExecutionStatus::Canceled => Self::Canceled,
            ExecutionStatus::NotStarted
            | ExecutionStatus::Running
            | ExecutionStatus::Paused
            | ExecutionStatus::Suspended
            | ExecutionStatus::FailedContinue
            | ExecutionStatus::Terminal
            | ExecutionStatus::Redirect
            | ExecutionStatus::Stopped
            | ExecutionStatus::Skipped
            | ExecutionStatus::Buffered => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
