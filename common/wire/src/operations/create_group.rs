//! `group.create`: a new server group runs an image, and the cluster's strategy is applied to the older groups.

use std::{collections::BTreeMap, fmt, str::FromStr};

use model::{Pool, moniker::Moniker};
use serde::{Deserialize, Serialize};

use crate::Operation;

/// The operation.
#[derive(Clone, Copy, Debug)]
pub enum CreateGroup {}

impl Operation for CreateGroup {
    const NAME: &'static str = "group.create/1";
    const POOL: Pool = Pool::Deploy;
    type Request = DeployRequest;
    type Result = DeployResult;
    type Preview = CreateGroupPreview;

    fn describe(request: &DeployRequest) -> String {
        let DeployRequest { application, stack, detail, account, region, image, .. } = request;
        let cluster = Moniker::new(application, stack, detail)
            .map_or_else(|_| format!("{application}-{stack}-{detail}"), |name| name.cluster());
        let (strategy, gone) = match request.strategy {
            DeployStrategy::None => ("none", String::new()),
            DeployStrategy::Highlander => (
                "highlander",
                format!(
                    ", then destroys every other server group of cluster `{cluster}` in {account}/{region}"
                ),
            ),
        };
        let undone = if request.destroy_if_failed {
            "; if that fails, the new server group is destroyed, unless it has begun to take over"
        } else {
            ""
        };
        format!(
            "deploys {image} to cluster {cluster} in {account}/{region} ({strategy}){gone}{undone}"
        )
    }

    fn preview_lines(preview: &CreateGroupPreview) -> Vec<String> {
        let CreateGroupPreview { server_group, capacity, destroys, notes } = preview;
        let size = instances(usize::try_from(capacity.desired).unwrap_or(usize::MAX));
        let mut lines = vec![format!("creates {server_group} ({size})")];
        for GroupPreview { name, instances: count, enabled } in destroys {
            let state = if *enabled { "enabled" } else { "disabled" };
            lines.push(format!("destroys {name} ({}, {state})", instances(*count)));
        }
        if destroys.is_empty() {
            lines.push("destroys no server group".to_owned());
        }
        lines.extend(notes.iter().map(|note| format!("! {note}")));
        lines
    }
}

fn instances(count: usize) -> String {
    if count == 1 { "1 instance".to_owned() } else { format!("{count} instances") }
}

/// Put an image into a new server group, then do what the strategy says to the old ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the fields of Spinnaker's cluster, as it has them"
)]
pub struct DeployRequest {
    /// First part of the name.
    pub application: String,
    /// Second part; empty is none.
    #[serde(default)]
    pub stack: String,
    /// Rest of the name; empty is none.
    #[serde(default)]
    pub detail: String,
    /// Name of the pipeline; goes into tags.
    pub pipeline: String,
    /// Account to deploy to.
    pub account: String,
    /// Where.
    pub region: String,
    /// Image id or name.
    pub image: String,
    /// What to do with the old groups.
    pub strategy: DeployStrategy,
    /// Size of the new group.
    pub capacity: Capacity,
    /// Take the newest old group's size instead, if there is one.
    #[serde(default)]
    pub use_source_capacity: bool,
    /// Type of its instances.
    pub instance_type: String,
    /// SSH key.
    #[serde(default)]
    pub key_pair: Option<String>,
    /// Instance profile.
    #[serde(default)]
    pub iam_role: Option<String>,
    /// Ids or names.
    #[serde(default)]
    pub security_groups: Vec<String>,
    /// Names of classic load balancers.
    #[serde(default)]
    pub load_balancers: Vec<String>,
    /// Names of target groups.
    #[serde(default)]
    pub target_groups: Vec<String>,
    /// Purpose of the subnets; empty is none (default VPC by zones).
    #[serde(default)]
    pub subnet_type: String,
    /// Zones; empty is all that the subnets are in.
    #[serde(default)]
    pub availability_zones: Vec<String>,
    /// `EC2` or `ELB`.
    pub health_check_type: String,
    /// Seconds before health counts.
    pub health_check_grace_period: u32,
    /// Seconds between scaling activities.
    pub cooldown: u32,
    /// Which instances go first.
    #[serde(default)]
    pub termination_policies: Vec<String>,
    /// Scaling processes to suspend once it is up.
    #[serde(default)]
    pub suspended_processes: Vec<String>,
    /// Tags for the group and its instances.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The user's own user data, base64; empty is none.
    #[serde(default)]
    pub user_data: String,
    /// Percent of the desired capacity that must be healthy.
    pub target_healthy_percent: u32,
    /// Judge instances by their EC2 state alone (`interestingHealthProviderNames: ["Amazon"]`).
    #[serde(default)]
    pub platform_health_only: bool,
    /// Instances get a public address; `None` lets the subnet decide.
    #[serde(default)]
    pub associate_public_ip: Option<bool>,
    /// EBS-optimized instances.
    #[serde(default)]
    pub ebs_optimized: bool,
    /// Detailed monitoring.
    #[serde(default)]
    pub instance_monitoring: bool,
    /// Seconds between the new group's health and disabling the old ones.
    #[serde(default)]
    pub delay_before_disable_seconds: u32,
    /// Seconds between disabling an old group and scaling it down.
    #[serde(default)]
    pub delay_before_scale_down_seconds: u32,
    /// The new group is destroyed by a task of its own if this one fails, so it says by a tag whether it
    /// has taken over from older ones.
    #[serde(default)]
    pub destroy_if_failed: bool,
}

/// How many instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// At least.
    pub min: u32,
    /// Now.
    pub desired: u32,
    /// At most.
    pub max: u32,
}

/// What happens to the cluster's other server groups once the new one is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeployStrategy {
    /// Nothing.
    None,
    /// They are disabled and destroyed: one remains.
    Highlander,
}

impl FromStr for DeployStrategy {
    type Err = String;
    /// Reads the `strategy` of a cluster; empty is none.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" | "none" => Ok(Self::None),
            "highlander" => Ok(Self::Highlander),
            other => Err(format!(
                "`{other}` is not a strategy this version knows; `highlander` and none (\"\") are"
            )),
        }
    }
}

impl fmt::Display for DeployStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Highlander => "highlander",
        })
    }
}

/// A server group that is up, and what became of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployResult {
    /// Where.
    pub region: String,
    /// Account.
    pub account: String,
    /// The new group: `shop-staging-web-v004`.
    pub server_group: String,
    /// The image it runs.
    pub image_id: String,
    /// Size it was made with.
    pub capacity: Capacity,
    /// Groups that are gone, by name, oldest first.
    #[serde(default)]
    pub destroyed: Vec<String>,
    /// Groups that were disabled and left.
    #[serde(default)]
    pub disabled: Vec<String>,
    /// Things that people should know, such as old groups that were left and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What a deploy would make and destroy if it were carried out now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateGroupPreview {
    /// The name the new group would get.
    pub server_group: String,
    /// The size it would get.
    pub capacity: Capacity,
    /// Groups that would be destroyed once it is healthy, oldest first.
    pub destroys: Vec<GroupPreview>,
    /// Things that people should know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A server group that would be destroyed, as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupPreview {
    /// Its name.
    pub name: String,
    /// Instances it has.
    pub instances: usize,
    /// Whether it takes traffic.
    pub enabled: bool,
}
