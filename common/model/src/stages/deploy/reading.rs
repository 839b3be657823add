//! From a stage's fields to clusters.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Cluster, Rollback, values};
use crate::{
    fields::{Fields, unresolved},
    moniker::{self, Moniker},
    problem::{FieldProblem, Findings, Weight, shortened},
    stages::{add_once, other_cloud, tell_ignored},
};

/// A day: longer waits are a mistake in the unit.
const SECONDS_MAX: u32 = 86_400;

/// Objects that are always written and only say something through a member.
const IGNORED_WHEN_ON: [(&str, &str, &str); 1] =
    [("userDataOverride", "enabled", "the platform's own user data always comes first")];

const IGNORED: [(&str, &str); 6] = [
    ("spotPrice", "instances are bought on demand"),
    ("blockDevices", "disks are those of the image"),
    ("copySourceCustomBlockDeviceMappings", "disks are those of the image"),
    ("enabledMetrics", "group metrics are not switched on yet"),
    ("lifecycleHooks", "hooks are not made yet"),
    ("preferSourceCapacity", "use `useSourceCapacity`"),
];

/// Reads `clusters`, or the single `cluster` of old definitions.
pub(super) fn clusters(config: &Map<String, Value>, found: &mut Findings) -> Vec<Cluster> {
    let mut stage = Fields::new(String::new(), config, found);
    let many = stage.objects("clusters");
    let one = if stage.value("clusters").is_none() { stage.object("cluster") } else { None };
    let listed = stage.value("clusters").and_then(Value::as_array);
    let silent = stage.value("clusters").is_none() && stage.value("cluster").is_none();
    if silent || listed.is_some_and(Vec::is_empty) {
        stage.missing(
            Weight::Error,
            "clusters",
            "write at least one cluster: { \"account\": …, \"stack\": …, \"capacity\": … }",
        );
    }
    // A single cluster is read together with its stage.
    let common = if one.is_none() { rollback(&mut stage) } else { None };
    let mut clusters = Vec::new();
    if let Some(map) = one {
        // Old definitions keep the account beside the cluster.
        let fields = Fields::new(String::new(), config, found).above("/cluster".to_owned(), map);
        clusters.extend(cluster(fields, common).map(|cluster| ("/cluster".to_owned(), cluster)));
    }
    for (at, map) in many {
        let mut fields = Fields::new(at.clone(), map, found);
        let nested = fields.object("cluster");
        if let Some(inner) = nested {
            fields = fields.above(format!("{at}/cluster"), inner);
        }
        clusters.extend(cluster(fields, common).map(|cluster| (at, cluster)));
    }
    tell_twins(&clusters, found);
    clusters.into_iter().map(|(_, cluster)| cluster).collect()
}

/// Two parts of one stage that deploy to one cluster would clean up each other's group.
fn tell_twins(clusters: &[(String, Cluster)], found: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (at, cluster) in clusters {
        for region in &cluster.regions {
            let place = (
                &cluster.account,
                &cluster.application,
                &cluster.stack,
                &cluster.free_form_details,
                region,
            );
            if seen.insert(place) {
                continue;
            }
            let message = format!(
                "another entry deploys to the same cluster in account `{}`, region `{}`",
                shortened(&cluster.account),
                shortened(region)
            );
            found.push(
                FieldProblem::new(Weight::Error, "same-cluster-twice", at.clone(), message)
                    .hint("give one of them another `stack` or `freeFormDetails`, or take it away"),
            );
            break;
        }
    }
}

/// What becomes of a new group whose deploy fails; `None` where nothing says it.
fn rollback(fields: &mut Fields<'_, '_>) -> Option<Rollback> {
    let at = fields.pointer("rollback");
    let map = fields.object("rollback")?;
    let mut told = Findings::default();
    let mut inner = Fields::new(at, map, &mut told);
    let rollback = Rollback {
        on_failure: inner.flag("onFailure").unwrap_or(false),
        destroy_latest: inner.flag("destroyLatest").unwrap_or(false),
    };
    let open = inner.is_open("onFailure") || inner.is_open("destroyLatest");
    fields.push_all(told);
    if !open && rollback.on_failure != rollback.destroy_latest {
        let message = "`rollback` has no effect: with strategy highlander or none nothing old is touched before the new group is healthy, so all there is to do is to destroy the new group, and that takes both `onFailure` and `destroyLatest`";
        let hint =
            "write \"rollback\": { \"onFailure\": true, \"destroyLatest\": true }, or take it away";
        fields.hinted(
            Weight::Advice,
            "ignored-field",
            "rollback",
            (message.to_owned(), hint.to_owned()),
        );
    }
    Some(rollback)
}

