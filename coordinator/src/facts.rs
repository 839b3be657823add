//! What a step may know: brought from the store's words into the engine's.

use std::collections::BTreeMap;

use engine::{ChildFact, Document, Facts, Input, Lease, Place, Policy, SlotFact, StageState, Work};
use model::ExecutionId;
use store::{EventState, LeaseRow, SharedStore, SlotEntry, SlotState, StoreError, StoredExecution};
use wire::{EventOutcome, ExecutionView, StartChild, TaskOutcome};

use crate::definition_cache::Definitions;

/// Everything the store says around a document. Asks for what only some executions need: the current
/// definition for those that wait for a slot or are opened again, children for those that have some.
pub(crate) async fn read(
    (store, definitions): (&SharedStore, &Definitions),
    stored: &StoredExecution,
    document: &Document,
    input: &Input,
) -> Result<Facts, StoreError> {
    let leases = stored.leases.iter().map(|(task, row)| (task.clone(), lease(row))).collect();
    let may_take = match (stored.slot.own, input) {
        (SlotState::Waits, _) | (SlotState::None, Input::Control { .. }) => true,
        (SlotState::None, Input::Look | Input::Cancel { .. }) | (SlotState::Holds, _) => false,
    };
    let policy = if may_take { policy(definitions, &document.pipeline_id).await? } else { None };
    let mut children = BTreeMap::new();
    for (execution, event_key) in children_of(document) {
        if let Some(fact) = child(store, &execution, &event_key).await? {
            children.insert(execution, fact);
        }
    }
    Ok(Facts { leases, slot: slot(stored), policy, children })
}

/// `None` for a live execution of a version that knew no slots: it runs, and holds one from its next
/// transition on.
fn slot(stored: &StoredExecution) -> Option<SlotFact> {
    let own = match (stored.slot.own, stored.status.is_complete()) {
        (SlotState::None, false) => return None,
        (SlotState::None, true) => engine::SlotState::None,
        (SlotState::Holds, _) => engine::SlotState::Holds,
        (SlotState::Waits, _) => engine::SlotState::Waits,
    };
    let place =
        |entry: &SlotEntry| Place { execution: entry.execution.clone(), order: entry.number };
    Some(SlotFact {
        own,
        holders: stored.slot.holders.iter().map(place).collect(),
        waiting: stored.slot.waiting.iter().map(place).collect(),
    })
}

/// What the definition says now about executions at a time.
async fn policy(
    definitions: &Definitions,
    pipeline_id: &str,
) -> Result<Option<Policy>, StoreError> {
    let definition = definitions.one(pipeline_id).await?;
    let content = definition.as_ref().and_then(|definition| definition.content.as_ref());
    Ok(content.map(|content| content.policy))
}

/// Executions a stage has started and looks at, with the keys of the events that start them.
fn children_of(document: &Document) -> Vec<(ExecutionId, String)> {
    let child = |stage: &engine::Stage| match stage.state() {
        StageState::Running(Work::Child(child)) => Some((
            child.execution.clone(),
            StartChild::key_of(&document.id, &stage.id, child.attempt),
        )),
        StageState::NotStarted | StageState::Running(_) | StageState::Done(_) => None,
    };
    document.stages.iter().filter_map(child).collect()
}

/// What became of a child; `None` while its start is not acted on.
async fn child(
    store: &SharedStore,
    execution: &ExecutionId,
    event_key: &str,
) -> Result<Option<ChildFact>, StoreError> {
    if let Some(fact) = seen(store, execution).await? {
        return Ok(Some(fact));
    }
    let Some(event) = store.event_get(event_key).await? else { return Ok(None) };
    match event.state {
        EventState::Pending { .. } => Ok(None),
        // It may have begun between the two looks.
        EventState::Settled { outcome } => {
            let seen = seen(store, execution).await?;
            Ok(Some(seen.unwrap_or_else(|| ChildFact::Refused { reason: reason(&outcome) })))
        }
    }
}

/// A child as it stands; `None` when it is not there.
async fn seen(
    store: &SharedStore,
    execution: &ExecutionId,
) -> Result<Option<ChildFact>, StoreError> {
    let row = store.execution_view(execution).await?;
    Ok(row.map(|row| match serde_json::from_str::<ExecutionView>(&row.view) {
        Ok(view) => ChildFact::of(&view),
        Err(cause) => ChildFact::Refused { reason: format!("its view is unreadable: {cause}") },
    }))
}

/// What the outcome of an event says to people. A child that was started and is not there was
/// removed since.
fn reason(outcome: &str) -> String {
    let outcome: Option<EventOutcome> = serde_json::from_str(outcome).ok();
    let reason = outcome.as_ref().and_then(EventOutcome::reason);
    reason.unwrap_or("it is over, and its history was removed").to_owned()
}

fn lease(row: &LeaseRow) -> Lease {
    let result = row.result.as_ref().map(|text| {
        serde_json::from_str(text).unwrap_or_else(|cause: serde_json::Error| {
            let message = format!("the worker's result is unreadable: {cause}");
            let failure = wire::TaskFailure {
                kind: wire::FailureKind::Bug,
                message,
                detail: None,
                hint: Some("coordinator and workers may be too far apart in version".to_owned()),
            };
            TaskOutcome::Failed { failure }
        })
    });
    Lease {
        epoch: row.epoch,
        until_ms: row.until_ms,
        claimed: row.claimed,
        checkpoints: row.checkpoints,
        result,
    }
}
