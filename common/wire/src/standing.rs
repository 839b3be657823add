//! What an execution and its stages wait for, and which orders they take now. The engine says both; whoever
//! shows an execution or passes an order on looks here, and never at the type of a stage.

use model::ExecutionId;
use serde::{Deserialize, Serialize};

use crate::Judgment;

/// What a stage that has begun waits for, when nobody works for it or another execution does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Awaits {
    /// A moment.
    Time {
        /// The moment, in epoch milliseconds.
        until_ms: u64,
    },
    /// The opening of its time window.
    Window {
        /// When the window opens, in epoch milliseconds.
        opens_ms: u64,
    },
    /// The judgment of a person.
    Person {
        /// What the person reads.
        #[serde(skip_serializing_if = "Option::is_none")]
        instructions: Option<String>,
        /// The answers that are offered; empty when any text, or none, will do.
        choices: Vec<String>,
        /// The roles that may judge; empty is everybody.
        roles: Vec<String>,
    },
    /// Another execution.
    Execution {
        /// The other execution.
        id: ExecutionId,
    },
    /// The next try of its work.
    Retry {
        /// When that begins, in epoch milliseconds.
        due_ms: u64,
    },
}

/// What decided how a stage ended, where no work did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Decision {
    /// A person judged.
    Judged {
        /// Go on or stop.
        decision: Judgment,
        /// The answer the person chose or wrote.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<String>,
        /// The user who judged.
        by: String,
    },
    /// A person ended its wait.
    WaitSkipped {
        /// The user who ended it.
        by: String,
    },
    /// It was left out, by its own condition or by a person.
    Skipped {
        /// The reason, for people.
        why: String,
    },
}

/// An order to a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StageOrder {
    /// Run the stage, and everything that builds on it, again.
    Restart,
    /// Decide its judgment.
    Judge,
    /// Go on now instead of waiting for a time or a time window.
    SkipWait,
    /// Leave the stage out.
    Skip,
}

/// An order to a whole execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExecutionOrder {
    /// Stop it.
    Cancel,
    /// Hand out no more work.
    Pause,
    /// Go on after a pause.
    Resume,
}

impl StageOrder {
    /// All orders to a stage.
    pub const ALL: [Self; 4] = [Self::Restart, Self::Judge, Self::SkipWait, Self::Skip];
}

impl ExecutionOrder {
    /// All orders to an execution.
    pub const ALL: [Self; 3] = [Self::Cancel, Self::Pause, Self::Resume];
}
