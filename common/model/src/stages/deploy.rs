//! The deploy stage: an image becomes a server group in each cluster and region.

mod reading;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::runnable;
use crate::problem::{FieldProblem, Findings};

/// A deploy stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployStage {
    /// What to deploy, in the order of the definition.
    pub clusters: Vec<Cluster>,
}

/// One cluster to deploy to, in one or more regions.
///
/// Source: names and defaults are those of Spinnaker's deploy wizard for AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Account to deploy to.
    pub account: String,
    /// First part of the name; `None` is the pipeline's application.
    pub application: Option<String>,
    /// Second part; empty is none.
    pub stack: String,
    /// Rest of the name; empty is none.
    pub free_form_details: String,
    /// Where.
    pub regions: Vec<String>,
    /// Zones by region; a region without zones means all that the subnets are in.
    pub availability_zones: BTreeMap<String, Vec<String>>,
    /// What happens to the old groups: `highlander`, or nothing when empty.
    pub strategy: String,
    /// Size of the new group.
    pub capacity: Capacity,
    /// Take the old group's size instead, if there is one.
    pub use_source_capacity: bool,
    /// Type of the instances.
    pub instance_type: String,
    /// SSH key.
    pub key_pair: Option<String>,
    /// Instance profile.
    pub iam_role: Option<String>,
    /// Ids or names.
    pub security_groups: Vec<String>,
    /// Names of classic load balancers.
    pub load_balancers: Vec<String>,
    /// Names of target groups.
    pub target_groups: Vec<String>,
    /// Purpose of the subnets; empty is none.
    pub subnet_type: String,
    /// `EC2` or `ELB`.
    pub health_check_type: String,
    /// Seconds before health counts.
    pub health_check_grace_period: u32,
    /// Seconds between scaling activities.
    pub cooldown: u32,
    /// Which instances go first.
    pub termination_policies: Vec<String>,
    /// Scaling processes to suspend once the group is up.
    pub suspended_processes: Vec<String>,
    /// Tags of the group and its instances.
    pub tags: BTreeMap<String, String>,
    /// The user's own user data, base64; empty is none.
    pub base64_user_data: String,
    /// Percent of the desired capacity that must be healthy.
    pub target_healthy_deploy_percentage: u32,
    /// Whose word about health counts; `None` is everybody's.
    pub interesting_health_provider_names: Option<Vec<String>>,
    /// Instances get a public address; `None` lets the subnet decide.
    pub associate_public_ip_address: Option<bool>,
    /// EBS-optimized instances.
    pub ebs_optimized: bool,
    /// Detailed monitoring.
    pub instance_monitoring: bool,
    /// Seconds between the new group's health and disabling the old ones.
    pub delay_before_disable_sec: u32,
    /// Seconds between disabling an old group and scaling it down.
    pub delay_before_scale_down_sec: u32,
    /// The image by name; `None` takes what stages upstream made.
    pub ami_name: Option<String>,
    /// The image by id; `None` takes what stages upstream made.
    pub image_id: Option<String>,
}

/// How many instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// At least.
    pub min: u32,
    /// Now.
    pub desired: u32,
    /// At most.
    pub max: u32,
}

impl DeployStage {
    /// Reads a stage that is to run.
    ///
    /// # Errors
    /// Everything that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Self, Vec<FieldProblem>> {
        runnable(Self::inspect(config))
    }

    /// Reads as much as can be read, and tells everything that is odd. Clusters of other clouds
    /// are left out.
    pub fn inspect(config: &Map<String, Value>) -> (Option<Self>, Vec<FieldProblem>) {
        let mut found = Findings::default();
        let clusters = reading::clusters(config, &mut found);
        (Some(Self { clusters }), found.into_list())
    }
}

impl Cluster {
    /// True when the balancers' word about health does not count: instances are judged by their
    /// EC2 state alone.
    pub fn platform_health_only(&self) -> bool {
        let names = self.interesting_health_provider_names.as_deref();
        names.is_some_and(|names| names.iter().all(|name| name == "Amazon"))
    }

    /// True when a load balancer or target group says whether instances are healthy.
    pub const fn has_balancer(&self) -> bool {
        !self.load_balancers.is_empty() || !self.target_groups.is_empty()
    }
}
