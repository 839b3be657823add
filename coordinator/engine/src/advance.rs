//! The graph: what may start, what is over, what the whole has come to. Computed from the stages'
//! states every time, never from counters.

use model::{ExecutionStatus, StageId, pipeline::OnFailure};

use crate::{
    document::{Document, Stage, StageState, Work},
    effects::Effects,
    types::{self, Plan},
    work,
};

/// Starts what may start, stops what must stop, settles parents, completes the whole.
pub(crate) fn advance(document: &mut Document, now_ms: u64, effects: &mut Effects) {
    loop {
        let lines = effects.timeline.len();
        settle_parents(document, now_ms, effects);
        if let Some(status) = ending(document) {
            cancel_work(document, now_ms, effects);
            settle_parents(document, now_ms, effects);
            if !document.stages.iter().any(working) {
                complete(document, status, now_ms, effects);
                return;
            }
        } else {
            start_ready(document, now_ms, effects);
        }
        if effects.timeline.len() == lines {
            return;
        }
    }
}

fn working(stage: &Stage) -> bool {
    matches!(stage.state, StageState::Running(_))
}

/// What the execution will end as, once it is certain; work may still be going on.
///
/// Source: Orca's `CompleteExecution`, over top-level stages.
fn ending(document: &Document) -> Option<ExecutionStatus> {
    let has = |status| document.top_level().any(|stage| stage.status() == status);
    if document.canceled.is_some() {
        return Some(ExecutionStatus::Canceled);
    }
    if has(ExecutionStatus::Terminal) || part_halts_pipeline(document) {
        return Some(ExecutionStatus::Terminal);
    }
    if has(ExecutionStatus::Canceled) {
        return Some(ExecutionStatus::Canceled);
    }
    if document.top_level().any(|stage| working(stage) || ready(document, stage)) {
        return None;
    }
    let fails_late = |stage: &Stage| {
        stage.status() == ExecutionStatus::Stopped
            && stage.on_failure == OnFailure::HaltBranchThenFail
    };
    if document.top_level().any(fails_late) {
        return Some(ExecutionStatus::Terminal);
    }
    Some(ExecutionStatus::Succeeded)
}

/// A failed part of a stage which halts the pipeline decides before its siblings are done.
fn part_halts_pipeline(document: &Document) -> bool {
    document.top_level().any(|stage| {
        working(stage)
            && stage.on_failure == OnFailure::HaltPipeline
            && document.children(&stage.id).any(|part| part.status() == ExecutionStatus::Terminal)
    })
}

/// Not started, and everything it requires lets it start.
fn ready(document: &Document, stage: &Stage) -> bool {
    stage.status() == ExecutionStatus::NotStarted
        && stage.requires.iter().all(|ref_id| {
            document.by_ref(ref_id).is_some_and(|required| required.status().lets_others_start())
        })
}

fn start_ready(document: &mut Document, now_ms: u64, effects: &mut Effects) {
    let ids: Vec<StageId> = document
        .top_level()
        .filter(|stage| ready(document, stage))
        .map(|stage| stage.id.clone())
        .collect();
    for id in ids {
        begin(document, &id, now_ms, effects);
    }
}

/// Plans a stage's parts and hands them out; a plan that cannot be made fails the stage.
fn begin(document: &mut Document, id: &StageId, now_ms: u64, effects: &mut Effects) {
    let Some(stage) = document.stages.iter().find(|stage| stage.id == *id) else { return };
    let planned = types::plan(document, stage);
    let execution = document.id.clone();
    let Some(place) = document.stages.iter().position(|stage| stage.id == *id) else { return };
    let Some(stage) = document.stages.get_mut(place) else { return };
    effects.note("stage_started", Some(&stage.ref_id), None);
    stage.started_ms = Some(now_ms);
    match planned {
        Err(failure) => {
            stage.failure = Some(failure);
            work::close(stage, ExecutionStatus::Terminal, now_ms, effects);
        }
        Ok(Plan::Parts { before, .. }) => {
            stage.state = StageState::Running(Work::Children);
            let (parent, parent_ref) = (stage.id.clone(), stage.ref_id.clone());
            for (number, part) in (1..).zip(before) {
                let mut child = Stage {
                    kind: part.kind,
                    name: part.name,
                    parent: Some(parent.clone()),
                    config: part.config,
                    on_failure: part.on_failure,
                    ..Stage::blank(&execution, &format!("{parent_ref}<{number}"))
                };
                if let Plan::Task { kind, request } = part.plan {
                    work::begin(&mut child, &execution, (kind, request), now_ms, effects);
                }
                document.stages.insert(place + usize::try_from(number).unwrap_or(1), child);
            }
        }
        Ok(_) => {}
    }
}

/// A stage made of parts is over when all of them are.
fn settle_parents(document: &mut Document, now_ms: u64, effects: &mut Effects) {
    for index in 0..document.stages.len() {
        let Some(stage) = document.stages.get(index) else { continue };
        if !matches!(stage.state, StageState::Running(Work::Children)) {
            continue;
        }
        let parts: Vec<&Stage> = document.children(&stage.id).collect();
        let Some(status) = status_of_parts(&parts) else { continue };
        let failure = parts.iter().find_map(|part| part.failure.clone());
        let outputs = types::outputs(stage, &parts);
        let Some(stage) = document.stages.get_mut(index) else { continue };
        stage.failure = failure;
        stage.outputs = outputs;
        work::close(stage, status, now_ms, effects);
    }
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
    first.into_iter().find(|status| has(*status)).or(Some(ExecutionStatus::Succeeded))
}

fn cancel_work(document: &mut Document, now_ms: u64, effects: &mut Effects) {
    for index in 0..document.stages.len() {
        let Some(stage) = document.stages.get(index) else { continue };
        let task = document.task_of(stage);
        let Some(stage) = document.stages.get_mut(index) else { continue };
        work::cancel(stage, task, now_ms, effects);
    }
}

fn complete(document: &mut Document, status: ExecutionStatus, now_ms: u64, effects: &mut Effects) {
    document.status = status;
    document.ended_ms = Some(now_ms);
    effects.note("execution_ended", None, Some(status.to_string()));
}
