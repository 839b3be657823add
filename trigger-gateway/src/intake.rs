//! What people and scripts ask for becomes an event: accepted once under its key, then waited for a
//! little, so that the answer can say what came of it.

use std::{future::Future, time::Duration};

use axum::http::HeaderMap;
use store::{EventAccepted, EventRow, EventState};
use tokio::time::{Instant, timeout};
use wire::{Event, EventOutcome};

use crate::{answer::ask, problem::Problem, state::Gateway, webhook::encode};

/// How long an answer waits for what was asked to be carried out. It will be anyway.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// The bell is a hint: this often we look without it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How an event was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// Stored now.
    New,
    /// The same request was stored before.
    Repeated,
}

/// Where an event stands after waiting for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Settling {
    /// Done with; what came of it.
    Settled(EventOutcome),
    /// Not yet.
    Pending,
}

/// The caller's word for "this request and no other", or one of ours.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
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

/// Stores an event. One key stands for one request: with another it is refused.
pub(crate) async fn accept(
    gateway: &Gateway,
    key: &str,
    event: &Event,
) -> Result<Accepted, Problem> {
    let row = EventRow::new(key, encode(event)?);
    match ask(gateway.store.event_accept(row)).await? {
        EventAccepted::New => Ok(Accepted::New),
        EventAccepted::Duplicate | EventAccepted::Unwanted => {
            let stored = ask(gateway.store.event_get(key)).await?;
            let first = stored.and_then(|stored| serde_json::from_str::<Event>(&stored.body).ok());
            if first.as_ref().is_none_or(|first| first == event) {
                return Ok(Accepted::Repeated);
            }
            let text =
                "this Idempotency-Key was sent before with another request; nothing was done";
            Err(Problem::conflict("idempotency-key-reused", text))
        }
    }
}

/// Whether this request was accepted before.
pub(crate) async fn is_known(gateway: &Gateway, key: &str) -> Result<bool, Problem> {
    Ok(ask(gateway.store.event_get(key)).await?.is_some())
}

/// What came of an event, if that is known within `patience`.
pub(crate) async fn settled(
    gateway: &Gateway,
    key: &str,
    patience: Duration,
) -> Result<Settling, Problem> {
    let outcome = until(gateway, patience, || outcome(gateway, key)).await?;
    Ok(outcome.map_or(Settling::Pending, Settling::Settled))
}

/// What came of an event, if it is done with.
pub(crate) async fn outcome(gateway: &Gateway, key: &str) -> Result<Option<EventOutcome>, Problem> {
    let event = ask(gateway.store.event_get(key)).await?;
    Ok(event.and_then(|event| match event.state {
        EventState::Settled { outcome } => Some(read(&outcome)),
        EventState::Pending { .. } => None,
    }))
}

/// An outcome as the coordinator wrote it. One in a form that this version does not read is shown as such.
fn read(outcome: &str) -> EventOutcome {
    serde_json::from_str(outcome).unwrap_or_else(|cause| {
        let reason = format!("its outcome is in a form that this gateway does not read: {cause}");
        EventOutcome::Unreadable { reason }
    })
}

/// Looks whenever the store rings, until there is something or `patience` is over.
pub(crate) async fn until<T, F>(
    gateway: &Gateway,
    patience: Duration,
    mut look: impl FnMut() -> F,
) -> Result<Option<T>, Problem>
where
    F: Future<Output = Result<Option<T>, Problem>>,
{
    let mut bell = gateway.store.bell();
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        bell.mark_unchanged();
        if let Some(found) = look().await? {
            return Ok(Some(found));
        }
        let rest = deadline.saturating_duration_since(Instant::now()).min(LOOK_EVERY);
        // Both endings mean: look again. A closed bell rings at once, so the pause is kept by time.
        if matches!(timeout(rest, bell.changed()).await, Ok(Err(_))) {
            tokio::time::sleep(rest).await;
        }
    }
    Ok(None)
}
