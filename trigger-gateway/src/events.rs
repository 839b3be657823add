//! `GET /api/v1/events`: what was told to us, and what came of it.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{EventState, StoredEvent};

use crate::{
    answer::{Params, ask},
    problem::Problem,
    state::Gateway,
};

const EVENTS_MAX: u32 = 500;

#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<u32>,
}

/// The newest events with their decisions: the answer to "why did my pipeline not start".
pub(crate) async fn newest(
    State(gateway): State<Arc<Gateway>>,
    Params(page): Params<Page>,
) -> Result<Json<Value>, Problem> {
    let limit = page.limit.unwrap_or(50).clamp(1, EVENTS_MAX);
    let events = ask(gateway.store.event_list(limit)).await?;
    Ok(Json(events.iter().map(view).collect()))
}

fn view(event: &StoredEvent) -> Value {
    let planned = event.tries == 0 && event.since_ms > event.accepted_ms;
    let (state, note, outcome) = match &event.state {
        EventState::Pending { .. } if planned => ("scheduled", None, Value::Null),
        EventState::Pending { note } => ("pending", note.clone(), Value::Null),
        EventState::Settled { outcome } => ("settled", None, parsed(outcome)),
    };
    json!({
        "id": event.key,
        "acceptedAt": event.accepted_ms,
        "dueAt": event.since_ms,
        "tries": event.tries,
        "state": state,
        "note": note,
        "event": parsed(&event.body),
        "outcome": outcome,
    })
}

/// JSON if it is JSON; an older version may have written plain words.
pub(crate) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
