//! The pipeline stage: another pipeline does the work, known here by reference only.

use model::{limits, stages::PipelineStage};
use wire::TaskFailure;

use crate::{
    document::Document,
    failure::user_failure,
    nesting,
    stage::Stage,
    stage_types::{Child, Plan, unreadable},
    state::Until,
};

pub(crate) fn plan(document: &Document, stage: &Stage) -> Result<Plan, TaskFailure> {
    let read = PipelineStage::read(stage.config()).map_err(|problems| unreadable(&problems))?;
    let depth = nesting::depth(&document.trigger);
    if depth >= limits::PIPELINE_DEPTH_MAX {
        return Err(user_failure(
            format!(
                "{depth} executions above this one have each started the next; no more are started"
            ),
            Some("look for a pipeline that starts itself without an end".to_owned()),
        ));
    }
    let until = if read.wait_for_completion { Until::Complete } else { Until::Started };
    Ok(Plan::Child(Child {
        application: read.application.unwrap_or_else(|| document.application.clone()),
        pipeline_id: read.pipeline,
        parameters: read.parameters,
        until,
    }))
}
