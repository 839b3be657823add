//! The execution around a stage, as its type may see it.

use model::TaskId;
use serde_json::{Map, Value};
use stages::{Condition, Context, EndedPart, Evaluated, StageFacts};

use crate::{
    document::{Document, Stage},
    evaluate,
};

/// One stage of a document.
#[derive(Clone, Copy)]
pub(crate) struct StageContext<'a> {
    pub(crate) document: &'a Document,
    pub(crate) stage: &'a Stage,
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
        timed_out: stage.timed_out,
        written: &stage.config,
        config: stage.config(),
        outputs: &stage.outputs,
    }
}

/// The parts of a stage that carry a key: those that do its work.
pub(crate) fn ended_parts<'a>(document: &Document, parts: &[&'a Stage]) -> Vec<EndedPart<'a>> {
    let keyed = parts.iter().filter_map(|part| Some((*part, part.part.as_ref()?)));
    keyed
        .map(|(part, key)| EndedPart {
            key,
            kind: &part.kind,
            status: part.status(),
            config: &part.config,
            outputs: &part.outputs,
            tries: part
                .attempts
                .iter()
                .map(|attempt| TaskId {
                    execution: document.id.clone(),
                    stage: part.id.clone(),
                    attempt: attempt.number,
                })
                .collect(),
        })
        .collect()
}
