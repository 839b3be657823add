//! What a trigger says of the build that it comes from.

use serde_json::{Map, Value};

/// The names of the files that the trigger's build archived. `None` when no build is known.
pub fn artifact_names(trigger: &Map<String, Value>) -> Option<Vec<String>> {
    let artifacts = trigger.get("buildInfo")?.get("artifacts")?.as_array()?;
    let name = |artifact: &Value| artifact.get("fileName")?.as_str().map(str::to_owned);
    Some(artifacts.iter().filter_map(name).collect())
}
