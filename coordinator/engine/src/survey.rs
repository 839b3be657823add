//! The questions of a dry run. Only workers see the cloud, so they are asked: which image is there, which
//! server groups would go.
//!
//! The questions are stages of a short execution of their own, with tasks like any other: leased, repeated
//! when a worker dies, over when their time is. It belongs to no pipeline, so it is in nobody's list, takes
//! nobody's slot and counts for nobody's history. What comes of it is written into the plan.

use std::collections::BTreeSet;

use model::{ExecutionId, ExecutionStatus, OnFailure, Pool, limits};
use serde_json::{Value, json};
use wire::{
    CallMode, OperationCall, PlannedAction, PlannedOutcome, RunPlan, StagePlan, TaskFailure,
    operations,
};

use crate::{
    document::{Document, Purpose},
    effects::Effects,
    facts::{Facts, Policy},
    stage::Stage,
    step::Step,
    wakes::millis,
};

/// Application and pipeline id of every survey. No application of a person's can have this name: it is none
/// that server groups could carry.
pub const SURVEYS: &str = "(dry run)";
/// The type of its stages, as shown.
const KIND: &str = "preview";
/// Where in a survey's trigger the plan is that it was made for.
const PLAN: &str = "plan";
/// Where in a stage's configuration the action is that it asks about.
const ACTION: &str = "action";

/// What a worker said about an action, or why nobody knows.
type Answer = Result<Value, String>;

/// The one survey that is made for an event.
pub fn survey_of(event_key: &str) -> ExecutionId {
    ExecutionId::of_event(event_key, SURVEYS)
}

/// Asks workers about every action of a plan that they can say something about. `None` when there is none.
pub fn survey(plan: &RunPlan, event_key: &str, now_ms: u64) -> Option<(Document, Effects)> {
    let id = survey_of(event_key);
    let (stages, asked): (Vec<Stage>, Vec<(Pool, String)>) = questions(plan)
        .into_iter()
        .zip(1..)
        .map(|(question, number)| (question.stage(&id, number), (question.pool, question.request)))
        .unzip();
    if stages.is_empty() {
        return None;
    }
    let trigger = json!({ "type": "dryRun", "dryRun": true, PLAN: plan });
    let mut document = Document {
        id,
        purpose: Purpose::DryRun,
        application: SURVEYS.to_owned(),
        pipeline_id: SURVEYS.to_owned(),
        pipeline_name: format!("{} of {}", plan.name, plan.application),
        event_key: event_key.to_owned(),
        status: ExecutionStatus::Running,
        created_ms: now_ms,
        started_ms: Some(now_ms),
        ended_ms: None,
        canceled: None,
        startup_failure: None,
        trigger: trigger.as_object().cloned().unwrap_or_default(),
        policy: Policy::default(),
        queue: None,
        start_expiry_ms: None,
        time_zone: None,
        pause: None,
        stages: stages.into_iter().collect(),
    };
    let facts = Facts::default();
    let mut step = Step::new(&mut document, &facts, now_ms);
    step.effects.note("survey_started", None, None);
    for (ix, (pool, request)) in step.document().stages.indexes().zip(asked) {
        step.begin_operation(ix, pool, request);
    }
    let effects = step.effects;
    Some((document, effects))
}

/// When a survey is not waited for any longer.
pub fn survey_ends_ms(document: &Document) -> u64 {
    document.created_ms.saturating_add(millis(limits::SURVEY_TIMEOUT))
}

/// The plan a survey was made for, with what is known by now; once the survey is over, or the time for it,
/// that is all there will be. `None` for what is no survey.
pub fn surveyed(document: &Document) -> Option<RunPlan> {
    let mut plan: RunPlan = serde_json::from_value(document.trigger.get(PLAN)?.clone()).ok()?;
    for asked in document.top_level() {
        let (ref_id, at) = place_of(asked)?;
        let stage = plan.stages.iter_mut().find(|stage| stage.ref_id == ref_id)?;
        learn(stage.actions.get_mut(at)?, |pool| answer_of(asked, pool));
    }
    Some(plan)
}

/// Says of every action that workers could see more of why they were not asked.
pub fn leave_unknown(plan: &mut RunPlan, why: &str) {
    for stage in plan.stages.iter_mut().filter(|stage| may_run(stage)) {
        for action in &mut stage.actions {
            learn(action, |_| Err(why.to_owned()));
        }
    }
}

/// A question about one action of a plan.
struct Question {
    /// The stage it is an action of, and which of its actions.
    place: (String, usize),
    /// Its label.
    name: String,
    /// The workers that are asked.
    pool: Pool,
    /// The text of the call.
    request: String,
}

