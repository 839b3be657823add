//! What a person tells a running execution to do.

use model::StageId;
use serde::{Deserialize, Serialize};

/// An order to one execution. One that does not fit is refused with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "control", rename_all = "snake_case")]
pub enum Control {
    /// Hand out no more work. What a worker has in hand runs on; the slot is kept.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Run a stage of the definition, and everything that builds on it, again. The only order that a
    /// finished execution takes.
    RestartStage {
        /// The stage.
        stage: StageId,
    },
    /// Decide a manual judgment.
    Judge {
        /// The stage that waits for it.
        stage: StageId,
        /// Go on or stop.
        decision: Judgment,
        /// The choice that was made, where the stage offers choices.
        input: Option<String>,
    },
    /// Go on now instead of waiting: for a `wait`, or for a time window.
    SkipWait {
        /// The waiting stage, or the one whose window part waits.
        stage: StageId,
    },
    /// Leave out a stage whose type allows it.
    SkipStage {
        /// The stage.
        stage: StageId,
    },
}

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgment {
    /// The stage succeeds.
    Continue,
    /// The stage fails, with what its "if stage fails" says.
    Stop,
}

impl Judgment {
    /// The word in `judgmentStatus`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Stop => "stop",
        }
    }
}
