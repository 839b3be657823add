//! Tasks: dispatched, claimed, lost, retried, finished, canceled.

use std::time::Duration;

use model::{ExecutionId, ExecutionStatus, OnFailure, Pool, TaskId, limits};
use stages::StageRules;
use wire::{FailureKind, TaskFailure, TaskOutcome};

use crate::{
    document::{Attempt, Stage, StageState, Work},
    effects::{Dispatch, Effects},
    facts::Lease,
};

/// How long a task that was told to stop, and that nobody holds, is given to be claimed by a worker
/// that had its message in hand: whoever claims after the cancel was stored sees it.
const CANCEL_GRACE_MS: u64 = 2_000;
/// A lease is judged a moment after its end, so that a beat on its way is not overtaken.
const LEASE_SLACK_MS: u64 = 1_000;

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Brings a live task up to date with what the store says about it.
pub(crate) fn absorb_task(
    stage: &mut Stage,
    task: &TaskId,
    lease: Option<&Lease>,
    now_ms: u64,
    effects: &mut Effects,
) {
    if let Some(outcome) = lease.and_then(|lease| lease.result.as_ref()) {
        finish(stage, task, outcome.clone(), now_ms, effects);
        return;
    }
    let held = lease.and_then(|lease| lease.until_ms);
    if held.is_some_and(|until_ms| until_ms + LEASE_SLACK_MS > now_ms) {
        return;
    }
    if lease.is_some_and(|lease| lease.claimed) {
        dispatch_lost(stage, task, lease.map_or(0, |lease| lease.checkpoints), now_ms, effects);
    } else {
        unclaimed(stage, task, now_ms, effects);
    }
}

/// Nobody has claimed it: publish again, or, when it was to stop anyway, let it be.
fn unclaimed(stage: &mut Stage, task: &TaskId, now_ms: u64, effects: &mut Effects) {
    let StageState::Running(Work::Task {
        pool,
        epoch,
        request,
        published_ms,
        publishes,
        canceling_ms,
        ..
    }) = &mut stage.state
    else {
        return;
    };
    if let Some(asked_ms) = *canceling_ms {
        // Nothing was ever done for a first epoch; a later one may have left something behind,
        // which only a worker can clean up.
        if *epoch == 1 && asked_ms + CANCEL_GRACE_MS <= now_ms {
            let detail = "it had not begun".to_owned();
            finish(stage, task, TaskOutcome::Canceled { detail }, now_ms, effects);
            return;
        }
    }
    if *published_ms + publish_again_after_ms(*publishes) <= now_ms {
        *published_ms = now_ms;
        *publishes += 1;
        let dispatch =
            Dispatch { task: task.clone(), pool: *pool, epoch: *epoch, call: request.clone() };
        effects.note("task_published_again", Some(&stage.ref_id), Some(task.to_string()));
        effects.dispatch.push(dispatch);
    }
}

/// Doubles from the claim timeout, and stays under the longest sleep.
fn publish_again_after_ms(publishes: u32) -> u64 {
    let first = millis(limits::CLAIM_TIMEOUT);
    let doubled = first.saturating_mul(1 << publishes.saturating_sub(1).min(8));
    doubled.min(millis(limits::WAKE_MAX) - 30_000)
}

/// Whoever had it gave it up or fell silent: the same attempt goes to another, who joins.
fn dispatch_lost(stage: &mut Stage, task: &TaskId, seen: u64, now_ms: u64, effects: &mut Effects) {
    let StageState::Running(Work::Task {
        pool,
        epoch,
        request,
        published_ms,
        publishes,
        checkpoints,
        fruitless,
        canceling_ms,
        ..
    }) = &mut stage.state
    else {
        return;
    };
    *fruitless = if seen > *checkpoints { 0 } else { *fruitless + 1 };
    if *fruitless >= limits::EPOCHS_WITHOUT_PROGRESS_MAX {
        let failure = TaskFailure {
            kind: FailureKind::WorkerLost,
            message: format!(
                "{fruitless} {pool} workers in a row vanished while working on this, none of them got further"
            ),
            detail: None,
            hint: Some(format!("look at the logs of the {pool} workers around this time")),
        };
        finish(stage, task, TaskOutcome::Failed { failure }, now_ms, effects);
        return;
    }
    *checkpoints = seen;
    *epoch += 1;
    *published_ms = now_ms;
    *publishes = 1;
    let dispatch =
        Dispatch { task: task.clone(), pool: *pool, epoch: *epoch, call: request.clone() };
    if canceling_ms.is_some() {
        effects.cancel.push(task.clone());
    }
    let detail = format!("{task} goes to another worker, epoch {}", dispatch.epoch);
    effects.note("worker_lost", Some(&stage.ref_id), Some(detail));
    effects.dispatch.push(dispatch);
}

