//! Hears on a connection of its own that something changed.

use std::{ops::ControlFlow, time::Duration};

use ::redis::Client;
use futures::StreamExt as _;
use tokio::{sync::watch, task::JoinHandle};

use super::CONNECT_TIMEOUT;

/// Between attempts to listen again. Nobody depends on the bell, so there is no hurry.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Silence after which it listens anew: nobody hears whether the other end has vanished.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// The subscription of one store; ends with it.
pub(super) struct Bell {
    rung: watch::Receiver<u64>,
    listener: JoinHandle<()>,
}

impl Bell {
    /// Starts to listen.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one background task of this crate, which may not name `runtime`; it is ended \
                  by the drop of the store"
    )]
    pub(super) fn listen(client: Client, channel: String) -> Self {
        let (ringer, rung) = watch::channel(0);
        let listener = tokio::spawn(async move {
            while listen_once(&client, &channel, &ringer).await.is_continue() {
                tokio::time::sleep(LISTEN_AGAIN).await;
            }
        });
        Self { rung, listener }
    }

    /// Another ear.
    pub(super) fn receiver(&self) -> watch::Receiver<u64> {
        self.rung.clone()
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Listens until the connection breaks; stops for good when nobody is left to tell.
async fn listen_once(
    client: &Client,
    channel: &str,
    ringer: &watch::Sender<u64>,
) -> ControlFlow<()> {
    let subscribed = tokio::time::timeout(CONNECT_TIMEOUT, async {
        let mut ear = client.get_async_pubsub().await?;
        ear.subscribe(channel).await?;
        Ok::<_, ::redis::RedisError>(ear)
    });
    match subscribed.await {
        Ok(Ok(ear)) => {
            // What rang while nobody listened is rung now.
            ring(ringer);
            let mut strokes = ear.into_on_message();
            while let Ok(Some(_)) = tokio::time::timeout(SILENCE_MAX, strokes.next()).await {
                ring(ringer);
            }
            tracing::debug!(
                "bell connection lost or silent, changes are found by looking until it is back"
            );
        }
        Ok(Err(cause)) => {
            tracing::debug!(error = %cause, "bell not connected, changes are found by looking");
        }
        Err(_) => tracing::debug!("bell not connected in time, changes are found by looking"),
    }
    if ringer.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

fn ring(ringer: &watch::Sender<u64>) {
    ringer.send_modify(|rung| *rung = rung.wrapping_add(1));
}
