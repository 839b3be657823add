//! Stage types: what a stage of each type comes to when it begins, and what its parts come to.
//!
//! A type is a pure function from the document and the stage to a [`Plan`]; the graph does the rest. To add
//! one: a variant of `model::pipeline::StageType`, a module here with its `plan`, an arm in [`plan`].

pub(crate) mod bake;
mod child;
pub(crate) mod deploy;
mod preconditions;
mod variables;
mod wait;

use model::{
    ExecutionStatus, Pool,
    pipeline::{OnFailure, StageType},
    stages::FieldProblem,
};
use serde_json::{Map, Value};
use wire::TaskFailure;

use crate::{document::Document, failure::user_failure, stage::Stage};

/// What a stage does once it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plan {
    /// Synthetic stages do the work, side by side. The stage is over when they are; [`outputs`] gathers what
    /// came of them. No part is a stage without work, which is skipped.
    Parts(Vec<Part>),
    /// Nothing to wait for.
    Done {
        /// How it ends; `TERMINAL` becomes what "if stage fails" says.
        status: ExecutionStatus,
        /// What later stages may read.
        outputs: Map<String, Value>,
        /// What is shown of it and read by nobody.
        context: Map<String, Value>,
        /// Why it failed.
        failure: Option<TaskFailure>,
    },
    /// A worker does it.
    Task {
        /// Which.
        kind: Pool,
        /// JSON text of the request.
        request: String,
    },
    /// A pause, which a person may cut short.
    Wait {
        /// Milliseconds.
        time_ms: u64,
    },
    /// A person decides.
    Judge,
    /// Another pipeline does it.
    Child(Child),
}

/// Another pipeline to start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Child {
    /// Its id.
    pub(crate) pipeline_id: String,
    /// Its owner.
    pub(crate) application: String,
    /// Its parameters.
    pub(crate) parameters: Map<String, Value>,
    /// When the stage is over.
    pub(crate) until: crate::state::Until,
}

/// A synthetic stage to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// Its label.
    pub(crate) name: String,
    /// Its type, as shown.
    pub(crate) kind: String,
    /// What makes it this one.
    pub(crate) config: Map<String, Value>,
    /// What its failure means to its siblings and its parent.
    pub(crate) on_failure: OnFailure,
    /// What it does.
    pub(crate) plan: Plan,
}

/// What a stage that begins does.
///
/// # Errors
///
/// A stage that cannot be planned fails with this.
pub(crate) fn plan(document: &Document, stage: &Stage) -> Result<Plan, TaskFailure> {
    match StageType::of(&stage.kind) {
        Some(StageType::Bake) => bake::plan(document, stage),
        Some(StageType::Deploy) => deploy::plan(document, stage),
        Some(StageType::Wait) => wait::plan(stage),
        Some(StageType::ManualJudgment) => Ok(Plan::Judge),
        Some(StageType::CheckPreconditions) => preconditions::plan(document, stage),
        Some(StageType::EvaluateVariables) => variables::plan(document, stage),
        Some(StageType::Pipeline) => child::plan(document, stage),
        // `start` refuses a pipeline with other types before anything runs.
        None => Err(user_failure(format!("stage type `{}` cannot run here", stage.kind), None)),
    }
}

/// Why a stage whose fields cannot be read does not begin.
pub(crate) fn unreadable(problems: &[FieldProblem]) -> TaskFailure {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("`{}`: {}", problem.pointer, problem.message))
        .collect();
    let hint = problems.iter().find_map(|problem| problem.hint.clone());
    user_failure(format!("the stage cannot be planned: {}", lines.join("; ")), hint)
}

/// The field whose expressions a type evaluates by itself, when it has one.
pub(crate) fn own_field(stage: &Stage) -> Option<&'static str> {
    match StageType::of(&stage.kind)? {
        StageType::EvaluateVariables => Some("variables"),
        StageType::CheckPreconditions => Some("preconditions"),
        StageType::Bake
        | StageType::Deploy
        | StageType::Wait
        | StageType::ManualJudgment
        | StageType::Pipeline => None,
    }
}

/// The on-failure stages of a stage that failed, with the parts it was made of. Their own failure says nothing
/// about it.
pub(crate) fn on_failure(document: &Document, stage: &Stage, parts: &[&Stage]) -> Vec<Part> {
    match StageType::of(&stage.kind) {
        Some(StageType::Deploy) => deploy::on_failure(document, stage, parts),
        Some(
            StageType::Bake
            | StageType::Wait
            | StageType::ManualJudgment
            | StageType::CheckPreconditions
            | StageType::EvaluateVariables
            | StageType::Pipeline,
        )
        | None => Vec::new(),
    }
}

/// What a stage made of parts gives to others, once the parts are over.
pub(crate) fn outputs(stage: &Stage, parts: &[&Stage]) -> Map<String, Value> {
    match StageType::of(&stage.kind) {
        Some(StageType::Bake) => bake::gather(parts),
        Some(StageType::Deploy) => deploy::gather(parts),
        Some(
            StageType::Wait
            | StageType::ManualJudgment
            | StageType::CheckPreconditions
            | StageType::EvaluateVariables
            | StageType::Pipeline,
        )
        | None => Map::new(),
    }
}
