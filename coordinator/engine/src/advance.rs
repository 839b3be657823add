//! The graph moves on: what may start starts, what must stop stops, the whole completes.

use crate::{
    ending::{ending, ready},
    stage::Stage,
    step::Step,
};

impl Step<'_> {
    /// Brings the document up to date with the facts and the time.
    pub(crate) fn settle(&mut self) {
        if self.document().status == model::ExecutionStatus::NotStarted {
            self.seek_slot();
        }
        if self.running() {
            self.absorb();
            self.advance();
        } else if self.paused() {
            self.absorb();
            self.settle_parents();
        }
    }

    /// Starts what may start, stops what must stop, settles parents, completes the whole; until nothing
    /// changes any more.
    fn advance(&mut self) {
        loop {
            let before = self.changes();
            self.settle_parents();
            if let Some(status) = ending(self.document(), self.graph()) {
                for ix in self.document().stages.indexes() {
                    self.stop(ix);
                }
                self.settle_parents();
                if !self.document().stages.iter().any(Stage::is_running) {
                    self.complete(status);
                    return;
                }
            } else {
                self.start_ready();
            }
            if self.changes() == before {
                return;
            }
        }
    }

    /// In the order of the graph, so that a chain of stages that are over at once takes one pass.
    fn start_ready(&mut self) {
        for ix in self.graph().order.clone() {
            if !ready(self.document(), self.graph(), ix) {
                continue;
            }
            self.begin(ix);
            if self.stage(ix).status().halts() {
                return;
            }
        }
    }
}
