//! Where expressions enter the engine: whether a stage runs, and what its configuration says.

use serde_json::{Map, Value};
use wire::TaskFailure;

use crate::{
    document::{Document, Stage},
    evaluate,
};

/// What a condition came to.
pub(crate) enum Condition {
    /// The stage runs.
    True,
    /// It does not; the condition, for people.
    False(String),
    /// It cannot be judged: the stage fails, and says why.
    Invalid(TaskFailure),
}

/// A configuration with expressions evaluated.
pub(crate) struct EvaluatedConfig {
    /// The configuration that counts.
    pub(crate) config: Map<String, Value>,
    /// What stayed unresolved, by expression.
    pub(crate) summary: Map<String, Value>,
    /// Why the stage may not go on with it.
    pub(crate) failed: Option<TaskFailure>,
}

/// Judges a condition, such as that of `stageEnabled`.
pub(crate) fn condition(document: &Document, stage: &Stage, text: &str) -> Condition {
    evaluate::condition(document, stage, text)
}

/// The configuration of a stage that begins.
pub(crate) fn evaluated_config(document: &Document, stage: &Stage) -> EvaluatedConfig {
    evaluate::evaluated(document, stage, &Map::new(), stage.config.clone())
}
