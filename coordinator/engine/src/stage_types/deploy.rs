//! The deploy stage: one part for each cluster and region, with the image found upstream.

use model::{
    ExecutionStatus, Pool, TaskId,
    pipeline::OnFailure,
    stages::{Cluster, DeployStage},
};
use serde_json::{Map, Value};
use wire::{
    Ask, Capacity, DeployRequest, DeployResult, DeployStrategy, DestroyRequest, TaskFailure,
};

use crate::{
    build,
    document::Document,
    failure::user_failure,
    stage::Stage,
    stage_types::{Part, Plan, unreadable},
};

/// Type of the part that deploys to one region.
const KIND: &str = "createServerGroup";
/// What of a part's configuration says where it works.
const PLACE: [&str; 5] = ["account", "region", "application", "stack", "freeFormDetails"];

pub(crate) fn plan(document: &Document, stage: &Stage) -> Result<Plan, TaskFailure> {
    let deploy = DeployStage::read(stage.config()).map_err(|problems| unreadable(&problems))?;
    let mut parts = Vec::new();
    for cluster in &deploy.clusters {
        for region in &cluster.regions {
            parts.push(part(document, stage, cluster, region)?);
        }
    }
    Ok(Plan::Parts(parts))
}

fn part(
    document: &Document,
    stage: &Stage,
    cluster: &Cluster,
    region: &str,
) -> Result<Part, TaskFailure> {
    let image = image(document, stage, cluster, region)?;
    let strategy: DeployStrategy = cluster.strategy.parse().map_err(|unknown: String| {
        user_failure(unknown, Some("choose highlander or none".to_owned()))
    })?;
    let request = DeployRequest {
        application: cluster.application.clone().unwrap_or_else(|| document.application.clone()),
        stack: cluster.stack.clone(),
        detail: cluster.free_form_details.clone(),
        pipeline: document.pipeline_name.clone(),
        account: cluster.account.clone(),
        region: region.to_owned(),
        image: image.clone(),
        strategy,
        capacity: Capacity {
            min: cluster.capacity.min,
            desired: cluster.capacity.desired,
            max: cluster.capacity.max,
        },
        use_source_capacity: cluster.use_source_capacity,
        instance_type: cluster.instance_type.clone(),
        key_pair: cluster.key_pair.clone(),
        iam_role: cluster.iam_role.clone(),
        security_groups: cluster.security_groups.clone(),
        load_balancers: cluster.load_balancers.clone(),
        target_groups: cluster.target_groups.clone(),
        subnet_type: cluster.subnet_type.clone(),
        availability_zones: cluster.availability_zones.get(region).cloned().unwrap_or_default(),
        health_check_type: cluster.health_check_type.clone(),
        health_check_grace_period: cluster.health_check_grace_period,
        cooldown: cluster.cooldown,
        termination_policies: cluster.termination_policies.clone(),
        suspended_processes: cluster.suspended_processes.clone(),
        tags: cluster.tags.clone(),
        user_data: cluster.base64_user_data.clone(),
        target_healthy_percent: cluster.target_healthy_deploy_percentage,
        platform_health_only: cluster.platform_health_only(),
        associate_public_ip: cluster.associate_public_ip_address,
        ebs_optimized: cluster.ebs_optimized,
        instance_monitoring: cluster.instance_monitoring,
        delay_before_disable_seconds: cluster.delay_before_disable_sec,
        delay_before_scale_down_seconds: cluster.delay_before_scale_down_sec,
        destroy_if_failed: cluster.rollback.destroys(),
    };
    let mut config = Map::new();
    let mut put = |key: &str, value: Value| {
        config.insert(key.to_owned(), value);
    };
    put("account", request.account.as_str().into());
    put("region", region.into());
    put("application", request.application.as_str().into());
    put("stack", request.stack.as_str().into());
    put("freeFormDetails", request.detail.as_str().into());
    put("strategy", cluster.strategy.as_str().into());
    put("imageId", image.into());
    Ok(Part {
        name: format!("Deploy in {region}"),
        kind: KIND.to_owned(),
        config,
        on_failure: OnFailure::HaltPipeline,
        plan: Plan::Task { kind: Pool::Deploy, request: build::text_of(&request) },
    })
}

