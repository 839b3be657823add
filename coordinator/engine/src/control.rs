//! Orders of people to one execution. Each is checked whole before anything changes.

use model::{ExecutionStatus, StageId};
use serde_json::{Value, json};
use stages::user_failure;
use wire::{Control, Judgment, TaskFailure};

use crate::{
    begin::skippable,
    document::{Document, Pause, StageState, Work},
    restart,
    step::{Rejection, Step},
};

/// Carries out an order.
pub(crate) fn apply(step: &mut Step<'_>, user: &str, control: &Control) -> Result<(), Rejection> {
    if let Control::RestartStage { stage } = control {
        return restart::apply(step, user, stage);
    }
    if step.document.is_complete() {
        return Err(Rejection::AlreadyComplete);
    }
    if step.document.canceled.is_some() {
        return Err(Rejection::AlreadyCanceled);
    }
    match control {
        Control::Pause => pause(step, user),
        Control::Resume => resume(step, user),
        Control::Judge { stage, decision, input } => {
            judge(step, user, stage, (*decision, input.as_deref()))
        }
        Control::SkipWait { stage } => skip_wait(step, user, stage),
        Control::SkipStage { stage } => skip_stage(step, user, stage),
        // Handled above: it is the only one that a finished execution takes.
        Control::RestartStage { .. } => Ok(()),
    }
}

pub(crate) fn unfit<T>(why: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::Unfit(why.into()))
}

/// The place of a stage, by its id.
pub(crate) fn find(document: &Document, id: &StageId) -> Result<usize, Rejection> {
    let found = document.stages.iter().position(|stage| stage.id == *id);
    found.map_or_else(|| unfit(format!("the execution has no stage `{id}`")), Ok)
}

fn pause(step: &mut Step<'_>, user: &str) -> Result<(), Rejection> {
    if !step.running() {
        return unfit(format!(
            "only a running execution can be paused, this one is {}",
            step.document.status
        ));
    }
    let total_ms = step.document.pause.as_ref().map_or(0, |before| before.total_ms);
    step.document.status = ExecutionStatus::Paused;
    step.document.pause = Some(Pause {
        by: user.to_owned(),
        at_ms: step.now_ms,
        resumed_by: None,
        resumed_ms: None,
        total_ms,
    });
    step.effects.note("execution_paused", None, Some(format!("by {user}")));
    Ok(())
}

fn resume(step: &mut Step<'_>, user: &str) -> Result<(), Rejection> {
    if !step.paused() {
        return unfit(format!("the execution is not paused, it is {}", step.document.status));
    }
    end_pause(step, user);
    Ok(())
}

/// Lets it go on. The time of the pause counts for no timeout.
pub(crate) fn end_pause(step: &mut Step<'_>, user: &str) {
    step.document.status = ExecutionStatus::Running;
    let now_ms = step.now_ms;
    if let Some(pause) = &mut step.document.pause {
        let since_ms = pause.at_ms;
        pause.resumed_by = Some(user.to_owned());
        pause.resumed_ms = Some(now_ms);
        pause.total_ms += now_ms.saturating_sub(since_ms);
        for stage in &mut step.document.stages {
            if let (StageState::Running(_), Some(started_ms)) = (&stage.state, stage.started_ms) {
                stage.held_ms += now_ms.saturating_sub(since_ms.max(started_ms));
            }
        }
    }
    step.effects.note("execution_resumed", None, Some(format!("by {user}")));
}