impl Question {
    /// The stage that asks it.
    fn stage(&self, survey: &ExecutionId, number: u32) -> Stage {
        let (ref_id, at) = &self.place;
        let config = json!({ "stage": ref_id, ACTION: at });
        let mut stage = Stage {
            kind: KIND.to_owned(),
            name: self.name.clone(),
            // One that is not answered says nothing about the others.
            on_failure: OnFailure::Ignore,
            config: config.as_object().cloned().unwrap_or_default(),
            ..Stage::blank(survey, &number.to_string())
        };
        stage.run.limits.timeout_ms = Some(millis(limits::SURVEY_TIMEOUT));
        stage
    }
}

fn place_of(asked: &Stage) -> Option<(&str, usize)> {
    let at = asked.config.get(ACTION)?.as_u64()?;
    Some((asked.config.get("stage")?.as_str()?, usize::try_from(at).ok()?))
}

/// What does not run needs no look.
const fn may_run(stage: &StagePlan) -> bool {
    match stage.outcome {
        PlannedOutcome::Runs | PlannedOutcome::Open => true,
        PlannedOutcome::Skipped | PlannedOutcome::Fails | PlannedOutcome::NotReached => false,
    }
}

fn questions(plan: &RunPlan) -> Vec<Question> {
    let to_come = stages::values_to_come(plan);
    let mut found = Vec::new();
    for stage in plan.stages.iter().filter(|stage| may_run(stage)) {
        for (at, action) in stage.actions.iter().enumerate() {
            let Some(call) = question(action, &to_come) else { continue };
            let name = operations::find(&call.operation)
                .and_then(|operation| operation.describe(&call.request).ok())
                .unwrap_or_else(|| call.operation.clone());
            let place = (stage.ref_id.clone(), at);
            found.push(Question { place, name, pool: call.pool, request: call.text() });
        }
    }
    found
}

/// The question whether an operation would do what it is asked to. Values of its request that stand for what
/// earlier stages have yet to make are named: nobody can look them up.
fn question(action: &PlannedAction, to_come: &BTreeSet<String>) -> Option<OperationCall> {
    match action {
        PlannedAction::Operation { operation, pool, request, .. } => {
            operations::find(operation).filter(|operation| operation.has_preview)?;
            let mut named = Vec::new();
            collect(request, to_come, &mut named);
            Some(OperationCall {
                operation: operation.clone(),
                pool: *pool,
                mode: CallMode::Preview { to_come: named },
                request: request.clone(),
            })
        }
        PlannedAction::Wait { .. }
        | PlannedAction::Judge { .. }
        | PlannedAction::Pipeline { .. }
        | PlannedAction::Check { .. }
        | PlannedAction::Set { .. } => None,
    }
}

/// The texts of a value that stand for what is yet to come.
fn collect(value: &Value, to_come: &BTreeSet<String>, found: &mut Vec<String>) {
    match value {
        Value::String(text) if to_come.contains(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, to_come, found)),
        Value::Object(map) => map.values().for_each(|value| collect(value, to_come, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Writes an answer into an action that somebody can be asked about.
fn learn(action: &mut PlannedAction, answer: impl FnOnce(Pool) -> Answer) {
    let PlannedAction::Operation { operation, pool, preview, preview_lines, unknown, .. } = action
    else {
        return;
    };
    let Some(row) = operations::find(operation).filter(|operation| operation.has_preview) else {
        return;
    };
    let unreadable = |cause| format!("the answer of the {pool} worker is unreadable: {cause}");
    let read = |answer: Value| {
        let lines = row.preview_lines(&answer).map_err(unreadable)?;
        Ok((answer, lines))
    };
    match answer(*pool).and_then(read) {
        Ok((answer, lines)) => {
            (*preview, *preview_lines, *unknown) = (Some(answer), lines, None);
        }
        Err(why) => (*preview, *preview_lines, *unknown) = (None, Vec::new(), Some(why)),
    }
}

/// What came of a question.
fn answer_of(asked: &Stage, kind: Pool) -> Answer {
    if asked.status() == ExecutionStatus::Succeeded {
        return Ok(Value::Object(asked.run.outputs.clone()));
    }
    if let Some(failure) = asked.run.failure.as_ref().filter(|_| !asked.run.timed_out) {
        return Err(words(failure));
    }
    let seconds = limits::SURVEY_TIMEOUT.as_secs();
    let tried = asked.run.attempts.iter().rev().find_map(|attempt| attempt.failure.as_ref());
    Err(match tried {
        Some(failure) => format!("no answer within {seconds} s: {}", words(failure)),
        None => format!(
            "no {kind} worker answered within {seconds} s: is one running, and has it a free slot?"
        ),
    })
}

fn words(failure: &TaskFailure) -> String {
    match &failure.hint {
        Some(hint) => format!("{} ({hint})", failure.message),
        None => failure.message.clone(),
    }
}
