//! Outbox rows to the broker: publish, confirm, then delete. A crash in between publishes twice,
//! which the lease makes harmless.

use std::time::Duration;

use bus::{Message, PublishError, SharedBus};
use futures::stream::{FuturesUnordered, StreamExt as _};
use metrics::counter;
use runtime::Chain;
use store::{OutboxRow, SharedStore};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use wire::Route;

use crate::hands::Taken;

/// Publishes in flight; the broker's raw rate is flat beyond.
const WINDOW: usize = 128;
/// How long a message waits after the broker refused it or had no queue for it.
const DEFER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Relay {
    store: SharedStore,
    bus: SharedBus,
}

/// What became of one row.
enum Sent {
    Confirmed(String),
    Deferred(String),
}

impl Relay {
    pub(crate) fn new(store: SharedStore, bus: SharedBus) -> Self {
        Self { store, bus }
    }

    pub(crate) async fn run(
        self,
        mut due: mpsc::Receiver<Taken<OutboxRow>>,
        stop: CancellationToken,
    ) {
        let mut in_flight = FuturesUnordered::new();
        let mut confirmed: Vec<String> = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(sent) = in_flight.next() => {
                    match sent {
                        Sent::Confirmed(id) => confirmed.push(id),
                        Sent::Deferred(id) => self.defer(id).await,
                    }
                    // One call deletes everything confirmed meanwhile.
                    if in_flight.is_empty() || confirmed.len() >= WINDOW {
                        self.done(std::mem::take(&mut confirmed)).await;
                    }
                }
                Some(row) = due.recv(), if in_flight.len() < WINDOW && !stop.is_cancelled() => {
                    let Taken { what, grip } = row;
                    in_flight.push(async {
                        let sent = self.publish(what).await;
                        drop(grip);
                        sent
                    });
                }
                () = stop.cancelled(), if in_flight.is_empty() => return,
                else => return,
            }
        }
    }

    async fn publish(&self, row: OutboxRow) -> Sent {
        let route: Route = match row.route.parse() {
            Ok(route) => route,
            Err(problem) => {
                error!(problem, message.id = row.message_id, "outbox row without a route dropped");
                return Sent::Confirmed(row.message_id);
            }
        };
        let message =
            Message { route, id: row.message_id.clone(), body: row.body.into_bytes(), park: None };
        let outcome = self.bus.publish(message).await;
        let label = match &outcome {
            Ok(()) => "confirmed",
            Err(PublishError::Unroutable { .. }) => "unroutable",
            Err(PublishError::Refused { .. }) => "refused",
            Err(PublishError::TooLarge { .. }) => "too_large",
            Err(PublishError::Unavailable { .. }) => "unknown",
        };
        counter!("bowline_published_total", "outcome" => label).increment(1);
        match outcome {
            Ok(()) => Sent::Confirmed(row.message_id),
            Err(error) => {
                warn!(error = %Chain(&error), message.id = row.message_id, "message not confirmed, it stays in the outbox");
                Sent::Deferred(row.message_id)
            }
        }
    }

    /// A row that could not be deleted is published again once its hiding is over.
    async fn done(&self, ids: Vec<String>) {
        if ids.is_empty() {
            return;
        }
        if let Err(error) = self.store.outbox_done(&ids).await {
            warn!(error = %Chain(&error), "confirmed messages not deleted, they will be sent twice");
        }
    }

    async fn defer(&self, id: String) {
        let delay = u64::try_from(DEFER.as_millis()).unwrap_or(0);
        let Ok(now_ms) = self.store.now_ms().await else { return };
        if let Err(error) = self.store.outbox_defer(&[id], now_ms + delay).await {
            warn!(error = %Chain(&error), "message not deferred, it is due again soon anyway");
        }
    }
}
