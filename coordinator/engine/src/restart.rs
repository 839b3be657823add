//! Restart of a stage: it and everything that builds on it run again, as new tries of the same stages.
//!
//! The old run stays visible. Late results of its operations change nothing: tries count on, and no number is
//! used twice. A finished execution becomes a live one again; it needs a slot like a new one.

use std::collections::BTreeSet;

use model::ExecutionStatus;
use serde_json::{Value, json};

use crate::{
    arena::StageIndex,
    effects::{Reopen, SlotChange},
    facts::SlotFact,
    slot::has_room,
    step::Step,
};

/// Restarts a stage of the definition that takes the order.
pub(crate) fn apply(step: &mut Step<'_>, user: &str, ix: StageIndex) {
    let complete = step.document().is_complete();
    let stage = step.stage(ix);
    let previous = stage.run.failure.as_ref();
    let previous = previous.map_or(Value::Null, |failure| failure.message.as_str().into());
    let details = json!({ "restartedBy": user, "restartTime": step.now_ms,
        "previousException": previous });
    let again = again(step, ix, complete);
    let ix = step.restart(&again, ix);
    overrule(step);
    step.run(ix).tell("restartDetails", details);
    step.note(ix, "stage_restarted", Some(format!("by {user}")));
    if complete {
        reopen(step);
    }
}

/// The stages that run again. What was canceled because the execution ended does, too: nobody decided against
/// it.
fn again(step: &Step<'_>, ix: StageIndex, complete: bool) -> Vec<StageIndex> {
    let (document, graph) = (step.document(), step.graph());
    let canceled =
        |ix: &StageIndex| complete && document.stages[*ix].status() == ExecutionStatus::Canceled;
    let canceled = graph.order.iter().copied().filter(canceled);
    let again: BTreeSet<StageIndex> = std::iter::once(ix)
        .chain(canceled)
        .flat_map(|ix| graph.downstream(&document.stages, ix))
        .collect();
    again.into_iter().collect()
}

/// What had failed beside it stops nothing any more.
fn overrule(step: &mut Step<'_>) {
    for stage in &mut step.change().stages {
        if stage.part.is_none() && stage.status().halts() {
            stage.run.overruled = true;
        }
    }
}

/// A finished execution lives again, at once or when it gets a slot.
fn reopen(step: &mut Step<'_>) {
    step.take_policy();
    let limit = step.document().policy.limit;
    let nobody = SlotFact::default();
    let fact = step.facts.slot.as_ref().unwrap_or(&nobody);
    let room = limit.is_none() || (fact.waiting.is_empty() && has_room(limit, fact.holders.len()));
    let document = step.change();
    document.canceled = None;
    document.ended_ms = None;
    document.start_expiry_ms = None;
    document.status = ExecutionStatus::NotStarted;
    step.effects.reopen = Reopen::Yes;
    if room {
        step.effects.slot = Some(SlotChange::Take { limit });
        step.begin_execution();
    } else {
        step.effects.slot = Some(SlotChange::Wait);
    }
}
