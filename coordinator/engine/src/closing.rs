//! The end of a stage.

use std::time::Duration;

use model::ExecutionStatus;
use wire::{Decision, FailureKind, TaskFailure};

use crate::{
    arena::StageIndex,
    ending::{failure_status, judged},
    stage::Stage,
    state::StageState,
    step::{Line, Step},
};

impl Step<'_> {
    /// Ends a stage; a failure gets the status its "if stage fails" choice says. One that was stopped because
    /// it ran out of time has failed, or succeeded if `markSuccessfulOnTimeout` says so; a stop that came too
    /// late changes nothing.
    pub(crate) fn close(&mut self, ix: StageIndex, status: ExecutionStatus) {
        let mut status = self.judge_time(ix, status);
        if status == ExecutionStatus::Terminal {
            status = failure_status(self.stage(ix).on_failure);
        }
        let line = Line("stage_ended", Some(status.to_string()));
        self.go(ix, StageState::Done(status), Some(line));
    }

    /// As [`judged`]; that the stage had too little time becomes why it failed.
    pub(crate) fn judge_time(
        &mut self,
        ix: StageIndex,
        status: ExecutionStatus,
    ) -> ExecutionStatus {
        let stage = self.stage(ix);
        let judged = judged(stage, status);
        if judged != status {
            let failure = judged.is_failure().then(|| out_of_time(stage));
            self.run(ix).failure = failure;
        }
        judged
    }

    /// Ends a stage with a failure.
    pub(crate) fn fail(&mut self, ix: StageIndex, failure: TaskFailure) {
        self.run(ix).failure = Some(failure);
        self.close(ix, ExecutionStatus::Terminal);
    }

    /// Leaves a stage out, and says why.
    pub(crate) fn skip(&mut self, ix: StageIndex, why: &str) {
        let run = self.run(ix);
        run.tell("skipReason", why);
        run.decision = Some(Decision::Skipped { why: why.to_owned() });
        self.note(ix, "stage_skipped", Some(why.to_owned()));
        self.close(ix, ExecutionStatus::Skipped);
    }

    /// Ends a window part; the time it took does not count for the stage behind it.
    pub(crate) fn open_window(&mut self, ix: StageIndex, status: ExecutionStatus) {
        let run = &self.stage(ix).run;
        let waited = self.now_ms.saturating_sub(run.started_ms.unwrap_or(self.now_ms));
        let waited = waited.saturating_sub(run.held_ms);
        self.close(ix, status);
        if let Some(parent) = self.graph().parent(ix) {
            self.run(parent).held_ms += waited;
        }
    }
}

fn out_of_time(stage: &Stage) -> TaskFailure {
    let allowed = Duration::from_millis(stage.run.limits.timeout_ms.unwrap_or(0));
    let hint = "`stageTimeoutMs` of the stage says how long it may take";
    TaskFailure {
        kind: FailureKind::Timeout,
        message: format!("it did not end within {allowed:?}"),
        detail: None,
        hint: stage.part.is_none().then(|| hint.to_owned()),
    }
}
