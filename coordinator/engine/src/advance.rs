//! The graph: what may start, what is over, what the whole has come to. Computed from the stages'
//! states every time, never from counters.

use model::{ExecutionId, ExecutionStatus, OnFailure};
use serde_json::Value;

use crate::{
    context::ended_parts,
    document::{Stage, StageState, Work},
    step::Step,
    work,
};

impl Step<'_> {
    /// Starts what may start, stops what must stop, settles parents, completes the whole.
    pub(crate) fn advance(&mut self) {
        loop {
            let lines = self.effects.timeline.len();
            self.settle_parents();
            if let Some(status) = self.ending() {
                for at in 0..self.document.stages.len() {
                    self.stop(at);
                }
                self.settle_parents();
                if !self.document.stages.iter().any(working) {
                    self.complete(status);
                    return;
                }
            } else {
                self.start_ready();
            }
            if self.effects.timeline.len() == lines {
                return;
            }
        }
    }

    /// What the execution will end as, once it is certain; work may still be going on.
    ///
    /// Source: Orca's `CompleteExecution`, over top-level stages.
    pub(crate) fn ending(&self) -> Option<ExecutionStatus> {
        if self.document.canceled.is_some() {
            return Some(ExecutionStatus::Canceled);
        }
        let halted = |status| move |stage: &Stage| stage.status() == status && !stage.overruled;
        if self.any_top(halted(ExecutionStatus::Terminal)) || self.part_halts_pipeline() {
            return Some(ExecutionStatus::Terminal);
        }
        if self.any_top(halted(ExecutionStatus::Canceled)) {
            return Some(ExecutionStatus::Canceled);
        }
        let mut order = self.index.order.iter();
        if order.any(|at| self.stage(*at).is_some_and(working) || self.ready(*at)) {
            return None;
        }
        Some(self.ended_as())
    }

    /// What it comes to when nothing is left to do.
    fn ended_as(&self) -> ExecutionStatus {
        if self.any_top(|stage| stage.status() == ExecutionStatus::Terminal) {
            return ExecutionStatus::Terminal;
        }
        if self.any_top(|stage| stage.status() == ExecutionStatus::Canceled) {
            return ExecutionStatus::Canceled;
        }
        let fails_late = |stage: &Stage| {
            stage.status() == ExecutionStatus::Stopped
                && stage.on_failure == OnFailure::HaltBranchThenFail
        };
        if self.any_top(fails_late) {
            return ExecutionStatus::Terminal;
        }
        ExecutionStatus::Succeeded
    }

    fn any_top(&self, is: impl Fn(&Stage) -> bool) -> bool {
        self.document.top_level().any(is)
    }

    /// A failed part of a stage which halts the pipeline decides before its siblings are done, and a failed
    /// stage which halts it before its on-failure stages are.
    fn part_halts_pipeline(&self) -> bool {
        self.index.order.iter().any(|at| {
            let Some(stage) = self.stage(*at).filter(|stage| working(stage)) else { return false };
            if stage.on_failure != OnFailure::HaltPipeline {
                return false;
            }
            if let StageState::Running(Work::OnFailure { status }) = &stage.state {
                return *status == ExecutionStatus::Terminal;
            }
            let failed = |part: &usize| {
                self.stage(*part).is_some_and(|part| part.status() == ExecutionStatus::Terminal)
            };
            !stage.timed_out && self.index.parts(*at).iter().any(failed)
        })
    }

    /// Not started, and everything it requires lets it start.
    pub(crate) fn ready(&self, at: usize) -> bool {
        let lets = |required: &Option<usize>| {
            let required = required.and_then(|required| self.stage(required));
            required.is_some_and(|required| required.status().lets_others_start())
        };
        matches!(self.state(at), Some(StageState::NotStarted))
            && self.index.requires(at).iter().all(lets)
    }

    /// In the order of the graph, so that a chain of stages that are over at once takes one pass.
    fn start_ready(&mut self) {
        for place in 0..self.index.order.len() {
            let Some(at) = self.index.order.get(place).copied() else { continue };
            if !self.ready(at) {
                continue;
            }
            self.begin(at);
            if self.stage(at).is_some_and(|stage| stage.status().halts()) {
                return;
            }
        }
    }

    /// A stage made of parts is over when all of them are. Parts stand behind what they are parts of.
    pub(crate) fn settle_parents(&mut self) {
        for at in (0..self.document.stages.len()).rev() {
            self.settle_parent(at);
        }
    }

    pub(crate) fn settle_parent(&mut self, at: usize) {
        let Some(StageState::Running(at_work)) = self.state(at) else { return };
        let held = match at_work {
            Work::Held => true,
            Work::Children => false,
            Work::OnFailure { status } => {
                let status = *status;
                return self.settle_failed(at, status);
            }
            Work::Window { .. }
            | Work::Waiting { .. }
            | Work::Judging { .. }
            | Work::Child { .. }
            | Work::Task { .. }
            | Work::BackingOff { .. } => return,
        };
        let parts: Vec<&Stage> =
            self.index.parts(at).iter().filter_map(|part| self.stage(*part)).collect();
        let Some(status) = status_of_parts(&parts) else { return };
        let failure = parts.iter().find_map(|part| part.failure.clone());
        if held && status.lets_others_start() {
            // While it is paused nothing begins; and what must stop does not begin at all.
            let stopped = self.stage(at).is_some_and(|stage| stage.timed_out);
            if self.running() && self.ending().is_none() && !stopped {
                self.begin_work(at);
            } else if self.running() {
                self.close(at, ExecutionStatus::Canceled);
            }
            return;
        }
        let outputs = self.stage(at).filter(|_| !held).and_then(|stage| {
            let entry = stages::of(&stage.kind)?;
            Some((entry.outputs)(&ended_parts(self.document, &parts)))
        });
        if !held && self.puts_off(at, status) {
            return;
        }
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        stage.failure = failure;
        stage.outputs.extend(outputs.unwrap_or_default());
        if held || !self.begin_on_failure(at, status) {
            self.close(at, status);
        }
    }

    /// Ends a stage; see [`work::close`].
    pub(crate) fn close(&mut self, at: usize, status: ExecutionStatus) {
        if let Some(stage) = self.document.stages.get_mut(at) {
            work::close(stage, status, self.now_ms, &mut self.effects);
        }
    }

    /// Tells the work of a stage and of its parts to stop; what nobody has in hand stops at once.
    pub(crate) fn stop(&mut self, at: usize) {
        if self.stage(at).is_some_and(|stage| self.outlasts(stage)) {
            return;
        }
        for place in 0..self.index.parts(at).len() {
            if let Some(part) = self.index.parts(at).get(place).copied() {
                self.stop(part);
            }
        }
        let task = self.stage(at).and_then(|stage| self.document.task_of(stage));
        let execution = self.document.id.clone();
        if let Some(stage) = self.document.stages.get_mut(at) {
            work::cancel(stage, &execution, task, self.now_ms, &mut self.effects);
        }
        if matches!(self.state(at), Some(StageState::Running(Work::Child { .. }))) {
            self.absorb_child(at);
        }
    }

    pub(crate) fn complete(&mut self, status: ExecutionStatus) {
        self.document.status = status;
        self.document.ended_ms = Some(self.now_ms);
        self.document.queue = None;
        self.effects.note("execution_ended", None, Some(status.to_string()));
        self.effects.notify.extend(parent_of(&self.document.trigger));
    }
}

/// The execution that waits for this one.
pub(crate) fn parent_of(trigger: &serde_json::Map<String, Value>) -> Option<ExecutionId> {
    trigger.get("parentExecution")?.get("id")?.as_str()?.parse().ok()
}

pub(crate) const fn working(stage: &Stage) -> bool {
    matches!(stage.state, StageState::Running(_))
}

/// Source: Orca's stage status, first match wins; `None` while a part is not over.
fn status_of_parts(parts: &[&Stage]) -> Option<ExecutionStatus> {
    if parts.iter().any(|part| !part.status().is_complete()) {
        return None;
    }
    let has = |status| parts.iter().any(|part| part.status() == status);
    let first = [
        ExecutionStatus::Terminal,
        ExecutionStatus::Stopped,
        ExecutionStatus::Canceled,
        ExecutionStatus::FailedContinue,
    ];
    let nothing =
        if parts.is_empty() { ExecutionStatus::Skipped } else { ExecutionStatus::Succeeded };
    first.into_iter().find(|status| has(*status)).or(Some(nothing))
}
