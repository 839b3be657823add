//! `deploy`: an image becomes a server group, in one part for each cluster and region.

mod fields;
mod reading;
mod values;

use std::collections::BTreeMap;

use model::{
    ExecutionStatus, OnFailure, PartKey,
    fields::{Field, Reader},
    moniker::Moniker,
};
use serde_json::{Map, Value};
use wire::{
    Capacity, CreateGroup, DeployRequest, DeployResult, DeployStrategy, DestroyCreated,
    DestroyRequest, OperationCall, TaskFailure,
};

use crate::{
    context::{Context, EndedPart, StageFacts},
    plan::{Part, Plan},
    stage_type::{StageType, read, user_failure},
};

/// Type of the part that deploys to one region.
const PART: &str = "createServerGroup";
/// What of a part's configuration says where it works.
const PLACE: [&str; 5] = ["account", "region", "application", "stack", "freeFormDetails"];

pub(crate) struct Deploy;

/// The configuration of a deploy stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// What to deploy, in the order of the definition.
    clusters: Vec<Cluster>,
}

impl StageType for Deploy {
    const NAME: &'static str = "deploy";
    const LABEL: &'static str = "Deploy";
    const SUMMARY: &'static str = "Makes a server group from an image in each cluster and region, and treats the older groups as its strategy says.";
    const FIELDS: &'static [Field] = fields::STAGE;
    const NEEDS_IMAGES: bool = true;
    const WORKS_IN_AWS: bool = true;

    type Config = Config;

    fn read(reader: &mut Reader<'_, '_>) -> Option<Config> {
        Some(Config { clusters: reading::clusters(reader) })
    }

    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        let config = read::<Self>(context.stage().config)?;
        let mut parts = Vec::new();
        for cluster in &config.clusters {
            for region in &cluster.regions {
                parts.push(part(context, cluster, region)?);
            }
        }
        Ok(Plan::Parts(parts))
    }

    /// Outputs of one deployment, under the names that Spinnaker's stages use.
    fn operation_outputs(
        config: &Map<String, Value>,
        result: Map<String, Value>,
    ) -> Map<String, Value> {
        let _: &Map<String, Value> = config;
        let Ok(done) = serde_json::from_value::<DeployResult>(Value::Object(result.clone())) else {
            return result;
        };
        let mut groups = Map::new();
        groups.insert(done.region.clone(), vec![done.server_group.clone()].into());
        let mut outputs = result;
        outputs.insert("deploy.server.groups".to_owned(), Value::Object(groups));
        outputs.insert("serverGroup".to_owned(), done.server_group.into());
        outputs.insert("destroyedServerGroups".to_owned(), done.destroyed.into());
        outputs
    }

    /// The new groups by region, and those that are gone.
    fn outputs(parts: &[EndedPart<'_>]) -> Map<String, Value> {
        let mut groups: Map<String, Value> = Map::new();
        let mut destroyed = Vec::new();
        for part in parts {
            if let Some(Value::Object(here)) = part.outputs.get("deploy.server.groups") {
                for (region, names) in here {
                    let all =
                        groups.entry(region.clone()).or_insert_with(|| Value::Array(Vec::new()));
                    if let (Value::Array(all), Value::Array(names)) = (all, names) {
                        all.extend(names.iter().cloned());
                    }
                }
            }
            if let Some(Value::Array(gone)) = part.outputs.get("destroyedServerGroups") {
                destroyed.extend(gone.iter().cloned());
            }
        }
        let mut outputs = Map::new();
        outputs.insert("deploy.server.groups".to_owned(), Value::Object(groups));
        outputs.insert("destroyedServerGroups".to_owned(), Value::Array(destroyed));
        outputs
    }

    /// Destroys the new group of each part that failed, where its cluster says so (`rollback` with `onFailure` and
    /// `destroyLatest`). A part that was stopped because the stage ran out of time has failed, too.
    fn after_failure(context: &dyn Context, parts: &[EndedPart<'_>]) -> Vec<Part> {
        let stage = context.stage();
        // It was read when the stage began.
        let Ok(config) = read::<Self>(stage.config) else { return Vec::new() };
        let failed = |part: &EndedPart<'_>| {
            let late = stage.timed_out && part.status == ExecutionStatus::Canceled;
            part.status.is_failure() || late
        };
        let mut destructions = Vec::new();
        for part in parts.iter().filter(|part| part.kind == PART && failed(part)) {
            let cluster = config.clusters.iter().find(|cluster| {
                let keys = cluster.regions.iter().map(|region| key(context, cluster, region));
                keys.into_iter().any(|key| key == *part.key)
            });
            let Some(cluster) = cluster.filter(|cluster| cluster.rollback.destroys()) else {
                continue;
            };
            destructions.push(destruction(context, cluster, part));
        }
        destructions
    }

    fn image_regions(config: &Config) -> Vec<String> {
        config.clusters.iter().flat_map(|cluster| cluster.regions.clone()).collect()
    }
}

