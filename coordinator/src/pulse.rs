//! Asks the store what is due, and hands it out.

use std::{sync::Arc, time::Duration};

use model::ExecutionId;
use runtime::Chain;
use store::{OutboxRow, SharedStore, StoredEvent};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Rows of each kind taken at once.
const BATCH: u32 = 256;
/// How long what we took is hidden from other coordinators. Longer than it takes to publish a batch
/// or to ask Jenkins once, short enough that another takes over soon.
const HIDE_MS: u64 = 30_000;
/// Longest pause between two looks, should the bell not ring.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Pause after the store did not answer.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Where due work goes. Bounded: what does not fit is due again once its hiding is over.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) events: mpsc::Sender<StoredEvent>,
    pub(crate) messages: mpsc::Sender<OutboxRow>,
    pub(crate) wakes: mpsc::Sender<ExecutionId>,
}

pub(crate) async fn run(store: SharedStore, nudge: Arc<Notify>, due: Due, stop: CancellationToken) {
    let mut bell = store.bell();
    while !stop.is_cancelled() {
        let pause = look(&store, &due).await;
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = nudge.notified() => {}
            () = rung(&mut bell) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Waits for the bell; for ever when the store's side is gone.
async fn rung(bell: &mut watch::Receiver<u64>) {
    if bell.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Takes what is due; says how long to wait before the next look.
async fn look(store: &SharedStore, due: &Due) -> Duration {
    let found = match store.due(BATCH, HIDE_MS).await {
        Ok(found) => found,
        Err(error) => {
            warn!(error = %Chain(&error), "could not ask what is due, trying again");
            return PAUSE_AFTER_ERROR;
        }
    };
    let batch = usize::try_from(BATCH).unwrap_or(usize::MAX);
    let full = [found.events.len(), found.outbox.len(), found.wakes.len()]
        .into_iter()
        .any(|count| count >= batch);
    let mut left_behind = 0_usize;
    for event in found.events {
        left_behind += usize::from(due.events.try_send(event).is_err());
    }
    for row in found.outbox {
        left_behind += usize::from(due.messages.try_send(row).is_err());
    }
    for wake in found.wakes {
        left_behind += usize::from(due.wakes.try_send(wake).is_err());
    }
    if left_behind > 0 {
        debug!(left_behind, "hands are full, the rest comes again");
        return PAUSE_AFTER_ERROR;
    }
    if full {
        return Duration::ZERO;
    }
    let next = found.next_ms.map(|next_ms| next_ms.saturating_sub(found.now_ms));
    next.map_or(PAUSE_MAX, |pause_ms| Duration::from_millis(pause_ms).min(PAUSE_MAX))
}
