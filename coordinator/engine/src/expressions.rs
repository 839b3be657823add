//! Where expressions enter the engine: whether a stage runs, and what its configuration says.

use model::stages::StageRules;
use serde_json::{Map, Value};
use wire::TaskFailure;

use crate::{document::Document, evaluate, stage::Stage, stage_types};

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

/// Judges `stageEnabled`. Source: Orca; without an expression, or with a blank one, the stage runs.
pub(crate) fn enabled(document: &Document, stage: &Stage) -> Condition {
    let text = StageRules::of(&stage.config).condition;
    text.map_or(Condition::True, |text| condition(document, stage, &text))
}

/// The configuration of a stage that begins, but for what its type evaluates by itself.
pub(crate) fn evaluated_config(document: &Document, stage: &Stage) -> EvaluatedConfig {
    let mut config = stage.config.clone();
    let own = stage_types::own_field(stage).and_then(|key| Some((key, config.remove(key)?)));
    let mut evaluated = evaluate::evaluated(document, stage, &Map::new(), config);
    if let Some((key, value)) = own {
        evaluated.config.insert(key.to_owned(), value);
    }
    evaluated
}
