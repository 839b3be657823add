//! What makes one part of a stage this one and no other.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The key of a part of a stage: where it works, or which entry of a list it is. It is stored with the part, so
/// that nothing is ever paired by position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "by", rename_all_fields = "camelCase")]
pub enum PartKey {
    /// The part works in one region.
    Region {
        /// The account; `None` where the workers choose it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// The region.
        region: String,
    },
    /// The part works on one cluster in one region.
    Cluster {
        /// The account.
        account: String,
        /// The region.
        region: String,
        /// The whole name of the cluster: `application-stack-detail`.
        cluster: String,
    },
    /// The part belongs to one entry of a list in the stage's configuration.
    Entry {
        /// Counted from 1.
        number: u32,
    },
}

impl fmt::Display for PartKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region { account: Some(account), region } => write!(f, "{account}/{region}"),
            Self::Region { account: None, region } => f.write_str(region),
            Self::Cluster { account, region, cluster } => {
                write!(f, "{cluster} in {account}/{region}")
            }
            Self::Entry { number } => write!(f, "entry {number}"),
        }
    }
}
