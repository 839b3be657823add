//! From a stage's fields to clusters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Capacity, Cluster};
use crate::{
    fields::{Fields, unresolved},
    moniker::{self, Moniker},
    problem::{FieldProblem, Findings, Weight, nearest, shortened},
    stages::{add_once, other_cloud, tell_ignored},
};

/// No group is larger; AWS's own default quota is far below.
const INSTANCES_MAX: u32 = 10_000;
/// A day: longer waits are a mistake in the unit.
const SECONDS_MAX: u32 = 86_400;
/// Longest key of an AWS tag.
const TAG_KEY_MAX: usize = 128;
/// Longest value of an AWS tag.
const TAG_VALUE_MAX: usize = 256;

/// Strategies of Spinnaker that do not run today.
const OTHER_STRATEGIES: [&str; 4] = ["redblack", "rollingredblack", "monitored", "custom"];

/// Source: the scaling processes of Amazon EC2 Auto Scaling.
const SCALING_PROCESSES: [&str; 9] = [
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "InstanceRefresh",
];

const IGNORED: [(&str, &str); 8] = [
    ("spotPrice", "instances are bought on demand"),
    ("blockDevices", "disks are those of the image"),
    ("copySourceCustomBlockDeviceMappings", "disks are those of the image"),
    ("enabledMetrics", "group metrics are not switched on yet"),
    ("lifecycleHooks", "hooks are not made yet"),
    ("userDataOverride", "the platform's own user data always comes first"),
    ("rollback", "a failed deploy leaves the old groups as they are"),
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
    let mut clusters = Vec::new();
    if let Some(map) = one {
        // Old definitions keep the account beside the cluster.
        let fields = Fields::new(String::new(), config, found).above("/cluster".to_owned(), map);
        clusters.extend(cluster(fields).map(|cluster| ("/cluster".to_owned(), cluster)));
    }
    for (at, map) in many {
        let mut fields = Fields::new(at.clone(), map, found);
        let nested = fields.object("cluster");
        if let Some(inner) = nested {
            fields = fields.above(format!("{at}/cluster"), inner);
        }
        clusters.extend(cluster(fields).map(|cluster| (at, cluster)));
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

fn cluster(mut fields: Fields<'_, '_>) -> Option<Cluster> {
    let fields = &mut fields;
    if other_cloud(fields, &["cloudProvider", "provider", "cloudProviderType"]) {
        return None;
    }
    let availability_zones = fields.text_lists("availabilityZones");
    let mut regions: Vec<String> = availability_zones.keys().cloned().collect();
    add_once(&mut regions, fields.text("region"));
    add_once(&mut regions, fields.texts("regions"));
    if regions.is_empty() {
        fields.missing(
            Weight::Blocks,
            "availabilityZones",
            "write \"availabilityZones\": { \"us-east-1\": [] }, or a \"region\"",
        );
    }
    let cluster = Cluster {
        account: account(fields),
        application: fields.text("application"),
        stack: fields.text("stack").unwrap_or_default(),
        free_form_details: fields
            .text("freeFormDetails")
            .or_else(|| fields.text("detail"))
            .unwrap_or_default(),
        regions,
        availability_zones,
        strategy: strategy(fields),
        capacity: capacity(fields),
        use_source_capacity: fields.flag("useSourceCapacity").unwrap_or(false),
        instance_type: instance_type(fields),
        key_pair: fields.text("keyPair"),
        iam_role: fields.text("iamRole"),
        security_groups: fields.texts("securityGroups"),
        load_balancers: fields.texts("loadBalancers"),
        target_groups: fields.texts("targetGroups"),
        subnet_type: fields.text("subnetType").unwrap_or_default(),
        health_check_type: health_check_type(fields),
        health_check_grace_period: fields
            .number("healthCheckGracePeriod", SECONDS_MAX)
            .unwrap_or(600),
        cooldown: fields.number("cooldown", SECONDS_MAX).unwrap_or(10),
        termination_policies: termination_policies(fields),
        suspended_processes: suspended_processes(fields),
        tags: tags(fields),
        base64_user_data: user_data(fields),
        target_healthy_deploy_percentage: fields
            .number("targetHealthyDeployPercentage", 100)
            .unwrap_or(100),
        interesting_health_provider_names: health_providers(fields),
        associate_public_ip_address: fields.flag("associatePublicIpAddress"),
        ebs_optimized: fields.flag("ebsOptimized").unwrap_or(false),
        instance_monitoring: fields.flag("instanceMonitoring").unwrap_or(false),
        delay_before_disable_sec: fields.number("delayBeforeDisableSec", SECONDS_MAX).unwrap_or(0),
        delay_before_scale_down_sec: fields
            .number("delayBeforeScaleDownSec", SECONDS_MAX)
            .unwrap_or(0),
        ami_name: fields.text("amiName"),
        image_id: fields.text("imageId"),
    };
    names(fields, &cluster);
    together(fields, &cluster);
    tell_ignored(fields, &IGNORED);
    Some(cluster)
}

fn account(fields: &mut Fields<'_, '_>) -> String {
    let account = fields.text("account").or_else(|| fields.text("credentials"));
    if account.is_none() && fields.value("account").is_none_or(Value::is_string) {
        fields.missing(Weight::Blocks, "account", "write the configured name of the AWS account");
    }
    account.unwrap_or_default()
}

fn instance_type(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("instanceType");
    if text.is_none() && fields.value("instanceType").is_none_or(Value::is_string) {
        fields.missing(
            Weight::Blocks,
            "instanceType",
            "write a type of EC2 instance: \"t3.small\"",
        );
    }
    let text = text.unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let fits = text.contains('.') && text.chars().all(plain);
    if !text.is_empty() && !fits && unresolved(&text).is_none() {
        fields.hinted(
            Weight::Error,
            "bad-value",
            "instanceType",
            (
                format!("`instanceType` is \"{}\"", shortened(&text)),
                "write a type of EC2 instance: \"t3.small\"".to_owned(),
            ),
        );
    }
    text
}

fn strategy(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("strategy").unwrap_or_default();
    if matches!(text.as_str(), "" | "none" | "highlander") || unresolved(&text).is_some() {
        return text;
    }
    if OTHER_STRATEGIES.contains(&text.as_str()) {
        fields.hinted(
            Weight::Blocks,
            "unsupported-strategy",
            "strategy",
            (
                format!("strategy `{text}` does not run yet"),
                "write \"highlander\", or \"\" to leave the old groups alone".to_owned(),
            ),
        );
        return text;
    }
    let known = ["highlander", "none"].into_iter().chain(OTHER_STRATEGIES);
    let hint = match nearest(&text, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write \"highlander\", or \"\" to leave the old groups alone".to_owned(),
    };
    let message = format!("`{}` is not a strategy", shortened(&text));
    fields.hinted(Weight::Error, "unknown-strategy", "strategy", (message, hint));
    text
}

fn capacity(fields: &mut Fields<'_, '_>) -> Capacity {
    let at = fields.pointer("capacity");
    let Some(map) = fields.object("capacity") else {
        return Capacity { min: 1, desired: 1, max: 1 };
    };
    let mut told = Findings::default();
    let mut inner = Fields::new(at, map, &mut told);
    let min = inner.number("min", INSTANCES_MAX);
    let desired = inner.number("desired", INSTANCES_MAX);
    let max = inner.number("max", INSTANCES_MAX);
    let wrong = told.into_list();
    let sound = wrong.is_empty();
    for problem in wrong {
        fields.push(problem);
    }
    // What is left out follows from what is there.
    let desired = desired.or(min).unwrap_or(1);
    let capacity = Capacity {
        min: min.unwrap_or(desired.min(1)),
        desired,
        max: max.unwrap_or(desired.max(1)),
    };
    let ordered = capacity.min <= capacity.desired && capacity.desired <= capacity.max;
    if sound && !ordered && !fields.says_something("useSourceCapacity") {
        let Capacity { min, desired, max } = capacity;
        fields.hinted(
            Weight::Error,
            "capacity",
            "capacity",
            (
                format!("capacity is min {min}, desired {desired}, max {max}"),
                "min ≤ desired ≤ max must hold".to_owned(),
            ),
        );
    }
    capacity
}

fn health_check_type(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("healthCheckType").unwrap_or_else(|| "EC2".to_owned());
    let upper = text.to_ascii_uppercase();
    if matches!(upper.as_str(), "EC2" | "ELB") {
        return upper;
    }
    if unresolved(&text).is_none() {
        fields.hinted(
            Weight::Error,
            "bad-value",
            "healthCheckType",
            (
                format!("`healthCheckType` is \"{}\"", shortened(&text)),
                "write \"EC2\" or \"ELB\"".to_owned(),
            ),
        );
    }
    text
}

fn termination_policies(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let policies = fields.texts("terminationPolicies");
    if policies.is_empty() { vec!["Default".to_owned()] } else { policies }
}

fn suspended_processes(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let processes = fields.texts("suspendedProcesses");
    let strange =
        |name: &&String| !SCALING_PROCESSES.contains(&name.as_str()) && unresolved(name).is_none();
    if let Some(name) = processes.iter().find(strange) {
        let hint = match nearest(name, SCALING_PROCESSES.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", SCALING_PROCESSES.join(", ")),
        };
        let message = format!("`{}` is not a scaling process", shortened(name));
        fields.hinted(Weight::Error, "bad-value", "suspendedProcesses", (message, hint));
    }
    processes
}

fn tags(fields: &mut Fields<'_, '_>) -> BTreeMap<String, String> {
    let tags = fields.pairs("tags");
    for (key, value) in &tags {
        let message = if key.to_ascii_lowercase().starts_with("aws:") {
            format!("tag `{}` begins with `aws:`, which AWS keeps for itself", shortened(key))
        } else if key.is_empty() || key.chars().count() > TAG_KEY_MAX {
            format!("the key of tag `{}` must have 1 to {TAG_KEY_MAX} characters", shortened(key))
        } else if value.chars().count() > TAG_VALUE_MAX {
            format!(
                "the value of tag `{}` is longer than {TAG_VALUE_MAX} characters",
                shortened(key)
            )
        } else {
            continue;
        };
        fields.hinted(
            Weight::Error,
            "bad-tag",
            "tags",
            (message, "change or remove the tag".to_owned()),
        );
    }
    tags
}

fn user_data(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("base64UserData").unwrap_or_default();
    if unresolved(&text).is_none() && !is_base64(&text) {
        fields.hinted(
            Weight::Error,
            "bad-value",
            "base64UserData",
            ("`base64UserData` is not base64".to_owned(), "encode it: base64 -w0 FILE".to_owned()),
        );
    }
    text
}

fn is_base64(text: &str) -> bool {
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = text.len() - padding;
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len() % 4 == 0 && padding <= 2 && text.iter().take(digits).all(is_digit)
}

fn health_providers(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    let given = fields.value("interestingHealthProviderNames").is_some();
    let names = fields.texts("interestingHealthProviderNames");
    given.then_some(names)
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
