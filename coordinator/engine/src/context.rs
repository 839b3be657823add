//! The execution around a stage, as its type may see it.

use serde_json::{Map, Value};
use stages::{Condition, Context, EndedPart, Evaluated, Part, Plan, StageFacts, user_failure};
use wire::TaskFailure;

use crate::{document::Document, evaluate, stage::Stage};

/// One stage of a document.
#[derive(Clone, Copy)]
struct StageContext<'a> {
    document: &'a Document,
    stage: &'a Stage,
}

impl Context for StageContext<'_> {
    fn application(&self) -> &str {
        &self.document.application
    }

    fn pipeline(&self) -> &str {
        &self.document.pipeline_name
    }

    fn trigger(&self) -> &Map<String, Value> {
        &self.document.trigger
    }

    fn stage(&self) -> StageFacts<'_> {
        facts(self.stage)
    }

    fn ancestors(&self) -> Vec<StageFacts<'_>> {
        self.document.ancestors(self.stage).into_iter().map(facts).collect()
    }

    fn descendants(&self) -> Vec<StageFacts<'_>> {
        self.document.descendants(self.stage).into_iter().map(facts).collect()
    }

    fn stages(&self) -> Vec<StageFacts<'_>> {
        self.document.top_level().map(facts).collect()
    }

    fn evaluate(&self, more: &Map<String, Value>, config: Map<String, Value>) -> Evaluated {
        evaluate::evaluated(self.document, self.stage, more, config)
    }

    fn condition(&self, text: &str) -> Condition {
        evaluate::condition(self.document, self.stage, text)
    }
}

fn facts(stage: &Stage) -> StageFacts<'_> {
    StageFacts {
        id: &stage.id,
        kind: &stage.kind,
        name: &stage.name,
        status: stage.status(),
        timed_out: stage.run.timed_out,
        written: &stage.config,
        config: stage.config(),
        outputs: &stage.run.outputs,
    }
}

/// The parts of a stage that carry a key: those that do its work.
fn ended_parts<'a>(document: &Document, parts: &[&'a Stage]) -> Vec<EndedPart<'a>> {
    let keyed = parts.iter().filter_map(|part| Some((*part, part.part.as_ref()?.key.as_ref()?)));
    keyed
        .map(|(part, key)| EndedPart {
            key,
            kind: &part.kind,
            status: part.status(),
            config: &part.config,
            outputs: &part.run.outputs,
            tries: part
                .run
                .attempts
                .iter()
                .map(|attempt| document.task_id(part, attempt.number))
                .collect(),
        })
        .collect()
}

/// What a stage that begins comes to.
pub(crate) fn plan(document: &Document, stage: &Stage) -> Result<Plan, TaskFailure> {
    // `start` refuses a pipeline with other types before anything runs.
    let unknown = || user_failure(format!("stage type `{}` cannot run here", stage.kind), None);
    let entry = stages::of(&stage.kind).ok_or_else(unknown)?;
    (entry.plan)(&StageContext { document, stage })
}

/// What a stage whose parts are over gives to later stages.
pub(crate) fn outputs(document: &Document, stage: &Stage, parts: &[&Stage]) -> Map<String, Value> {
    stages::of(&stage.kind)
        .map(|entry| (entry.outputs)(&ended_parts(document, parts)))
        .unwrap_or_default()
}

/// What is done once the work of a stage has failed.
pub(crate) fn after_failure(document: &Document, stage: &Stage, parts: &[&Stage]) -> Vec<Part> {
    let Some(entry) = stages::of(&stage.kind) else { return Vec::new() };
    (entry.after_failure)(&StageContext { document, stage }, &ended_parts(document, parts))
}
