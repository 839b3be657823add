//! Questions about clusters, answered by the workers that deploy.

use model::stages::Comparison;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

use crate::{DeployRequest, DestroyRequest};

/// What a deploy worker may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeployTask {
    /// To deploy.
    Deploy(Box<DeployRequest>),
    /// To look whether a cluster is as expected.
    Check(ClusterCheck),
    /// To destroy what a failed deploy made.
    Destroy(DestroyRequest),
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

/// What is asked for, where it is no deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// How many server groups there are.
    ClusterSize,
    /// That what a failed deploy made goes.
    DestroyMade,
}

impl<'de> Deserialize<'de> for DeployTask {
    /// What says no `ask` is a deploy, as it was before there was anything else.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = match value.get("ask").map(Ask::deserialize).transpose() {
            Ok(None) => serde_json::from_value(value).map(Box::new).map(Self::Deploy),
            Ok(Some(Ask::ClusterSize)) => serde_json::from_value(value).map(Self::Check),
            Ok(Some(Ask::DestroyMade)) => serde_json::from_value(value).map(Self::Destroy),
            Err(unknown) => Err(unknown),
        };
        read.map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_told_by_what_it_asks() {
        let destroy = json!({
            "ask": "destroy_made", "tries": ["01ARZ3NDEKTSV4RRFFQ69G5FAV/S1/2"],
            "application": "shop", "account": "test", "region": "us-east-1",
        });
        let DeployTask::Destroy(read) = serde_json::from_value(destroy).unwrap() else {
            panic!("it asks for a destruction");
        };
        assert_eq!(read.tries[0].attempt, 2);
        let count = json!({
            "ask": "cluster_size", "account": "test", "cluster": "shop", "regions": [],
            "comparison": "==", "expected": 1,
        });
        assert!(matches!(serde_json::from_value(count), Ok(DeployTask::Check(_))));
        let unknown: Result<DeployTask, _> = serde_json::from_value(json!({ "ask": "to_fly" }));
        assert!(unknown.unwrap_err().to_string().contains("to_fly"));
    }
}
