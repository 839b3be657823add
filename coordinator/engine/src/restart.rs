//! Restart of a stage: it and everything that builds on it run again, as new tries of the same stages.
//!
//! The old run stays visible. Late results of its tasks change nothing: tries count on, and no number is
//! used twice. A finished execution becomes a live one again; it needs a slot like a new one.

use model::{ExecutionStatus, StageId};
use serde_json::{Map, json};

use crate::{
    control::{find, unfit},
    document::{Attempt, Run, Stage, StageState},
    effects::{Reopen, SlotChange},
    facts::SlotFact,
    slot::has_room,
    step::{Rejection, Step},
};

/// Runs that are kept beside a stage; older ones are dropped, the number of restarts is in the timeline.
const RUNS_KEPT: usize = 10;

pub(crate) fn apply(step: &mut Step<'_>, user: &str, id: &StageId) -> Result<(), Rejection> {
    let at = find(step.document, id)?;
    let again = step.index.downstream(at);
    check(step, at, &again)?;
    let complete = step.document.is_complete();
    let Some(stage) = step.stage(at) else { return Ok(()) };
    let (ref_id, previous) = (stage.ref_id.clone(), exception(stage));
    reset(step, &again);
    overrule(step, complete);
    let now_ms = step.now_ms;
    if let Some(stage) = step.document.stages.iter_mut().find(|stage| stage.id == *id) {
        let details = json!({ "restartedBy": user, "restartTime": now_ms,
            "previousException": previous });
        stage.context.insert("restartDetails".to_owned(), details);
    }
    step.effects.note("stage_restarted", Some(&ref_id), Some(format!("by {user}")));
    if complete {
        reopen(step);
    }
    Ok(())
}

/// Whether the stage can run again now.
fn check(step: &Step<'_>, at: usize, again: &[usize]) -> Result<(), Rejection> {
    let Some(stage) = step.stage(at) else { return Ok(()) };
    let name = &stage.name;
    if stage.parent.is_some() {
        return unfit(format!("stage `{name}` is a part of another one: restart that one"));
    }
    if step.document.startup_failure.is_some() {
        return unfit("the execution never started: start the pipeline again");
    }
    let over = step.document.is_complete();
    let live = matches!(step.document.status, ExecutionStatus::Running | ExecutionStatus::Paused);
    if !over && (!live || step.ending().is_some_and(ExecutionStatus::halts)) {
        return unfit("the execution is about to end or has not begun: wait until it is over");
    }
    for place in again {
        let Some(other) = step.stage(*place) else { continue };
        if matches!(other.state, StageState::Running(_)) {
            return unfit(format!(
                "stage `{}` is running: wait for it, or cancel the execution first",
                other.name
            ));
        }
    }
    for required in step.index.requires(at) {
        let Some(required) = required.and_then(|place| step.stage(place)) else { continue };
        if !required.status().lets_others_start() {
            return unfit(format!(
                "stage `{name}` needs stage `{}`, which is {}: {}",
                required.name,
                required.status(),
                if over { "restart that one" } else { "it starts when that one is done" }
            ));
        }
    }
    Ok(())
}

fn exception(stage: &Stage) -> serde_json::Value {
    stage
        .failure
        .as_ref()
        .map_or(serde_json::Value::Null, |failure| failure.message.as_str().into())
}

/// Back to the beginning; what was goes into the record, synthetic stages go.
fn reset(step: &mut Step<'_>, again: &[usize]) {
    for at in again {
        let mut tries: Vec<Attempt> = Vec::new();
        let mut highest = step.stage(*at).map_or(0, |stage| stage.tries_before);
        let mut open: Vec<usize> = vec![*at];
        while let Some(place) = open.pop() {
            open.extend_from_slice(step.index.parts(place));
            let Some(stage) = step.stage(place) else { continue };
            tries.extend(stage.attempts.iter().cloned());
            // A try that is counted in the context and not among the tasks: a child pipeline.
            highest = highest.max(stage.tries_before + u32::from(stage.started_ms.is_some()));
        }
        highest = tries.iter().map(|attempt| attempt.number).fold(highest, u32::max);
        let Some(stage) = step.document.stages.get_mut(*at) else { continue };
        if stage.status().is_complete() {
            // Logs of old failures would make the document grow with every restart.
            for attempt in &mut tries {
                if let Some(failure) = &mut attempt.failure {
                    failure.detail = None;
                }
            }
            let run = Run {
                status: stage.status(),
                started_ms: stage.started_ms,
                ended_ms: stage.ended_ms,
                failure: stage.failure.take(),
                attempts: tries,
            };
            stage.runs.push(run);
            let surplus = stage.runs.len().saturating_sub(RUNS_KEPT);
            stage.runs.drain(..surplus);
        }
        blank(stage, highest);
    }
    drop_parts(step, again);
}

fn blank(stage: &mut Stage, tries_before: u32) {
    stage.state = StageState::NotStarted;
    stage.started_ms = None;
    stage.ended_ms = None;
    stage.evaluated = None;
    stage.outputs = Map::new();
    stage.context = Map::new();
    stage.failure = None;
    stage.attempts = Vec::new();
    stage.timeout_ms = None;
    stage.held_ms = 0;
    stage.back_off_ms = None;
    stage.timed_out = false;
    stage.overruled = false;
    stage.tries_before = tries_before;
}

fn drop_parts(step: &mut Step<'_>, again: &[usize]) {
    let mut gone = vec![false; step.document.stages.len()];
    let mut open: Vec<usize> = again.iter().flat_map(|at| step.index.parts(*at)).copied().collect();
    while let Some(place) = open.pop() {
        open.extend_from_slice(step.index.parts(place));
        if let Some(gone) = gone.get_mut(place) {
            *gone = true;
        }
    }
    let mut gone = gone.into_iter();
    step.document.stages.retain(|_| !gone.next().unwrap_or(false));
    step.index = crate::index::Index::of(&step.document.stages);
}

/// What had failed beside it stops nothing any more; what was canceled because the execution ended runs
/// again: nobody decided against it.
fn overrule(step: &mut Step<'_>, complete: bool) {
    if complete {
        let canceled: Vec<usize> = step
            .index
            .order
            .iter()
            .copied()
            .filter(|at| {
                step.stage(*at).is_some_and(|stage| stage.status() == ExecutionStatus::Canceled)
            })
            .collect();
        let mut again: Vec<usize> =
            canceled.iter().flat_map(|at| step.index.downstream(*at)).collect();
        again.sort_unstable();
        again.dedup();
        reset(step, &again);
    }
    for stage in &mut step.document.stages {
        if stage.parent.is_none() && stage.status().halts() {
            stage.overruled = true;
        }
    }
}

/// A finished execution lives again, at once or when it gets a slot.
fn reopen(step: &mut Step<'_>) {
    if let Some(policy) = step.facts.policy {
        step.document.policy = policy;
    }
    let limit = step.document.policy.limit;
    let nobody = SlotFact::default();
    let fact = step.facts.slot.as_ref().unwrap_or(&nobody);
    let room = limit.is_none() || (fact.waiting.is_empty() && has_room(limit, fact.holders.len()));
    step.document.canceled = None;
    step.document.ended_ms = None;
    step.document.start_expiry_ms = None;
    step.effects.reopen = Reopen::Yes;
    step.document.status = ExecutionStatus::NotStarted;
    if room {
        step.effects.slot = Some(SlotChange::Take { limit });
        step.begin_execution();
    } else {
        step.effects.slot = Some(SlotChange::Wait);
    }
}
