//! The deploy stage: an image becomes a server group in each cluster and region.

mod reading;
mod values;

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
    /// What becomes of the new group when its deploy fails.
    pub rollback: Rollback,
}

/// What becomes of a new server group whose deploy fails.
///
/// Source: Spinnaker's field `rollback`, on the cluster or on its stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollback {
    /// Something is done at all.
    pub on_failure: bool,
    /// The new group is destroyed.
    pub destroy_latest: bool,
}

impl Rollback {
    /// True when a new group whose deploy fails is destroyed.
    pub const fn destroys(self) -> bool {
        self.on_failure && self.destroy_latest
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::Weight;

    fn cluster() -> Value {
        json!({
            "account": "staging", "application": "shop", "stack": "staging", "strategy": "highlander",
            "availabilityZones": {"us-west-2": ["us-west-2a"]}, "instanceType": "t3.small",
            "loadBalancers": ["shop-staging"],
        })
    }

    fn inspect(cluster: &Value) -> (Vec<Cluster>, Vec<(Weight, &'static str, String)>) {
        let stage = json!({"type": "deploy", "clusters": [cluster]});
        let (read, problems) = DeployStage::inspect(stage.as_object().unwrap());
        let told = problems.into_iter().map(|p| (p.weight, p.code, p.pointer)).collect();
        (read.unwrap().clusters, told)
    }

    #[test]
    fn defaults_are_those_of_the_wizard() {
        let (clusters, problems) = inspect(&cluster());
        assert!(problems.is_empty(), "{problems:?}");
        let expected = Cluster {
            account: "staging".to_owned(),
            application: Some("shop".to_owned()),
            stack: "staging".to_owned(),
            free_form_details: String::new(),
            regions: vec!["us-west-2".to_owned()],
            availability_zones: [("us-west-2".to_owned(), vec!["us-west-2a".to_owned()])].into(),
            strategy: "highlander".to_owned(),
            capacity: Capacity { min: 1, desired: 1, max: 1 },
            use_source_capacity: false,
            instance_type: "t3.small".to_owned(),
            key_pair: None,
            iam_role: None,
            security_groups: Vec::new(),
            load_balancers: vec!["shop-staging".to_owned()],
            target_groups: Vec::new(),
            subnet_type: String::new(),
            health_check_type: "EC2".to_owned(),
            health_check_grace_period: 600,
            cooldown: 10,
            termination_policies: vec!["Default".to_owned()],
            suspended_processes: Vec::new(),
            tags: BTreeMap::new(),
            base64_user_data: String::new(),
            target_healthy_deploy_percentage: 100,
            interesting_health_provider_names: None,
            associate_public_ip_address: None,
            ebs_optimized: false,
            instance_monitoring: false,
            delay_before_disable_sec: 0,
            delay_before_scale_down_sec: 0,
            ami_name: None,
            image_id: None,
            rollback: Rollback::default(),
        };
        assert_eq!(clusters, [expected]);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut value = cluster();
        for (key, written) in [
            ("capacity", json!({"min": "2", "max": 6, "desired": "4"})),
            ("healthCheckGracePeriod", json!("30")),
            ("targetHealthyDeployPercentage", json!("50")),
            ("tags", json!({"team": "web", "level": 3})),
            ("base64UserData", json!("aGVsbG8=")),
            ("healthCheckType", json!("elb")),
            ("interestingHealthProviderNames", json!(["Amazon"])),
            ("associatePublicIpAddress", json!(true)),
            ("subnetType", json!("internal (main)")),
            ("freeFormDetails", json!("web-blue")),
            ("suspendedProcesses", json!(["AZRebalance"])),
            ("delayBeforeDisableSec", json!(60)),
            ("region", json!("eu-west-1")),
            ("keyPair", json!("staging-kp")),
        ] {
            value[key] = written;
        }
        let (clusters, problems) = inspect(&value);
        assert!(problems.is_empty(), "{problems:?}");
        let cluster = &clusters[0];
        assert_eq!(cluster.capacity, Capacity { min: 2, desired: 4, max: 6 });
        assert_eq!(
            (cluster.health_check_grace_period, cluster.target_healthy_deploy_percentage),
            (30, 50)
        );
        assert_eq!(cluster.tags["level"], "3");
        assert_eq!(cluster.health_check_type, "ELB");
        assert!(cluster.platform_health_only() && cluster.has_balancer());
        assert_eq!(cluster.associate_public_ip_address, Some(true));
        assert_eq!(cluster.regions, ["us-west-2", "eu-west-1"]);
        assert_eq!(cluster.delay_before_disable_sec, 60);
    }

    #[test]
    fn rollback_is_read_from_the_cluster_or_else_from_its_stage() {
        let of = |on_failure, destroy_latest| Rollback { on_failure, destroy_latest };
        // On the stage, on the cluster, what counts, what is told of.
        for (stage, own, expected, told) in [
            (json!(null), json!(null), of(false, false), None),
            (json!({"onFailure": true, "destroyLatest": true}), json!(null), of(true, true), None),
            (
                json!(null),
                json!({"onFailure": "true", "destroyLatest": true}),
                of(true, true),
                None,
            ),
            (
                json!({"onFailure": true, "destroyLatest": true}),
                json!({"onFailure": false, "destroyLatest": false}),
                of(false, false),
                None,
            ),
            (
                json!(null),
                json!({"onFailure": true}),
                of(true, false),
                Some("/clusters/0/rollback"),
            ),
            (
                json!(null),
                json!({"destroyLatest": true}),
                of(false, true),
                Some("/clusters/0/rollback"),
            ),
            (json!({"onFailure": true}), json!(null), of(true, false), Some("/rollback")),
        ] {
            let mut cluster = cluster();
            cluster["rollback"] = own;
            let config = json!({"clusters": [cluster], "rollback": stage});
            let (read, problems) = DeployStage::inspect(config.as_object().unwrap());
            let found = read.unwrap().clusters[0].rollback;
            assert_eq!(
                (found, found.destroys()),
                (expected, expected == of(true, true)),
                "{config}"
            );
            let places: Vec<&str> = problems.iter().map(|one| one.pointer.as_str()).collect();
            assert_eq!(places, told.into_iter().collect::<Vec<_>>(), "{config}");
            assert!(problems.iter().all(|one| one.weight == Weight::Advice), "{problems:?}");
        }
    }

    #[test]
    fn a_single_cluster_of_an_old_definition_takes_the_account_beside_it() {
        let mut inner = cluster();
        inner.as_object_mut().unwrap().remove("account");
        inner["stack"] = json!("my-stack");
        let stage = json!({"type": "deploy", "account": "test", "cluster": inner});
        let (read, problems) = DeployStage::inspect(stage.as_object().unwrap());
        assert_eq!(read.unwrap().clusters[0].account, "test");
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].pointer, "/cluster/stack");
    }

