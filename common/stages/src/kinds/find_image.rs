//! `findImage`: the image of a server group of a cluster is found, in one part for each region.

use model::{
    OnFailure, PartKey,
    fields::{Choices, Field, Reader, declared::Default, unresolved},
    pattern::Pattern,
    problem::{FieldProblem, Weight, nearest, shortened},
};
use serde_json::{Map, Value};
use wire::{
    FindImage as Find, FindImageRequest, FoundImage, GroupSelection, OperationCall, TaskFailure,
};

use crate::{
    coming::images_to_come,
    context::{Context, EndedPart},
    images::{Named, deployment_details, image_outputs},
    other_cloud,
    plan::{Part, Plan},
    stage_type::{StageType, Surroundings, inspect, read, user_failure},
};

pub(crate) struct FindImage;

/// The configuration of a stage that can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    account: String,
    cluster: String,
    /// May be empty: deploys that build on the stage say where.
    regions: Vec<String>,
    /// Only the regions named here, not those of later deploys.
    skip_region_detection: bool,
    selection: GroupSelection,
    only_enabled: bool,
    image_name_pattern: Option<String>,
}

/// The words for a selection, in the order of Spinnaker's form.
const SELECTIONS: &[(&str, GroupSelection)] = &[
    ("LARGEST", GroupSelection::Largest),
    ("NEWEST", GroupSelection::Newest),
    ("OLDEST", GroupSelection::Oldest),
    ("FAIL", GroupSelection::Fail),
];

// Source: names and defaults are those of Orca's `FindImageFromClusterTask`.
const FIELDS: &[Field] = &[
    Field::text("credentials", "Account", "The AWS account of the cluster.")
        .choices(Choices::Accounts)
        .required_to_run("write the name of an AWS account"),
    Field::text("cluster", "Cluster", "The whole name of the cluster, application-stack-detail.")
        .choices(Choices::Clusters)
        .required_to_run("write the cluster's whole name: \"shop-staging-web\""),
    Field::texts(
        "regions",
        "Regions",
        "Where to look: each region has an image of its own. The regions of deploys that build on the stage are added.",
    )
    .choices(Choices::Regions),
    Field::flag(
        "skipRegionDetection",
        "Only these regions",
        "Look in the regions named here, and not in those of later deploys.",
    ),
    Field::text(
        "selectionStrategy",
        "Server group",
        "Which server group is meant: the one with the most instances, the newest, the oldest, or the only one (several are a failure).",
    )
    .choices(Choices::Fixed(&["LARGEST", "NEWEST", "OLDEST", "FAIL"]))
    .default(Default::Text("NEWEST")),
    Field::flag("onlyEnabled", "Only enabled", "Disabled server groups are not looked at.")
        .default(Default::True),
    Field::text(
        "imageNamePattern",
        "Image name",
        "A regular expression that the whole name of the image must fit; another image is a failure.",
    ),
    Field::text("cloudProvider", "Cloud", "The cloud of the cluster.")
        .choices(Choices::Fixed(&["aws"])),
    Field::text("cloudProviderType", "Cloud (older name)", "The cloud of the cluster.")
        .choices(Choices::Fixed(&["aws"])),
    Field::json(
        "moniker",
        "Moniker",
        "The parts of the cluster's name, as Spinnaker's form writes them.",
    )
    .kept(),
    Field::ignored(
        "resolveMissingLocations",
        "in each region the image of a server group there is found, and not one of the same name",
    ),
];

impl StageType for FindImage {
    const NAME: &'static str = "findImage";
    const LABEL: &'static str = "Find Image from Cluster";
    const SUMMARY: &'static str =
        "Finds the image of a server group that runs in a cluster, for later deploys.";
    const FIELDS: &'static [Field] = FIELDS;

    type Config = Config;

