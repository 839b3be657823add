//! Asks the store what is due, and hands it out.

use std::{sync::Arc, time::Duration};

use model::ExecutionId;
use runtime::Chain;
use store::{OutboxRow, SharedStore, StoredEvent};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::hands::{Hands, Taken};

/// Rows of each kind taken at once.
const BATCH: u32 = 256;
/// How long what we took is hidden from other coordinators: the longest that anything waits because
/// one of them died with it in hand, or because the answer was lost on its way. What takes longer is
/// done twice at worst, which every one of these things bears.
const HIDE_MS: u64 = 4_000;
/// Longest pause between two looks, should the bell not ring.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Pause after the store did not answer.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(500);

/// Where due work goes. Bounded: what does not fit is due again once its hiding is over.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) events: Line<StoredEvent>,
    pub(crate) messages: Line<OutboxRow>,
    pub(crate) wakes: Line<ExecutionId>,
}

/// Where work of one kind goes.
#[derive(Debug)]
pub(crate) struct Line<T> {
    hands: Hands,
    sender: mpsc::Sender<Taken<T>>,
}

impl<T> Line<T> {
    /// A line with room for so many.
    pub(crate) fn new(room: usize) -> (Self, mpsc::Receiver<Taken<T>>) {
        let (sender, receiver) = mpsc::channel(room);
        (Self { hands: Hands::default(), sender }, receiver)
    }

    /// Hands it out, unless it was and is not done yet; false when there is no room.
    fn hand_out(&self, name: &str, what: T) -> bool {
        let taken = self.hands.take(name, what);
        taken.is_none_or(|taken| self.sender.try_send(taken).is_ok())
    }
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
        let name = event.key.clone();
        left_behind += usize::from(!due.events.hand_out(&name, event));
    }
    for row in found.outbox {
        let name = row.message_id.clone();
        left_behind += usize::from(!due.messages.hand_out(&name, row));
    }
    for wake in found.wakes {
        let name = wake.to_string();
        left_behind += usize::from(!due.wakes.hand_out(&name, wake));
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
