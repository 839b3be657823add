//! What the expressions of a stage come to, one by one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stages::Evaluated;
use wire::ResolvedExpression;

/// Every text with an expression in it, in the order of the configuration.
pub(super) fn of(config: &Map<String, Value>, evaluated: &Evaluated) -> Vec<ResolvedExpression> {
    let problems = problems(&evaluated.summary);
    let mut list = Vec::new();
    for (key, value) in config {
        let new = evaluated.config.get(key);
        walk(&format!("/{}", escaped(key)), value, new, &problems, &mut list);
    }
    list
}

/// Why texts were left, by their place.
fn problems(summary: &Map<String, Value>) -> BTreeMap<&str, &str> {
    let entries = summary.values().filter_map(Value::as_array).flatten();
    let told = entries.filter_map(|entry| {
        Some((entry.get("pointer")?.as_str()?, entry.get("description")?.as_str()?))
    });
    told.collect()
}

fn walk(
    at: &str,
    old: &Value,
    new: Option<&Value>,
    problems: &BTreeMap<&str, &str>,
    list: &mut Vec<ResolvedExpression>,
) {
    match old {
        Value::String(text) if text.contains("${") => {
            let value = new.filter(|new| *new != old).cloned();
            let problem = problems.get(at).map(|problem| (*problem).to_owned());
            list.push(ResolvedExpression {
                pointer: at.to_owned(),
                text: text.clone(),
                value,
                problem,
            });
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let new = new.and_then(|new| new.get(index));
                walk(&format!("{at}/{index}"), item, new, problems, list);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                let new = new.and_then(|new| new.get(key));
                walk(&format!("{at}/{}", escaped(key)), value, new, problems, list);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
