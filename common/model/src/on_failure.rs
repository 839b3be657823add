//! "If stage fails": what the failure of a stage means to the others.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// "If stage fails".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Other branches are canceled and the pipeline fails.
    HaltPipeline,
    /// Other branches run on; the pipeline may succeed.
    HaltBranch,
    /// Other branches run on; the pipeline fails in the end.
    HaltBranchThenFail,
    /// What requires the stage starts as if it had succeeded.
    Ignore,
}

impl OnFailure {
    /// The choice that a stage object makes.
    ///
    /// Source: Orca; ignoring wins, then halting the pipeline, which is the default.
    pub fn of(config: &Map<String, Value>) -> Self {
        let flag = |key: &str, default| {
            config.get(key).and_then(crate::fields::flag_of).unwrap_or(default)
        };
        if flag("continuePipeline", false) {
            Self::Ignore
        } else if flag("failPipeline", true) {
            Self::HaltPipeline
        } else if flag("completeOtherBranchesThenFail", false) {
            Self::HaltBranchThenFail
        } else {
            Self::HaltBranch
        }
    }
}
