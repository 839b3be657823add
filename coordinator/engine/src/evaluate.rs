//! What the expressions of a stage can see, and what becomes of them.
//!
//! A stage is evaluated once, when it begins (Spinnaker's `v4`). Its configuration as written is kept; what
//! comes out is data from then on and is never evaluated again, whoever wrote the values.

use std::collections::BTreeMap;

use expression::{Evaluated, Facts, Limits, Scope, evaluate, mentions_expression};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use stages::{Condition, Evaluated as EvaluatedConfig, StageRules};
use wire::{FailureKind, TaskFailure};

use crate::{document::Document, stage::Stage, view::without_orders};

/// Most failures told in the message of a stage that fails because of them.
const FAILURES_TOLD_MAX: usize = 5;

/// Fields of a stage's configuration that are properties of the stage, not of its context.
const OF_THE_STAGE: &[&str] = &["id", "type", "name", "refId", "requisiteStageRefIds"];

/// What an expression of this stage can see: its own configuration, `more`, the outputs of the nearest
/// ancestor that has them, `trigger`, `parameters`, `scmInfo`, and the execution if it is asked for.
///
/// Source: the order of Orca's `StageContext`.
pub(crate) fn context_of(
    document: &Document,
    stage: &Stage,
    more: &Map<String, Value>,
    sight: Sight,
) -> Scope {
    let mut roots = more.clone();
    let mut add = |fields: &Map<String, Value>| {
        for (key, value) in fields {
            if !roots.contains_key(key) {
                roots.insert(key.clone(), value.clone());
            }
        }
    };
    let mut own = stage.config.clone();
    own.retain(|key, _| !OF_THE_STAGE.contains(&key.as_str()));
    add(&own);
    add(&stage.run.context);
    for ancestor in document.ancestors(stage) {
        add(&ancestor.run.outputs);
    }
    roots.insert("trigger".to_owned(), Value::Object(document.trigger.clone()));
    match sight {
        Sight::WholeExecution => {
            roots.insert("execution".to_owned(), execution(document));
        }
        Sight::OwnContext => {}
    }
    Scope::new(roots, facts(document, stage))
}

/// How far an expression looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// No further than its own context: nothing is copied that nobody reads.
    OwnContext,
    /// At other stages.
    WholeExecution,
}

impl Sight {
    /// How far the expressions of a text or a document may look. Only names that stand in them count, so
    /// what is not named cannot be missed.
    fn of(text: &str) -> Self {
        let looks = text.contains('#')
            || text.contains("execution")
            || text.contains("deployedServerGroups");
        if looks { Self::WholeExecution } else { Self::OwnContext }
    }
}

/// The execution as everybody sees it.
fn execution(document: &Document) -> Value {
    let mut execution = json!(without_orders(document));
    if let Some(fields) = execution.as_object_mut() {
        let user = document.trigger.get("user").cloned().unwrap_or_else(|| "anonymous".into());
        fields.insert("authentication".to_owned(), json!({ "user": user, "allowedAccounts": [] }));
    }
    execution
}

/// The world as the stage finds it: the time it began, and numbers nobody has seen before, the same when
/// the same step is taken again. They are no secrets.
fn facts(document: &Document, stage: &Stage) -> Facts {
    let began_ms =
        stage.run.started_ms.map(|started_ms| started_ms.saturating_add(stage.run.held_ms));
    let mut digest = Sha256::new();
    digest.update(stage.id.as_str());
    digest.update(began_ms.unwrap_or_default().to_be_bytes());
    let seed = digest.finalize().first_chunk().copied().map(u64::from_be_bytes);
    let user = document.trigger.get("user").and_then(Value::as_str);
    Facts {
        now_ms: began_ms.and_then(|ms| i64::try_from(ms).ok()),
        seed,
        user: user.map(str::to_owned),
        current_stage: Some(stage.id.as_str().to_owned()),
        ..Facts::default()
    }
}

/// A part of a stage's configuration with expressions evaluated. `more` is known beside what the stage
/// knows, and comes before it.
pub(crate) fn evaluated(
    document: &Document,
    stage: &Stage,
    more: &Map<String, Value>,
    config: Map<String, Value>,
) -> EvaluatedConfig {
    let raw = Value::Object(config);
    if !mentions_expression(&raw) {
        return finished(stage, Evaluated { value: raw, summary: BTreeMap::new() });
    }
    let scope = context_of(document, stage, more, Sight::of(&raw.to_string()));
    finished(stage, evaluate(&raw, &scope, &Limits::STANDARD))
}

fn finished(stage: &Stage, evaluated: Evaluated) -> EvaluatedConfig {
    let config = match evaluated.value {
        Value::Object(config) => config,
        // An object evaluates to an object.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    let told: Vec<&str> = evaluated
        .summary
        .values()
        .flatten()
        .take(FAILURES_TOLD_MAX)
        .map(|entry| entry.description.as_str())
        .collect();
    // What a type evaluates by itself is a part of the stage's configuration.
    let strict = || {
        [&config, &stage.config]
            .into_iter()
            .any(|config| StageRules::of(config).fail_on_failed_expressions)
    };
    let failed = (!told.is_empty() && strict()).then(|| TaskFailure {
        kind: FailureKind::User,
        message: format!("Failed Expression Evaluation: {}", told.join("; ")),
        detail: None,
        hint: Some(
            "correct the expressions, or take `failOnFailedExpressions` away to run with them as text"
                .to_owned(),
        ),
    });
    let summary = evaluated.summary.iter().map(|(text, entries)| {
        let entries = entries.iter().map(|entry| {
            let mut entry = json!(entry);
            if let Some(fields) = entry.as_object_mut() {
                fields.insert("timestamp".to_owned(), json!(stage.run.started_ms));
            }
            entry
        });
        (text.clone(), entries.collect())
    });
    EvaluatedConfig { summary: summary.collect(), config, failed }
}

/// Judges a condition. One that does not evaluate, or is neither true nor false, is invalid: the stage
/// fails and says why, instead of being left out as in Spinnaker.
pub(crate) fn condition(document: &Document, stage: &Stage, text: &str) -> Condition {
    let scope = context_of(document, stage, &Map::new(), Sight::of(text));
    match expression::evaluate_condition(text, &scope, &Limits::STANDARD) {
        Ok(true) => Condition::True,
        Ok(false) => Condition::False(text.trim().to_owned()),
        Err(error) => Condition::Invalid(TaskFailure {
            kind: FailureKind::User,
            message: format!("its condition cannot be judged: {error}"),
            detail: None,
            hint: Some(
                "a condition is true or false; `x ?: 'default'` covers what may be missing"
                    .to_owned(),
            ),
        }),
    }
}

/// Judges `stageEnabled`. Source: Orca; without an expression, or with a blank one, the stage runs.
pub(crate) fn enabled(document: &Document, stage: &Stage) -> Condition {
    let text = StageRules::of(&stage.config).condition;
    text.map_or(Condition::True, |text| condition(document, stage, &text))
}

/// The configuration of a stage that begins, but for what its type evaluates by itself.
pub(crate) fn evaluated_config(document: &Document, stage: &Stage) -> EvaluatedConfig {
    let mut config = stage.config.clone();
    let own = stages::of(&stage.kind).and_then(|entry| entry.self_evaluated);
    let own = own.and_then(|key| Some((key, config.remove(key)?)));
    let mut evaluated = evaluated(document, stage, &Map::new(), config);
    if let Some((key, value)) = own {
        evaluated.config.insert(key.to_owned(), value);
    }
    evaluated
}
