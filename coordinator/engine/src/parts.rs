//! Stages made of parts: their parts begin, and what they come to when those are over. With what follows a
//! failure.
//!
//! Source: Orca plans on-failure stages once, when a stage is about to end with a failure; they change nothing
//! about how it ends. Here they run side by side, and a canceled execution has none.

use model::{ExecutionStatus, limits};
use stages::Part;

use crate::{
    arena::StageIndex,
    context,
    ending::{ending, judged, status_of_parts},
    stage::{PartOf, Stage, Synthetic},
    state::{StageState, Work},
    step::{Line, Step},
    wakes::millis,
};

impl Step<'_> {
    pub(crate) fn begin_parts(&mut self, ix: StageIndex, parts: Vec<Part>) {
        self.go(ix, StageState::Running(Work::Parts), None);
        self.add_parts(ix, Synthetic::Before, parts);
        self.settle_parent(ix);
    }

    /// Appends parts of a stage and begins them, side by side.
    fn add_parts(&mut self, ix: StageIndex, synthetic: Synthetic, parts: Vec<Part>) {
        let (mark, timeout_ms) = match synthetic {
            Synthetic::Before => ('<', None),
            Synthetic::After => ('>', Some(millis(limits::ON_FAILURE_TIMEOUT))),
        };
        for (number, part) in (1..).zip(parts) {
            let parent = self.stage(ix);
            let ref_id = format!("{}{mark}{number}", parent.ref_id);
            let mut stage = Stage {
                kind: part.kind.to_owned(),
                name: part.name,
                part: Some(PartOf { parent: parent.id.clone(), synthetic, key: Some(part.key) }),
                on_failure: part.on_failure,
                config: part.config,
                ..Stage::blank(&self.document().id, &ref_id)
            };
            stage.run.tries_before = parent.run.tries_before;
            stage.run.started_ms = Some(self.now_ms);
            stage.run.limits.timeout_ms = timeout_ms;
            stage.run.limits.back_off_ms = parent.run.limits.back_off_ms;
            let place = self.add_part(ix, stage);
            self.carry_out(place, part.plan);
        }
    }

    /// Stages made of parts are over when all of these are. Parts stand behind what they are parts of.
    pub(crate) fn settle_parents(&mut self) {
        for ix in self.document().stages.indexes().rev() {
            self.settle_parent(ix);
        }
    }

    pub(crate) fn settle_parent(&mut self, ix: StageIndex) {
        let StageState::Running(work) = self.stage(ix).state() else { return };
        match work {
            Work::Held => self.settle_held(ix),
            Work::Parts => self.settle_parts(ix),
            Work::AfterFailure { status } => {
                let status = *status;
                let over = |part: &StageIndex| self.stage(*part).status().is_complete();
                if self.graph().parts(ix).iter().all(over) {
                    self.close(ix, status);
                }
            }
            Work::Awaiting(_) | Work::Child(_) | Work::Operation(_) | Work::BackingOff { .. } => {}
        }
    }

    /// The time window of a stage may be open.
    fn settle_held(&mut self, ix: StageIndex) {
        let parts = self.parts_of(ix);
        let Some(status) = status_of_parts(&parts) else { return };
        if !status.lets_others_start() {
            let failure = parts.iter().find_map(|part| part.run.failure.clone());
            self.run(ix).failure = failure;
            self.close(ix, status);
            return;
        }
        // While it is paused nothing begins; and what must stop does not begin at all.
        if !self.running() {
            return;
        }
        if ending(self.document(), self.graph()).is_none() && !self.stage(ix).run.timed_out {
            self.begin_work(ix);
        } else {
            self.close(ix, ExecutionStatus::Canceled);
        }
    }

    fn settle_parts(&mut self, ix: StageIndex) {
        let parts = self.parts_of(ix);
        let Some(status) = status_of_parts(&parts) else { return };
        let failure = parts.iter().find_map(|part| part.run.failure.clone());
        let outputs = context::outputs(self.document(), self.stage(ix), &parts);
        let following = self.planned_after_failure(ix, status);
        // While the execution is paused, nothing begins.
        if self.paused() && !following.is_empty() {
            return;
        }
        let run = self.run(ix);
        run.failure = failure;
        run.outputs.extend(outputs);
        if following.is_empty() {
            self.close(ix, status);
        } else {
            self.begin_after_failure(ix, status, following);
        }
    }

    fn begin_after_failure(&mut self, ix: StageIndex, status: ExecutionStatus, parts: Vec<Part>) {
        let status = self.judge_time(ix, status);
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        let line = Line("on_failure_began", Some(names.join(", ")));
        self.go(ix, StageState::Running(Work::AfterFailure { status }), Some(line));
        self.add_parts(ix, Synthetic::After, parts);
        self.settle_parent(ix);
    }

    fn planned_after_failure(&self, ix: StageIndex, status: ExecutionStatus) -> Vec<Part> {
        let stage = self.stage(ix);
        if !judged(stage, status).is_failure() || self.document().canceled.is_some() {
            return Vec::new();
        }
        context::after_failure(self.document(), stage, &self.parts_of(ix))
    }

    fn parts_of(&self, ix: StageIndex) -> Vec<&Stage> {
        self.graph().parts(ix).iter().map(|part| self.stage(*part)).collect()
    }
}
