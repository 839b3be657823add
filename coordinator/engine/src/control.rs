//! Orders of people to one execution. Each is checked whole before anything changes.

use model::{ExecutionStatus, StageId};
use serde_json::{Value, json};
use stages::user_failure;
use wire::{Control, Decision, ExecutionOrder, Judgment, StageOrder, TaskFailure};

use crate::{
    arena::StageIndex,
    orders::{StageOrders, find, of_execution},
    rejection::{Rejection, unfit},
    restart,
    state::{Await, StageState, Work},
    step::Step,
};

/// Carries out an order.
pub(crate) fn apply(step: &mut Step<'_>, user: &str, control: &Control) -> Result<(), Rejection> {
    match control {
        Control::Pause => {
            of_execution(step.document(), ExecutionOrder::Pause)?;
            step.pause(user);
        }
        Control::Resume => {
            of_execution(step.document(), ExecutionOrder::Resume)?;
            step.end_pause(user);
        }
        Control::RestartStage { stage } => {
            let ix = taking(step, stage, StageOrder::Restart)?;
            restart::apply(step, user, ix);
        }
        Control::Judge { stage, decision, input } => {
            let ix = taking(step, stage, StageOrder::Judge)?;
            judge(step, user, ix, (*decision, input.as_deref()))?;
        }
        Control::SkipWait { stage } => {
            let ix = taking(step, stage, StageOrder::SkipWait)?;
            let waiting = StageOrders::of(step.document(), step.graph()).waiting(ix)?;
            skip_wait(step, user, waiting);
        }
        Control::SkipStage { stage } => {
            let ix = taking(step, stage, StageOrder::Skip)?;
            skip_stage(step, user, ix);
        }
    }
    Ok(())
}

/// The stage, if it takes the order now.
fn taking(step: &Step<'_>, id: &StageId, order: StageOrder) -> Result<StageIndex, Rejection> {
    let ix = find(step.document(), id)?;
    StageOrders::of(step.document(), step.graph()).check(ix, order)?;
    Ok(ix)
}

fn judge(
    step: &mut Step<'_>,
    user: &str,
    ix: StageIndex,
    (decision, input): (Judgment, Option<&str>),
) -> Result<(), Rejection> {
    let stage = step.stage(ix);
    if let (Some(input), StageState::Running(Work::Awaiting(Await::Person { choices, .. }))) =
        (input, stage.state())
        && !choices.is_empty()
        && !choices.iter().any(|choice| choice == input)
    {
        let known = choices.join("`, `");
        return unfit(format!(
            "`{input}` is none of the choices of stage `{}`: `{known}`",
            stage.name
        ));
    }
    let now_ms = step.now_ms;
    let modified = json!({ "user": user, "allowedAccounts": [], "lastModifiedTime": now_ms });
    for (key, value) in [
        ("judgmentStatus", Some(Value::from(decision.as_str()))),
        ("judgmentInput", input.map(Value::from)),
        ("lastModified", Some(modified)),
    ] {
        if let Some(value) = value {
            let run = step.run(ix);
            run.tell(key, value.clone());
            run.outputs.insert(key.to_owned(), value);
        }
    }
    step.run(ix).decision =
        Some(Decision::Judged { decision, input: input.map(str::to_owned), by: user.to_owned() });
    step.note(ix, "judged", Some(format!("{} by {user}", decision.as_str())));
    match decision {
        Judgment::Continue => step.close(ix, ExecutionStatus::Succeeded),
        Judgment::Stop => step.fail(ix, stopped_by(user, input)),
    }
    Ok(())
}

fn stopped_by(user: &str, input: Option<&str>) -> TaskFailure {
    let choice = input.map(|input| format!(" (`{input}`)")).unwrap_or_default();
    user_failure(format!("{user} decided to stop{choice}"), None)
}

/// A wait ends now; a window counts as open.
fn skip_wait(step: &mut Step<'_>, user: &str, ix: StageIndex) {
    let window =
        matches!(step.stage(ix).state(), StageState::Running(Work::Awaiting(Await::Window { .. })));
    let event = if window { "window_skipped" } else { "wait_skipped" };
    step.note(ix, event, Some(format!("by {user}")));
    let skipped = json!({ "by": user, "at": step.now_ms });
    let run = step.run(ix);
    run.tell("skipRemainingWait", true);
    run.tell("skipped", skipped);
    run.decision = Some(Decision::WaitSkipped { by: user.to_owned() });
    if window {
        step.open_window(ix, ExecutionStatus::Skipped);
    } else {
        step.close(ix, ExecutionStatus::Succeeded);
    }
}

fn skip_stage(step: &mut Step<'_>, user: &str, ix: StageIndex) {
    for part in step.graph().parts(ix).to_vec() {
        if !step.stage(part).status().is_complete() {
            step.skip(part, &format!("skipped with its stage by {user}"));
        }
    }
    step.run(ix).tell("manualSkip", true);
    step.skip(ix, &format!("skipped by {user}"));
}
