//! A decision as one write.

use engine::{Document, Effects, Facts};
use store::{Commit, EventRow, OutboxRow, Reopen, SlotChange, TaskChange};
use wire::{CancelHint, Event, Route, TaskMessage};

/// What a transition was computed from.
pub(crate) struct Basis<'a> {
    pub(crate) version: u64,
    pub(crate) input_id: String,
    pub(crate) facts: &'a Facts,
    pub(crate) now_ms: u64,
}

/// The one write of a transition.
///
/// # Errors
///
/// Plain data of ours that cannot be written as JSON is a bug. Nothing is stored then: a row without its text
/// would be a loss that nobody could undo.
pub(crate) fn commit_of(
    document: &Document,
    effects: Effects,
    basis: Basis<'_>,
) -> Result<Commit, serde_json::Error> {
    let event = |(key, event): &(String, Event)| {
        Ok(EventRow {
            if_indexed: wanted_under(event),
            ..EventRow::new(key.as_str(), serde_json::to_string(event)?)
        })
    };
    let events = effects.events.iter().map(event).collect::<Result<_, serde_json::Error>>()?;
    let mut tasks = Vec::new();
    let mut outbox = Vec::new();
    for dispatch in effects.dispatch {
        let message = TaskMessage {
            v: TaskMessage::VERSION,
            task: dispatch.task.clone(),
            pool: dispatch.pool,
            epoch: dispatch.epoch,
            call: dispatch.call,
        };
        tasks.push(TaskChange::Dispatch {
            task: dispatch.task.clone(),
            kind: dispatch.pool,
            epoch: dispatch.epoch,
            digest: model::digest(&message.call),
        });
        outbox.push(OutboxRow {
            message_id: message.message_id(),
            route: Route::Task(dispatch.pool).to_string(),
            body: serde_json::to_string(&message)?,
            only_if: Some((dispatch.task, dispatch.epoch)),
        });
    }
    if !effects.cancel.is_empty() {
        let hint = CancelHint { execution: document.id.clone() };
        outbox.push(OutboxRow {
            message_id: format!("{}/cancel/{}", document.id, basis.version),
            route: Route::Cancel.to_string(),
            body: serde_json::to_string(&hint)?,
            only_if: None,
        });
    }
    tasks.extend(effects.cancel.into_iter().map(|task| TaskChange::Cancel { task }));
    tasks.extend(effects.retire.into_iter().map(|task| TaskChange::Retire { task }));
    let timeline = effects.timeline.iter().map(serde_json::to_string);
    Ok(Commit {
        id: document.id.clone(),
        expect_version: basis.version,
        input_id: basis.input_id,
        document: serde_json::to_string(document)?,
        schema: engine::SCHEMA,
        view: serde_json::to_string(&engine::view(document))?,
        status: document.status,
        timeline: timeline.collect::<Result<_, _>>()?,
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
    })
}

/// The keys under which a definition must be indexed for an event to be kept. Most ends of executions start
/// nothing: their signals are kept only for those who wait for them.
fn wanted_under(event: &Event) -> Vec<String> {
    match event {
        Event::Signal(signal) => signal.keys.clone(),
        Event::DefinitionSaved { .. }
        | Event::ManualStart(_)
        | Event::Plan(_)
        | Event::Cancel { .. }
        | Event::Control { .. }
        | Event::StartChild(_) => Vec::new(),
    }
}
