//! `POST /webhooks/jenkins/{controller}`: somebody says that a build is done.
//!
//! The answer matters less than it seems: Jenkins does not look at it. So the event is durable
//! before we answer, and whatever was never told is found by asking Jenkins.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use metrics::counter;
use model::limits::WEBHOOK_BYTES_MAX;
use serde_json::json;
use store::{EventAccepted, EventRow};
use tracing::{Instrument as _, info_span};
use triggers::jenkins::ReportedBuild;
use wire::Event;

use crate::{
    access,
    answer::{Segments, ask, read_body},
    jenkins::{FinishedBuild, Reading, read_notification},
    problem::Problem,
    state::{Gateway, Source},
};

/// For senders that can set a header, or credentials in the URL.
pub(crate) async fn with_header(
    State(gateway): State<Arc<Gateway>>,
    Segments(controller): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let offered = access::offered(&headers).unwrap_or_default();
    receive(&gateway, &controller, &offered, &headers, body).await
}

/// For senders that can set nothing but a URL.
pub(crate) async fn with_path(
    State(gateway): State<Arc<Gateway>>,
    Segments((controller, token)): Segments<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    receive(&gateway, &controller, &token, &headers, body).await
}

async fn receive(
    gateway: &Gateway,
    controller: &str,
    offered: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let source = gateway.sources.get(controller);
    let tokens = source.map_or(&gateway.stranger, |source| &source.tokens);
    let (true, Some(source)) = (tokens.accept(offered), source) else {
        count("rejected");
        return Err(Problem::unauthorized());
    };
    let span = info_span!("webhook", build.controller = controller);
    let received = async {
        let body =
            read_body(headers, body, WEBHOOK_BYTES_MAX).await.inspect_err(|_| count("invalid"))?;
        act(gateway, controller, source, &body).await
    };
    received.instrument(span).await
}

async fn act(
    gateway: &Gateway,
    controller: &str,
    source: &Source,
    body: &[u8],
) -> Result<Response, Problem> {
    match read_notification(body, &source.url, gateway.done_at) {
        Reading::Build(build) => accept(gateway, controller, build).await,
        Reading::Ignored { reason } => {
            count("ignored");
            Ok(Json(json!({ "eventProcessed": false, "ignored": reason })).into_response())
        }
        Reading::Invalid { pointer, reason } => {
            count("invalid");
            let shown = if pointer.is_empty() { "the body" } else { &pointer };
            let detail = format!("not a build notification: {shown} {reason}");
            let errors =
                json!([{ "pointer": pointer, "code": "invalid-notification", "message": reason }]);
            Err(Problem::bad_request("invalid-notification", detail).with_errors(errors))
        }
    }
}

async fn accept(
    gateway: &Gateway,
    controller: &str,
    build: FinishedBuild,
) -> Result<Response, Problem> {
    // The store's clock, so that gateways whose clocks differ make one key of one build.
    let reported_ms = ask(gateway.store.now_ms()).await?;
    let report = ReportedBuild {
        controller: controller.to_owned(),
        job: build.job,
        number: build.number,
        started_ms: None,
        reported_ms,
        found: false,
    };
    tracing::debug!(build.job = report.job, build.number = report.number, "build reported");
    let signal = report.signal();
    let key = signal.dedupe.clone();
    let body = encode(&Event::Signal(signal))?;
    let accepted = ask(gateway.store.event_accept(EventRow::new(key.as_str(), body))).await?;
    let duplicate = match accepted {
        EventAccepted::New => {
            count("accepted");
            false
        }
        EventAccepted::Duplicate | EventAccepted::Unwanted => {
            count("duplicate");
            true
        }
    };
    let answer = json!({ "eventProcessed": true, "eventId": key, "duplicate": duplicate });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// An event as the store keeps it.
pub(crate) fn encode(event: &Event) -> Result<String, Problem> {
    serde_json::to_string(event).map_err(|error| {
        tracing::error!(%error, "an event could not be written as JSON");
        Problem::internal()
    })
}

fn count(result: &'static str) {
    counter!("bowline_trigger_events_total", "source" => "jenkins", "result" => result)
        .increment(1);
}
