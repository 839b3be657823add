//! The document as others see it: Gate's shape.

use model::ExecutionStatus;
use serde_json::{Map, Value, json};
use wire::{
    Awaits, ExecutionOrder, ExecutionView, PauseView, QueueView, StageView, TaskFailure, TaskView,
};

use crate::{
    arena::StageIndex,
    document::{Document, Pause, Queue},
    graph::Graph,
    orders::{self, StageOrders},
    stage::{PastRun, Stage, Synthetic},
    state::{Await, StageState, Work},
};

/// Shows a document, with the orders that the execution and its stages take now.
pub fn view(document: &Document) -> ExecutionView {
    let graph = Graph::of(&document.stages);
    let mut view = shown(document, &graph);
    let orders = StageOrders::of(document, &graph);
    for (stage, ix) in view.stages.iter_mut().zip(in_order(document, &graph)) {
        stage.orders = orders.all(ix);
    }
    let fits = |order: &ExecutionOrder| orders::of_execution(document, *order).is_ok();
    view.orders = ExecutionOrder::ALL.into_iter().filter(fits).collect();
    view
}

/// Shows a document to the expressions of its stages, which give no orders.
pub(crate) fn without_orders(document: &Document) -> ExecutionView {
    shown(document, &Graph::of(&document.stages))
}

fn shown(document: &Document, graph: &Graph) -> ExecutionView {
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
        orders: Vec::new(),
        stages: in_order(document, graph)
            .map(|ix| stage_view(document, &document.stages[ix]))
            .collect(),
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
fn in_order(document: &Document, graph: &Graph) -> impl Iterator<Item = StageIndex> {
    let mut ordered = Vec::with_capacity(document.stages.len());
    let tops = document.stages.indexes().filter(|ix| document.stages[*ix].part.is_none());
    let mut open: Vec<StageIndex> = tops.rev().collect();
    while let Some(ix) = open.pop() {
        ordered.push(ix);
        open.extend(graph.parts(ix).iter().rev());
    }
    ordered.into_iter()
}

/// A stage of a paused execution is paused, unless a worker may be working for it.
fn shown_status(document: &Document, stage: &Stage) -> ExecutionStatus {
    if document.status != ExecutionStatus::Paused || !stage.is_running() {
        return stage.status();
    }
    let works = |stage: &Stage| matches!(stage.state(), StageState::Running(Work::Operation(_)));
    let part_works = || {
        matches!(stage.state(), StageState::Running(Work::Parts | Work::AfterFailure { .. }))
            && document.children(&stage.id).any(works)
    };
    if works(stage) || part_works() { ExecutionStatus::Running } else { ExecutionStatus::Paused }
}

/// What a stage waits for, when nobody works for it.
fn awaits(stage: &Stage) -> Option<Awaits> {
    let StageState::Running(work) = stage.state() else { return None };
    match work {
        Work::Awaiting(Await::Time { until_ms }) => Some(Awaits::Time { until_ms: *until_ms }),
        Work::Awaiting(Await::Window { opens_ms }) => Some(Awaits::Window { opens_ms: *opens_ms }),
        Work::Awaiting(Await::Person { instructions, choices, roles }) => Some(Awaits::Person {
            instructions: instructions.clone(),
            choices: choices.clone(),
            roles: roles.clone(),
        }),
        Work::Child(child) => Some(Awaits::Execution { id: child.execution.clone() }),
        Work::BackingOff { due_ms, .. } => Some(Awaits::Retry { due_ms: *due_ms }),
        Work::Held | Work::Parts | Work::AfterFailure { .. } | Work::Operation(_) => None,
    }
}

fn past_run(run: &PastRun) -> Value {
    json!({ "status": run.status, "startTime": run.started_ms, "endTime": run.ended_ms,
        "exception": run.failure.as_ref().map(exception),
        "tries": run.attempts.len() })
}

fn stage_view(document: &Document, stage: &Stage) -> StageView {
    let run = &stage.run;
    let mut context = stage.config().clone();
    context.remove("refId");
    context.remove("requisiteStageRefIds");
    for (key, value) in run.context.iter().chain(&run.outputs) {
        context.insert(key.clone(), value.clone());
    }
    if let Some(failure) = &run.failure {
        context.insert("exception".to_owned(), exception(failure));
    }
    if !stage.history.is_empty() {
        let runs = stage.history.iter().map(past_run).collect();
        context.insert("previousRuns".to_owned(), Value::Array(runs));
    }
    StageView {
        id: stage.id.clone(),
        ref_id: stage.ref_id.clone(),
        kind: stage.kind.clone(),
        name: stage.name.clone(),
        status: shown_status(document, stage),
        start_time: run.started_ms,
        end_time: run.ended_ms,
        requisite_stage_ref_ids: stage.requires.clone(),
        parent_stage_id: stage.parent().cloned(),
        synthetic_stage_owner: stage.part.as_ref().map(|part| owner(part.synthetic).to_owned()),
        awaits: awaits(stage),
        orders: Vec::new(),
        decision: run.decision.clone(),
        execution: run.child.clone(),
        failure: run.failure.clone(),
        past_runs: stage.history.len(),
        context,
        outputs: run.outputs.clone(),
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
    let past = stage.run.attempts.iter().map(|attempt| TaskView {
        id: attempt.number.to_string(),
        name: stage.kind.clone(),
        status: attempt.status,
        start_time: Some(attempt.started_ms),
        end_time: Some(attempt.ended_ms),
        failure: attempt.failure.clone(),
    });
    let current = match stage.state() {
        StageState::Running(Work::Operation(operation)) => {
            Some((operation.attempt, ExecutionStatus::Running, Some(operation.started_ms)))
        }
        StageState::Running(Work::BackingOff { attempt, .. }) => {
            Some((*attempt, ExecutionStatus::NotStarted, None))
        }
        StageState::NotStarted
        | StageState::Running(
            Work::Held
            | Work::Parts
            | Work::AfterFailure { .. }
            | Work::Awaiting(_)
            | Work::Child(_),
        )
        | StageState::Done(_) => None,
    };
    let current = current.map(|(attempt, status, start_time)| TaskView {
        id: attempt.to_string(),
        name: stage.kind.clone(),
        status,
        start_time,
        end_time: None,
        failure: None,
    });
    past.chain(current).collect()
}
