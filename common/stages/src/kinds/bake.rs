//! `bake`: packages become an image, in one part for each region; packages are pinned to what the build archived.

use std::collections::BTreeMap;

use model::{
    OnFailure, PartKey,
    fields::{Choices, Field, Reader, declared::Default, unresolved},
    limits,
    package::{self, PackageRef, Resolved},
    problem::{FieldProblem, Weight, shortened},
};
use serde_json::{Map, Value, json};
use wire::{
    BakeImage, BakeRequest, BakeResult, BaseImage, BuildLink, OperationCall, PackageSpec,
    TaskFailure,
};

use crate::{
    add_once,
    build::artifact_names,
    coming::images_to_come,
    context::{Context, EndedPart},
    images::{Named, deployment_details, image_outputs},
    other_cloud,
    plan::{Part, Plan},
    stage_type::{StageType, Surroundings, inspect, read, user_failure},
};

pub(crate) struct Bake;

/// The configuration of a bake stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the fields of Spinnaker's stage")]
pub(crate) struct Config {
    /// What to install, in this order: names, with or without a version.
    packages: Vec<String>,
    /// Where to bake. May be empty: deploys that build on the stage say where.
    regions: Vec<String>,
    /// Only the regions named here, not those of later deploys.
    skip_region_detection: bool,
    base_os: Option<String>,
    base_label: String,
    base_ami: Option<String>,
    ami_name: Option<String>,
    vm_type: String,
    rebake: bool,
    upgrade: bool,
    enhanced_networking: bool,
    extended_attributes: BTreeMap<String, String>,
    instance_type: Option<String>,
    account: Option<String>,
    /// Bake the newest package of the repository when the build archived none that fits.
    allow_missing_package_installation: bool,
}

// Source: names and defaults are those of Spinnaker's bake stage.
const FIELDS: &[Field] = &[
    Field::text(
        "package",
        "Package",
        "What to install: a name, `name=version` or `name_version_arch`, or several with blanks between. A name is pinned to the version that the build archived.",
    ),
    Field::texts(
        "regions",
        "Regions",
        "Where to bake. The regions of deploys that build on the stage are added.",
    )
    .choices(Choices::Regions),
    Field::text("region", "Region", "One more region, as older definitions write it.")
        .choices(Choices::Regions),
    Field::flag(
        "skipRegionDetection",
        "Only these regions",
        "Bake in the regions named here, and not in those of later deploys.",
    ),
    Field::text("baseOs", "Base OS", "A key of the bake workers' table of base images.")
        .choices(Choices::BaseImages)
        .default(Default::Described("required, unless `baseAmi` names an image")),
    Field::text("baseLabel", "Base label", "Which of the base images of this base OS.")
        .default(Default::Text("release")),
    Field::text(
        "baseAmi",
        "Base AMI",
        "An image to start from, by id or name. With it, `baseOs` is not used.",
    ),
    Field::text("amiName", "AMI name", "The first part of the image's name.")
        .default(Default::Described("the first package")),
    Field::text("vmType", "VM type", "The kind of virtual machine that the image is for.")
        .choices(Choices::Fixed(&["hvm", "pv"]))
        .default(Default::Text("hvm")),
    Field::flag(
        "rebake",
        "Rebake",
        "Make a new image even if there is one made from the same things.",
    ),
    Field::flag("upgrade", "Upgrade", "Upgrade all packages of the base image first."),
    Field::flag("enhancedNetworking", "Enhanced networking", "Set ENA support on the image."),
    Field::pairs("extendedAttributes", "Extended attributes", "Free attributes, by name."),
    Field::text("instanceType", "Builder type", "The type of the builder instance.")
        .choices(Choices::InstanceTypes)
        .default(Default::Described("the bake workers' setting")),
    Field::text("instance_type", "Builder type (older name)", "The same as `instanceType`.")
        .choices(Choices::InstanceTypes),
    Field::text("account", "Account", "The AWS account to bake in.")
        .choices(Choices::Accounts)
        .default(Default::Described("the bake workers' setting")),
    Field::text("accountName", "Account (older name)", "The same as `account`.")
        .choices(Choices::Accounts),
    Field::flag(
        "allowMissingPackageInstallation",
        "Allow missing packages",
        "Install the newest package of the repository when the build archived none that fits.",
    ),
    Field::text("storeType", "Store type", "Where the image's disk is kept.")
        .choices(Choices::Fixed(&["ebs"]))
        .default(Default::Text("ebs")),
    Field::text("cloudProviderType", "Cloud", "The cloud of the image.")
        .choices(Choices::Fixed(&["aws"])),
    Field::text("cloudProvider", "Cloud", "The cloud of the image.")
        .choices(Choices::Fixed(&["aws"])),
    Field::text("providerType", "Cloud (older name)", "The cloud of the image.")
        .choices(Choices::Fixed(&["aws"])),
    Field::text("user", "User", "Who edited the stage last, as Spinnaker's form writes it.").kept(),
    Field::flag("showAdvancedOptions", "Show advanced options", "A switch of Spinnaker's form.")
        .kept(),
    // How Packer is to work, which is not used here, or what has another name here.
    Field::ignored("templateFileName", "images are made without Packer templates"),
    Field::ignored("varFileName", "images are made without Packer templates"),
    Field::ignored("amiSuffix", "an image's name ends with its bake key"),
    Field::ignored("baseName", "an image's name begins with `amiName` or the first package"),
    Field::ignored("rootVolumeSize", "the root volume is that of the base image"),
    Field::ignored("packageArtifactIds", "packages are named in `package`"),
];

