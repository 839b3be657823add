//! Auto Scaling groups: what they are.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::balancer::BalancerRef;

/// Processes that can be suspended.
pub const PROCESSES: [&str; 9] = [
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
];

/// An Auto Scaling group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What it was made as, and changed to.
    #[serde(flatten)]
    pub spec: GroupSpec,
    /// Never used for another group.
    pub arn: String,
    /// Its launch template's id.
    pub template_id: String,
    /// Epoch milliseconds.
    pub created_ms: u64,
    /// From when on reads show it.
    pub visible_ms: u64,
    /// Its instances.
    pub members: BTreeMap<String, Member>,
    /// Suspended processes.
    pub suspended: BTreeSet<String>,
    /// True while its status is `Delete in progress`.
    pub deleting: bool,
    /// Why it could not launch, last time.
    pub last_failure: Option<String>,
    /// When it was last healthy, epoch milliseconds.
    pub healthy_ms: Option<u64>,
    /// When it was last seen without a healthy instance.
    pub idle_ms: Option<u64>,
}

impl Group {
    /// True for a process that goes on.
    pub fn does(&self, process: &str) -> bool {
        !self.suspended.contains(process)
    }

    /// Its cluster: its name without the version.
    pub fn cluster(&self) -> &str {
        cluster_of(&self.spec.name)
    }

    /// Everything that sends traffic to its instances.
    pub fn balancers(&self) -> Vec<BalancerRef> {
        let classic = self.spec.load_balancers.iter().cloned().map(BalancerRef::Classic);
        let targets = self.spec.target_groups.iter().cloned().map(BalancerRef::TargetGroup);
        classic.chain(targets).collect()
    }
}

/// The name without `-v` and its 3 to 6 digits.
pub fn cluster_of(name: &str) -> &str {
    match name.rsplit_once("-v") {
        Some((cluster, digits))
            if (3..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            cluster
        }
        Some(_) | None => name,
    }
}

/// What a group is made as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupSpec {
    /// Unique in its account and region.
    pub name: String,
    /// Name of its launch template.
    pub template: String,
    /// Least instances.
    pub min: u32,
    /// Instances now.
    pub desired: u32,
    /// Most instances.
    pub max: u32,
    /// Its subnets.
    pub subnets: Vec<String>,
    /// Names of classic load balancers.
    pub load_balancers: Vec<String>,
    /// ARNs of target groups.
    pub target_groups: Vec<String>,
    /// `EC2` or `ELB`.
    pub health_check_type: String,
    /// Seconds before health counts.
    pub grace_seconds: u32,
    /// Seconds between activities.
    pub cooldown_seconds: u32,
    /// Which instances go first.
    pub termination_policies: Vec<String>,
    /// `none`, `prevent-force-deletion`, `prevent-all-deletion`.
    pub deletion_protection: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, GroupTag>,
}

/// A tag of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupTag {
    /// Its value.
    pub value: String,
    /// Whether new instances get it.
    pub reach: TagReach,
}

/// Who gets a group's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum TagReach {
    /// The group.
    Group,
    /// The group, and every instance it launches.
    GroupAndInstances,
}

/// An instance of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Where it stands in the group.
    pub lifecycle: Lifecycle,
    /// The group's verdict.
    pub health: MemberHealth,
    /// Since when it is in service (or, before that, starting), epoch milliseconds.
    pub since_ms: u64,
}

/// Where an instance stands in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Lifecycle {
    /// Starting.
    Pending,
    /// Working.
    InService,
    /// Going.
    Terminating,
}

impl Lifecycle {
    /// As AWS writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InService => "InService",
            Self::Terminating => "Terminating",
        }
    }
}

/// What a group says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum MemberHealth {
    /// Fine.
    Healthy,
    /// To be replaced.
    Unhealthy,
}

impl MemberHealth {
    /// As AWS writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Unhealthy => "Unhealthy",
        }
    }
}

/// How the instances of a group behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Conduct {
    /// They become healthy.
    Normal,
    /// They become healthy so long after their launch.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
    /// They never become healthy.
    Never,
    /// They are healthy and unhealthy in turn.
    Flapping {
        /// Milliseconds of each turn.
        period_ms: u64,
    },
    /// They do not launch.
    LaunchFails,
    /// They die so long after they came into service.
    DiesAfter {
        /// Milliseconds.
        ms: u64,
    },
}

/// How the instances of some groups behave; of several rules that fit, the last one counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConductRule {
    /// Groups whose name begins so.
    pub group: String,
    /// Behave so.
    pub conduct: Conduct,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_is_the_name_without_its_version() {
        for (name, cluster) in [
            ("shop-staging-web-v007", "shop-staging-web"),
            ("shop-v123456", "shop"),
            ("shop-v12", "shop-v12"),
            ("shop-vnext", "shop-vnext"),
            ("shop", "shop"),
        ] {
            assert_eq!(cluster_of(name), cluster);
        }
    }
}