    fn read(reader: &mut Reader<'_, '_>) -> Option<Config> {
        if other_cloud(reader, &["cloudProvider", "cloudProviderType"]) {
            return None;
        }
        Some(Config {
            account: reader.text("credentials").unwrap_or_default(),
            cluster: reader.text("cluster").unwrap_or_default(),
            regions: reader.texts("regions"),
            skip_region_detection: reader.flag("skipRegionDetection"),
            selection: selection(reader),
            only_enabled: reader.flag("onlyEnabled"),
            image_name_pattern: pattern(reader),
        })
    }

    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        let config = read::<Self>(context.stage().config)?;
        let regions = config.named().with_later(context);
        if regions.is_empty() {
            return Err(user_failure(
                "the stage names no region, and no deploy that builds on it does",
                Some("write \"regions\": [\"us-east-1\"]".to_owned()),
            ));
        }
        Ok(Plan::Parts(regions.into_iter().map(|region| part(&config, region)).collect()))
    }

    fn operation_outputs(_: &Map<String, Value>, result: Map<String, Value>) -> Map<String, Value> {
        let Ok(found) = serde_json::from_value::<FoundImage>(Value::Object(result.clone())) else {
            return result;
        };
        let mut outputs = image_outputs(&found.region, &found.image_id, &found.image_name);
        outputs.insert("sourceServerGroup".to_owned(), found.server_group.into());
        outputs
    }

    fn outputs(parts: &[EndedPart<'_>]) -> Map<String, Value> {
        deployment_details(parts)
    }

    fn expected_outputs(stage: &str, parts: &[Part]) -> Map<String, Value> {
        images_to_come(stage, parts)
    }

    fn check(stage: &Map<String, Value>, pipeline: &mut Surroundings<'_>) -> Vec<FieldProblem> {
        let (read, problems) = inspect::<Self>(stage);
        let missing =
            read.and_then(|config| config.named().missing(Weight::Blocks, &problems, pipeline));
        missing.into_iter().collect()
    }
}

impl Config {
    fn named(&self) -> Named<'_> {
        Named { regions: &self.regions, only_these: self.skip_region_detection }
    }
}

fn part(config: &Config, region: String) -> Part {
    let Config { account, cluster, .. } = config;
    let request = FindImageRequest {
        account: account.clone(),
        cluster: cluster.clone(),
        region: region.clone(),
        selection: config.selection,
        only_enabled: config.only_enabled,
        image_name_pattern: config.image_name_pattern.clone(),
    };
    let shown = [("credentials", account), ("cluster", cluster), ("region", &region)];
    Part {
        name: format!("Find image in {region}"),
        kind: FindImage::NAME,
        config: shown
            .map(|(key, value)| (key.to_owned(), value.as_str().into()))
            .into_iter()
            .collect(),
        key: PartKey::Cluster { account: account.clone(), region, cluster: cluster.clone() },
        on_failure: OnFailure::HaltPipeline,
        plan: Plan::Operation(OperationCall::run::<Find>(&request)),
    }
}

fn selection(reader: &mut Reader<'_, '_>) -> GroupSelection {
    let word = reader.text("selectionStrategy").unwrap_or_default();
    if let Some((_, selection)) = SELECTIONS.iter().find(|(name, _)| *name == word) {
        return *selection;
    }
    if unresolved(&word).is_some() {
        let message =
            format!("`selectionStrategy` is \"{}\", which was not evaluated", shortened(&word));
        reader.fields().problem(Weight::Later, "expression", "selectionStrategy", message);
    } else {
        let names = SELECTIONS.iter().map(|(name, _)| *name);
        let hint = nearest(&word, names).map_or_else(
            || "write `LARGEST`, `NEWEST`, `OLDEST` or `FAIL`".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("`{}` selects no server group", shortened(&word));
        reader.fields().hinted(Weight::Error, "bad-value", "selectionStrategy", (message, hint));
    }
    GroupSelection::Newest
}

fn pattern(reader: &mut Reader<'_, '_>) -> Option<String> {
    let text = reader.text("imageNamePattern")?;
    if unresolved(&text).is_none()
        && let Err(why) = Pattern::new(&text)
    {
        let message = format!("`imageNamePattern` is no regular expression: {why}");
        let hint = "write one that the whole name fits: \"shop-web-.*\"".to_owned();
        reader.fields().hinted(Weight::Error, "bad-pattern", "imageNamePattern", (message, hint));
    }
    Some(text)
}

#[cfg(test)]
mod tests;
