//! Values of a dry run that stand for what stages have yet to bring.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use wire::{PlannedAction, RunPlan};

use crate::plan::Part;

/// Every value that stands for what the stages of a plan have yet to bring.
pub fn values_to_come(plan: &RunPlan) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for stage in &plan.stages {
        for region in regions_of(stage) {
            found.insert(image_to_come(&stage.name, &region));
        }
    }
    found
}

/// The regions that the operations of a stage work in.
fn regions_of(stage: &wire::StagePlan) -> Vec<String> {
    let region = |action: &PlannedAction| match action {
        PlannedAction::Operation { request, .. } => {
            request.get("region").and_then(Value::as_str).map(str::to_owned)
        }
        PlannedAction::Wait { .. }
        | PlannedAction::Judge { .. }
        | PlannedAction::Pipeline { .. }
        | PlannedAction::Check { .. }
        | PlannedAction::Set { .. } => None,
    };
    stage.actions.iter().filter_map(region).collect()
}

/// Stands for the image that a stage brings. No image has this name: AWS takes no backticks in names.
pub fn image_to_come(stage: &str, region: &str) -> String {
    format!("(the image that stage `{stage}` makes in {region})")
}

/// What a stage that brings an image for each of its parts will give, under the names under which later stages look
/// for it.
pub(crate) fn images_to_come(stage: &str, parts: &[Part]) -> Map<String, Value> {
    let details = parts.iter().map(|part| {
        let mut detail = part.config.clone();
        let region = part.config.get("region").and_then(Value::as_str).unwrap_or_default();
        let image = image_to_come(stage, region);
        for key in ["ami", "imageId", "amiName", "imageName"] {
            detail.insert(key.to_owned(), image.as_str().into());
        }
        for key in ["cloudProvider", "cloudProviderType"] {
            detail.insert(key.to_owned(), "aws".into());
        }
        Value::Object(detail)
    });
    let details: Vec<Value> = details.collect();
    Map::from_iter([("deploymentDetails".to_owned(), json!(details))])
}
