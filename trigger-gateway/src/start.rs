//! Starting a pipeline by hand: an event like any other, so that a repeated request starts nothing
//! twice and a crash forgets nothing.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use metrics::counter;
use model::{ExecutionId, limits::WEBHOOK_BYTES_MAX};
use serde_json::{Map, Value, json};
use store::{EventAccepted, EventRow, EventState, PipelineRow};
use tokio::time::{Instant, timeout};
use wire::{Event, ManualStart};

use crate::{
    access,
    answer::{Segments, ask, read_body},
    definitions,
    events::parsed,
    http::Gateway,
    problem::Problem,
    webhook::encode,
};

/// How long an answer waits for the execution to exist. It will exist anyway.
const PATIENCE: Duration = Duration::from_secs(2);
/// The bell is a hint: this often we look without it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// `POST /pipelines/{application}/{nameOrId}`
pub(crate) async fn start(
    State(gateway): State<Arc<Gateway>>,
    Segments((application, name)): Segments<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let started = begin(&gateway, &application, &name, &headers, body).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "ref": started.reference() }))).into_response())
}

/// `POST /pipelines/v2/{application}/{nameOrId}`: the same, and tells the event as well.
pub(crate) async fn start_with_event_id(
    State(gateway): State<Arc<Gateway>>,
    Segments((application, name)): Segments<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let started = begin(&gateway, &application, &name, &headers, body).await?;
    let answer = json!({ "eventId": started.event_key, "ref": started.reference() });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

struct Started {
    event_key: String,
    execution: ExecutionId,
}

impl Started {
    fn reference(&self) -> String {
        format!("/pipelines/{}", self.execution)
    }
}

async fn begin(
    gateway: &Gateway,
    application: &str,
    name: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Started, Problem> {
    let event_key = format!("manual/{}", idempotency_key(headers)?);
    let trigger = trigger(&read_body(headers, body, WEBHOOK_BYTES_MAX).await?)?;
    let row = definitions::named(gateway, application, name).await?;
    check_enabled(&row)?;
    let user = access::user(headers)
        .or_else(|| trigger.get("user").and_then(Value::as_str).map(ToOwned::to_owned))
        .unwrap_or_else(|| "anonymous".to_owned());
    let execution = ExecutionId::of_event(&event_key, &row.id);
    let event = Event::ManualStart(ManualStart { pipeline_id: row.id, user, trigger });
    accept(gateway, &event_key, &event).await?;
    tracing::info!(execution.id = %execution, application, pipeline.name = name, "pipeline started by hand");
    await_execution(gateway, &event_key, &execution).await?;
    Ok(Started { event_key, execution })
}

/// The caller's word for "this request and no other", or one of ours.
fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(ulid::Ulid::new().to_string());
    };
    let key = key.to_str().unwrap_or_default().trim_matches('"');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if (1..=128).contains(&key.len()) && key.bytes().all(plain) {
        return Ok(key.to_owned());
    }
    let text = "an Idempotency-Key is 1 to 128 letters, digits, `-`, `_`, `.` or `:`";
    Err(Problem::bad_request("bad-idempotency-key", text))
}

/// The trigger as sent; nothing at all is a manual trigger without parameters.
fn trigger(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let mut trigger = if body.trim_ascii().is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(body).map_err(|error| {
            Problem::bad_request("invalid-trigger", format!("a trigger is a JSON object: {error}"))
        })?
    };
    if trigger.get("dryRun").is_some_and(|dry| *dry != Value::Bool(false) && !dry.is_null()) {
        let text = "dry runs are not supported, and nothing was started";
        return Err(Problem::bad_request("dry-run", text));
    }
    for key in ["parameters", "artifacts"] {
        let wanted = trigger.get(key);
        let fits = match key {
            "parameters" => wanted.is_none_or(|value| value.is_object() || value.is_null()),
            _ => wanted.is_none_or(|value| value.is_array() || value.is_null()),
        };
        if !fits {
            let text = format!("`{key}` of a trigger has the wrong shape");
            let errors =
                json!([{ "pointer": format!("/{key}"), "code": "wrong-type", "message": text }]);
            return Err(Problem::bad_request("invalid-trigger", text).with_errors(errors));
        }
    }
    trigger.entry("type").or_insert_with(|| "manual".into());
    Ok(trigger)
}

fn check_enabled(row: &PipelineRow) -> Result<(), Problem> {
    if parsed(&row.body).get("disabled") == Some(&Value::Bool(true)) {
        let text = format!("pipeline `{}` is disabled: enable it to start it", row.name);
        return Err(Problem::conflict("pipeline-disabled", text));
    }
    Ok(())
}

async fn accept(gateway: &Gateway, key: &str, event: &Event) -> Result<(), Problem> {
    let body = encode(event)?;
    let row = EventRow { key: key.to_owned(), body };
    match ask(gateway.store.event_accept(row)).await? {
        EventAccepted::New => {
            count("accepted");
            Ok(())
        }
        EventAccepted::Duplicate => {
            count("duplicate");
            let stored = ask(gateway.store.event_get(key)).await?;
            let first = stored.and_then(|stored| serde_json::from_str::<Event>(&stored.body).ok());
            if first.as_ref().is_none_or(|first| first == event) {
                return Ok(());
            }
            let text =
                "this Idempotency-Key was sent before with another request; nothing was started";
            Err(Problem::conflict("idempotency-key-reused", text))
        }
    }
}

/// Waits until a read of the execution will find it. When the coordinator decided against it, that
/// is told; when it takes longer, the answer is the same as if it existed: it will.
async fn await_execution(
    gateway: &Gateway,
    key: &str,
    execution: &ExecutionId,
) -> Result<(), Problem> {
    let mut bell = gateway.store.bell();
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        bell.mark_unchanged();
        let event = ask(gateway.store.event_get(key)).await?;
        if ask(gateway.store.execution_view(execution)).await?.is_some() {
            return Ok(());
        }
        // The event was read first: if it was settled by then, there is no execution to come.
        if let Some(EventState::Settled { outcome }) = event.map(|event| event.state) {
            let refused =
                Problem::conflict("not-started", "the pipeline was not started, see `errors`");
            return Err(refused.with_errors(json!([parsed(&outcome)])));
        }
        let rest = deadline.saturating_duration_since(Instant::now()).min(LOOK_EVERY);
        // Both endings mean: look again. A closed bell rings at once, so the pause is kept by time.
        if matches!(timeout(rest, bell.changed()).await, Ok(Err(_))) {
            tokio::time::sleep(rest).await;
        }
    }
    tracing::warn!(execution.id = %execution, "a start was accepted and is not yet carried out");
    Ok(())
}

fn count(result: &'static str) {
    counter!("bowline_trigger_events_total", "source" => "manual", "result" => result).increment(1);
}