/// What makes the part of a cluster and region this one.
fn key(context: &dyn Context, cluster: &Cluster, region: &str) -> PartKey {
    let application = cluster.application.as_deref().unwrap_or_else(|| context.application());
    let moniker = Moniker::new(application, &cluster.stack, &cluster.free_form_details);
    PartKey::Cluster {
        account: cluster.account.clone(),
        region: region.to_owned(),
        // A name that is none is told when the part begins.
        cluster: moniker.map_or_else(|_| application.to_owned(), |moniker| moniker.cluster()),
    }
}

/// One cluster to deploy to, in one or more regions.
///
/// Source: names and defaults are those of Spinnaker's deploy wizard for AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    /// Account to deploy to.
    pub(crate) account: String,
    /// First part of the name; `None` is the pipeline's application.
    pub(crate) application: Option<String>,
    /// Second part; empty is none.
    pub(crate) stack: String,
    /// Rest of the name; empty is none.
    pub(crate) free_form_details: String,
    /// Where.
    pub(crate) regions: Vec<String>,
    /// Zones by region; a region without zones means all that the subnets are in.
    pub(crate) availability_zones: BTreeMap<String, Vec<String>>,
    /// What happens to the old groups: `highlander`, or nothing when empty.
    pub(crate) strategy: String,
    /// Size of the new group.
    pub(crate) capacity: Capacity,
    /// Take the old group's size instead, if there is one.
    pub(crate) use_source_capacity: bool,
    /// Type of the instances.
    pub(crate) instance_type: String,
    /// SSH key.
    pub(crate) key_pair: Option<String>,
    /// Instance profile.
    pub(crate) iam_role: Option<String>,
    /// Ids or names.
    pub(crate) security_groups: Vec<String>,
    /// Names of classic load balancers.
    pub(crate) load_balancers: Vec<String>,
    /// Names of target groups.
    pub(crate) target_groups: Vec<String>,
    /// Purpose of the subnets; empty is none.
    pub(crate) subnet_type: String,
    /// `EC2` or `ELB`.
    pub(crate) health_check_type: String,
    /// Seconds before health counts.
    pub(crate) health_check_grace_period: u32,
    /// Seconds between scaling activities.
    pub(crate) cooldown: u32,
    /// Which instances go first.
    pub(crate) termination_policies: Vec<String>,
    /// Scaling processes to suspend once the group is up.
    pub(crate) suspended_processes: Vec<String>,
    /// Tags of the group and its instances.
    pub(crate) tags: BTreeMap<String, String>,
    /// The user's own user data, base64; empty is none.
    pub(crate) base64_user_data: String,
    /// Percent of the desired capacity that must be healthy.
    pub(crate) target_healthy_deploy_percentage: u32,
    /// Whose word about health counts; `None` is everybody's.
    pub(crate) interesting_health_provider_names: Option<Vec<String>>,
    /// Instances get a public address; `None` lets the subnet decide.
    pub(crate) associate_public_ip_address: Option<bool>,
    /// EBS-optimized instances.
    pub(crate) ebs_optimized: bool,
    /// Detailed monitoring.
    pub(crate) instance_monitoring: bool,
    /// Seconds between the new group's health and disabling the old ones.
    pub(crate) delay_before_disable_sec: u32,
    /// Seconds between disabling an old group and scaling it down.
    pub(crate) delay_before_scale_down_sec: u32,
    /// The image by name; `None` takes what stages upstream made.
    pub(crate) ami_name: Option<String>,
    /// The image by id; `None` takes what stages upstream made.
    pub(crate) image_id: Option<String>,
    /// What becomes of the new group when its deploy fails.
    pub(crate) rollback: Rollback,
}

