//! The manual judgment stage: a person decides.

use serde_json::{Map, Value};

use super::{add_once, runnable};
use crate::{
    fields::Fields,
    problem::{FieldProblem, Findings, Weight, member, shown},
};

/// A manual judgment stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgmentStage {
    /// What the person reads; may hold markup.
    pub instructions: Option<String>,
    /// The choices that are offered; empty when a plain yes or no is asked for.
    pub inputs: Vec<String>,
    /// Who may decide; empty is everybody. Shown and kept; there are no roles to compare with yet.
    pub roles: Vec<String>,
}

impl JudgmentStage {
    /// Reads a stage that is to run.
    ///
    /// # Errors
    /// Everything that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Self, Vec<FieldProblem>> {
        runnable(Self::inspect(config))
    }

    /// The choices that a stage offers; empty when any word, or none, will do.
    pub fn choices(config: &Map<String, Value>) -> Vec<String> {
        inputs(&mut Fields::new(String::new(), config, &mut Findings::default()))
    }

    /// Reads as much as can be read, and tells everything that is odd.
    pub fn inspect(config: &Map<String, Value>) -> (Option<Self>, Vec<FieldProblem>) {
        let mut found = Findings::default();
        let mut fields = Fields::new(String::new(), config, &mut found);
        let mut roles = fields.texts("selectedStageRoles");
        add_once(&mut roles, fields.texts("requiredJudgmentRoles"));
        let stage =
            Self { instructions: fields.text("instructions"), inputs: inputs(&mut fields), roles };
        fields.flag("propagateAuthenticationContext");
        fields.flag("sendNotifications");
        (Some(stage), found.into_list())
    }
}

/// A choice is an object with a `value`; a plain text is taken too.
fn inputs(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let base = fields.pointer("judgmentInputs");
    let mut choices = Vec::new();
    if fields.tell_too_many("judgmentInputs") {
        return choices;
    }
    for (index, value) in fields.list("judgmentInputs").into_iter().flatten().enumerate() {
        let choice = match value.get("value").unwrap_or(value) {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let Some(choice) = choice else {
            fields.push_with(Weight::Error, || {
                let at = member(&base, &index.to_string());
                let message = format!("entry {index} of `judgmentInputs` is {}", shown(value));
                FieldProblem::new(Weight::Error, "wrong-type", at, message)
                    .hint("write { \"value\": \"the choice\" }")
            });
            continue;
        };
        // Spinnaker's form leaves a blank one behind.
        if !choice.trim().is_empty() {
            choices.push(choice);
        }
    }
    let mut inputs = Vec::new();
    add_once(&mut inputs, choices);
    inputs
}
