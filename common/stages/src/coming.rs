//! Values of a dry run that stand for what stages have yet to bring.

use serde_json::{Map, Value, json};

use crate::plan::Part;

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
