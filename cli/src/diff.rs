//! What is different between two definitions. Pure.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

/// Members that the server sets, so that a file does not have them, or has old ones.
const SET_BY_SERVER: [&str; 4] = ["id", "updateTs", "lastModifiedBy", "index"];
/// Longest value shown in a line.
const SHOWN_CHARS_MAX: usize = 120;

/// One place at which two definitions differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Change {
    /// Where: a JSON pointer, in which a stage goes by its ref id.
    pub(crate) pointer: String,
    /// What is there on the server; absent when nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Value>,
    /// What would be there; absent when nothing would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
}

/// Every difference between a stored definition and one that would replace it.
pub(crate) fn changes(stored: &Map<String, Value>, wanted: &Map<String, Value>) -> Vec<Change> {
    let mut found = Vec::new();
    members("", &without_server(stored), &without_server(wanted), &mut found);
    found
}

/// One change as a line.
pub(crate) fn line(change: &Change) -> String {
    let Change { pointer, before, after } = change;
    match (before, after) {
        (Some(before), Some(after)) => {
            format!("~ {pointer}: {} -> {}", shown(before), shown(after))
        }
        (None, Some(after)) => format!("+ {pointer}: {}", shown(after)),
        (Some(before), None) => format!("- {pointer}: {}", shown(before)),
        (None, None) => pointer.clone(),
    }
}

fn without_server(definition: &Map<String, Value>) -> Map<String, Value> {
    let kept = definition.iter().filter(|(key, _)| !SET_BY_SERVER.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn compare(at: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => members(at, before, after, found),
        (Value::Array(before), Value::Array(after)) => items(at, before, after, found),
        (before, after) if before == after => {}
        (before, after) => found.push(Change {
            pointer: at.to_owned(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

fn members(
    at: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Change>,
) {
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        pair(at, key, before.get(key), after.get(key), found);
    }
}

/// Stages are told apart by their ref ids, so that one put in between changes no other; the items of
/// all other lists by their numbers.
fn items(at: &str, before: &[Value], after: &[Value], found: &mut Vec<Change>) {
    if let (Some(before), Some(after)) = (by_ref_id(before), by_ref_id(after)) {
        members(at, &before, &after, found);
        return;
    }
    for number in 0..before.len().max(after.len()) {
        pair(at, &number.to_string(), before.get(number), after.get(number), found);
    }
}

fn by_ref_id(items: &[Value]) -> Option<Map<String, Value>> {
    let mut out = Map::new();
    for item in items {
        let ref_id = item.get("refId")?;
        let key = ref_id.as_str().map_or_else(|| ref_id.to_string(), ToOwned::to_owned);
        if out.insert(key, item.clone()).is_some() {
            return None;
        }
    }
    Some(out)
}

fn pair(
    at: &str,
    key: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<Change>,
) {
    let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match (before, after) {
        (Some(before), Some(after)) => compare(&pointer, before, after, found),
        (before, after) => {
            found.push(Change { pointer, before: before.cloned(), after: after.cloned() });
        }
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text;
    }
    let kept: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(stored: &Value, wanted: &Value) -> Vec<String> {
        let changes = changes(stored.as_object().unwrap(), wanted.as_object().unwrap());
        changes.iter().map(line).collect()
    }

    #[test]
    fn a_stage_put_in_between_changes_no_other() {
        let stored = json!({"name": "ship", "id": "p1", "updateTs": "17", "stages": [
            {"refId": "1", "type": "bake"},
            {"refId": "2", "type": "deploy", "clusters": [{"capacity": {"max": 1}}]},
        ]});
        let wanted = json!({"name": "ship", "keepWaitingPipelines": true, "stages": [
            {"refId": "1", "type": "bake"},
            {"refId": "3", "type": "manualJudgment"},
            {"refId": "2", "type": "deploy", "clusters": [{"capacity": {"max": 2}}]},
        ]});
        assert_eq!(
            lines(&stored, &wanted),
            [
                "+ /keepWaitingPipelines: true",
                "~ /stages/2/clusters/0/capacity/max: 1 -> 2",
                r#"+ /stages/3: {"refId":"3","type":"manualJudgment"}"#,
            ]
        );
        assert_eq!(lines(&stored, &stored), [""; 0]);
    }

    #[test]
    fn other_lists_go_by_number_and_odd_names_are_escaped() {
        let stored = json!({"triggers": [{"a/b": 1}, {"c": 2}], "gone": null});
        let wanted = json!({"triggers": [{"a/b": "1"}]});
        assert_eq!(
            lines(&stored, &wanted),
            ["- /gone: null", "~ /triggers/0/a~1b: 1 -> \"1\"", "- /triggers/1: {\"c\":2}"]
        );
    }
}
