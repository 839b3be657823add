//! Counting the server groups of a cluster.

use model::Comparison;
use serde::{Deserialize, Serialize};

use crate::Ask;

/// Has a cluster so many server groups in each of these regions? Nothing is changed. The answer is a
/// success, or a failure that says what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCheck {
    /// Tells it from a deploy.
    pub ask: Ask,
    /// Account.
    pub account: String,
    /// The cluster's name: `shop-staging-web`.
    pub cluster: String,
    /// Each of them is looked at.
    pub regions: Vec<String>,
    /// How the number is compared with `expected`.
    pub comparison: Comparison,
    /// With what.
    pub expected: u32,
    /// Count only groups that take traffic.
    #[serde(default)]
    pub only_enabled: bool,
    /// What people read first when it is not so.
    #[serde(default)]
    pub failure_message: Option<String>,
}
