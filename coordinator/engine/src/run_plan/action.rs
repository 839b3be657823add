//! What the plan of a stage comes to, for a dry run.

use model::ExecutionStatus;
use serde_json::{Map, Value};
use stages::{Await, Child, Done, Plan, Until};
use wire::{OperationCall, PlannedAction, TaskFailure, operations};

use crate::stage::Stage;

/// What a plan does, what later stages may read of it, and why it fails if it does.
pub(super) fn of(
    stage: &Stage,
    plan: Plan,
) -> (Vec<PlannedAction>, Map<String, Value>, Option<TaskFailure>) {
    let parts = match plan {
        Plan::Parts(parts) => parts,
        Plan::Done(Done { outputs, failure, .. }) => {
            let set = PlannedAction::Set { variables: outputs.clone() };
            return (vec![set], outputs, failure);
        }
        Plan::Operation(_) | Plan::Await(_) | Plan::Child(_) => {
            return (single(plan).into_iter().collect(), Map::new(), None);
        }
    };
    let outputs = stages::of(&stage.kind)
        .map(|entry| (entry.expected_outputs)(&stage.name, &parts))
        .unwrap_or_default();
    let mut actions = Vec::new();
    let mut failed = None;
    for part in parts {
        match part.plan {
            Plan::Done(Done { status, failure, .. }) => {
                let reason = failure.as_ref().map(|failure| failure.message.clone());
                let holds = status == ExecutionStatus::Succeeded;
                actions.push(PlannedAction::Check { name: part.name, holds, reason });
                failed = failed.or(failure);
            }
            // Parts of a part are no stage of the definition: what they do is what the part does.
            Plan::Parts(inner) => {
                actions.extend(inner.into_iter().filter_map(|inner| single(inner.plan)));
            }
            plan @ (Plan::Operation(_) | Plan::Await(_) | Plan::Child(_)) => {
                actions.extend(single(plan));
            }
        }
    }
    (actions, outputs, failed)
}

/// The action of a plan that is one; `None` for others.
fn single(plan: Plan) -> Option<PlannedAction> {
    match plan {
        Plan::Operation(call) => Some(operation(call)),
        Plan::Await(Await::Time { time_ms }) => Some(PlannedAction::Wait { time_ms }),
        Plan::Await(Await::Person(question)) => Some(PlannedAction::Judge {
            instructions: question.instructions,
            inputs: question.choices,
        }),
        Plan::Child(child) => Some(start(child)),
        Plan::Done(_) | Plan::Parts(_) => None,
    }
}

fn start(child: Child) -> PlannedAction {
    PlannedAction::Pipeline {
        application: child.application,
        pipeline: child.pipeline_id,
        parameters: child.parameters,
        waits: child.until == Until::Complete,
    }
}

fn operation(call: OperationCall) -> PlannedAction {
    let described = operations::find(&call.operation)
        .and_then(|operation| operation.describe(&call.request).ok());
    PlannedAction::Operation {
        summary: described.unwrap_or_else(|| format!("carries out {}", call.operation)),
        operation: call.operation,
        pool: call.pool,
        request: call.request,
        preview: None,
        preview_lines: Vec::new(),
        unknown: None,
    }
}
