//! When a live execution must be looked at again.

use std::time::Duration;

use model::{ExecutionStatus, limits};

use crate::{
    document::Document,
    facts::{Facts, Lease, SlotState},
    stage::Stage,
    state::{Await, Operation, StageState, Work},
};

/// How long an operation that was asked to stop, and that no worker holds, is given to be claimed by a worker
/// that has its message already: a worker that claims after the cancel was stored sees it.
pub(crate) const CANCEL_GRACE_MS: u64 = 2_000;
/// A lease is judged a moment after its end, so that a heartbeat on its way is not overtaken.
pub(crate) const LEASE_SLACK_MS: u64 = 1_000;
/// How soon an execution that was asked for, and that nobody has seen yet, is looked for again.
const CHILD_LOOK_MS: u64 = 15_000;

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// How long a published message may go unclaimed. Doubles from the claim timeout, and stays under the longest
/// sleep.
pub(crate) fn publish_again_after_ms(publishes: u32) -> u64 {
    let first = millis(limits::CLAIM_TIMEOUT);
    let doubled = first.saturating_mul(1 << publishes.saturating_sub(1).min(8));
    doubled.min(millis(limits::WAKE_MAX) - 30_000)
}

/// When a live document must be looked at again, at the latest. `None` when it is complete.
///
/// A result, a free slot and the end of a child make the store look earlier on their own, so this only has
/// to catch what is lost, and time itself: an operation no worker claimed, a worker that fell silent, a wait
/// that is over.
pub fn next_look(document: &Document, facts: &Facts, now_ms: u64) -> Option<u64> {
    if document.is_complete() {
        return None;
    }
    // A little under the longest sleep the store allows, so that its clock may be a bit behind.
    let latest = now_ms + millis(limits::WAKE_MAX) - 10_000;
    let earliest = match document.status {
        // Nobody has looked since it was registered: its slot may be there.
        ExecutionStatus::NotStarted if !registered(facts) => now_ms,
        ExecutionStatus::NotStarted => document.start_expiry_ms.map_or(latest, |late| late + 1),
        ExecutionStatus::Running => document
            .stages
            .iter()
            .filter_map(|stage| next_look_at(document, stage, facts, now_ms))
            .fold(latest, u64::min),
        // Nothing is due while it is paused: results come with a wake of their own.
        ExecutionStatus::Paused
        | ExecutionStatus::Suspended
        | ExecutionStatus::Succeeded
        | ExecutionStatus::FailedContinue
        | ExecutionStatus::Terminal
        | ExecutionStatus::Canceled
        | ExecutionStatus::Redirect
        | ExecutionStatus::Stopped
        | ExecutionStatus::Skipped
        | ExecutionStatus::Buffered => latest,
    };
    Some(earliest.min(latest).max(now_ms))
}

/// Whether the facts were read after the store had given it a slot or a place.
fn registered(facts: &Facts) -> bool {
    facts.slot.as_ref().is_some_and(|fact| fact.own != SlotState::None)
}

fn next_look_at(document: &Document, stage: &Stage, facts: &Facts, now_ms: u64) -> Option<u64> {
    let StageState::Running(work) = stage.state() else { return None };
    let due_ms = match work {
        Work::BackingOff { due_ms, .. } => Some(*due_ms),
        Work::Awaiting(Await::Window { opens_ms }) => Some(*opens_ms),
        Work::Awaiting(Await::Time { until_ms }) => Some(*until_ms),
        Work::Operation(operation) => {
            let task = document.task_id(stage, operation.attempt);
            Some(operation_due_ms(operation, facts.leases.get(&task)))
        }
        Work::Child(child) => {
            (!facts.children.contains_key(&child.execution)).then_some(now_ms + CHILD_LOOK_MS)
        }
        Work::Held
        | Work::Parts
        | Work::AfterFailure { .. }
        | Work::Awaiting(Await::Person { .. }) => None,
    };
    let deadline_ms = deadline_ms(stage).filter(|_| document.canceled.is_none());
    match (due_ms, deadline_ms) {
        (Some(due_ms), Some(deadline_ms)) => Some(due_ms.min(deadline_ms)),
        (due_ms, deadline_ms) => due_ms.or(deadline_ms),
    }
}

fn operation_due_ms(operation: &Operation, lease: Option<&Lease>) -> u64 {
    // A lease of an older epoch says nothing about the one just dispatched.
    if let Some(lease) = lease.filter(|lease| lease.claimed && lease.epoch == operation.epoch) {
        return lease.until_ms.map_or(0, |until_ms| until_ms + LEASE_SLACK_MS);
    }
    let again = operation.published_ms + publish_again_after_ms(operation.publishes);
    match operation.canceling_ms {
        Some(asked_ms) if operation.epoch == 1 => again.min(asked_ms + CANCEL_GRACE_MS),
        Some(_) | None => again,
    }
}

/// When a stage has run as long as it may; `None` while nothing counts.
pub(crate) fn deadline_ms(stage: &Stage) -> Option<u64> {
    let counts = match stage.state() {
        // What follows a failure has a bound of its own.
        StageState::NotStarted
        | StageState::Done(_)
        | StageState::Running(Work::Held | Work::AfterFailure { .. }) => false,
        StageState::Running(
            Work::Parts
            | Work::Awaiting(_)
            | Work::Child(_)
            | Work::Operation(_)
            | Work::BackingOff { .. },
        ) => !stage.run.timed_out,
    };
    let run = &stage.run;
    let (timeout_ms, started_ms) = (run.limits.timeout_ms?, run.started_ms?);
    counts.then(|| started_ms.saturating_add(timeout_ms).saturating_add(run.held_ms))
}