/// Begins the first try of a stage's work; its number goes on from those before a restart.
pub(crate) fn begin(
    stage: &mut Stage,
    execution: &ExecutionId,
    (pool, request): (Pool, String),
    now_ms: u64,
    effects: &mut Effects,
) {
    stage.started_ms = Some(now_ms);
    let attempt = stage.tries_before + 1;
    dispatch(stage, execution, pool, attempt, request, now_ms, effects);
}

#[expect(clippy::too_many_arguments, reason = "the parts of one task, named at two call sites")]
fn dispatch(
    stage: &mut Stage,
    execution: &ExecutionId,
    pool: Pool,
    attempt: u32,
    request: String,
    now_ms: u64,
    effects: &mut Effects,
) {
    let task = TaskId { execution: execution.clone(), stage: stage.id.clone(), attempt };
    effects.note("task_dispatched", Some(&stage.ref_id), Some(task.to_string()));
    effects.dispatch.push(Dispatch { task, pool, epoch: 1, call: request.clone() });
    stage.state = StageState::Running(Work::Task {
        pool,
        attempt,
        epoch: 1,
        request,
        started_ms: now_ms,
        published_ms: now_ms,
        publishes: 1,
        checkpoints: 0,
        fruitless: 0,
        canceling_ms: None,
    });
}

pub(crate) fn end_back_off(
    stage: &mut Stage,
    execution: &ExecutionId,
    now_ms: u64,
    effects: &mut Effects,
) {
    let StageState::Running(Work::BackingOff { pool, attempt, request, due_ms }) = &stage.state
    else {
        return;
    };
    if *due_ms <= now_ms {
        let (pool, attempt, request) = (*pool, *attempt, request.clone());
        dispatch(stage, execution, pool, attempt, request, now_ms, effects);
    }
}

/// Ends a try, and with it the stage unless another try may help.
fn finish(
    stage: &mut Stage,
    task: &TaskId,
    outcome: TaskOutcome,
    now_ms: u64,
    effects: &mut Effects,
) {
    let StageState::Running(Work::Task {
        pool, attempt, request, started_ms, canceling_ms, ..
    }) = &stage.state
    else {
        return;
    };
    let (pool, attempt, request) = (*pool, *attempt, request.clone());
    let (started_ms, canceling) = (*started_ms, canceling_ms.is_some());
    let mut record = Attempt {
        number: attempt,
        status: ExecutionStatus::Succeeded,
        started_ms,
        ended_ms: now_ms,
        failure: None,
    };
    effects.retire.push(task.clone());
    let mut next = None;
    match outcome {
        TaskOutcome::Succeeded { result } => {
            // A result goes back to the type that asked; one that nobody asked for is a dry run's.
            let asked_by = stage.asked_by.as_deref().unwrap_or(&stage.kind);
            stage.outputs = match stages::of(asked_by) {
                Some(entry) => entry.operation_outputs(&stage.config, result),
                None => result,
            };
            effects.note("task_succeeded", Some(&stage.ref_id), None);
        }
        TaskOutcome::Failed { failure } => {
            effects.note("task_failed", Some(&stage.ref_id), Some(failure.message.clone()));
            record.status = ExecutionStatus::Terminal;
            record.failure = Some(failure.clone());
            let tried = attempt.saturating_sub(stage.tries_before);
            if may_retry(&failure, tried) && !canceling {
                let pause_ms = back_off_ms(tried).max(stage.back_off_ms.unwrap_or(0));
                next = Some(now_ms.saturating_add(pause_ms));
            } else {
                stage.failure = Some(failure);
            }
        }
        TaskOutcome::Canceled { detail } => {
            effects.note("task_canceled", Some(&stage.ref_id), Some(detail.clone()));
            record.status = ExecutionStatus::Canceled;
            stage.outputs.insert("canceled".to_owned(), detail.into());
        }
    }
    let status = record.status;
    stage.attempts.push(record);
    if let Some(due_ms) = next {
        stage.state =
            StageState::Running(Work::BackingOff { pool, attempt: attempt + 1, request, due_ms });
        return;
    }
    effects.unlock.push(task.owner());
    close(stage, status, now_ms, effects);
}

const fn may_retry(failure: &TaskFailure, tried: u32) -> bool {
    match failure.kind {
        FailureKind::Transient => tried < limits::ATTEMPTS_MAX,
        FailureKind::User | FailureKind::Timeout | FailureKind::WorkerLost | FailureKind::Bug => {
            false
        }
    }
}

/// 2, 4, 8 … seconds, at most five minutes.
fn back_off_ms(tried: u32) -> u64 {
    2_000_u64.saturating_mul(1 << tried.saturating_sub(1).min(10)).min(300_000)
}