impl StageType for Bake {
    const NAME: &'static str = "bake";
    const LABEL: &'static str = "Bake";
    const SUMMARY: &'static str =
        "Makes an image from packages, unless there is one that was made from the same things.";
    const FIELDS: &'static [Field] = FIELDS;
    const WORKS_IN_AWS: bool = true;

    type Config = Config;

    fn read(reader: &mut Reader<'_, '_>) -> Option<Config> {
        if other_cloud(reader, &["cloudProviderType", "cloudProvider", "providerType"]) {
            return None;
        }
        let mut regions = reader.texts("regions");
        add_once(&mut regions, reader.text("region"));
        let config = Config {
            packages: packages(reader),
            regions,
            skip_region_detection: reader.flag("skipRegionDetection"),
            base_os: reader.text("baseOs"),
            base_label: reader.text("baseLabel").unwrap_or_default(),
            base_ami: reader.text("baseAmi"),
            ami_name: reader.text("amiName"),
            vm_type: vm_type(reader),
            rebake: reader.flag("rebake"),
            upgrade: reader.flag("upgrade"),
            enhanced_networking: reader.flag("enhancedNetworking"),
            extended_attributes: reader.pairs("extendedAttributes"),
            instance_type: reader.text("instanceType").or_else(|| reader.text("instance_type")),
            account: reader.text("account").or_else(|| reader.text("accountName")),
            allow_missing_package_installation: reader.flag("allowMissingPackageInstallation"),
        };
        if config.base_os.is_none() && config.base_ami.is_none() {
            reader.fields().missing(
                Weight::Blocks,
                "baseOs",
                "write a key of the bake workers' base image table, or an image as `baseAmi`",
            );
        }
        if reader
            .value("storeType")
            .and_then(Value::as_str)
            .is_some_and(|store| store != "ebs" && !store.is_empty())
        {
            reader.fields().hinted(
                Weight::Blocks,
                "unsupported-value",
                "storeType",
                ("only images on EBS volumes are made".to_owned(), "write \"ebs\"".to_owned()),
            );
        }
        Some(config)
    }

    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        let config = read::<Self>(context.stage().config)?;
        let packages = pinned_packages(context, &config)?;
        let regions = config.regions().with_later(context);
        let parts = regions.iter().map(|region| part(context, &config, &packages, region));
        Ok(Plan::Parts(parts.collect()))
    }

    /// Outputs of one region's bake, under the names that Spinnaker's stages use.
    fn operation_outputs(
        config: &Map<String, Value>,
        result: Map<String, Value>,
    ) -> Map<String, Value> {
        let Ok(bake) = serde_json::from_value::<BakeResult>(Value::Object(result.clone())) else {
            return result;
        };
        let mut outputs = image_outputs(&bake.region, &bake.image_id, &bake.image_name);
        let mut put = |key: &str, value: Value| {
            outputs.insert(key.to_owned(), value);
        };
        put("baseAmiId", bake.base_image_id.into());
        put("previouslyBaked", bake.reused.into());
        put("bakeKey", bake.bake_key.into());
        put("generation", bake.generation.into());
        for key in ["package", "baseOs", "baseLabel", "vmType"] {
            put(key, config.get(key).cloned().unwrap_or(Value::Null));
        }
        outputs
    }

    fn outputs(parts: &[EndedPart<'_>]) -> Map<String, Value> {
        deployment_details(parts)
    }

    fn expected_outputs(stage: &str, parts: &[Part]) -> Map<String, Value> {
        images_to_come(stage, parts)
    }

    /// A bake must know where: from its own field, or from a stage behind it.
    fn check(stage: &Map<String, Value>, pipeline: &mut Surroundings<'_>) -> Vec<FieldProblem> {
        let (read, problems) = inspect::<Self>(stage);
        let named = read.as_ref().map(Config::regions);
        let missing = named.and_then(|named| named.missing(Weight::Error, &problems, pipeline));
        missing.into_iter().collect()
    }
}

