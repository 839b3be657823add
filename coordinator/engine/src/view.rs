//! The document as others see it: Gate's shape.

use std::collections::BTreeMap;

use model::{ExecutionStatus, StageId};
use serde_json::{Map, Value, json};
use wire::{ExecutionView, PauseView, QueueView, StageView, TaskFailure, TaskView};

use crate::document::{Document, Pause, Queue, Run, Stage, StageState, Synthetic, Work};

/// Shows a document.
pub fn view(document: &Document) -> ExecutionView {
    let canceled = document.canceled.as_ref();
    let started = document.startup_failure.is_none();
    let why = canceled.and_then(|canceled| canceled.reason.clone());
    ExecutionView {
        id: document.id.clone(),
        kind: "PIPELINE".to_owned(),
        application: document.application.clone(),
        name: document.pipeline_name.clone(),
        pipeline_config_id: document.pipeline_id.clone(),
        status: document.status,
        build_time: document.created_ms,
        start_time: if started { document.started_ms } else { None },
        end_time: document.ended_ms,
        canceled: canceled.is_some() || !started,
        canceled_by: if started {
            canceled.map(|canceled| canceled.by.clone())
        } else {
            Some("system".to_owned())
        },
        cancellation_reason: document.startup_failure.clone().or(why),
        paused: document.pause.as_ref().map(pause_view),
        queue: document.queue.as_ref().map(queue_view),
        limit_concurrent: document.policy.limit == Some(1),
        max_concurrent_executions: document.policy.limit.unwrap_or(0),
        keep_waiting_pipelines: document.policy.keep_waiting,
        start_time_expiry: document.start_expiry_ms,
        trigger: document.trigger.clone(),
        stages: in_order(document).map(|stage| stage_view(document, stage)).collect(),
    }
}

fn pause_view(pause: &Pause) -> PauseView {
    PauseView {
        paused_by: pause.by.clone(),
        pause_time: pause.at_ms,
        resumed_by: pause.resumed_by.clone(),
        resume_time: pause.resumed_ms,
        paused_ms: pause.total_ms,
    }
}

fn queue_view(queue: &Queue) -> QueueView {
    QueueView { position: queue.position, waiting_for: queue.waiting_for.clone() }
}

/// Parents before their synthetic children, in the order of the definition.
fn in_order(document: &Document) -> impl Iterator<Item = &Stage> {
    let mut parts: BTreeMap<&StageId, Vec<&Stage>> = BTreeMap::new();
    for stage in &document.stages {
        if let Some(parent) = &stage.parent {
            parts.entry(parent).or_default().push(stage);
        }
    }
    let mut ordered = Vec::with_capacity(document.stages.len());
    let mut open: Vec<&Stage> = document.top_level().collect();
    open.reverse();
    while let Some(stage) = open.pop() {
        ordered.push(stage);
        open.extend(parts.remove(&stage.id).into_iter().flatten().rev());
    }
    ordered.into_iter()
}

/// A stage of a paused execution is paused, unless a worker has it in hand.
fn shown_status(document: &Document, stage: &Stage) -> ExecutionStatus {
    if document.status != ExecutionStatus::Paused || stage.status() != ExecutionStatus::Running {
        return stage.status();
    }
    let in_hand = |stage: &Stage| matches!(stage.state, StageState::Running(Work::Task { .. }));
    let part_in_hand = || {
        matches!(stage.state, StageState::Running(Work::Children | Work::OnFailure { .. }))
            && document.children(&stage.id).any(in_hand)
    };
    if in_hand(stage) || part_in_hand() {
        ExecutionStatus::Running
    } else {
        ExecutionStatus::Paused
    }
}

fn past_run(run: &Run) -> Value {
    json!({ "status": run.status, "startTime": run.started_ms, "endTime": run.ended_ms,
        "exception": run.failure.as_ref().map(exception),
        "tries": run.attempts.len() })
}

fn stage_view(document: &Document, stage: &Stage) -> StageView {
    let mut context = stage.config().clone();
    context.remove("refId");
    context.remove("requisiteStageRefIds");
    for (key, value) in stage.context.iter().chain(&stage.outputs) {
        context.insert(key.clone(), value.clone());
    }
    if let Some(failure) = &stage.failure {
        context.insert("exception".to_owned(), exception(failure));
    }
    if !stage.runs.is_empty() {
        let runs = stage.runs.iter().map(past_run).collect();
        context.insert("previousRuns".to_owned(), Value::Array(runs));
    }
    StageView {
        id: stage.id.clone(),
        ref_id: stage.ref_id.clone(),
        kind: stage.kind.clone(),
        name: stage.name.clone(),
        status: shown_status(document, stage),
        start_time: stage.started_ms,
        end_time: stage.ended_ms,
        requisite_stage_ref_ids: stage.requires.clone(),
        parent_stage_id: stage.parent.clone(),
        synthetic_stage_owner: stage.parent.as_ref().map(|_| owner(stage.synthetic).to_owned()),
        context,
        outputs: stage.outputs.clone(),
        tasks: tasks(stage),
    }
}

/// Source: Orca's `SyntheticStageOwner`.
const fn owner(synthetic: Synthetic) -> &'static str {
    match synthetic {
        Synthetic::Before => "STAGE_BEFORE",
        Synthetic::After => "STAGE_AFTER",
    }
}

/// The form in which Orca's stages carry an error, so that readers of it find the text.
fn exception(failure: &TaskFailure) -> Value {
    let mut details = Map::new();
    details.insert("error".to_owned(), failure.message.as_str().into());
    details.insert("errors".to_owned(), json!([failure.message]));
    if let Some(detail) = &failure.detail {
        details.insert("detail".to_owned(), detail.as_str().into());
    }
    if let Some(hint) = &failure.hint {
        details.insert("hint".to_owned(), hint.as_str().into());
    }
    json!({ "exceptionType": failure.kind, "shouldRetry": false, "details": details })
}

fn tasks(stage: &Stage) -> Vec<TaskView> {
    let past = stage.attempts.iter().map(|attempt| TaskView {
        id: attempt.number.to_string(),
        name: stage.kind.clone(),
        status: attempt.status,
        start_time: Some(attempt.started_ms),
        end_time: Some(attempt.ended_ms),
        failure: attempt.failure.clone(),
    });
    let now = match &stage.state {
        StageState::Running(Work::Task { attempt, started_ms, .. }) => Some(TaskView {
            id: attempt.to_string(),
            name: stage.kind.clone(),
            status: ExecutionStatus::Running,
            start_time: Some(*started_ms),
            end_time: None,
            failure: None,
        }),
        StageState::Running(Work::BackingOff { attempt, .. }) => Some(TaskView {
            id: attempt.to_string(),
            name: stage.kind.clone(),
            status: ExecutionStatus::NotStarted,
            start_time: None,
            end_time: None,
            failure: None,
        }),
        StageState::NotStarted
        | StageState::Running(
            Work::Held
            | Work::Children
            | Work::OnFailure { .. }
            | Work::Window { .. }
            | Work::Waiting { .. }
            | Work::Judging { .. }
            | Work::Child { .. },
        )
        | StageState::Done(_) => None,
    };
    past.chain(now).collect()
}