/// Ends a stage; a failure gets the status its "if stage fails" choice says. One that was stopped because it
/// ran out of time has failed, or succeeded if `markSuccessfulOnTimeout` says so; a stop that came too late
/// changes nothing.
pub(crate) fn close(
    stage: &mut Stage,
    status: ExecutionStatus,
    now_ms: u64,
    effects: &mut Effects,
) {
    let mut status = judge(stage, status);
    if status == ExecutionStatus::Terminal {
        status = failure_status(stage.on_failure);
    }
    stage.state = StageState::Done(status);
    stage.ended_ms = Some(now_ms);
    effects.note("stage_ended", Some(&stage.ref_id), Some(status.to_string()));
}

/// What the end of a stage's work means for it, given how much time it had.
pub(crate) fn judged(stage: &Stage, status: ExecutionStatus) -> ExecutionStatus {
    if !stage.timed_out || status != ExecutionStatus::Canceled {
        return status;
    }
    if StageRules::of(stage.config()).mark_successful_on_timeout {
        ExecutionStatus::Succeeded
    } else {
        ExecutionStatus::Terminal
    }
}

/// As [`judged`]; that it had too little time becomes why it failed.
pub(crate) fn judge(stage: &mut Stage, status: ExecutionStatus) -> ExecutionStatus {
    let judged = judged(stage, status);
    if judged != status {
        stage.failure = judged.is_failure().then(|| out_of_time(stage));
    }
    judged
}

fn out_of_time(stage: &Stage) -> TaskFailure {
    let allowed = Duration::from_millis(stage.timeout_ms.unwrap_or(0));
    TaskFailure {
        kind: FailureKind::Timeout,
        message: format!("it did not end within {allowed:?}"),
        detail: None,
        hint: stage
            .parent
            .is_none()
            .then(|| "`stageTimeoutMs` of the stage says how long it may take".to_owned()),
    }
}

/// What a failed stage's status is, by its "if stage fails" choice.
///
/// Source: Orca; ignoring wins over halting, halting the pipeline is the default.
pub(crate) const fn failure_status(choice: OnFailure) -> ExecutionStatus {
    match choice {
        OnFailure::HaltPipeline => ExecutionStatus::Terminal,
        OnFailure::HaltBranch | OnFailure::HaltBranchThenFail => ExecutionStatus::Stopped,
        OnFailure::Ignore => ExecutionStatus::FailedContinue,
    }
}

/// Tells a stage's own work to stop; what nobody has begun stops at once.
pub(crate) fn cancel(
    stage: &mut Stage,
    execution: &ExecutionId,
    task: Option<TaskId>,
    now_ms: u64,
    effects: &mut Effects,
) {
    match &mut stage.state {
        StageState::Running(Work::Task { canceling_ms, .. }) => {
            if canceling_ms.is_none() {
                *canceling_ms = Some(now_ms);
                effects.note("task_told_to_stop", Some(&stage.ref_id), None);
                effects.cancel.extend(task);
            }
        }
        StageState::Running(Work::Child { canceling_ms, .. }) => {
            if canceling_ms.is_none() {
                *canceling_ms = Some(now_ms);
                effects.note("child_told_to_stop", Some(&stage.ref_id), None);
            }
        }
        StageState::Running(Work::BackingOff { attempt, .. }) => {
            let task =
                TaskId { execution: execution.clone(), stage: stage.id.clone(), attempt: *attempt };
            effects.unlock.push(task.owner());
            close(stage, ExecutionStatus::Canceled, now_ms, effects);
        }
        StageState::Running(Work::Waiting { .. } | Work::Window { .. } | Work::Judging { .. }) => {
            close(stage, ExecutionStatus::Canceled, now_ms, effects);
        }
        StageState::NotStarted
        | StageState::Running(Work::Held | Work::Children | Work::OnFailure { .. })
        | StageState::Done(_) => {}
    }
}

/// When a task must be looked at again.
pub(crate) fn next_look(stage: &Stage, lease: Option<&Lease>) -> u64 {
    let StageState::Running(Work::Task { published_ms, publishes, canceling_ms, epoch, .. }) =
        &stage.state
    else {
        return u64::MAX;
    };
    // A lease of an older epoch says nothing about the one just dispatched.
    if let Some(lease) = lease.filter(|lease| lease.claimed && lease.epoch == *epoch) {
        return lease.until_ms.map_or(0, |until_ms| until_ms + LEASE_SLACK_MS);
    }
    let again = *published_ms + publish_again_after_ms(*publishes);
    match canceling_ms {
        Some(asked_ms) if *epoch == 1 => again.min(*asked_ms + CANCEL_GRACE_MS),
        Some(_) | None => again,
    }
}
