//! Questions about clusters, answered by the workers that deploy.

use model::stages::Comparison;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use crate::DeployRequest;

/// What a deploy worker may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeployTask {
    /// To deploy.
    Deploy(Box<DeployRequest>),
    /// To look whether a cluster is as expected.
    Check(ClusterCheck),
}

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

/// The kinds of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// How many server groups there are.
    ClusterSize,
}

impl<'de> Deserialize<'de> for DeployTask {
    /// A question says `ask`; everything else is a deploy, as it was before there were questions.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.get("ask").is_some() {
            serde_json::from_value(value).map(Self::Check).map_err(D::Error::custom)
        } else {
            let deploy = serde_json::from_value(value).map_err(D::Error::custom)?;
            Ok(Self::Deploy(Box::new(deploy)))
        }
    }
}