fn cluster(mut fields: Fields<'_, '_>, common: Option<Rollback>) -> Option<Cluster> {
    let fields = &mut fields;
    if other_cloud(fields, &["cloudProvider", "provider", "cloudProviderType"]) {
        return None;
    }
    let availability_zones = fields.text_lists("availabilityZones");
    let mut regions: Vec<String> = availability_zones.keys().cloned().collect();
    add_once(&mut regions, fields.text("region"));
    add_once(&mut regions, fields.texts("regions"));
    let open =
        ["availabilityZones", "region", "regions"].into_iter().any(|key| fields.is_open(key));
    if regions.is_empty() && !open {
        fields.missing(
            Weight::Blocks,
            "availabilityZones",
            "write \"availabilityZones\": { \"us-east-1\": [] }, or a \"region\"",
        );
    }
    let cluster = Cluster {
        account: values::account(fields),
        application: fields.text("application"),
        stack: fields.text("stack").unwrap_or_default(),
        free_form_details: fields
            .text("freeFormDetails")
            .or_else(|| fields.text("detail"))
            .unwrap_or_default(),
        regions,
        availability_zones,
        strategy: values::strategy(fields),
        capacity: values::capacity(fields),
        use_source_capacity: fields.flag("useSourceCapacity").unwrap_or(false),
        instance_type: values::instance_type(fields),
        key_pair: fields.text("keyPair"),
        iam_role: fields.text("iamRole"),
        security_groups: fields.texts("securityGroups"),
        load_balancers: fields.texts("loadBalancers"),
        target_groups: fields.texts("targetGroups"),
        subnet_type: fields.text("subnetType").unwrap_or_default(),
        health_check_type: values::health_check_type(fields),
        health_check_grace_period: fields
            .number("healthCheckGracePeriod", SECONDS_MAX)
            .unwrap_or(600),
        cooldown: fields.number("cooldown", SECONDS_MAX).unwrap_or(10),
        termination_policies: values::termination_policies(fields),
        suspended_processes: values::suspended_processes(fields),
        tags: values::tags(fields),
        base64_user_data: values::user_data(fields),
        target_healthy_deploy_percentage: fields
            .number("targetHealthyDeployPercentage", 100)
            .unwrap_or(100),
        interesting_health_provider_names: values::health_providers(fields),
        associate_public_ip_address: fields.flag("associatePublicIpAddress"),
        ebs_optimized: fields.flag("ebsOptimized").unwrap_or(false),
        instance_monitoring: fields.flag("instanceMonitoring").unwrap_or(false),
        delay_before_disable_sec: fields.number("delayBeforeDisableSec", SECONDS_MAX).unwrap_or(0),
        delay_before_scale_down_sec: fields
            .number("delayBeforeScaleDownSec", SECONDS_MAX)
            .unwrap_or(0),
        ami_name: fields.text("amiName"),
        image_id: fields.text("imageId"),
        rollback: rollback(fields).or(common).unwrap_or_default(),
    };
    names(fields, &cluster);
    together(fields, &cluster);
    tell_ignored(fields, &IGNORED);
    Some(cluster)
}

/// The parts of the name, one by one and together.
fn names(fields: &mut Fields<'_, '_>, cluster: &Cluster) {
    let application = cluster.application.as_deref().unwrap_or_default();
    let detail_key =
        if fields.value("freeFormDetails").is_some() { "freeFormDetails" } else { "detail" };
    let parts = [
        (Weight::Error, "application", application, moniker::check_application(application)),
        (Weight::Error, "stack", &cluster.stack, moniker::check_stack(&cluster.stack)),
        (
            Weight::Blocks,
            detail_key,
            &cluster.free_form_details,
            moniker::check_detail(&cluster.free_form_details),
        ),
    ];
    let mut sound = true;
    for (weight, key, text, checked) in parts {
        if unresolved(text).is_some() {
            sound = false;
        } else if let Err(error) = checked {
            sound = false;
            let hint = "server groups are found by name: application-stack-detail".to_owned();
            fields.hinted(weight, "bad-name", key, (error.to_string(), hint));
        }
    }
    // An application left out is the pipeline's; any will do to see whether the rest fits.
    let application = if application.is_empty() { "app" } else { application };
    if sound
        && let Err(error) = Moniker::new(application, &cluster.stack, &cluster.free_form_details)
    {
        let key = if cluster.free_form_details.is_empty() { "stack" } else { detail_key };
        let hint = "choose other words for `stack` and `freeFormDetails`".to_owned();
        fields.hinted(Weight::Error, "bad-name", key, (error.to_string(), hint));
    }
}

/// Fields that must fit each other.
fn together(fields: &mut Fields<'_, '_>, cluster: &Cluster) {
    for (key, member, why) in IGNORED_WHEN_ON {
        let on = fields.value(key).and_then(|value| value.get(member));
        if on.and_then(Value::as_bool).unwrap_or(false) {
            let message = format!("`{key}.{member}` has no effect: {why}");
            fields.problem(Weight::Advice, "ignored-field", key, message);
        }
    }
    if !cluster.has_balancer() && !cluster.platform_health_only() {
        fields.hinted(Weight::Advice, "no-health-check", "loadBalancers", (
            "the group has neither load balancer nor target group: its instances are judged by their EC2 state".to_owned(),
            "name a load balancer or target group, or say it with \"interestingHealthProviderNames\": [\"Amazon\"]".to_owned(),
        ));
    }
    if cluster.health_check_type == "ELB" && !cluster.has_balancer() {
        fields.hinted(
            Weight::Advice,
            "no-health-check",
            "healthCheckType",
            (
                "`healthCheckType` is ELB, but the group has no load balancer".to_owned(),
                "name a load balancer or target group, or write \"EC2\"".to_owned(),
            ),
        );
    }
    if cluster.associate_public_ip_address == Some(true) && cluster.subnet_type.is_empty() {
        fields.hinted(
            Weight::Blocks,
            "public-ip-needs-subnet",
            "associatePublicIpAddress",
            (
                "public addresses need a `subnetType`".to_owned(),
                "write the purpose of the subnets as `subnetType`, or take the field away"
                    .to_owned(),
            ),
        );
    }
}