impl Config {
    fn regions(&self) -> Named<'_> {
        Named { regions: &self.regions, only_these: self.skip_region_detection }
    }
}

fn vm_type(reader: &mut Reader<'_, '_>) -> String {
    let text = reader.text("vmType").unwrap_or_default();
    let fields = reader.fields();
    if !matches!(text.as_str(), "hvm" | "pv") && unresolved(&text).is_none() {
        fields.hinted(
            Weight::Error,
            "bad-value",
            "vmType",
            (
                format!("`vmType` is \"{}\"", shortened(&text)),
                "write \"hvm\", or \"pv\" for old instance types".to_owned(),
            ),
        );
    }
    text
}

fn packages(reader: &mut Reader<'_, '_>) -> Vec<String> {
    let text = reader.text("package");
    let fields = reader.fields();
    let Some(text) = text else {
        if fields.value("package").is_none_or(Value::is_string) {
            let weight = if fields.says_something("packageArtifactIds") {
                Weight::Blocks
            } else {
                Weight::Error
            };
            fields.missing(
                weight,
                "package",
                "write the name of the package to install, or several with blanks between",
            );
        }
        return Vec::new();
    };
    // Blanks inside an expression do not separate packages.
    if unresolved(&text).is_some() {
        return vec![text];
    }
    let packages: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if packages.len() > limits::ENTRIES_MAX {
        let (many, max) = (packages.len(), limits::ENTRIES_MAX);
        let message = format!("`package` names {many} packages, {max} are allowed");
        let hint = "let one package depend on the others".to_owned();
        fields.hinted(Weight::Error, "too-many-entries", "package", (message, hint));
        return Vec::new();
    }
    for package in &packages {
        if package.contains("://") {
            fields.hinted(
                Weight::Blocks,
                "unsupported-value",
                "package",
                (
                    format!(
                        "`{}` is an address; packages are installed by name",
                        shortened(package)
                    ),
                    "put the package into a repository the bake workers know".to_owned(),
                ),
            );
        } else if let Err(error) = package.parse::<PackageRef>() {
            let hint = "write names, `name=version` or `name_version_arch`, with blanks between"
                .to_owned();
            fields.hinted(Weight::Error, "bad-package", "package", (error.to_string(), hint));
        }
    }
    packages
}

fn part(context: &dyn Context, bake: &Config, packages: &[PackageSpec], region: &str) -> Part {
    let told = context.trigger().get("rebake").and_then(Value::as_bool).unwrap_or(false);
    let request = BakeRequest {
        application: context.application().to_owned(),
        pipeline: context.pipeline().to_owned(),
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
        build: build_link(context.trigger()),
    };
    let mut config = Map::new();
    config.insert("region".to_owned(), region.into());
    config.insert("package".to_owned(), pinned(packages).into());
    config.insert("baseOs".to_owned(), json!(bake.base_os));
    config.insert("baseLabel".to_owned(), bake.base_label.as_str().into());
    config.insert("vmType".to_owned(), bake.vm_type.as_str().into());
    Part {
        key: PartKey::Region { account: bake.account.clone(), region: region.to_owned() },
        name: format!("Bake in {region}"),
        kind: Bake::NAME,
        config,
        on_failure: OnFailure::HaltPipeline,
        plan: Plan::Operation(OperationCall::run::<BakeImage>(&request)),
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

fn pinned_packages(context: &dyn Context, bake: &Config) -> Result<Vec<PackageSpec>, TaskFailure> {
    let artifacts = artifact_names(context.trigger());
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

#[cfg(test)]
mod tests;
