//! The evaluate variables stage: expressions become outputs, one after the other, each seeing those
//! before it.

use model::{ExecutionStatus, stages::VariablesStage};
use serde_json::{Map, Value, json};
use wire::TaskFailure;

use crate::{
    document::Document,
    evaluate,
    stage::Stage,
    stage_types::{Plan, unreadable},
};

/// Source: Orca's `EvaluateVariablesStage`; a variable that cannot be evaluated keeps its text.
pub(crate) fn plan(document: &Document, stage: &Stage) -> Result<Plan, TaskFailure> {
    let read = VariablesStage::read(&stage.config).map_err(|problems| unreadable(&problems))?;
    let mut outputs = Map::new();
    let mut shown = Vec::new();
    let mut summary = Map::new();
    let mut failure = None;
    for variable in read.variables {
        let one = Map::from_iter([("value".to_owned(), variable.value.clone())]);
        let mut evaluated = evaluate::evaluated(document, stage, &outputs, one);
        let value = evaluated.config.remove("value").unwrap_or(Value::Null);
        summary.extend(evaluated.summary);
        failure = failure.or(evaluated.failed);
        shown.push(json!({
            "key": variable.key,
            "value": value,
            "sourceValue": as_source(&variable.value),
        }));
        outputs.insert(variable.key, value);
    }
    let mut context = Map::new();
    context.insert("variables".to_owned(), shown.into());
    if !summary.is_empty() {
        context.insert("expressionEvaluationSummary".to_owned(), Value::Object(summary));
    }
    let status =
        if failure.is_some() { ExecutionStatus::Terminal } else { ExecutionStatus::Succeeded };
    Ok(Plan::Done { status, outputs, context, failure })
}

/// The source for people, in a form that nobody evaluates again.
fn as_source(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace("${", "{").into(),
        Value::Array(items) => items.iter().map(as_source).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace("${", "{"), as_source(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