    #[test]
    fn a_cluster_inside_a_cluster_is_flattened() {
        let (clusters, problems) =
            inspect(&json!({"account": "outer", "stack": "x", "cluster": cluster()}));
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            (clusters[0].account.as_str(), clusters[0].stack.as_str()),
            ("staging", "staging")
        );
    }

    #[test]
    fn capacity_left_out_in_part_follows_from_the_rest() {
        for (written, (min, desired, max)) in [
            (json!({}), (1, 1, 1)),
            (json!({"min": 2}), (2, 2, 2)),
            (json!({"desired": 0}), (0, 0, 1)),
            (json!({"desired": 3, "max": 9}), (1, 3, 9)),
            (json!({"min": 0, "desired": 0, "max": 0}), (0, 0, 0)),
        ] {
            let mut value = cluster();
            value["capacity"] = written;
            let (clusters, problems) = inspect(&value);
            assert!(problems.is_empty(), "{problems:?}");
            assert_eq!(clusters[0].capacity, Capacity { min, desired, max });
        }
    }

    #[test]
    fn two_entries_for_one_cluster_and_region_are_an_error() {
        let stage = json!({"clusters": [cluster(), cluster()]});
        let problems = DeployStage::read(stage.as_object().unwrap()).unwrap_err();
        assert_eq!(
            (problems[0].code, problems[0].pointer.as_str()),
            ("same-cluster-twice", "/clusters/1")
        );
        let mut other = cluster();
        other["stack"] = json!("prod");
        let stage = json!({"clusters": [cluster(), other]});
        assert_eq!(DeployStage::read(stage.as_object().unwrap()).unwrap().clusters.len(), 2);
    }

    #[test]
    fn what_cannot_run_is_refused_for_running() {
        for (key, value) in [
            ("capacity", json!({"min": "{{ n }}"})),
            ("strategy", json!("redblack")),
            ("instanceType", json!(null)),
            ("cloudProvider", json!("gce")),
            ("account", json!("")),
            ("availabilityZones", json!({})),
        ] {
            let mut cluster = cluster();
            cluster[key] = value;
            let stage = json!({"clusters": [cluster]});
            assert!(DeployStage::read(stage.as_object().unwrap()).is_err(), "{stage}");
            let (_, told) = DeployStage::inspect(stage.as_object().unwrap());
            assert!(told.iter().all(|p| p.weight == Weight::Blocks), "{told:?}");
        }
    }

    #[test]
    fn expressions_are_nothing_to_tell_and_stop_a_stage_only_where_they_are_left() {
        let cluster = json!({
            "account": "${ a }", "application": "${ b }", "stack": "${ c }", "strategy": "${ d }",
            "capacity": {"min": "${ e }", "desired": 2}, "availabilityZones": "${ f }",
            "instanceType": "${ g }", "loadBalancers": "${ h }", "targetGroups": ["${ i }"],
            "tags": {"team": "${ j }"}, "base64UserData": "${ k }", "cooldown": "${ l }",
        });
        let stage = json!({"clusters": [cluster]});
        let stage = stage.as_object().unwrap();
        assert_eq!(crate::stages::obstacles(crate::pipeline::StageType::Deploy, stage), []);
        let stopped = DeployStage::read(stage).unwrap_err();
        let places: Vec<&str> = stopped.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(
            places,
            [
                "/clusters/0/availabilityZones",
                "/clusters/0/capacity/min",
                "/clusters/0/loadBalancers",
                "/clusters/0/cooldown",
            ]
        );
    }
}