/// What becomes of a new server group whose deploy fails.
///
/// Source: Spinnaker's field `rollback`, on the cluster or on its stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rollback {
    /// Something is done at all.
    pub(crate) on_failure: bool,
    /// The new group is destroyed.
    pub(crate) destroy_latest: bool,
}

impl Rollback {
    /// True when a new group whose deploy fails is destroyed.
    pub(crate) const fn destroys(self) -> bool {
        self.on_failure && self.destroy_latest
    }
}

fn part(context: &dyn Context, cluster: &Cluster, region: &str) -> Result<Part, TaskFailure> {
    let image = image(context, cluster, region)?;
    let strategy: DeployStrategy = cluster.strategy.parse().map_err(|unknown: String| {
        user_failure(unknown, Some("choose highlander or none".to_owned()))
    })?;
    let request = DeployRequest {
        application: cluster
            .application
            .clone()
            .unwrap_or_else(|| context.application().to_owned()),
        stack: cluster.stack.clone(),
        detail: cluster.free_form_details.clone(),
        pipeline: context.pipeline().to_owned(),
        account: cluster.account.clone(),
        region: region.to_owned(),
        image: image.clone(),
        strategy,
        capacity: cluster.capacity,
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
        key: key(context, cluster, region),
        name: format!("Deploy in {region}"),
        kind: PART,
        config,
        on_failure: OnFailure::HaltPipeline,
        plan: Plan::Operation(OperationCall::run::<CreateGroup>(&request)),
    })
}

fn destruction(context: &dyn Context, cluster: &Cluster, failed: &EndedPart<'_>) -> Part {
    let region = match failed.key {
        PartKey::Cluster { region, .. } | PartKey::Region { region, .. } => region.as_str(),
        PartKey::Entry { .. } => "",
    };
    let request = DestroyRequest {
        tries: failed.tries.clone(),
        application: cluster
            .application
            .clone()
            .unwrap_or_else(|| context.application().to_owned()),
        stack: cluster.stack.clone(),
        detail: cluster.free_form_details.clone(),
        account: cluster.account.clone(),
        region: region.to_owned(),
        platform_health_only: cluster.platform_health_only(),
    };
    let mut config = failed.config.clone();
    config.retain(|key, _| PLACE.contains(&key.as_str()));
    Part {
        key: failed.key.clone(),
        name: format!("Destroy the new server group in {region}"),
        kind: "destroyServerGroup",
        config,
        on_failure: OnFailure::HaltPipeline,
        plan: Plan::Operation(OperationCall::run::<DestroyCreated>(&request)),
    }
}

/// The cluster's own image, else the nearest ancestor's for this region, else any stage's.
///
/// Source: Orca's image lookup for a deploy stage.
fn image(context: &dyn Context, cluster: &Cluster, region: &str) -> Result<String, TaskFailure> {
    if let Some(own) = cluster.ami_name.as_ref().or(cluster.image_id.as_ref()) {
        return Ok(own.clone());
    }
    let near = context.ancestors().into_iter().find_map(|found| image_in(&found, region));
    let any = || context.stages().into_iter().find_map(|found| image_in(&found, region));
    near.or_else(any).ok_or_else(|| {
        user_failure(
            format!("no image for {region} was found for stage `{}`", context.stage().name),
            Some(format!(
                "let it depend on a bake stage that bakes in {region}, or name the image in the cluster (`amiName`)"
            )),
        )
    })
}

fn image_in(stage: &StageFacts<'_>, region: &str) -> Option<String> {
    let details = stage.outputs.get("deploymentDetails")?.as_array()?;
    let fits = |detail: &&Value| {
        let place = detail.get("region").and_then(Value::as_str);
        place == Some(region) || place == Some("global")
    };
    let ami = details.iter().find(fits)?.get("ami")?.as_str()?;
    Some(ami.to_owned())
}

impl Cluster {
    /// True when the balancers' word about health does not count: instances are judged by their
    /// EC2 state alone.
    pub(crate) fn platform_health_only(&self) -> bool {
        let names = self.interesting_health_provider_names.as_deref();
        names.is_some_and(|names| names.iter().all(|name| name == "Amazon"))
    }

    /// True when a load balancer or target group says whether instances are healthy.
    pub(crate) const fn has_balancer(&self) -> bool {
        !self.load_balancers.is_empty() || !self.target_groups.is_empty()
    }
}

#[cfg(test)]
mod tests;
