//! Operations of workers: dispatched, claimed, lost, retried, finished, canceled.

use model::{ExecutionStatus, Pool, TaskId, limits};
use serde_json::{Map, Value};
use wire::{FailureKind, TaskFailure, TaskOutcome};

use crate::{
    arena::StageIndex,
    document::Purpose,
    effects::Dispatch,
    facts::Lease,
    stage::Attempt,
    state::{Operation, StageState, Work},
    step::{Line, Step},
    wakes::{CANCEL_GRACE_MS, LEASE_SLACK_MS, publish_again_after_ms},
};

impl Step<'_> {
    /// Begins the first try of an operation; its number goes on from those before a restart.
    pub(crate) fn begin_operation(&mut self, ix: StageIndex, pool: Pool, request: String) {
        let now_ms = self.now_ms;
        let run = self.run(ix);
        run.started_ms = Some(now_ms);
        let attempt = run.tries_before + 1;
        self.dispatch_try(ix, pool, attempt, request);
    }

    /// Begins a try: its first dispatch, with a number of its own.
    pub(crate) fn dispatch_try(
        &mut self,
        ix: StageIndex,
        pool: Pool,
        attempt: u32,
        request: String,
    ) {
        let now_ms = self.now_ms;
        let task = self.document().task_id(self.stage(ix), attempt);
        let line = Line("task_dispatched", Some(task.to_string()));
        let message = Dispatch { task, pool, epoch: 1, call: request.clone() };
        self.effects.dispatch.push(message);
        let operation = Operation {
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
        };
        self.go(ix, StageState::Running(Work::Operation(operation)), Some(line));
    }

    /// Brings a stage that runs an operation up to date with what the store says about its task. While the
    /// execution is paused, only a result counts.
    pub(crate) fn absorb_operation(&mut self, ix: StageIndex) {
        let facts = self.facts;
        let lease = facts.leases.get(&self.current_task(ix));
        if let Some(outcome) = lease.and_then(|lease| lease.result.as_ref()) {
            self.finish_try(ix, outcome.clone());
            return;
        }
        if self.paused() {
            return;
        }
        let held_until_ms = lease.and_then(|lease| lease.until_ms);
        if held_until_ms.is_some_and(|until_ms| until_ms + LEASE_SLACK_MS > self.now_ms) {
            return;
        }
        match lease.filter(|lease| lease.claimed) {
            Some(lease) => self.replace_worker(ix, lease),
            None => self.await_claim(ix),
        }
    }

    fn current(&self, ix: StageIndex) -> &Operation {
        self.stage(ix).run.state.operation()
    }

    fn current_task(&self, ix: StageIndex) -> TaskId {
        self.document().task_id(self.stage(ix), self.current(ix).attempt)
    }

    /// No worker has claimed it: the message is published again; or the try ends, when it was to stop anyway.
    fn await_claim(&mut self, ix: StageIndex) {
        let (now_ms, operation) = (self.now_ms, self.current(ix));
        let due_ms = operation.published_ms + publish_again_after_ms(operation.publishes);
        if let Some(asked_ms) = operation.canceling_ms {
            // Nothing was ever done for a first epoch; a later one may have left something behind,
            // which only a worker can clean up.
            if operation.epoch == 1 && asked_ms + CANCEL_GRACE_MS <= now_ms {
                let detail = "it had not begun".to_owned();
                self.finish_try(ix, TaskOutcome::Canceled { detail });
                return;
            }
        }
        if due_ms <= now_ms {
            let operation = self.run(ix).state.operation_mut();
            operation.published_ms = now_ms;
            operation.publishes += 1;
            let task = self.current_task(ix);
            self.note(ix, "task_published_again", Some(task.to_string()));
            self.publish(ix, task);
        }
    }

    /// The worker that had it gave it up or fell silent: the same try goes to another one, which joins.
    fn replace_worker(&mut self, ix: StageIndex, lease: &Lease) {
        let (now_ms, operation) = (self.now_ms, self.current(ix));
        let pool = operation.pool;
        let progress = lease.checkpoints > operation.checkpoints;
        let fruitless = if progress { 0 } else { operation.fruitless + 1 };
        if fruitless >= limits::EPOCHS_WITHOUT_PROGRESS_MAX {
            let failure = TaskFailure {
                kind: FailureKind::WorkerLost,
                message: format!(
                    "{fruitless} {pool} workers in a row vanished while working on this, none of them got further"
                ),
                detail: None,
                hint: Some(format!("look at the logs of the {pool} workers around this time")),
            };
            self.finish_try(ix, TaskOutcome::Failed { failure });
            return;
        }
        let operation = self.run(ix).state.operation_mut();
        operation.fruitless = fruitless;
        operation.checkpoints = lease.checkpoints;
        operation.epoch += 1;
        operation.published_ms = now_ms;
        operation.publishes = 1;
        let (epoch, stops) = (operation.epoch, operation.canceling_ms.is_some());
        let task = self.current_task(ix);
        if stops {
            self.effects.cancel.push(task.clone());
        }
        let detail = format!("{task} goes to another worker, epoch {epoch}");
        self.note(ix, "worker_lost", Some(detail));
        self.publish(ix, task);
    }

    fn publish(&mut self, ix: StageIndex, task: TaskId) {
        let Operation { pool, epoch, request, .. } = self.current(ix);
        let message = Dispatch { task, pool: *pool, epoch: *epoch, call: request.clone() };
        self.effects.dispatch.push(message);
    }

    /// Ends a try, and with it the stage unless another try may help.
    fn finish_try(&mut self, ix: StageIndex, outcome: TaskOutcome) {
        let task = self.current_task(ix);
        self.effects.retire.push(task.clone());
        let (status, failure, next_ms) = self.outcome_of(ix, outcome);
        let &Operation { pool, attempt: number, started_ms, .. } = self.current(ix);
        let ended_ms = self.now_ms;
        self.run(ix).attempts.push(Attempt { number, status, started_ms, ended_ms, failure });
        if let Some(due_ms) = next_ms {
            let request = self.current(ix).request.clone();
            let work = Work::BackingOff { pool, attempt: number + 1, request, due_ms };
            self.go(ix, StageState::Running(work), None);
        } else {
            self.effects.unlock.push(task.owner());
            self.close(ix, status);
        }
    }

    /// Notes how a try ended: its status, why it failed, and when the next one begins if another may help.
    fn outcome_of(
        &mut self,
        ix: StageIndex,
        outcome: TaskOutcome,
    ) -> (ExecutionStatus, Option<TaskFailure>, Option<u64>) {
        match outcome {
            TaskOutcome::Succeeded { result } => {
                let outputs = self.outputs_of(ix, result);
                self.run(ix).outputs = outputs;
                self.note(ix, "task_succeeded", None);
                (ExecutionStatus::Succeeded, None, None)
            }
            TaskOutcome::Failed { failure } => {
                self.note(ix, "task_failed", Some(failure.message.clone()));
                let (run, operation) = (&self.stage(ix).run, self.current(ix));
                let tried = operation.attempt.saturating_sub(run.tries_before);
                let mut next_ms = None;
                if may_retry(&failure, tried) && operation.canceling_ms.is_none() {
                    let pause_ms = back_off_ms(tried).max(run.limits.back_off_ms.unwrap_or(0));
                    next_ms = Some(self.now_ms.saturating_add(pause_ms));
                } else {
                    self.run(ix).failure = Some(failure.clone());
                }
                (ExecutionStatus::Terminal, Some(failure), next_ms)
            }
            TaskOutcome::Canceled { detail } => {
                self.note(ix, "task_canceled", Some(detail.clone()));
                self.run(ix).outputs.insert("canceled".to_owned(), detail.into());
                (ExecutionStatus::Canceled, None, None)
            }
        }
    }

    /// What later stages may read of a result: it goes back to the type of the stage that asked. The answers of
    /// a dry run stay as they came.
    fn outputs_of(&self, ix: StageIndex, result: Map<String, Value>) -> Map<String, Value> {
        let asked_by = self.graph().parent(ix).unwrap_or(ix);
        match (self.document().purpose, stages::of(&self.stage(asked_by).kind)) {
            (Purpose::Run, Some(entry)) => entry.operation_outputs(&self.stage(ix).config, result),
            (Purpose::Run | Purpose::DryRun, _) => result,
        }
    }
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
