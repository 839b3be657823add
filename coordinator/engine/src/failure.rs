//! Failures that the engine itself finds.

use wire::{FailureKind, TaskFailure};

/// A failure that no further try can mend: a person has to change something.
pub(crate) fn user_failure(message: String, hint: Option<String>) -> TaskFailure {
    TaskFailure { kind: FailureKind::User, message, detail: None, hint }
}
