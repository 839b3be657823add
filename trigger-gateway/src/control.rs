//! Telling an execution what to do: cancel, pause, resume, restart a stage, judge, skip. Each is an
//! event in the store before it is answered; whether it fits is looked up first, so that a person
//! hears at once what is wrong.

mod orders;
mod patch;

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use metrics::counter;
use model::{ExecutionStatus, limits::WEBHOOK_BYTES_MAX};
use serde::Deserialize;
use serde_json::json;
use store::{EventRow, ExecutionRow};
use wire::{Control, Event, EventOutcome};

use crate::{
    access,
    answer::{Params, Segments, ask, json_text, read_body},
    executions::existing,
    intake::{self, Settling},
    problem::Problem,
    state::Gateway,
    webhook::encode,
};
use orders::Shown;

/// Longest reason kept.
const REASON_CHARS_MAX: usize = 1000;

/// How a control of a whole execution is asked for. Gate's `force` is accepted and changes nothing: a
/// cancel here always cleans up, and never hangs.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    reason: Option<String>,
}

/// `PUT /pipelines/{id}/cancel`, `/pause` and `/resume`
pub(crate) async fn execution(
    State(gateway): State<Arc<Gateway>>,
    Segments((id, word)): Segments<(String, String)>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let control = match word.as_str() {
        "cancel" => return cancel(&gateway, &id, asked, &headers).await,
        "pause" => Control::Pause,
        "resume" => Control::Resume,
        _ => {
            let text = format!(
                "an execution cannot be told to `{word}`; `cancel`, `pause` and `resume` can"
            );
            return Err(Problem::not_found(text));
        }
    };
    let row = existing(&gateway, &id).await?;
    carry_out(&gateway, row, &headers, |_| Ok(control)).await
}

/// `PUT /applications/{any}/pipelines/{id}/cancel`: `spin` asks here, and does not fill in the application.
pub(crate) async fn cancel_below_application(
    State(gateway): State<Arc<Gateway>>,
    Segments((_, id)): Segments<(String, String)>,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    cancel(&gateway, &id, asked, &headers).await
}

/// `PUT /pipelines/{id}/stages/{stage}/restart`: the stage, and everything that builds on it, again.
pub(crate) async fn restart(
    State(gateway): State<Arc<Gateway>>,
    Segments((id, stage)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = existing(&gateway, &id).await?;
    let restart =
        |shown: &Shown| Ok(Control::RestartStage { stage: shown.stage(&stage)?.id.clone() });
    carry_out(&gateway, row, &headers, restart).await
}

/// `PATCH /pipelines/{id}/stages/{stage}`: a judgment, the end of a wait, or a skip.
pub(crate) async fn stage(
    State(gateway): State<Arc<Gateway>>,
    Segments((id, stage)): Segments<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let change = patch::read(&read_body(&headers, body, WEBHOOK_BYTES_MAX).await?)?;
    let row = existing(&gateway, &id).await?;
    let control = |shown: &Shown| Ok(change.of(shown.stage(&stage)?.id.clone()));
    carry_out(&gateway, row, &headers, control).await
}

async fn cancel(
    gateway: &Gateway,
    id: &str,
    asked: Asked,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let row = existing(gateway, id).await?;
    if row.status == ExecutionStatus::Canceled {
        return Ok(Json(json!({ "canceled": true })).into_response());
    }
    if row.status.is_complete() {
        return Err(orders::over(&row.id, row.status));
    }
    let event = Event::Cancel {
        execution: row.id,
        user: who(headers),
        reason: asked.reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect()),
    };
    let key = format!("cancel/{id}/{}", ulid::Ulid::new());
    ask(gateway.store.event_accept(EventRow::new(key.as_str(), encode(&event)?))).await?;
    count("cancel");
    tracing::info!(execution.id = id, "cancel accepted");
    Ok(Json(json!({ "eventId": key })).into_response())
}

/// Stores a control that fits, waits a little for what comes of it, and answers with the execution
/// as it is then.
async fn carry_out(
    gateway: &Gateway,
    row: ExecutionRow,
    headers: &HeaderMap,
    control: impl FnOnce(&Shown) -> Result<Control, Problem> + Send,
) -> Result<Response, Problem> {
    let key = format!("control/{}/{}", row.id, intake::idempotency_key(headers)?);
    // A repeated request may find that what it asked for was done: that is no misfit.
    let repeated = ask(gateway.store.event_get(&key)).await?.is_some();
    let shown = Shown::of(&row)?;
    let control = control(&shown)?;
    if !repeated {
        shown.check(&control)?;
    }
    let (name, id) = (name(&control), row.id.clone());
    let event = Event::Control { execution: row.id, user: who(headers), control };
    intake::accept(gateway, &key, &event).await?;
    count(name);
    tracing::info!(execution.id = %id, control = name, "control accepted");
    match intake::settled(gateway, &key, intake::PATIENCE).await? {
        Settling::Settled(EventOutcome::Refused { reason, .. }) => {
            return Err(Problem::conflict("does-not-fit", reason));
        }
        Settling::Settled(_) => {}
        Settling::Pending => {
            let answer = json!({ "eventId": key, "ref": format!("/pipelines/{id}") });
            return Ok((StatusCode::ACCEPTED, Json(answer)).into_response());
        }
    }
    Ok(json_text(existing(gateway, id.as_str()).await?.view))
}

fn who(headers: &HeaderMap) -> String {
    access::user(headers).unwrap_or_else(|| "anonymous".to_owned())
}

const fn name(control: &Control) -> &'static str {
    match control {
        Control::Pause => "pause",
        Control::Resume => "resume",
        Control::RestartStage { .. } => "restart",
        Control::Judge { .. } => "judge",
        Control::SkipWait { .. } => "skip-wait",
        Control::SkipStage { .. } => "skip-stage",
    }
}

fn count(control: &'static str) {
    counter!("bowline_controls_total", "control" => control).increment(1);
}
