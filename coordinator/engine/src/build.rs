//! What stages read of the build that started their execution, and how requests are written.

use serde::Serialize;
use serde_json::{Map, Value};

/// File names the trigger's build archived. `None` when no build is known.
pub(crate) fn artifact_names(trigger: &Map<String, Value>) -> Option<Vec<String>> {
    let artifacts = trigger.get("buildInfo")?.get("artifacts")?.as_array()?;
    let name = |artifact: &Value| artifact.get("fileName")?.as_str().map(str::to_owned);
    Some(artifacts.iter().filter_map(name).collect())
}

/// JSON text of a request. Requests are plain data, so this does not fail; if it ever did, the
/// worker would say so.
pub(crate) fn text_of<T: Serialize>(request: &T) -> String {
    serde_json::to_string(request).unwrap_or_default()
}
