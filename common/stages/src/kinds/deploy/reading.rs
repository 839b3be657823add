//! From a stage's fields to clusters.

use std::collections::BTreeSet;

use serde_json::Value;

use model::{
    fields::{Reader, unresolved},
    moniker::{self, Moniker},
    problem::{FieldProblem, Findings, Weight, shortened},
};

use super::{
    Cluster, Rollback,
    fields::{CLUSTER, STAGE},
    values,
};
use crate::{add_once, other_cloud, rules};

/// Objects that are always written and only say something through a member.
const IGNORED_WHEN_ON: [(&str, &str, &str); 1] =
    [("userDataOverride", "enabled", "the platform's own user data always comes first")];

/// Reads `clusters`, or the single `cluster` of old definitions.
pub(super) fn clusters(stage: &mut Reader<'_, '_>) -> Vec<Cluster> {
    let listed = stage.value("clusters");
    let one = if listed.is_none() { stage.object("cluster") } else { None };
    let silent = listed.is_none() && stage.value("cluster").is_none();
    if silent || listed.and_then(Value::as_array).is_some_and(Vec::is_empty) {
        stage.fields().missing(
            Weight::Error,
            "clusters",
            "write at least one cluster: { \"account\": …, \"stack\": …, \"capacity\": … }",
        );
    }
    let mut found = Findings::default();
    let mut clusters = Vec::new();
    if let Some(map) = one {
        // Old definitions keep the account beside the cluster, which is read together with its stage.
        let config = stage.map();
        let fields = Reader::new(CLUSTER, String::new(), config, &mut found)
            .beside(STAGE)
            .beside(rules::FIELDS)
            .above("/cluster".to_owned(), map);
        for key in
            ["account", "credentials", "cloudProvider", "cloudProviderType", "provider", "rollback"]
        {
            let _: Option<&Value> = stage.value(key);
        }
        clusters.extend(cluster(fields, None).map(|cluster| ("/cluster".to_owned(), cluster)));
    } else {
        let common = rollback(stage);
        for (at, map) in stage.fields().objects("clusters") {
            let mut fields = Reader::new(CLUSTER, at.clone(), map, &mut found);
            if let Some(inner) = fields.object("cluster") {
                fields = fields.above(format!("{at}/cluster"), inner);
            }
            clusters.extend(cluster(fields, common).map(|cluster| (at, cluster)));
        }
    }
    tell_twins(&clusters, &mut found);
    stage.fields().push_all(found);
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
fn rollback(reader: &mut Reader<'_, '_>) -> Option<Rollback> {
    let (rollback, open) = reader.inner("rollback", |inner| {
        let rollback = Rollback {
            on_failure: inner.flag("onFailure"),
            destroy_latest: inner.flag("destroyLatest"),
        };
        let fields = inner.fields();
        (rollback, fields.is_open("onFailure") || fields.is_open("destroyLatest"))
    })?;
    if !open && rollback.on_failure != rollback.destroy_latest {
        let message = "`rollback` has no effect: with strategy highlander or none nothing old is touched before the new group is healthy, so all there is to do is to destroy the new group, and that takes both `onFailure` and `destroyLatest`";
        let hint =
            "write \"rollback\": { \"onFailure\": true, \"destroyLatest\": true }, or take it away";
        reader.fields().hinted(
            Weight::Advice,
            "ignored-field",
            "rollback",
            (message.to_owned(), hint.to_owned()),
        );
    }
    Some(rollback)
}

fn cluster(mut reader: Reader<'_, '_>, common: Option<Rollback>) -> Option<Cluster> {
    let fields = &mut reader;
    if other_cloud(fields, &["cloudProvider", "provider", "cloudProviderType"]) {
        return None;
    }
    let availability_zones = fields.text_lists("availabilityZones");
    let mut regions: Vec<String> = availability_zones.keys().cloned().collect();
    add_once(&mut regions, fields.text("region"));
    add_once(&mut regions, fields.texts("regions"));
    let open = ["availabilityZones", "region", "regions"]
        .into_iter()
        .any(|key| fields.fields().is_open(key));
    if regions.is_empty() && !open {
        fields.fields().missing(
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
        use_source_capacity: fields.flag("useSourceCapacity"),
        instance_type: values::instance_type(fields),
        key_pair: fields.text("keyPair"),
        iam_role: fields.text("iamRole"),
        security_groups: fields.texts("securityGroups"),
        load_balancers: fields.texts("loadBalancers"),
        target_groups: fields.texts("targetGroups"),
        subnet_type: fields.text("subnetType").unwrap_or_default(),
        health_check_type: values::health_check_type(fields),
        health_check_grace_period: fields.small_number("healthCheckGracePeriod"),
        cooldown: fields.small_number("cooldown"),
        termination_policies: values::termination_policies(fields),
        suspended_processes: values::suspended_processes(fields),
        tags: values::tags(fields),
        base64_user_data: values::user_data(fields),
        target_healthy_deploy_percentage: fields.small_number("targetHealthyDeployPercentage"),
        interesting_health_provider_names: values::health_providers(fields),
        associate_public_ip_address: fields.written_flag("associatePublicIpAddress"),
        ebs_optimized: fields.flag("ebsOptimized"),
        instance_monitoring: fields.flag("instanceMonitoring"),
        delay_before_disable_sec: fields.small_number("delayBeforeDisableSec"),
        delay_before_scale_down_sec: fields.small_number("delayBeforeScaleDownSec"),
        ami_name: fields.text("amiName"),
        image_id: fields.text("imageId"),
        rollback: rollback(fields).or(common).unwrap_or_default(),
    };
    names(fields, &cluster);
    together(fields, &cluster);
    reader.finish();
    Some(cluster)
}

/// The parts of the name, one by one and together.
fn names(reader: &mut Reader<'_, '_>, cluster: &Cluster) {
    let fields = reader.fields();
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
fn together(reader: &mut Reader<'_, '_>, cluster: &Cluster) {
    let fields = reader.fields();
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
