//! `pipeline`: another pipeline does the work, known here by reference only.

use model::{
    fields::{Choices, Field, Reader, declared::Default},
    limits,
};
use serde_json::{Map, Value};
use wire::TaskFailure;

use crate::{
    context::Context,
    nesting,
    plan::{Child, Plan, Until},
    stage_type::{StageType, read, user_failure},
};

pub(crate) struct Pipeline;

pub(crate) struct Config {
    /// The application of the other pipeline; `None` is this one's.
    application: Option<String>,
    /// The id of the other pipeline.
    pipeline: String,
    parameters: Map<String, Value>,
    until: Until,
}

impl StageType for Pipeline {
    const NAME: &'static str = "pipeline";
    const LABEL: &'static str = "Pipeline";
    const SUMMARY: &'static str =
        "Starts another pipeline, and waits for its end if it is told to.";
    // Source: names and defaults are those of Spinnaker's stage.
    const FIELDS: &'static [Field] = &[
        Field::text(
            "application",
            "Application",
            "The application that owns the other pipeline; without it, this pipeline's.",
        )
        .choices(Choices::Applications),
        Field::text("pipeline", "Pipeline", "The id of the pipeline to start.")
            .required_to_run("write the id of the pipeline to run")
            .choices(Choices::Pipelines),
        Field::json(
            "pipelineParameters",
            "Parameters",
            "The parameters of the other execution, by name.",
        ),
        Field::flag(
            "waitForCompletion",
            "Wait for completion",
            "The stage is over when the other execution is, and as it ended; otherwise as soon as that exists.",
        )
        .default(Default::True),
        Field::ignored("pipelineTemplateArtifact", "pipelines are not read from artifacts"),
    ];

    type Config = Config;

    fn read(fields: &mut Reader<'_, '_>) -> Option<Config> {
        Some(Config {
            pipeline: fields.text("pipeline").unwrap_or_default(),
            application: fields.text("application"),
            parameters: fields.object("pipelineParameters").cloned().unwrap_or_default(),
            until: if fields.flag("waitForCompletion") { Until::Complete } else { Until::Started },
        })
    }

    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        let config = read::<Self>(context.stage().config)?;
        let depth = nesting::depth(context.trigger());
        if depth >= limits::PIPELINE_DEPTH_MAX {
            return Err(user_failure(
                format!(
                    "{depth} executions above this one have each started the next; no more are started"
                ),
                Some("look for a pipeline that starts itself without an end".to_owned()),
            ));
        }
        let own = || context.application().to_owned();
        Ok(Plan::Child(Child {
            application: config.application.unwrap_or_else(own),
            pipeline_id: config.pipeline,
            parameters: config.parameters,
            until: config.until,
        }))
    }
}
