//! Which orders an execution and its stages take now. The view offers exactly these, and an order is applied
//! exactly when it is one of these: both ask here.

use model::{ExecutionStatus, StageId};
use wire::{ExecutionOrder, StageOrder};

use crate::{
    arena::{PerStage, StageIndex},
    document::Document,
    ending::ending,
    graph::Graph,
    rejection::{Rejection, unfit},
    state::{Await, StageState, Work},
};

/// The place of a stage, by its id.
pub(crate) fn find(document: &Document, id: &StageId) -> Result<StageIndex, Rejection> {
    document.stages.find(id).map_or_else(|| unfit(format!("the execution has no stage `{id}`")), Ok)
}

/// Whether the whole execution takes an order now.
pub(crate) fn of_execution(document: &Document, order: ExecutionOrder) -> Result<(), Rejection> {
    live(document)?;
    match order {
        ExecutionOrder::Cancel => Ok(()),
        ExecutionOrder::Pause if document.status == ExecutionStatus::Running => Ok(()),
        ExecutionOrder::Pause => {
            let status = document.status;
            unfit(format!("only a running execution can be paused, this one is {status}"))
        }
        ExecutionOrder::Resume if document.status == ExecutionStatus::Paused => Ok(()),
        ExecutionOrder::Resume => {
            unfit(format!("the execution is not paused, it is {}", document.status))
        }
    }
}

/// A restart is the only order for one that is over, and one that was canceled takes no other.
fn live(document: &Document) -> Result<(), Rejection> {
    if document.is_complete() {
        return Err(Rejection::AlreadyComplete);
    }
    if document.canceled.is_some() {
        return Err(Rejection::AlreadyCanceled);
    }
    Ok(())
}

/// Judges orders to the stages of one document. What all stages have in common is found out once.
pub(crate) struct StageOrders<'a> {
    document: &'a Document,
    graph: &'a Graph,
    ending: Option<ExecutionStatus>,
    /// For each stage, one that works among it and those that build on it.
    works: PerStage<Option<StageIndex>>,
}

impl<'a> StageOrders<'a> {
    pub(crate) fn of(document: &'a Document, graph: &'a Graph) -> Self {
        let mut works: PerStage<Option<StageIndex>> = PerStage::of(&document.stages);
        for ix in graph.order.iter().rev() {
            works[*ix] = if document.stages[*ix].is_running() {
                Some(*ix)
            } else {
                graph.dependents(*ix).iter().find_map(|later| works[*later])
            };
        }
        Self { document, graph, ending: ending(document, graph), works }
    }

    /// Whether a stage takes an order now.
    pub(crate) fn check(&self, ix: StageIndex, order: StageOrder) -> Result<(), Rejection> {
        match order {
            StageOrder::Restart => self.restart(ix),
            StageOrder::Judge => self.judge(ix),
            StageOrder::SkipWait => self.waiting(ix).map(|_| ()),
            StageOrder::Skip => self.skip(ix),
        }
    }

    /// All orders that a stage takes now.
    pub(crate) fn all(&self, ix: StageIndex) -> Vec<StageOrder> {
        StageOrder::ALL.into_iter().filter(|order| self.check(ix, *order).is_ok()).collect()
    }

    fn restart(&self, ix: StageIndex) -> Result<(), Rejection> {
        let (document, stage) = (self.document, &self.document.stages[ix]);
        let name = &stage.name;
        if stage.part.is_some() {
            return unfit(format!("stage `{name}` is a part of another one: restart that one"));
        }
        if document.startup_failure.is_some() {
            return unfit("the execution never started: start the pipeline again");
        }
        let over = document.is_complete();
        let live = matches!(document.status, ExecutionStatus::Running | ExecutionStatus::Paused);
        if !over && (!live || self.ending.is_some_and(ExecutionStatus::halts)) {
            return unfit("the execution is about to end or has not begun: wait until it is over");
        }
        if let Some(works) = self.works[ix] {
            return unfit(format!(
                "stage `{}` is running: wait for it, or cancel the execution first",
                document.stages[works].name
            ));
        }
        for required in self.graph.requires(ix).iter().flatten() {
            let required = &document.stages[*required];
            if !required.status().lets_others_start() {
                return unfit(format!(
                    "stage `{name}` needs stage `{}`, which is {}: {}",
                    required.name,
                    required.status(),
                    if over { "restart that one" } else { "it starts when that one is done" }
                ));
            }
        }
        Ok(())
    }

    fn judge(&self, ix: StageIndex) -> Result<(), Rejection> {
        live(self.document)?;
        let stage = &self.document.stages[ix];
        if matches!(stage.state(), StageState::Running(Work::Awaiting(Await::Person { .. }))) {
            return Ok(());
        }
        unfit(format!(
            "stage `{}` does not wait for a judgment, it is {}",
            stage.name,
            stage.status()
        ))
    }

    /// The stage that waits for a time or a window: the one that was named, or its time window.
    pub(crate) fn waiting(&self, ix: StageIndex) -> Result<StageIndex, Rejection> {
        live(self.document)?;
        let waits = |ix: &StageIndex| match self.document.stages[*ix].state() {
            StageState::Running(Work::Awaiting(Await::Time { .. } | Await::Window { .. })) => true,
            StageState::Running(
                Work::Awaiting(Await::Person { .. })
                | Work::Held
                | Work::Parts
                | Work::AfterFailure { .. }
                | Work::Child(_)
                | Work::Operation(_)
                | Work::BackingOff { .. },
            )
            | StageState::NotStarted
            | StageState::Done(_) => false,
        };
        let parts = self.graph.parts(ix).iter().copied();
        std::iter::once(ix).chain(parts).find(waits).map_or_else(
            || {
                let name = &self.document.stages[ix].name;
                unfit(format!("stage `{name}` waits neither for a time nor for a window"))
            },
            Ok,
        )
    }

    fn skip(&self, ix: StageIndex) -> Result<(), Rejection> {
        live(self.document)?;
        let stage = &self.document.stages[ix];
        if !stages::of(&stage.kind).is_some_and(|entry| entry.skippable) {
            return unfit(format!(
                "stage `{}` is a `{}`; only `wait` and `manualJudgment` stages can be skipped",
                stage.name, stage.kind
            ));
        }
        if !stage.is_running() {
            return unfit(format!("stage `{}` is {}, not running", stage.name, stage.status()));
        }
        Ok(())
    }
}
