//! A decision as one write.

use engine::{Document, Effects, Facts};
use store::{Commit, EventRow, OutboxRow, Reopen, SlotChange, TaskChange};
use tracing::error;
use wire::{CancelHint, Event, Route, TaskMessage};

/// What a transition was computed from.
pub(crate) struct Basis<'a> {
    pub(crate) version: u64,
    pub(crate) input_id: String,
    pub(crate) facts: &'a Facts,
    pub(crate) now_ms: u64,
}

/// The one write of a transition.
pub(crate) fn commit_of(document: &Document, effects: Effects, basis: Basis<'_>) -> Commit {
    let events = effects
        .events
        .iter()
        .map(|(key, event)| EventRow {
            // Most ends of executions start nothing: their signals are kept only for those who wait.
            if_indexed: match event {
                Event::Signal(signal) => signal.keys.clone(),
                Event::DefinitionSaved { .. }
                | Event::ManualStart(_)
                | Event::Plan(_)
                | Event::Cancel { .. }
                | Event::Control { .. }
                | Event::StartChild(_) => Vec::new(),
            },
            ..EventRow::new(key, text_of(event))
        });
    let events = events.collect();
    let mut tasks = Vec::new();
    let mut outbox = Vec::new();
    for dispatch in effects.dispatch {
        let message = TaskMessage {
            v: TaskMessage::VERSION,
            task: dispatch.task.clone(),
            kind: dispatch.kind,
            epoch: dispatch.epoch,
            request: dispatch.request,
        };
        tasks.push(TaskChange::Dispatch {
            task: dispatch.task.clone(),
            kind: dispatch.kind,
            epoch: dispatch.epoch,
            digest: model::digest(&message.request),
        });
        outbox.push(OutboxRow {
            message_id: message.message_id(),
            route: Route::Task(dispatch.kind).to_string(),
            body: text_of(&message),
            only_if: Some((dispatch.task, dispatch.epoch)),
        });
    }
    if !effects.cancel.is_empty() {
        let hint = CancelHint { execution: document.id.clone() };
        outbox.push(OutboxRow {
            message_id: format!("{}/cancel/{}", document.id, basis.version),
            route: Route::Cancel.to_string(),
            body: text_of(&hint),
            only_if: None,
        });
    }
    tasks.extend(effects.cancel.into_iter().map(|task| TaskChange::Cancel { task }));
    tasks.extend(effects.retire.into_iter().map(|task| TaskChange::Retire { task }));
    Commit {
        id: document.id.clone(),
        expect_version: basis.version,
        input_id: basis.input_id,
        document: text_of(document),
        schema: engine::SCHEMA,
        view: text_of(&engine::view(document)),
        status: document.status,
        timeline: effects.timeline.iter().map(text_of).collect(),
        outbox,
        tasks,
        unlock_owners: effects.unlock,
        wake_ms: engine::next_look(document, basis.facts, basis.now_ms),
        slot: effects.slot.map(|change| match change {
            engine::SlotChange::Take { limit } => SlotChange::Take { limit },
            engine::SlotChange::Wait => SlotChange::Wait,
        }),
        events,
        notify: effects.notify,
        reopen: match effects.reopen {
            engine::Reopen::No => Reopen::Never,
            engine::Reopen::Yes => Reopen::ByRestart,
        },
    }
}

/// Our own types are plain data: writing them as JSON does not fail.
fn text_of<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|cause| {
        error!(%cause, "could not write our own data as JSON");
        String::new()
    })
}
