//! What follows from the states of stages: what may start, what a stage or the whole comes to. Computed anew
//! every time, never from counters.

use model::{ExecutionStatus, OnFailure};

use crate::{
    arena::StageIndex,
    document::Document,
    graph::Graph,
    stage::Stage,
    state::{StageState, Work},
};

/// True for a stage that has not started although everything it requires lets it start.
pub(crate) fn ready(document: &Document, graph: &Graph, ix: StageIndex) -> bool {
    let lets = |required: &Option<StageIndex>| {
        required.is_some_and(|required| document.stages[required].status().lets_others_start())
    };
    matches!(document.stages[ix].state(), StageState::NotStarted)
        && graph.requires(ix).iter().all(lets)
}

/// What the execution will end as, once it is certain; work may still be going on.
///
/// Source: Orca's `CompleteExecution`, over top-level stages.
pub(crate) fn ending(document: &Document, graph: &Graph) -> Option<ExecutionStatus> {
    if document.canceled.is_some() {
        return Some(ExecutionStatus::Canceled);
    }
    let any = |is: &dyn Fn(&Stage) -> bool| document.top_level().any(is);
    let halted = |status| move |stage: &Stage| stage.status() == status && !stage.run.overruled;
    if any(&halted(ExecutionStatus::Terminal)) || part_halts_pipeline(document, graph) {
        return Some(ExecutionStatus::Terminal);
    }
    if any(&halted(ExecutionStatus::Canceled)) {
        return Some(ExecutionStatus::Canceled);
    }
    let mut order = graph.order.iter();
    if order.any(|ix| document.stages[*ix].is_running() || ready(document, graph, *ix)) {
        return None;
    }
    Some(ended_as(document))
}

/// What it comes to when nothing is left to do.
fn ended_as(document: &Document) -> ExecutionStatus {
    let any = |is: &dyn Fn(&Stage) -> bool| document.top_level().any(is);
    if any(&|stage| stage.status() == ExecutionStatus::Terminal) {
        return ExecutionStatus::Terminal;
    }
    if any(&|stage| stage.status() == ExecutionStatus::Canceled) {
        return ExecutionStatus::Canceled;
    }
    let fails_late = |stage: &Stage| {
        stage.status() == ExecutionStatus::Stopped
            && stage.on_failure == OnFailure::HaltBranchThenFail
    };
    if any(&fails_late) {
        return ExecutionStatus::Terminal;
    }
    ExecutionStatus::Succeeded
}

/// A failed part of a stage which halts the pipeline decides before its siblings are done, and a failed
/// stage which halts it before what follows the failure is.
fn part_halts_pipeline(document: &Document, graph: &Graph) -> bool {
    graph.order.iter().any(|ix| {
        let stage = &document.stages[*ix];
        if !stage.is_running() || stage.on_failure != OnFailure::HaltPipeline {
            return false;
        }
        if let StageState::Running(Work::AfterFailure { status }) = stage.state() {
            return *status == ExecutionStatus::Terminal;
        }
        let failed =
            |part: &StageIndex| document.stages[*part].status() == ExecutionStatus::Terminal;
        !stage.run.timed_out && graph.parts(*ix).iter().any(failed)
    })
}

/// What a stage made of parts comes to; `None` while a part is not over.
///
/// Source: Orca's stage status, first match wins.
pub(crate) fn status_of_parts(parts: &[&Stage]) -> Option<ExecutionStatus> {
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

/// What the end of a stage's work means for it, given how much time it had.
pub(crate) fn judged(stage: &Stage, status: ExecutionStatus) -> ExecutionStatus {
    if !stage.run.timed_out || status != ExecutionStatus::Canceled {
        return status;
    }
    if stage.run.limits.timeout_succeeds {
        ExecutionStatus::Succeeded
    } else {
        ExecutionStatus::Terminal
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
