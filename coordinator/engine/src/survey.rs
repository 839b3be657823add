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
    BakeImage, BakeRequest, CreateGroup, DeployRequest, Operation as _, OperationCall, TaskFailure,
};

use crate::{
    document::{Document, Purpose},
    effects::Effects,
    facts::{Facts, Policy},
    run_plan::{Action, Outcome, RunPlan, StagePlan},
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
type Told = Result<Value, String>;

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
        .map(|(question, number)| (question.stage(&id, number), (question.kind, question.request)))
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
        learn(stage.actions.get_mut(at)?, |kind| told(asked, kind));
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
    /// Who is asked.
    kind: Pool,
    /// What; JSON text.
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
        Outcome::Runs | Outcome::Open => true,
        Outcome::Skipped | Outcome::Fails | Outcome::NotReached => false,
    }
}

fn questions(plan: &RunPlan) -> Vec<Question> {
    let to_come = images_to_come(plan);
    let mut found = Vec::new();
    for stage in plan.stages.iter().filter(|stage| may_run(stage)) {
        for (at, action) in stage.actions.iter().enumerate() {
            let Some((name, kind, request)) = question(action, &to_come) else { continue };
            found.push(Question { place: (stage.ref_id.clone(), at), name, kind, request });
        }
    }
    found
}

fn question(action: &Action, to_come: &BTreeSet<String>) -> Option<(String, Pool, String)> {
    match action {
        Action::Bake { region, request, .. } => {
            let request: BakeRequest = serde_json::from_value(request.clone()).ok()?;
            let call = OperationCall::preview::<BakeImage>(&request, Vec::new());
            Some((format!("Image in {region}"), BakeImage::POOL, call.text()))
        }
        Action::Deploy { account, region, cluster, image, request, .. } => {
            let request: DeployRequest = serde_json::from_value(request.clone()).ok()?;
            let to_come = to_come.get(image).cloned().into_iter().collect();
            let call = OperationCall::preview::<CreateGroup>(&request, to_come);
            let name = format!("Server groups of {cluster} in {account}/{region}");
            Some((name, CreateGroup::POOL, call.text()))
        }
        Action::Count { .. }
        | Action::Wait { .. }
        | Action::Judge { .. }
        | Action::Pipeline { .. }
        | Action::Check { .. }
        | Action::Set { .. } => None,
    }
}

/// What stands for the images that bakes of the plan make.
fn images_to_come(plan: &RunPlan) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for stage in &plan.stages {
        for action in &stage.actions {
            if let Action::Bake { region, .. } = action {
                found.insert(stages::image_to_come(&stage.name, region));
            }
        }
    }
    found
}

/// Writes what was told into an action that somebody can be asked about.
fn learn(action: &mut Action, told: impl FnOnce(Pool) -> Told) {
    match action {
        Action::Bake { preview, unknown, .. } => {
            (*preview, *unknown) = read(Pool::Bake, told);
        }
        Action::Deploy { preview, unknown, .. } => {
            (*preview, *unknown) = read(Pool::Deploy, told);
        }
        Action::Count { .. }
        | Action::Wait { .. }
        | Action::Judge { .. }
        | Action::Pipeline { .. }
        | Action::Check { .. }
        | Action::Set { .. } => {}
    }
}

fn read<T: for<'de> serde::Deserialize<'de>>(
    kind: Pool,
    told: impl FnOnce(Pool) -> Told,
) -> (Option<T>, Option<String>) {
    let unreadable = |cause| format!("the answer of the {kind} worker is unreadable: {cause}");
    let read = |answer| serde_json::from_value(answer).map_err(unreadable);
    match told(kind).and_then(read) {
        Ok(preview) => (Some(preview), None),
        Err(why) => (None, Some(why)),
    }
}

/// What came of a question.
fn told(asked: &Stage, kind: Pool) -> Told {
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
