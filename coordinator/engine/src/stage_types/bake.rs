//! The bake stage: one part for each region; packages pinned to what the build archived.

use std::collections::BTreeSet;

use model::{
    Pool,
    package::{self, Resolved},
    pipeline::OnFailure,
    stages::{BakeStage, DeployStage},
};
use serde_json::{Map, Value, json};
use wire::{BakeRequest, BakeResult, BaseImage, BuildLink, PackageSpec, TaskFailure};

use crate::{
    build,
    document::Document,
    failure::user_failure,
    stage::Stage,
    stage_types::{Part, Plan, unreadable},
};

pub(crate) fn plan(document: &Document, stage: &Stage) -> Result<Plan, TaskFailure> {
    let bake = BakeStage::read(stage.config()).map_err(|problems| unreadable(&problems))?;
    let packages = packages(document, &bake)?;
    let regions = regions(document, stage, &bake);
    let parts = regions.iter().map(|region| part(document, &bake, &packages, region));
    Ok(Plan::Parts(parts.collect()))
}

fn part(document: &Document, bake: &BakeStage, packages: &[PackageSpec], region: &str) -> Part {
    let told = document.trigger.get("rebake").and_then(Value::as_bool).unwrap_or(false);
    let request = BakeRequest {
        application: document.application.clone(),
        pipeline: document.pipeline_name.clone(),
        region: region.to_owned(),
        account: bake.account.clone(),
        base: BaseImage {
            os: bake.base_os.clone(),
            label: Some(bake.base_label.clone()),
            image: bake.base_ami.clone(),
        },
        packages: packages.to_vec(),
        image_name: bake.ami_name.clone(),
        rebake: bake.rebake || told,
        upgrade: bake.upgrade,
        vm_type: bake.vm_type.clone(),
        instance_type: bake.instance_type.clone(),
        enhanced_networking: bake.enhanced_networking,
        attributes: bake.extended_attributes.clone(),
        build: build_link(&document.trigger),
    };
    let mut config = Map::new();
    config.insert("region".to_owned(), region.into());
    config.insert("package".to_owned(), pinned(packages).into());
    config.insert("baseOs".to_owned(), json!(bake.base_os));
    config.insert("baseLabel".to_owned(), bake.base_label.as_str().into());
    config.insert("vmType".to_owned(), bake.vm_type.as_str().into());
    Part {
        name: format!("Bake in {region}"),
        kind: "bake".to_owned(),
        config,
        on_failure: OnFailure::HaltPipeline,
        plan: Plan::Task { kind: Pool::Bake, request: build::text_of(&request) },
    }
}

/// `name=version` of each, in order.
fn pinned(packages: &[PackageSpec]) -> String {
    let pin = |spec: &PackageSpec| match &spec.version {
        Some(version) => format!("{}={version}", spec.name),
        None => spec.name.clone(),
    };
    packages.iter().map(pin).collect::<Vec<_>>().join(" ")
}

/// The stage's regions, and those of deploys that build on it, unless it says not to look.
fn regions(document: &Document, stage: &Stage, bake: &BakeStage) -> Vec<String> {
    let mut regions = bake.regions.clone();
    let skip = stage.config().get("skipRegionDetection").and_then(Value::as_bool).unwrap_or(false);
    if skip || regions.iter().any(|region| region == "global") {
        return regions;
    }
    for later in document.descendants(stage).into_iter().filter(|later| later.kind == "deploy") {
        let Ok(deploy) = DeployStage::read(&later.config) else { continue };
        let wanted: BTreeSet<String> =
            deploy.clusters.into_iter().flat_map(|cluster| cluster.regions).collect();
        regions.extend(wanted.into_iter().filter(|region| !bake.regions.contains(region)));
    }
    let mut seen = BTreeSet::new();
    regions.retain(|region| seen.insert(region.clone()));
    regions
}

