//! Tasks out, results back.

use model::{ExecutionId, Pool, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A task on its way to a worker.
///
/// It carries no authority: a worker acts only on what it may claim under the digest of
/// `call`, and the digest was committed by the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMessage {
    /// Version of this form: 2.
    pub v: u32,
    /// The task.
    pub task: TaskId,
    /// The workers that carry it out.
    pub pool: Pool,
    /// Which dispatch of the attempt this is.
    pub epoch: u32,
    /// The text of an [`OperationCall`](crate::OperationCall); kept as text so that its digest is the committed
    /// one.
    pub call: String,
}

impl TaskMessage {
    /// The version written by this code.
    pub const VERSION: u32 = 2;

    /// Unique per dispatch.
    pub fn message_id(&self) -> String {
        format!("{}/{}", self.task, self.epoch)
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// Says what is wrong; such a message is parked, never retried.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        decode(body, Self::VERSION)
    }
}

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TaskOutcome {
    /// It was done.
    Succeeded {
        /// The `Result` or the `Preview` of the operation.
        result: Map<String, Value>,
    },
    /// It was not done.
    Failed {
        /// Why.
        failure: TaskFailure,
    },
    /// It was stopped, because the execution was canceled or ran out of time.
    Canceled {
        /// What was left, in words for people.
        detail: String,
    },
}

/// Why an attempt failed, as data the engine can judge and text a person can act on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// Whether trying again can help.
    pub kind: FailureKind,
    /// What was being done and why it failed.
    pub message: String,
    /// More, such as the last lines of a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request is wrong or the world refuses it: trying again cannot help.
    User,
    /// Something around us failed: another attempt may succeed.
    Transient,
    /// It did not end in time.
    Timeout,
    /// Several workers in a row vanished while doing it.
    WorkerLost,
    /// Our own fault.
    Bug,
}

/// Says that a task has a result. The result itself is in the store (`Store::lease_finish`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultMessage {
    /// Version of this form: 2.
    pub v: u32,
    /// The task.
    pub task: TaskId,
    /// The epoch that ended it.
    pub epoch: u32,
}

impl ResultMessage {
    /// The version written by this code.
    pub const VERSION: u32 = 2;

    /// Unique per epoch.
    pub fn message_id(&self) -> String {
        format!("{}/{}/result", self.task, self.epoch)
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// Says what is wrong; such a message is parked, never retried.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        decode(body, Self::VERSION)
    }
}

/// Tells workers, as far as it reaches them, that tasks of an execution are to stop. The store says it, too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelHint {
    /// The execution.
    pub execution: ExecutionId,
}

/// A message this version cannot read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not the JSON it should be.
    #[error("not a message of this kind: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another version.
    #[error("message version {found}, and this program reads {known}")]
    Version {
        /// The version of the message.
        found: u32,
        /// The version that is read here.
        known: u32,
    },
    /// The request of a call is not what its operation takes.
    #[error("the request for `{operation}` is unreadable: {cause}")]
    Request {
        /// The operation that is called.
        operation: String,
        /// What is wrong with the request.
        #[source]
        cause: serde_json::Error,
    },
    /// A call of another operation.
    #[error("it is a call of `{found}`, not of `{wanted}`")]
    Operation {
        /// The operation that is called.
        found: String,
        /// The operation that was expected.
        wanted: String,
    },
}

/// The version is read by itself first: another one may have other fields.
fn decode<T: for<'de> Deserialize<'de>>(body: &[u8], known: u32) -> Result<T, WireError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v: found } = serde_json::from_slice(body)?;
    if found != known {
        return Err(WireError::Version { found, known });
    }
    Ok(serde_json::from_slice(body)?)
}
