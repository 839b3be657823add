//! How far a deploy is: everything another worker needs to continue it.

use serde::{Deserialize, Serialize};
use store::Fence;
use wire::TaskFailure;

use crate::plan::{Identity, Plan};

/// Committed before each step that changes the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Fence of the cluster's lock.
    pub(crate) fence: Fence,
    /// What is being done; its victims carry their own progress.
    pub(crate) plan: Plan,
    /// When creating began, epoch milliseconds: the new group has so long from then.
    pub(crate) began_ms: u64,
    /// The new group, once it was seen.
    pub(crate) created: Option<Identity>,
    /// When it was found healthy, epoch milliseconds.
    pub(crate) healthy_ms: Option<u64>,
    /// Set once the deploy is being ended early; then only the cleaning up is left.
    pub(crate) ending: Option<Ending>,
}

/// Why a deploy ends early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// It was told to stop.
    Canceled,
    /// It failed.
    Failed(TaskFailure),
}
