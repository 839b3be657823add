//! A RabbitMQ behind the seam. lapin's own recovery stays off: connections, channels, topology and
//! consumers are rebuilt here, in the open.
//!
//! Two connections: an alarm of the broker blocks whoever publishes, and must not block who
//! consumes. Liveness is "it answered", never "connected": a watch asks a passive declaration.

mod address;
mod backoff;
mod envelope;
mod hints;
mod link;
mod publisher;
mod subscription;
mod topology;
mod trouble;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use lapin::Channel;
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::{debug, warn};
use wire::Queue;

use self::{
    address::Address, link::Link, publisher::Publisher, topology::Topology, trouble::Trouble,
};
use crate::{Bus, BusError, Consumer, Message, Options, PublishError, QueueDepth};

/// Time between two questions whether the broker answers, while it does.
const WATCH: Duration = Duration::from_secs(10);
/// The same while it does not.
const WATCH_AWAY: Duration = Duration::from_millis(500);

/// The bus of a distributed system.
#[derive(Debug)]
pub(crate) struct Amqp {
    core: Arc<Core>,
    /// Ends every background task when the bus is dropped.
    _guard: DropGuard,
}

/// What the bus and its background tasks share.
#[derive(Debug)]
struct Core {
    topology: Topology,
    /// For publishing and for questions.
    outward: Arc<Link>,
    /// For consuming.
    inward: Arc<Link>,
    publisher: Publisher,
    answers: AtomicBool,
    /// A publish failed: ask whether the broker answers.
    doubt: Notify,
    closing: CancellationToken,
    tracker: TaskTracker,
    timeout: Duration,
}

impl Amqp {
    /// Connects, and checks or makes the topology.
    pub(crate) async fn connect(url: &str, options: Options) -> Result<Self, BusError> {
        let address = Address::parse(url)?;
        let topology = Topology::new(options.prefix);
        let closing = CancellationToken::new();
        let link = |purpose: &str| {
            let name = format!("{} {purpose}", options.name);
            Arc::new(Link::new(address.clone(), name, topology.clone(), options.timeout))
        };
        let outward = link("publish");
        let inward = link("consume");
        let publisher = Publisher::new(
            Arc::clone(&outward),
            topology.clone(),
            options.name.clone(),
            options.timeout,
        );
        let deadline = Instant::now() + options.patience;
        loop {
            match outward.connection().await {
                Ok(_) => break,
                Err(Trouble::Away(detail)) if Instant::now() >= deadline => {
                    return Err(BusError::Unavailable { doing: "opened the bus", detail });
                }
                Err(Trouble::Away(detail)) => {
                    debug!(detail, "the broker is not there yet");
                    tokio::time::sleep(WATCH_AWAY).await;
                }
                Err(Trouble::Topology { name, detail }) => {
                    return Err(BusError::Topology { name, detail });
                }
            }
        }
        let core = Arc::new(Core {
            topology,
            outward,
            inward,
            publisher,
            answers: AtomicBool::new(true),
            doubt: Notify::new(),
            closing: closing.clone(),
            tracker: TaskTracker::new(),
            timeout: options.timeout,
        });
        core.spawn(Arc::clone(&core).watch());
        Ok(Self { core, _guard: closing.drop_guard() })
    }
}

impl Core {
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate knows no runtime; its tasks are tracked here and end with the bus"
    )]
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.tracker.track_future(task));
    }

    /// Asks the broker now and then; reconnects by asking.
    async fn watch(self: Arc<Self>) {
        loop {
            let pause = if self.answers.load(Ordering::Relaxed) { WATCH } else { WATCH_AWAY };
            tokio::select! {
                () = self.closing.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                () = self.doubt.notified(), if pause == WATCH => {}
            }
            let asked = tokio::select! {
                () = self.closing.cancelled() => return,
                asked = self.ask(Queue::Parked) => asked,
            };
            let answers = asked.is_ok();
            let answered = self.answers.swap(answers, Ordering::Relaxed);
            match (answered, asked) {
                (true, Err(error)) => warn!(%error, "the broker does not answer"),
                (false, Ok(_)) => warn!("the broker answers again"),
                (true, Ok(_)) | (false, Err(_)) => {}
            }
        }
    }

    /// How full a queue is, by a passive declaration on a channel of its own: one that is not there
    /// closes the channel.
    async fn ask(&self, queue: Queue) -> Result<QueueDepth, BusError> {
        let away = |detail: String| BusError::Unavailable { doing: "asked about a queue", detail };
        let connection = self.outward.connection().await.map_err(|trouble| match trouble {
            Trouble::Away(detail) => away(detail),
            Trouble::Topology { name, detail } => BusError::Topology { name, detail },
        })?;
        let asking = async {
            let channel = connection.create_channel().await?;
            let answer = self.topology.look(&channel, queue).await?;
            close(&channel).await;
            Ok::<_, lapin::Error>(answer)
        };
        match tokio::time::timeout(self.timeout, asking).await {
            Ok(Ok(found)) => {
                Ok(QueueDepth { ready: found.message_count(), consumers: found.consumer_count() })
            }
            Ok(Err(error)) => {
                if topology::is_missing(&error) {
                    self.outward.declare_again();
                }
                Err(away(error.to_string()))
            }
            Err(_) => {
                // A connection which an alarm blocks is silent and sound.
                if !connection.status().blocked() {
                    self.outward.drop_connection(&connection).await;
                }
                Err(away("no answer in time".to_owned()))
            }
        }
    }
}

impl Bus for Amqp {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        async move {
            if self.core.closing.is_cancelled() {
                let detail = "the bus is closed".to_owned();
                return Err(PublishError::Unavailable { route: message.route, detail });
            }
            let published = self.core.publisher.publish(message).await;
            if let Err(PublishError::Unavailable { .. }) = published {
                self.core.doubt.notify_one();
            }
            published
        }
        .boxed()
    }

    fn consume(&self, queue: Queue, prefetch: u16) -> BoxFuture<'_, Result<Consumer, BusError>> {
        async move { Ok(subscription::consume(&self.core, queue, prefetch.max(1)).await) }.boxed()
    }

    fn hints(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Vec<u8>>, BusError>> {
        async move { Ok(hints::listen(&self.core).await) }.boxed()
    }

    fn depth(&self, queue: Queue) -> BoxFuture<'_, Result<QueueDepth, BusError>> {
        self.core.ask(queue).boxed()
    }

    fn healthy(&self) -> bool {
        self.core.answers.load(Ordering::Relaxed) && !self.core.closing.is_cancelled()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.core.closing.cancel();
            self.core.tracker.close();
            // Whoever still holds a consumer loses it here: its channel goes with its connection.
            tokio::time::timeout(self.core.timeout, self.core.tracker.wait()).await.ok();
            self.core.inward.close().await;
            self.core.outward.close().await;
        }
        .boxed()
    }
}

/// Closes a channel; one that is closed already is as good.
async fn close(channel: &Channel) {
    if let Err(error) = channel.close(200, "done".into()).await {
        debug!(%error, "the channel was closed before");
    }
}
