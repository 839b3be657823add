//! What is true by now: results, lost workers, children that ended, times that have come.

use model::ExecutionStatus;

use crate::{
    arena::StageIndex,
    state::{Await, StageState, Work},
    step::Step,
    wakes::deadline_ms,
};

impl Step<'_> {
    /// Brings every running stage up to date with the facts and the time. While the execution is paused only
    /// what has happened counts, not what is due.
    pub(crate) fn absorb(&mut self) {
        for ix in self.document().stages.indexes() {
            if !self.stage(ix).is_running() {
                continue;
            }
            // What is to stop anyway is not late.
            if self.running() && self.document().canceled.is_none() {
                self.check_deadline(ix);
            }
            self.absorb_stage(ix);
        }
    }

    fn absorb_stage(&mut self, ix: StageIndex) {
        let StageState::Running(work) = self.stage(ix).state() else { return };
        let due = |due_ms: u64| self.running() && due_ms <= self.now_ms;
        match work {
            Work::Operation(_) => self.absorb_operation(ix),
            Work::Child(_) => self.absorb_child(ix),
            // What is to stop is not tried again first.
            Work::BackingOff { pool, attempt, request, due_ms } => {
                if due(*due_ms) && self.document().canceled.is_none() {
                    self.dispatch_try(ix, *pool, *attempt, request.clone());
                }
            }
            Work::Awaiting(Await::Time { until_ms }) => {
                if due(*until_ms) {
                    self.close(ix, ExecutionStatus::Succeeded);
                }
            }
            Work::Awaiting(Await::Window { opens_ms }) => {
                if due(*opens_ms) {
                    self.open_window(ix, ExecutionStatus::Succeeded);
                }
            }
            Work::Held
            | Work::Parts
            | Work::AfterFailure { .. }
            | Work::Awaiting(Await::Person { .. }) => {}
        }
    }

    /// A stage that has run longer than it may is asked to stop.
    fn check_deadline(&mut self, ix: StageIndex) {
        let stage = self.stage(ix);
        if deadline_ms(stage).is_none_or(|deadline_ms| deadline_ms > self.now_ms) {
            return;
        }
        let allowed = stage.run.limits.timeout_ms;
        let allowed = allowed.map(|timeout_ms| format!("it may run for {timeout_ms} ms"));
        self.run(ix).timed_out = true;
        self.note(ix, "stage_timed_out", allowed);
        self.stop(ix);
    }
}
