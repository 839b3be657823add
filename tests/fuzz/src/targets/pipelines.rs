//! Definitions, and documents made of them.

use definitions::Pipeline;
use engine::{Document, Facts, Input, Origin, next_look, start, step, view};
use model::limits;
use serde_json::Map;

use super::text;

const NOW_MS: u64 = 1_700_000_000_000;

/// A definition: every problem has a place, what is read can be written and read again, and what can
/// be saved makes an execution that comes to rest.
pub(super) fn pipeline(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let parsed = Pipeline::parse(text);
    assert!(parsed.problems.len() <= limits::PROBLEMS_MAX.saturating_add(1), "a flood of problems");
    let lines = u32::try_from(text.split('\n').count()).unwrap_or(u32::MAX);
    let mut checked = parsed.clone();
    checked.check_expressions(text);
    assert_eq!(checked.pipeline.is_some(), parsed.pipeline.is_some(), "expressions only warn");
    for problem in &checked.problems {
        assert!((1..=lines).contains(&problem.line), "{problem:?} of {lines} lines");
        assert!(problem.column >= 1 && !problem.message.is_empty(), "{problem:?}");
    }
    assert_eq!(parsed.pipeline.is_some(), parsed.errors().count() == 0);
    let Some(pipeline) = parsed.pipeline else { return };
    let again = Pipeline::parse(&pipeline.to_value().to_string());
    assert_eq!(again.pipeline.as_ref(), Some(&pipeline), "written and read again");
    let graph = pipeline.graph();
    assert!(graph.is_ok(), "a definition without errors has a graph: {graph:?}");
    let origin = Origin {
        event_key: "manual/1".to_owned(),
        pipeline_id: "p1".to_owned(),
        trigger: Map::new(),
        time_zone: None,
    };
    let (document, _) = start(&pipeline, origin, NOW_MS);
    if !document.is_complete() {
        let wake = next_look(&document, &Facts::default(), NOW_MS);
        assert!(wake.is_some(), "a live execution is looked at again");
    }
    looked_at(document);
}

/// A stored document: it is written as it was read, and a look at it ends.
pub(super) fn document(data: &[u8]) {
    if let Ok(document) = serde_json::from_slice::<Document>(data) {
        looked_at(document);
    }
}

fn looked_at(mut document: Document) {
    let written = serde_json::to_string(&document).unwrap_or_default();
    let again: Option<Document> = serde_json::from_str(&written).ok();
    assert_eq!(again.as_ref(), Some(&document), "written and read again");
    let shown = view(&document);
    assert_eq!(shown.id, document.id);
    // Parts of a stage that is not there are not shown.
    assert!(shown.stages.len() <= document.stages.len());
    let before = document.clone();
    let later = NOW_MS.saturating_add(1_000);
    if step(&mut document, &Input::Look, &Facts::default(), later).is_err() {
        assert_eq!(document, before, "a rejected look changes nothing");
    }
}
