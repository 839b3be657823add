//! Tasks out, results back.

use model::{ExecutionId, Pool, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A task on its way to a worker.
///
/// It carries no authority: a worker acts only on what it may claim under the digest of
/// `request`, and the digest was committed by the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMessage {
    /// Version of this shape: 1.
    pub v: u32,
    /// The task.
    pub task: TaskId,
    /// Who does it.
    pub kind: Pool,
    /// Which dispatch of the attempt this is.
    pub epoch: u32,
    /// The request, JSON text; kept as text so that its digest is the committed one.
    pub request: String,
}

impl TaskMessage {
    /// The version written by this code.
    pub const VERSION: u32 = 1;

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
        decode(body, |message: &Self| message.v, Self::VERSION)
    }
}

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum TaskOutcome {
    /// Done. The result object (`BakeResult`, `DeployResult`) is read by the engine.
    Succeeded {
        /// What came of it.
        result: Map<String, Value>,
    },
    /// Not done.
    Failed {
        /// Why.
        failure: TaskFailure,
    },
    /// Stopped because it was told to.
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

/// A result on its way back. The store holds the truth (`Store::lease_finish`); this tells of it at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultMessage {
    /// Version of this shape: 1.
    pub v: u32,
    /// The task.
    pub task: TaskId,
    /// The epoch that ended it.
    pub epoch: u32,
    /// How it ended; for people who look at the queue.
    pub outcome: TaskOutcome,
}

impl ResultMessage {
    /// The version written by this code.
    pub const VERSION: u32 = 1;

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
        decode(body, |message: &Self| message.v, Self::VERSION)
    }
}

/// Best-effort word to workers that tasks of an execution were told to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelHint {
    /// Whose tasks.
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
        /// In the message.
        found: u32,
        /// Here.
        known: u32,
    },
}

fn decode<T: for<'de> Deserialize<'de>>(
    body: &[u8],
    version: impl Fn(&T) -> u32,
    known: u32,
) -> Result<T, WireError> {
    let message: T = serde_json::from_slice(body)?;
    let found = version(&message);
    if found == known { Ok(message) } else { Err(WireError::Version { found, known }) }
}
