//! On-failure stages: what a type does once the work of a stage of it has failed, and before that failure
//! becomes final.
//!
//! Source: Orca plans them once, when a stage is about to end with a failure; they change nothing about how
//! it ends. Here they run side by side, and a canceled execution has none.

use model::ExecutionStatus;
use stages::Part;

use crate::{
    context::{StageContext, ended_parts},
    document::{Stage, StageState, Synthetic, Work},
    step::Step,
    work,
};

impl Step<'_> {
    /// True when the end of a stage's work has on-failure stages that must wait for the end of a pause:
    /// while it lasts nothing begins.
    pub(crate) fn puts_off(&self, at: usize, status: ExecutionStatus) -> bool {
        self.paused() && !self.planned_on_failure(at, status).is_empty()
    }

    /// Plans the on-failure stages of a stage whose work is over and begins them. False when there are none:
    /// then the end is final.
    pub(crate) fn begin_on_failure(&mut self, at: usize, status: ExecutionStatus) -> bool {
        let parts = self.planned_on_failure(at, status);
        if parts.is_empty() {
            return false;
        }
        let Some(stage) = self.document.stages.get_mut(at) else { return false };
        let status = work::judge(stage, status);
        stage.state = StageState::Running(Work::OnFailure { status });
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        let (ref_id, names) = (stage.ref_id.clone(), names.join(", "));
        self.effects.note("on_failure_began", Some(&ref_id), Some(names));
        self.add_parts(at, Synthetic::After, parts);
        self.settle_parent(at);
        true
    }

    fn planned_on_failure(&self, at: usize, status: ExecutionStatus) -> Vec<Part> {
        let Some(stage) = self.stage(at) else { return Vec::new() };
        let failed = work::judged(stage, status).is_failure();
        if !failed || self.document.canceled.is_some() {
            return Vec::new();
        }
        let parts: Vec<&Stage> =
            self.index.parts(at).iter().filter_map(|part| self.stage(*part)).collect();
        let Some(entry) = stages::of(&stage.kind) else { return Vec::new() };
        let context = StageContext { document: self.document, stage };
        (entry.after_failure)(&context, &ended_parts(self.document, &parts))
    }

    /// A failed stage is over when all its on-failure stages are, however they ended.
    pub(crate) fn settle_failed(&mut self, at: usize, status: ExecutionStatus) {
        let over = |part: &usize| self.stage(*part).is_none_or(|part| part.status().is_complete());
        if self.index.parts(at).iter().all(over) {
            self.close(at, status);
        }
    }

    /// True for an on-failure stage that goes on although the execution is about to end: only a person's
    /// cancel or its own time stops it.
    pub(crate) fn outlasts(&self, stage: &Stage) -> bool {
        stage.synthetic == Synthetic::After && !stage.timed_out && self.document.canceled.is_none()
    }
}
