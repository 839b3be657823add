//! What a trigger brings, brought into the form in which the stages read it: parameters with their
//! defaults, expected artifacts with what they are bound to.

use std::collections::BTreeSet;

use definitions::Pipeline;
use model::{
    artifacts::{self, Artifact},
    parameters::resolve_parameters,
};
use serde_json::{Map, Value};

/// Makes the trigger of an execution out of what was told.
///
/// # Errors
///
/// Everything that is refused: parameters that are missing or wrong, artifacts that did not come.
pub(crate) fn prepare(
    pipeline: &Pipeline,
    told: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<String>> {
    let mut trigger = told.clone();
    let mut refused = Vec::new();
    match parameters(pipeline, told) {
        Ok(Some(parameters)) => {
            trigger.insert("parameters".to_owned(), Value::Object(parameters));
        }
        Ok(None) => {}
        Err(problems) => refused.extend(problems),
    }
    if !pipeline.expected_artifacts.is_empty() {
        let required = ids(told.get("expectedArtifactIds"));
        match artifacts::bind(&pipeline.expected_artifacts, &required, &received(told), &[]) {
            Ok(bound) => {
                let objects = |list: Vec<Map<String, Value>>| {
                    Value::Array(list.into_iter().map(Value::Object).collect())
                };
                trigger.insert("artifacts".to_owned(), objects(bound.artifacts));
                trigger.insert("resolvedExpectedArtifacts".to_owned(), objects(bound.resolved));
            }
            Err(problems) => refused.extend(problems.iter().map(ToString::to_string)),
        }
    }
    if refused.is_empty() { Ok(trigger) } else { Err(refused) }
}

/// `None` when the pipeline asks for none: what was given stays as it is.
fn parameters(
    pipeline: &Pipeline,
    told: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, Vec<String>> {
    if pipeline.parameters.is_empty() {
        return Ok(None);
    }
    let nothing = Map::new();
    let given = match told.get("parameters") {
        None | Some(Value::Null) => &nothing,
        Some(Value::Object(given)) => given,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(vec!["`parameters` of the trigger is not an object".to_owned()]);
        }
    };
    resolve_parameters(&pipeline.parameters, given)
        .map(Some)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn ids(value: Option<&Value>) -> BTreeSet<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What came with the trigger, and the packages its build archived.
fn received(told: &Map<String, Value>) -> Vec<Artifact> {
    let list = told.get("artifacts").and_then(Value::as_array).into_iter().flatten();
    let mut received: Vec<Artifact> = list.filter_map(Value::as_object).cloned().collect();
    let files = stages::artifact_names(told).unwrap_or_default();
    for artifact in files.iter().filter_map(|file| artifacts::of_file(file)) {
        if !received.contains(&artifact) {
            received.push(artifact);
        }
    }
    received
}