/// Destroys the new group of each part that failed, where its cluster says so (`rollback` with `onFailure` and
/// `destroyLatest`). A part that was stopped because the stage ran out of time has failed, too.
pub(crate) fn on_failure(document: &Document, stage: &Stage, parts: &[&Stage]) -> Vec<Part> {
    // It was read when the stage began.
    let Ok(deploy) = DeployStage::read(stage.config()) else { return Vec::new() };
    let places = deploy
        .clusters
        .iter()
        .flat_map(|cluster| cluster.regions.iter().map(move |region| (cluster, region.as_str())));
    let failed = |part: &Stage| {
        let late = stage.run.timed_out && part.status() == ExecutionStatus::Canceled;
        part.status().is_failure() || late
    };
    let work = parts.iter().filter(|part| part.kind == KIND);
    places
        .zip(work)
        .filter(|((cluster, _), part)| cluster.rollback.destroys() && failed(part))
        .map(|(place, part)| destruction(document, place, part))
        .collect()
}

fn destruction(document: &Document, (cluster, region): (&Cluster, &str), failed: &Stage) -> Part {
    let tries = failed.run.attempts.iter().map(|attempt| TaskId {
        execution: document.id.clone(),
        stage: failed.id.clone(),
        attempt: attempt.number,
    });
    let request = DestroyRequest {
        ask: Ask::DestroyMade,
        tries: tries.collect(),
        application: cluster.application.clone().unwrap_or_else(|| document.application.clone()),
        stack: cluster.stack.clone(),
        detail: cluster.free_form_details.clone(),
        account: cluster.account.clone(),
        region: region.to_owned(),
        platform_health_only: cluster.platform_health_only(),
    };
    let mut config = failed.config.clone();
    config.retain(|key, _| PLACE.contains(&key.as_str()));
    Part {
        name: format!("Destroy the new server group in {region}"),
        kind: "destroyServerGroup".to_owned(),
        config,
        on_failure: OnFailure::HaltPipeline,
        plan: Plan::Task { kind: Pool::Deploy, request: build::text_of(&request) },
    }
}

/// The cluster's own image, else the nearest ancestor's for this region, else any stage's.
///
/// Source: Orca's image lookup for a deploy stage.
fn image(
    document: &Document,
    stage: &Stage,
    cluster: &Cluster,
    region: &str,
) -> Result<String, TaskFailure> {
    if let Some(own) = cluster.ami_name.as_ref().or(cluster.image_id.as_ref()) {
        return Ok(own.clone());
    }
    let near = document.ancestors(stage).into_iter().find_map(|found| image_in(found, region));
    let any = || document.top_level().find_map(|found| image_in(found, region));
    near.or_else(any).ok_or_else(|| {
        user_failure(
            format!("no image for {region} was found for stage `{}`", stage.name),
            Some(format!(
                "let it depend on a bake stage that bakes in {region}, or name the image in the cluster (`amiName`)"
            )),
        )
    })
}

fn image_in(stage: &Stage, region: &str) -> Option<String> {
    let details = stage.run.outputs.get("deploymentDetails")?.as_array()?;
    let fits = |detail: &&Value| {
        let place = detail.get("region").and_then(Value::as_str);
        place == Some(region) || place == Some("global")
    };
    let ami = details.iter().find(fits)?.get("ami")?.as_str()?;
    Some(ami.to_owned())
}

/// Outputs of one deployment, under the names Spinnaker's stages use.
pub(crate) fn outputs(result: &Map<String, Value>) -> Map<String, Value> {
    let Ok(done) = serde_json::from_value::<DeployResult>(Value::Object(result.clone())) else {
        return result.clone();
    };
    let mut groups = Map::new();
    groups.insert(done.region.clone(), vec![done.server_group.clone()].into());
    let mut outputs = result.clone();
    outputs.insert("deploy.server.groups".to_owned(), Value::Object(groups));
    outputs.insert("serverGroup".to_owned(), done.server_group.into());
    outputs.insert("destroyedServerGroups".to_owned(), done.destroyed.into());
    outputs
}

/// Outputs of the whole stage: the new groups by region, and those that are gone.
pub(crate) fn gather(parts: &[&Stage]) -> Map<String, Value> {
    let mut groups: Map<String, Value> = Map::new();
    let mut destroyed = Vec::new();
    for part in parts {
        if let Some(Value::Object(here)) = part.run.outputs.get("deploy.server.groups") {
            for (region, names) in here {
                let all = groups.entry(region.clone()).or_insert_with(|| Value::Array(Vec::new()));
                if let (Value::Array(all), Value::Array(names)) = (all, names) {
                    all.extend(names.iter().cloned());
                }
            }
        }
        if let Some(Value::Array(gone)) = part.run.outputs.get("destroyedServerGroups") {
            destroyed.extend(gone.iter().cloned());
        }
    }
    let mut outputs = Map::new();
    outputs.insert("deploy.server.groups".to_owned(), Value::Object(groups));
    outputs.insert("destroyedServerGroups".to_owned(), Value::Array(destroyed));
    outputs
}
