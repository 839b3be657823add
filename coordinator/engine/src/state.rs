//! The states of a stage, each with the data that is valid in it.

use model::{ExecutionId, ExecutionStatus, Pool};
use serde::{Deserialize, Serialize};
use stages::Until;

/// Where a run of a stage stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// The stages it requires have not all ended, or nobody has looked since they did.
    NotStarted,
    /// It has begun and is not over.
    Running(Work),
    /// It is over, with this status.
    Done(ExecutionStatus),
}

/// What a running stage does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The stage waits until its time window opens, which is a part of its own. Its work is not planned yet.
    Held,
    /// Its parts do the work.
    Parts,
    /// Its work has failed, and the parts that come after a failure run. The stage ends when they are over.
    AfterFailure {
        /// How the work ended, before "if stage fails" says what that means for the pipeline.
        status: ExecutionStatus,
    },
    /// Nobody works: the stage waits for a time or for a person.
    Awaiting(Await),
    /// Another execution does the work.
    Child(ChildRun),
    /// A worker has the operation, or will get it.
    Operation(Operation),
    /// A try has failed and the next one is not due yet.
    BackingOff {
        /// The workers that will get the operation.
        pool: Pool,
        /// Number of the next try.
        attempt: u32,
        /// What they will be asked to do; JSON text.
        request: String,
        /// When the next try begins.
        due_ms: u64,
    },
}

/// What ends a stage that nobody works for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Await {
    /// A moment; people may cut the wait short.
    Time {
        /// The moment.
        until_ms: u64,
    },
    /// The opening of a time window.
    Window {
        /// The moment it opens.
        opens_ms: u64,
    },
    /// The judgment of a person.
    Person {
        /// What the person reads.
        instructions: Option<String>,
        /// The answers that are offered; empty when any text, or none, will do.
        choices: Vec<String>,
        /// The roles that may judge; empty is everybody.
        roles: Vec<String>,
    },
}

/// Another execution that does the work of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildRun {
    /// The other execution.
    pub execution: ExecutionId,
    /// Which try of the stage started it.
    pub attempt: u32,
    /// When the stage is over.
    pub until: Until,
    /// Whether the other execution is to stop.
    pub stop: ChildStop,
}

/// Whether the execution that a stage started is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildStop {
    /// It runs on.
    No,
    /// It is to stop, and has not been canceled: it may not exist yet.
    Wanted,
    /// Its cancel was sent.
    Sent,
}

/// An operation that a worker carries out for a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The workers that can do it.
    pub pool: Pool,
    /// Number of the try.
    pub attempt: u32,
    /// Number of the dispatch of this try; a lost worker makes it grow.
    pub epoch: u32,
    /// What was asked; JSON text whose digest the lease compares.
    pub request: String,
    /// When this try began.
    pub started_ms: u64,
    /// When the message was published last.
    pub published_ms: u64,
    /// How often the message of this epoch was published.
    pub publishes: u32,
    /// Checkpoints at the time of the dispatch; more of them later mean that the worker got further.
    pub checkpoints: u64,
    /// Dispatches in a row that brought no new checkpoint.
    pub fruitless: u32,
    /// When the worker was asked to stop.
    pub canceling_ms: Option<u64>,
}
