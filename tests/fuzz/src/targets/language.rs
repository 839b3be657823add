//! The expression language: total, bounded, and the same answer each time.

use expression::{
    Facts, Limits, Scope, UnknownNames, evaluate, evaluate_bare, evaluate_condition, evaluate_text,
};
use serde_json::{Map, Value, json};

use super::text;

fn scope(unknown_names: UnknownNames) -> Scope {
    let roots = json!({
        "trigger": { "type": "jenkins", "buildNumber": 118, "parameters": { "region": "us-east-1" },
            "buildInfo": { "artifacts": [{ "fileName": "shop_1.0_all.deb" }], "scm": [] } },
        "execution": { "id": "E", "name": "ship", "stages": [
            { "refId": "1", "name": "Bake", "type": "bake", "status": "SUCCEEDED",
              "context": { "amiName": "shop" }, "outputs": { "n": 3 } } ] },
        "list": [3, 1, 2], "text": "a,b", "nothing": null,
    });
    let roots = match roots {
        Value::Object(roots) => roots,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    let facts = Facts {
        now_ms: Some(1_700_000_000_000),
        seed: Some(7),
        user: Some("ada".to_owned()),
        current_stage: None,
        pipelines: Some(Vec::new()),
        unknown_names,
    };
    Scope::new(roots, facts)
}

/// A template string, an expression, and a whole document with it.
pub(super) fn expression(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let limits = Limits::STANDARD;
    for unknown in [UnknownNames::AreNull, UnknownNames::AreErrors] {
        let scope = scope(unknown);
        let first = evaluate_text(text, &scope, &limits);
        assert_eq!(first, evaluate_text(text, &scope, &limits), "the same each time");
        if let Ok(value) = &first {
            bounded(value, text, &limits);
        }
        if let Ok(value) = evaluate_bare(text, &scope, &limits) {
            bounded(&value, text, &limits);
        }
        drop(evaluate_condition(text, &scope, &limits));
        let document = json!({ "a": text, "b": [text, { text: 1 }] });
        bounded(&evaluate(&document, &scope, &limits).value, text, &limits);
    }
}

/// Neither larger nor deeper than what is allowed, with what was there before.
fn bounded(value: &Value, text: &str, limits: &Limits) {
    let size = value.to_string().len();
    // A text of control characters is six times as long in JSON; a document has it four times.
    let most = limits.document_bytes_max.saturating_add(text.len().saturating_mul(32));
    assert!(size <= most, "{size} bytes");
    let most = limits.value_depth_max.saturating_add(8);
    assert!(depth(value) <= most, "{} deep", depth(value));
}

fn depth(value: &Value) -> u32 {
    let inside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
    };
    inside.unwrap_or(0).saturating_add(1)
}
