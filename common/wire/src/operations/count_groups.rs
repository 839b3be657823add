//! `group.count`: the server groups of a cluster are counted, and their number compared. Nothing is changed.

use std::collections::BTreeMap;

use model::{Comparison, Pool};
use serde::{Deserialize, Serialize};

use crate::Operation;

/// The operation.
#[derive(Clone, Copy, Debug)]
pub enum CountGroups {}

impl Operation for CountGroups {
    const NAME: &'static str = "group.count/1";
    const POOL: Pool = Pool::Deploy;
    type Request = ClusterCheck;
    type Result = ClusterCount;
    type Preview = ClusterCount;

    fn describe(request: &ClusterCheck) -> String {
        let ClusterCheck { account, cluster, regions, comparison, expected, .. } = request;
        let regions = regions.join(", ");
        format!(
            "counts the server groups of cluster {cluster} in {account}/{regions}: {comparison} {expected}"
        )
    }

    fn preview_lines(preview: &ClusterCount) -> Vec<String> {
        let ClusterCount { cluster, server_groups } = preview;
        let line = |(region, count): (&String, &u32)| {
            format!("finds {count} server group{} in {region}", if *count == 1 { "" } else { "s" })
        };
        if server_groups.is_empty() {
            return vec![format!("looks at cluster {cluster} in no region")];
        }
        server_groups.iter().map(line).collect()
    }
}

/// Has a cluster the expected number of server groups in each of these regions? The answer is a success, or a
/// failure that says what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCheck {
    /// Account.
    pub account: String,
    /// The cluster's name: `shop-staging-web`.
    pub cluster: String,
    /// Each of them is looked at.
    pub regions: Vec<String>,
    /// How the number is compared with `expected`.
    pub comparison: Comparison,
    /// The number it is compared with.
    pub expected: u32,
    /// Count only groups that take traffic.
    #[serde(default)]
    pub only_enabled: bool,
    /// What people read first when it is not so.
    #[serde(default)]
    pub failure_message: Option<String>,
}

/// How many server groups there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterCount {
    /// The cluster's name.
    pub cluster: String,
    /// Their number by region.
    pub server_groups: BTreeMap<String, u32>,
}
