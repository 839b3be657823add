//! `manualJudgment`: a person decides whether the pipeline goes on.

use model::{
    fields::{Choices, Field, Reader},
    problem::{FieldProblem, Weight, member, shown},
};
use serde_json::Value;
use wire::TaskFailure;

use crate::{
    add_once,
    context::Context,
    plan::{Await, Plan, Question},
    stage_type::{StageType, read},
};

/// How long a judgment waits when its stage does not say. Source: Orca.
const TIMEOUT_MS: u64 = 3 * 24 * 3_600_000;

pub(crate) struct ManualJudgment;

impl StageType for ManualJudgment {
    const NAME: &'static str = "manualJudgment";
    const LABEL: &'static str = "Manual judgment";
    const SUMMARY: &'static str =
        "Waits until a person says whether the pipeline goes on or stops.";
    // Source: the names are those of Spinnaker's stage.
    const FIELDS: &'static [Field] = &[
        Field::text("instructions", "Instructions", "What the person reads; it may hold markup."),
        Field::json(
            "judgmentInputs",
            "Judgment inputs",
            "The answers that are offered: a list of { \"value\": \"…\" }. Later stages read the chosen one as `judgmentInput`. Without any, the person says yes or no.",
        ),
        Field::texts(
            "selectedStageRoles",
            "Roles",
            "Who may answer. Shown and kept; roles are not compared yet.",
        )
        .kept(),
        Field::texts(
            "requiredJudgmentRoles",
            "Roles (older name)",
            "The same under the name that older definitions use.",
        )
        .kept(),
        Field::flag(
            "propagateAuthenticationContext",
            "Propagate authentication",
            "In Spinnaker, later stages act as whoever judged. Kept; later stages act as whoever started the execution.",
        )
        .kept(),
        Field::json(
            "notifyEmails",
            "Notified addresses",
            "Addresses in definitions of older versions. Kept; no mail is sent.",
        )
        .kept()
        .choices(Choices::Free),
    ];
    const SKIPPABLE: bool = true;

    type Config = Question;

    fn read(fields: &mut Reader<'_, '_>) -> Option<Question> {
        let mut roles = fields.texts("selectedStageRoles");
        add_once(&mut roles, fields.texts("requiredJudgmentRoles"));
        Some(Question {
            instructions: fields.text("instructions"),
            choices: choices(fields),
            roles,
            timeout_ms: TIMEOUT_MS,
        })
    }

    fn plan(context: &dyn Context) -> Result<Plan, TaskFailure> {
        Ok(Plan::Await(Await::Person(read::<Self>(context.stage().config)?)))
    }
}

/// A choice is an object with a `value`; a plain text is taken too.
fn choices(reader: &mut Reader<'_, '_>) -> Vec<String> {
    let _: Option<&Value> = reader.value("judgmentInputs");
    let fields = reader.fields();
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
    let mut once = Vec::new();
    add_once(&mut once, choices);
    once
}
