//! The broker as one process reaches it.

use std::{fmt, mem, sync::Arc, time::Duration};

use bus::{
    Bus, BusError, Consumer, Delivery, Message, PublishError, QueueDepth, Settle, SharedBus,
};
use futures::{FutureExt as _, future::BoxFuture};
use tokio::{sync::mpsc, time::sleep};
use wire::{Queue, Route};

use crate::{
    fault::{Face, Link, What},
    label::Label,
    process::{Call, Lossy, Process},
};

/// A process's connection to the broker.
#[derive(Clone, Debug)]
pub(crate) struct BusPort(pub(crate) Arc<Process>);

impl Lossy for PublishError {
    fn no_answer(_: &'static str) -> Self {
        Self::Unavailable { route: Route::Dead, detail: "the connection broke".to_owned() }
    }

    fn refusal(_: &'static str, what: What) -> Option<Self> {
        let route = Route::Dead;
        match what {
            What::Refused => Some(Self::Refused { route }),
            What::Unroutable => Some(Self::Unroutable { route }),
            What::Lost
            | What::Silent
            | What::Twice
            | What::Slow(_)
            | What::CrashBefore(_)
            | What::CrashAfter(_)
            | What::PauseBefore(_)
            | What::PauseAfter(_)
            | What::Drain(_)
            | What::Cut(_)
            | What::Vanish
            | What::Double
            | What::Late(_)
            | What::Wipe
            | What::Reconnect
            | What::Throttled
            | What::ServerError
            | What::LoginPage
            | What::NotYetKnown
            | What::StillBuilding
            | What::Rollback(_) => None,
        }
    }
}

impl BusPort {
    async fn send(&self, message: Message) -> Result<(), PublishError> {
        let ground = &self.0.ground;
        let what = ground.next_fault(Face::Publish);
        let act = || {
            let (ground, message) = (Arc::clone(ground), message.clone());
            async move {
                let id = message.id.clone();
                match what {
                    Some(What::Vanish) => {}
                    Some(What::Late(ms)) => {
                        let bus: SharedBus = Arc::clone(ground.bus());
                        // The handle is not needed: it ends by itself.
                        drop(ground.tasks.spawn(async move {
                            sleep(Duration::from_millis(ms)).await;
                            bus.publish(message).await.ok();
                        }));
                    }
                    Some(What::Double) => {
                        ground.bus().publish(message.clone()).await?;
                        ground.bus().publish(message).await?;
                    }
                    Some(_) | None => ground.bus().publish(message).await?,
                }
                ground.judge(|oracle| oracle.confirmed(&id));
                Ok(())
            }
            .boxed()
        };
        let name = match &message.route {
            Route::Task(_) => "publish_task",
            Route::Result(_) => "publish_result",
            Route::Cancel => "publish_cancel",
            Route::Dead => "publish_parked",
        };
        if self.0.confirms_unsent() {
            return Ok(());
        }
        let sent = self.0.point(Call { face: Face::Publish, name }, act).await;
        self.0.planted_publish(sent)
    }
}

impl Bus for BusPort {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        self.send(message).boxed()
    }

    fn consume(&self, queue: Queue, prefetch: u16) -> BoxFuture<'_, Result<Consumer, BusError>> {
        async move {
            if self.0.is_cut(Link::Bus) {
                sleep(Duration::from_secs(1)).await;
                let detail = "the connection broke".to_owned();
                return Err(BusError::Unavailable { doing: "consumed", detail });
            }
            let mut consumer = self.0.ground.bus().consume(queue, prefetch).await?;
            let (passed, received) = mpsc::channel(usize::from(prefetch.max(1)));
            let mut deliveries = mem::replace(&mut consumer.deliveries, received);
            let process = Arc::clone(&self.0);
            // The handle is not needed: it ends with its consumer.
            drop(self.0.tasks.spawn(async move {
                while let Some(Delivery { id, body, redelivered, published_ms, park, settle }) =
                    deliveries.recv().await
                {
                    process.count_result(&body);
                    let settle =
                        Box::new(SettlePort { process: Arc::clone(&process), inner: settle });
                    let delivery = Delivery { id, body, redelivered, published_ms, park, settle };
                    if passed.send(delivery).await.is_err() {
                        return;
                    }
                }
            }));
            Ok(consumer)
        }
        .boxed()
    }

    fn hints(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Vec<u8>>, BusError>> {
        self.0.ground.bus().hints()
    }

    fn depth(&self, queue: Queue) -> BoxFuture<'_, Result<QueueDepth, BusError>> {
        self.0.ground.bus().depth(queue)
    }

    fn healthy(&self) -> bool {
        !self.0.is_cut(Link::Bus)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

/// Settles over a process's connection.
struct SettlePort {
    process: Arc<Process>,
    inner: Box<dyn Settle>,
}

impl fmt::Debug for SettlePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettlePort").finish_non_exhaustive()
    }
}

/// The channel is gone: whatever was settled comes again, or not.
struct ChannelGone;

impl Label for ChannelGone {
    fn label(&self) -> &'static str {
        "no answer"
    }
}

impl Lossy for ChannelGone {
    fn no_answer(_: &'static str) -> Self {
        Self
    }

    fn refusal(_: &'static str, _: What) -> Option<Self> {
        None
    }
}

impl SettlePort {
    async fn settle(
        self: Box<Self>,
        name: &'static str,
        how: impl Fn(Box<dyn Settle>) -> BoxFuture<'static, bool> + Send,
    ) -> bool {
        let Self { process, inner } = *self;
        let mut inner = Some(inner);
        let act = || match inner.take() {
            Some(inner) => how(inner).map(Ok).boxed(),
            // A settled delivery is not settled again.
            None => async { Ok(false) }.boxed(),
        };
        let settled: Result<bool, ChannelGone> =
            process.point(Call { face: Face::Settle, name }, act).await;
        settled.unwrap_or(false)
    }
}

impl Settle for SettlePort {
    fn ack(self: Box<Self>) -> BoxFuture<'static, bool> {
        self.settle("ack", Settle::ack).boxed()
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, bool> {
        self.settle("requeue", Settle::requeue).boxed()
    }
}