fn judge(
    step: &mut Step<'_>,
    user: &str,
    id: &StageId,
    (decision, input): (Judgment, Option<&str>),
) -> Result<(), Rejection> {
    let at = find(step.document, id)?;
    let now_ms = step.now_ms;
    let Some(stage) = step.document.stages.get_mut(at) else { return Ok(()) };
    let StageState::Running(Work::Judging { choices }) = &stage.state else {
        return unfit(format!(
            "stage `{}` does not wait for a judgment, it is {}",
            stage.name,
            stage.status()
        ));
    };
    if let Some(input) = input
        && !choices.is_empty()
        && !choices.iter().any(|choice| choice == input)
    {
        let known = choices.join("`, `");
        return unfit(format!(
            "`{input}` is none of the choices of stage `{}`: `{known}`",
            stage.name
        ));
    }
    let modified = json!({ "user": user, "allowedAccounts": [], "lastModifiedTime": now_ms });
    for (key, value) in [
        ("judgmentStatus", Some(Value::from(decision.as_str()))),
        ("judgmentInput", input.map(Value::from)),
        ("lastModified", Some(modified)),
    ] {
        if let Some(value) = value {
            stage.context.insert(key.to_owned(), value.clone());
            stage.outputs.insert(key.to_owned(), value);
        }
    }
    let detail = format!("{} by {user}", decision.as_str());
    step.effects.note("judged", Some(&stage.ref_id), Some(detail));
    match decision {
        Judgment::Continue => step.close(at, ExecutionStatus::Succeeded),
        Judgment::Stop => step.fail(at, stopped_by(user, input)),
    }
    Ok(())
}

fn stopped_by(user: &str, input: Option<&str>) -> TaskFailure {
    let choice = input.map(|input| format!(" (`{input}`)")).unwrap_or_default();
    user_failure(format!("{user} decided to stop{choice}"), None)
}

/// A wait ends now; a window counts as open.
fn skip_wait(step: &mut Step<'_>, user: &str, id: &StageId) -> Result<(), Rejection> {
    let at = find(step.document, id)?;
    let mut places = vec![at];
    places.extend_from_slice(step.index.parts(at));
    for place in places {
        let Some(stage) = step.stage(place) else { continue };
        let StageState::Running(at_work) = &stage.state else { continue };
        let by = Some(format!("by {user}"));
        let skipped = json!({ "by": user, "at": step.now_ms });
        match at_work {
            Work::Waiting { .. } => {
                step.effects.note("wait_skipped", Some(&stage.ref_id.clone()), by);
                mark(step, place, skipped);
                step.close(place, ExecutionStatus::Succeeded);
                return Ok(());
            }
            Work::Window { .. } => {
                step.effects.note("window_skipped", Some(&stage.ref_id.clone()), by);
                mark(step, place, skipped);
                step.open_window(place, ExecutionStatus::Skipped);
                return Ok(());
            }
            Work::Held
            | Work::Children
            | Work::OnFailure { .. }
            | Work::Judging { .. }
            | Work::Child { .. }
            | Work::Task { .. }
            | Work::BackingOff { .. } => {}
        }
    }
    let name = step.stage(at).map(|stage| stage.name.clone()).unwrap_or_default();
    unfit(format!("stage `{name}` waits neither for a time nor for a window"))
}

fn mark(step: &mut Step<'_>, at: usize, skipped: Value) {
    if let Some(stage) = step.document.stages.get_mut(at) {
        stage.context.insert("skipRemainingWait".to_owned(), true.into());
        stage.context.insert("skipped".to_owned(), skipped);
    }
}

fn skip_stage(step: &mut Step<'_>, user: &str, id: &StageId) -> Result<(), Rejection> {
    let at = find(step.document, id)?;
    let Some(stage) = step.stage(at) else { return Ok(()) };
    if !skippable(stage) {
        return unfit(format!(
            "stage `{}` is a `{}`; only `wait` and `manualJudgment` stages can be skipped",
            stage.name, stage.kind
        ));
    }
    if !matches!(stage.state, StageState::Running(_)) {
        return unfit(format!("stage `{}` is {}, not running", stage.name, stage.status()));
    }
    for place in 0..step.index.parts(at).len() {
        let Some(part) = step.index.parts(at).get(place).copied() else { continue };
        if step.stage(part).is_some_and(|part| !part.status().is_complete()) {
            step.skip(part, &format!("skipped with its stage by {user}"));
        }
    }
    if let Some(stage) = step.document.stages.get_mut(at) {
        stage.context.insert("manualSkip".to_owned(), true.into());
    }
    step.skip(at, &format!("skipped by {user}"));
    Ok(())
}
