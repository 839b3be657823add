//! Pipelines that start pipelines: how deep, and which of them wait.
//!
//! The trigger of an execution that a stage started carries both, so that nobody has to read the
//! executions above it.

use serde_json::{Map, Value};

use stages::Until;

use crate::document::Document;

/// The pipelines of the executions above that wait for this one, the nearest last.
const WAITING: &str = "waitingPipelines";

/// How many executions of a pipeline wait for the one with this trigger.
pub(crate) fn waiting(trigger: &Map<String, Value>, pipeline_id: &str) -> usize {
    let above = trigger.get(WAITING).and_then(Value::as_array).into_iter().flatten();
    above.filter(|id| id.as_str() == Some(pipeline_id)).count()
}

/// Puts into a child's trigger what it must know about those above it.
pub(crate) fn pass_on(document: &Document, until: Until, trigger: &mut Map<String, Value>) {
    trigger.insert(
        stages::DEPTH.to_owned(),
        stages::depth(&document.trigger).saturating_add(1).into(),
    );
    let waiting = match until {
        Until::Started => Vec::new(),
        Until::Complete => {
            let above = document.trigger.get(WAITING).and_then(Value::as_array);
            let mut above = above.cloned().unwrap_or_default();
            above.push(document.pipeline_id.as_str().into());
            above
        }
    };
    trigger.insert(WAITING.to_owned(), Value::Array(waiting));
}
