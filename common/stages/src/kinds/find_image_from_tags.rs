//! `findImageFromTags`: the newest image of a package with given tags is found, in one part for each region.

use std::collections::BTreeMap;

use model::{
    OnFailure, PartKey,
    fields::{Choices, Field, Reader, declared::Default},
    problem::Weight,
};
use serde_json::{Map, Value, json};
use wire::{FindImageByTags, FindImageByTagsRequest, OperationCall, TaggedImageFound, TaskFailure};

use crate::{
    add_once,
    coming::images_to_come,
    context::{Context, EndedPart},
    images::{deployment_details, image_outputs},
    other_cloud,
    plan::{Part, Plan},
    stage_type::{StageType, read},
};

pub(crate) struct FindImageFromTags;

/// The configuration of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    account: Option<String>,
    package: String,
    regions: Vec<String>,
    tags: BTreeMap<String, String>,
}

const REGIONS_HINT: &str = "write the regions: [\"us-east-1\"]";
const TAGS_HINT: &str = "write tags of the image: { \"stage\": \"released\" }";

// Source: names are those of Orca's `FindImageFromTagsTask`.
const FIELDS: &[Field] = &[
    Field::text("packageName", "Package", "The name of the image begins with it.")
        .required_to_run("write the name of the package: \"shop-web\""),
    Field::texts("regions", "Regions", "Where to look: each region has an image of its own.")
        .choices(Choices::Regions)
        .required_to_run(REGIONS_HINT),
    Field::pairs("tags", "Tags", "The image has all of these tags, by name.")
        .required_to_run(TAGS_HINT),
    Field::text("credentials", "Account", "The AWS account that owns the image.")
        .choices(Choices::Accounts)
        .default(Default::Described("the deploy workers' own")),
    Field::text("cloudProvider", "Cloud", "The cloud of the image.")
        .choices(Choices::Fixed(&["aws"])),
    Field::text("cloudProviderType", "Cloud (older name)", "The cloud of the image.")
        .choices(Choices::Fixed(&["aws"])),
];

impl StageType for FindImageFromTags {
    const NAME: &'static str = "findImageFromTags";
    const LABEL: &'static str = "Find Image from Tags";
    const SUMMARY: &'static str =
        "Finds the newest image of a package that has given tags, for later deploys.";
    const FIELDS: &'static [Field] = FIELDS;

    type Config = Config;

    fn read(reader: &mut Reader<'_, '_>) -> Option<Config> {
        if other_cloud(reader, &["cloudProvider", "cloudProviderType"]) {
            return None;
        }
        let mut regions = Vec::new();
        add_once(&mut regions, reader.texts("regions"));
        let config = Config {
            account: reader.text("credentials"),
            package: reader.text("packageName").unwrap_or_default(),
            regions,
            tags: reader.pairs("tags"),
        };
        if config.regions.is_empty() && reader.value("regions").is_none_or(Value::is_array) {
            reader.fields().missing(Weight::Blocks, "regions", REGIONS_HINT);
        }
        if config.tags.is_empty() && reader.value("tags").is_none_or(Value::is_object) {
            reader.fields().missing(Weight::Blocks, "tags", TAGS_HINT);
        }
        Some(config)
    }

    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        let config = read::<Self>(context.stage().config)?;
        Ok(Plan::Parts(config.regions.iter().map(|region| part(&config, region)).collect()))
    }

    fn operation_outputs(_: &Map<String, Value>, result: Map<String, Value>) -> Map<String, Value> {
        let read = serde_json::from_value::<TaggedImageFound>(Value::Object(result.clone()));
        let Ok(found) = read else { return result };
        let mut outputs = image_outputs(&found.region, &found.image_id, &found.image_name);
        outputs.insert("creationDate".to_owned(), found.created.into());
        outputs.insert("olderImages".to_owned(), found.others.into());
        outputs.insert("olderImageNames".to_owned(), found.other_names.into());
        outputs
    }

    fn outputs(parts: &[EndedPart<'_>]) -> Map<String, Value> {
        deployment_details(parts)
    }

    fn expected_outputs(stage: &str, parts: &[Part]) -> Map<String, Value> {
        images_to_come(stage, parts)
    }
}

fn part(config: &Config, region: &str) -> Part {
    let request = FindImageByTagsRequest {
        account: config.account.clone(),
        region: region.to_owned(),
        package: config.package.clone(),
        tags: config.tags.clone(),
    };
    let shown = [
        ("region", region.into()),
        ("packageName", config.package.as_str().into()),
        ("tags", json!(config.tags)),
    ];
    Part {
        key: PartKey::Region { account: config.account.clone(), region: region.to_owned() },
        name: format!("Find image in {region}"),
        kind: FindImageFromTags::NAME,
        config: shown.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        on_failure: OnFailure::HaltPipeline,
        plan: Plan::Operation(OperationCall::run::<FindImageByTags>(&request)),
    }
}

#[cfg(test)]
mod tests;
