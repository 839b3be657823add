//! The pipeline stage: another pipeline does the work.

use serde_json::{Map, Value};

use super::{runnable, tell_ignored};
use crate::{
    fields::Fields,
    problem::{FieldProblem, Findings, Weight},
};

/// A pipeline stage.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineStage {
    /// The application of the other pipeline; `None` is this one's.
    pub application: Option<String>,
    /// The id of the other pipeline.
    pub pipeline: String,
    /// Its parameters, as they are given.
    pub parameters: Map<String, Value>,
    /// The stage is over when the other execution is; otherwise as soon as that exists.
    pub wait_for_completion: bool,
}

const IGNORED: [(&str, &str); 1] =
    [("pipelineTemplateArtifact", "pipelines are not read from artifacts")];

impl PipelineStage {
    /// Reads a stage that is to run.
    ///
    /// # Errors
    /// Everything that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Self, Vec<FieldProblem>> {
        runnable(Self::inspect(config))
    }

    /// Reads as much as can be read, and tells everything that is odd.
    pub fn inspect(config: &Map<String, Value>) -> (Option<Self>, Vec<FieldProblem>) {
        let mut found = Findings::default();
        let mut fields = Fields::new(String::new(), config, &mut found);
        let pipeline = fields.text("pipeline");
        if pipeline.is_none() && fields.value("pipeline").is_none_or(Value::is_string) {
            fields.missing(Weight::Blocks, "pipeline", "write the id of the pipeline to run");
        }
        let stage = Self {
            application: fields.text("application"),
            pipeline: pipeline.unwrap_or_default(),
            parameters: fields.object("pipelineParameters").cloned().unwrap_or_default(),
            wait_for_completion: fields.flag("waitForCompletion").unwrap_or(true),
        };
        tell_ignored(&mut fields, &IGNORED);
        (Some(stage), found.into_list())
    }
}
