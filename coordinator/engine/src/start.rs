//! The beginning of an execution.

use definitions::Pipeline;
use model::{ExecutionId, ExecutionStatus};
use serde_json::{Map, Value};

use crate::{
    document::{Document, Purpose},
    effects::Effects,
    ended,
    execution::parent_of,
    facts::{Facts, Policy},
    nesting,
    stage::Stage,
    step::Step,
    trigger,
};

/// What an execution comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The event.
    pub event_key: String,
    /// The pipeline's id.
    pub pipeline_id: String,
    /// What started it.
    pub trigger: Map<String, Value>,
    /// The zone of time windows, an IANA name; `None` is Spinnaker's default, `America/Los_Angeles`.
    pub time_zone: Option<String>,
}

/// Makes the document of a new execution. Without a limit on executions at a time it takes its first step;
/// with one it waits for the look that finds its slot.
///
/// A pipeline that cannot run (a stage type nobody knows, a field that cannot be read) still makes
/// an execution, one that failed before anything ran, so that a person sees why.
///
/// # Panics
///
/// When a bug in this crate would break a rule of the document; see [`step`](crate::step()).
pub fn start(pipeline: &Pipeline, origin: Origin, now_ms: u64) -> (Document, Effects) {
    let (origin, obstacles) = prepared(pipeline, origin);
    if !obstacles.is_empty() {
        return fail_on_startup(pipeline, origin, &obstacles.join("; "), now_ms);
    }
    let mut document = blank(pipeline, origin, now_ms);
    let facts = Facts::default();
    let mut step = Step::new(&mut document, &facts, now_ms);
    if step.document().policy.limit.is_some() {
        step.effects.note("execution_created", None, None);
    } else if !step.cancel_if_late() {
        step.begin_execution();
        step.settle();
    }
    let effects = step.effects;
    (document, effects)
}

/// The origin as the stages read it, and everything that keeps the pipeline from being started.
pub(crate) fn prepared(pipeline: &Pipeline, mut origin: Origin) -> (Origin, Vec<String>) {
    let mut obstacles = obstacles(pipeline);
    match trigger::prepare(pipeline, &origin.trigger) {
        Ok(prepared) => origin.trigger = prepared,
        Err(refused) => obstacles.extend(refused),
    }
    obstacles.extend(waits_for_itself(pipeline, &origin));
    (origin, obstacles)
}

/// Makes the document of an execution that could not be started.
pub fn fail_on_startup(
    pipeline: &Pipeline,
    origin: Origin,
    reason: &str,
    now_ms: u64,
) -> (Document, Effects) {
    let mut document = blank(pipeline, origin, now_ms);
    document.status = ExecutionStatus::Terminal;
    document.ended_ms = Some(now_ms);
    document.startup_failure = Some(format!("failed on startup: {reason}"));
    let mut effects = Effects::default();
    effects.note("failed_on_startup", None, Some(reason.to_owned()));
    effects.notify.extend(parent_of(&document.trigger));
    effects.events.extend(ended::event_of(&document));
    (document, effects)
}

pub(crate) fn blank(pipeline: &Pipeline, origin: Origin, now_ms: u64) -> Document {
    let id = ExecutionId::of_event(&origin.event_key, &origin.pipeline_id);
    let stages = pipeline.stages.iter().map(|definition| Stage {
        kind: definition.kind.clone(),
        name: definition.name.clone(),
        requires: definition.requires.clone(),
        on_failure: definition.on_failure,
        config: definition.config.clone(),
        ..Stage::blank(&id, &definition.ref_id)
    });
    let stages = stages.collect();
    Document {
        id,
        purpose: Purpose::Run,
        application: pipeline.application.clone(),
        pipeline_id: origin.pipeline_id,
        pipeline_name: pipeline.name.clone(),
        event_key: origin.event_key,
        status: ExecutionStatus::NotStarted,
        created_ms: now_ms,
        started_ms: None,
        ended_ms: None,
        canceled: None,
        startup_failure: None,
        trigger: origin.trigger,
        policy: Policy::of(pipeline),
        queue: None,
        start_expiry_ms: pipeline.start_time_expiry.filter(|late_ms| *late_ms > 0),
        time_zone: origin.time_zone,
        pause: None,
        stages,
    }
}

/// Everything in the definition that is certain to fail later: better said before anything runs.
fn obstacles(pipeline: &Pipeline) -> Vec<String> {
    let mut found = Vec::new();
    if pipeline.disabled {
        found.push("the pipeline is disabled".to_owned());
    }
    if pipeline.stages.is_empty() {
        found.push("the pipeline has no stages".to_owned());
    }
    for stage in &pipeline.stages {
        let obstacle = match stages::of(&stage.kind) {
            Some(entry) => {
                let problems = entry.obstacles(&stage.config);
                (!problems.is_empty()).then(|| stages::unreadable(&problems).message)
            }
            None => Some(format!(
                "stage type `{}` is not known here; {} are",
                stage.kind,
                listed(&stages::names().collect::<Vec<_>>())
            )),
        };
        found.extend(obstacle.map(|text| format!("stage `{}`: {text}", stage.name)));
    }
    found
}

/// An execution that waits for a slot, while those that hold all of them wait for it, never ends.
fn waits_for_itself(pipeline: &Pipeline, origin: &Origin) -> Option<String> {
    let limit = Policy::of(pipeline).limit?;
    let above = nesting::waiting(&origin.trigger, &origin.pipeline_id);
    let stuck = u32::try_from(above).is_ok_and(|above| above >= limit);
    stuck.then(|| {
        format!(
            "it was started, over one or more pipelines, by an execution of itself that waits for it, and only {limit} may run at a time"
        )
    })
}

/// `a, b and c`.
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
