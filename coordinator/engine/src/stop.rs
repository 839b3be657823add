//! Stopping the work of a stage.

use model::ExecutionStatus;

use crate::{
    arena::StageIndex,
    state::{ChildStop, StageState, Work},
    step::Step,
};

impl Step<'_> {
    /// Asks the work of a stage and of its parts to stop; what no worker and no other execution does stops at
    /// once.
    pub(crate) fn stop(&mut self, ix: StageIndex) {
        if self.outlasts(ix) {
            return;
        }
        for part in self.graph().parts(ix).to_vec() {
            self.stop(part);
        }
        match self.stage(ix).state() {
            StageState::Running(Work::Operation(operation)) => {
                if operation.canceling_ms.is_none() {
                    let now_ms = self.now_ms;
                    let task = self.document().task_of(self.stage(ix));
                    self.run(ix).state.operation_mut().canceling_ms = Some(now_ms);
                    self.note(ix, "task_told_to_stop", None);
                    self.effects.cancel.extend(task);
                }
            }
            StageState::Running(Work::Child(child)) => {
                if child.stop == ChildStop::No {
                    self.run(ix).state.child_mut().stop = ChildStop::Wanted;
                    self.note(ix, "child_told_to_stop", None);
                }
                self.absorb_child(ix);
            }
            StageState::Running(Work::BackingOff { attempt, .. }) => {
                let task = self.document().task_id(self.stage(ix), *attempt);
                self.effects.unlock.push(task.owner());
                self.close(ix, ExecutionStatus::Canceled);
            }
            StageState::Running(Work::Awaiting(_)) => self.close(ix, ExecutionStatus::Canceled),
            StageState::NotStarted
            | StageState::Running(Work::Held | Work::Parts | Work::AfterFailure { .. })
            | StageState::Done(_) => {}
        }
    }

    /// True for a part that follows a failure and goes on although the execution is about to end: only a
    /// person's cancel or its own time stops it.
    fn outlasts(&self, ix: StageIndex) -> bool {
        let stage = self.stage(ix);
        stage.follows_failure() && !stage.run.timed_out && self.document().canceled.is_none()
    }
}
