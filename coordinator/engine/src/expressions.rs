//! Where expressions enter the engine: whether a stage runs, and what its configuration says.

use serde_json::{Map, Value};
use wire::TaskFailure;

use crate::document::{Document, Stage, user_failure};

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

/// Judges `stageEnabled`.
pub(crate) fn condition(_document: &Document, _stage: &Stage, text: &str) -> Condition {
    match text.trim() {
        "true" => Condition::True,
        "false" => Condition::False(text.trim().to_owned()),
        other => Condition::Invalid(user_failure(
            format!("its condition `{other}` cannot be judged: it is neither true nor false"),
            None,
        )),
    }
}

/// The configuration of a stage that begins.
pub(crate) fn evaluated_config(_document: &Document, stage: &Stage) -> EvaluatedConfig {
    EvaluatedConfig { config: stage.config.clone(), summary: Map::new(), failed: None }
}
