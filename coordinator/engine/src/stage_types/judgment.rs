//! The manual judgment stage: a person decides.

use serde_json::Value;

use crate::document::Stage;

/// The choices a stage offers; none when any word, or no word, will do.
pub(crate) fn choices(stage: &Stage) -> Vec<String> {
    let inputs = stage.config().get("judgmentInputs").and_then(Value::as_array);
    let text = |input: &Value| match input {
        Value::String(text) => Some(text.clone()),
        Value::Object(map) => map.get("value").and_then(Value::as_str).map(str::to_owned),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    inputs.into_iter().flatten().filter_map(text).collect()
}
