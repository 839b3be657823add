//! `evaluateVariables`: expressions become outputs, one after the other, each seeing those before it.

use model::{
    ExecutionStatus,
    fields::{Field, Reader},
};
use serde_json::{Map, Value, json};
use wire::TaskFailure;

use crate::{
    context::Context,
    plan::{Done, Plan},
    stage_type::{StageType, read},
};

pub(crate) struct EvaluateVariables;

/// One variable.
pub(crate) struct Variable {
    /// Its name among the outputs.
    key: String,
    /// What is evaluated: a text, or any value with texts in it.
    value: Value,
}

const VARIABLE: &[Field] = &[
    Field::text("key", "Name", "The name under which later stages read the value.")
        .required("write the variable's name"),
    Field::json("value", "Value", "A text, or any value with texts in it, with expressions."),
    Field::json(
        "sourceValue",
        "Source",
        "The text that an execution shows beside what became of it; it is read instead of `value` when a stage is copied from an execution.",
    ),
    Field::text("description", "Description", "What the variable is for.").kept(),
];

impl StageType for EvaluateVariables {
    const NAME: &'static str = "evaluateVariables";
    const LABEL: &'static str = "Evaluate variables";
    const SUMMARY: &'static str =
        "Evaluates expressions and gives what they come to to later stages, by name.";
    // Source: the names are those of Spinnaker's stage.
    const FIELDS: &'static [Field] = &[Field::objects(
        "variables",
        VARIABLE,
        "Variables",
        "They are evaluated in this order; a later one may use those before it.",
    )
    .required("write the variables: [{ \"key\": \"version\", \"value\": \"${ … }\" }]")];
    const SELF_EVALUATED: Option<&'static str> = Some("variables");

    type Config = Vec<Variable>;

    fn read(fields: &mut Reader<'_, '_>) -> Option<Vec<Variable>> {
        let variables = fields.each("variables", |inner| {
            let (source, value) = (inner.value("sourceValue"), inner.value("value"));
            let key = inner.text("key")?;
            Some(Variable { key, value: source.or(value).cloned().unwrap_or(Value::Null) })
        });
        Some(variables.into_iter().flatten().collect())
    }

    /// Source: Orca's `EvaluateVariablesStage`; a variable that cannot be evaluated keeps its text.
    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        let variables = read::<Self>(context.stage().written)?;
        let mut outputs = Map::new();
        let mut shown = Vec::new();
        let mut summary = Map::new();
        let mut failure = None;
        for variable in variables {
            let one = Map::from_iter([("value".to_owned(), variable.value.clone())]);
            let mut evaluated = context.evaluate(&outputs, one);
            let value = evaluated.config.remove("value").unwrap_or(Value::Null);
            summary.extend(evaluated.summary);
            failure = failure.or(evaluated.failed);
            shown.push(json!({
                "key": variable.key,
                "value": value,
                "sourceValue": as_source(&variable.value),
            }));
            outputs.insert(variable.key, value);
        }
        let mut about = Map::new();
        about.insert("variables".to_owned(), shown.into());
        if !summary.is_empty() {
            about.insert("expressionEvaluationSummary".to_owned(), Value::Object(summary));
        }
        let status =
            if failure.is_some() { ExecutionStatus::Terminal } else { ExecutionStatus::Succeeded };
        Ok(Plan::Done(Done { status, outputs, context: about, failure }))
    }
}

/// The source for people, in a form that nobody evaluates again.
fn as_source(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace("${", "{").into(),
        Value::Array(items) => items.iter().map(as_source).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace("${", "{"), as_source(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
