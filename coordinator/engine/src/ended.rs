//! The signal of an execution that is over: stored in the write that ends it, so that whoever waits for the end of
//! its pipeline starts exactly once for it.

use wire::{Event, ExecutionEnded};

use crate::document::{Document, Purpose};

/// The event that tells of the end of an execution, with its key; none for a dry run or for one that is not over.
pub(crate) fn event_of(document: &Document) -> Option<(String, Event)> {
    let end_time = document.ended_ms.filter(|_| document.purpose == Purpose::Run)?;
    let mut trigger = document.trigger.clone();
    trigger.remove("parentExecution");
    let signal = ExecutionEnded {
        id: document.id.clone(),
        application: document.application.clone(),
        name: document.pipeline_name.clone(),
        pipeline_config_id: document.pipeline_id.clone(),
        status: document.status,
        start_time: document.started_ms,
        end_time,
        trigger,
    }
    .signal();
    Some((signal.dedupe.clone(), Event::Signal(signal)))
}