fn packages(document: &Document, bake: &BakeStage) -> Result<Vec<PackageSpec>, TaskFailure> {
    let artifacts = build::artifact_names(&document.trigger);
    if artifacts.as_ref().is_some_and(Vec::is_empty) && !bake.allow_missing_package_installation {
        return Err(user_failure(
            format!(
                "the build that started this archived no artifacts, so no version of `{}` is known",
                bake.packages.join(" ")
            ),
            Some(
                "archive the package files in the Jenkins job (archiveArtifacts '**/*.deb')"
                    .to_owned(),
            ),
        ));
    }
    let artifacts = artifacts.unwrap_or_default();
    match package::resolve(&bake.packages, &artifacts) {
        Ok(resolved) => Ok(resolved.into_iter().map(spec).collect()),
        Err(_) if bake.allow_missing_package_installation => {
            let unpinned =
                |name: &String| PackageSpec { name: name.clone(), version: None, arch: None };
            Ok(bake.packages.iter().map(unpinned).collect())
        }
        Err(error) => Err(user_failure(error.to_string(), None)),
    }
}

fn spec(resolved: Resolved) -> PackageSpec {
    PackageSpec { name: resolved.name, version: resolved.version, arch: resolved.arch }
}

fn build_link(trigger: &Map<String, Value>) -> Option<BuildLink> {
    let job = trigger.get("job")?.as_str()?.to_owned();
    let number = trigger.get("buildNumber")?.as_u64()?;
    let info = trigger.get("buildInfo");
    let url = info.and_then(|info| info.get("url")).and_then(Value::as_str).map(str::to_owned);
    let commit = info
        .and_then(|info| info.get("scm"))
        .and_then(Value::as_array)
        .and_then(|scm| commit_of(scm));
    Some(BuildLink { job, number, url, commit })
}

/// Source: Orca; with several repositories the first whose branch is neither `master` nor
/// `develop` is taken, else the first.
fn commit_of(scm: &[Value]) -> Option<String> {
    let branch = |entry: &&Value| {
        let name = entry.get("branch").and_then(Value::as_str).unwrap_or_default();
        name != "master" && name != "develop"
    };
    let chosen = scm.iter().find(branch).or_else(|| scm.first())?;
    chosen.get("sha1").and_then(Value::as_str).map(str::to_owned)
}

/// Outputs of one region's bake, under the names Spinnaker's stages use.
pub(crate) fn outputs(
    result: &Map<String, Value>,
    config: &Map<String, Value>,
) -> Map<String, Value> {
    let Ok(bake) = serde_json::from_value::<BakeResult>(Value::Object(result.clone())) else {
        return result.clone();
    };
    let mut outputs = Map::new();
    let mut put = |key: &str, value: Value| {
        outputs.insert(key.to_owned(), value);
    };
    put("ami", bake.image_id.as_str().into());
    put("imageId", bake.image_id.into());
    put("amiName", bake.image_name.as_str().into());
    put("imageName", bake.image_name.into());
    put("baseAmiId", bake.base_image_id.into());
    put("region", bake.region.into());
    put("cloudProvider", "aws".into());
    put("cloudProviderType", "aws".into());
    put("previouslyBaked", bake.reused.into());
    put("bakeKey", bake.bake_key.into());
    put("generation", bake.generation.into());
    for key in ["package", "baseOs", "baseLabel", "vmType"] {
        put(key, config.get(key).cloned().unwrap_or(Value::Null));
    }
    outputs
}

/// Outputs of the whole stage: one entry for each region.
pub(crate) fn gather(parts: &[&Stage]) -> Map<String, Value> {
    let baked = parts.iter().filter(|part| part.run.outputs.contains_key("ami"));
    let details: Vec<Value> = baked.map(|part| Value::Object(part.run.outputs.clone())).collect();
    let mut outputs = Map::new();
    outputs.insert("deploymentDetails".to_owned(), Value::Array(details));
    outputs
}
