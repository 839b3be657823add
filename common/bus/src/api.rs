//! The seam.

use std::{fmt::Debug, sync::Arc};

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use wire::{Queue, Route};

/// A bus behind its seam; cheap to clone.
pub type SharedBus = Arc<dyn Bus>;

/// What the rooms ask of a broker. One contract suite runs against every implementation.
///
/// An implementation reconnects on its own for as long as it lives, and declares exchanges and
/// queues before it uses them; callers see [`PublishError::Unavailable`] meanwhile, and consumers
/// simply get nothing.
pub trait Bus: Debug + Send + Sync + 'static {
    /// Publishes persistently and waits for the confirm; `mandatory` except for [`Route::Cancel`].
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>>;
    /// Starts to consume with at most `prefetch` unsettled deliveries at once. Dropping the
    /// [`Consumer`] stops; its unsettled deliveries are delivered again to others.
    fn consume(&self, queue: Queue, prefetch: u16) -> BoxFuture<'_, Result<Consumer, BusError>>;
    /// Cancel hints, best effort: a private, unnamed queue on the `cancel` exchange. Each item is
    /// a body.
    fn hints(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Vec<u8>>, BusError>>;
    /// How full a queue is.
    fn depth(&self, queue: Queue) -> BoxFuture<'_, Result<QueueDepth, BusError>>;
    /// True while the broker answers.
    fn healthy(&self) -> bool;
    /// Closes politely, after the consumers were dropped.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A message to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub route: Route,
    /// Unique; a repeated publish of the same message has the same id.
    pub id: String,
    /// JSON text.
    pub body: Vec<u8>,
    /// For parked messages: why, and from where. Travels as headers `x-reason`, `x-origin`.
    pub park: Option<ParkReason>,
}

/// Why a message lies in the parking queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkReason {
    /// The queue it was taken from.
    pub origin: String,
    /// What is wrong with it.
    pub reason: String,
}

impl ParkReason {
    /// Why the broker itself parks a message; `cause` is its own name for that.
    pub(crate) fn gave_up(origin: &str, cause: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            reason: format!(
                "the broker gave it up ({cause}): it was handed out and came back too often"
            ),
        }
    }
}

/// A stream of deliveries. Dropping it gives back what is unsettled, buffered or in hand.
#[derive(Debug)]
pub struct Consumer {
    /// Bounded by the prefetch. Closed only when the bus is closed, or after [`Consumer::stop`].
    pub deliveries: mpsc::Receiver<Delivery>,
    pub(crate) subscription: Box<dyn Subscription>,
}

impl Consumer {
    /// Takes nothing new from the queue, and returns when that is certain. What was delivered is
    /// still here: `deliveries` yields the rest and ends, and everything in hand can be settled
    /// until the consumer is dropped.
    pub async fn stop(&mut self) {
        self.subscription.stop().await;
    }
}

impl Drop for Consumer {
    // Being `Drop`, the stream cannot be moved out of its consumer, which would end the subscription
    // behind the back of whoever reads the stream.
    fn drop(&mut self) {}
}

/// What keeps deliveries coming. Dropping it gives back what is unsettled.
pub(crate) trait Subscription: Debug + Send + Sync {
    /// See [`Consumer::stop`].
    fn stop(&mut self) -> BoxFuture<'_, ()>;
}

/// A message handed to us. Dropping it unsettled leaves it to be delivered again when the consumer
/// or its connection goes away.
#[derive(Debug)]
pub struct Delivery {
    /// Publisher's id; empty if there was none.
    pub id: String,
    /// Content.
    pub body: Vec<u8>,
    /// True when the broker has delivered it before.
    pub redelivered: bool,
    /// When it was published, by the publisher's clock: epoch milliseconds.
    pub published_ms: Option<u64>,
    /// Set for parked messages.
    pub park: Option<ParkReason>,
    /// How to settle it.
    pub settle: Box<dyn Settle>,
}

/// Settles one delivery.
pub trait Settle: Debug + Send + Sync {
    /// Done with it. False: the channel is gone and the message will come again.
    fn ack(self: Box<Self>) -> BoxFuture<'static, bool>;
    /// Hands it back unsettled, at once, to be delivered again (counts towards the delivery limit).
    fn requeue(self: Box<Self>) -> BoxFuture<'static, bool>;
}

/// How full a queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Waiting to be delivered.
    pub ready: u32,
    /// Consumers on it.
    pub consumers: u32,
}

/// A message did not reach a queue, as far as we know.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No queue is bound: a topology mistake; it is declared again, and the message waits.
    #[error("no queue is bound for `{route}`")]
    Unroutable {
        /// Where it should have gone.
        route: Route,
    },
    /// The broker refused it (queue full); it may accept it later.
    #[error("the broker refused a message for `{route}`")]
    Refused {
        /// Where it should have gone.
        route: Route,
    },
    /// Larger than `limits::MESSAGE_BYTES_MAX`: never sent, and never will be.
    #[error("a message for `{route}` has {bytes} bytes, more than a message may have")]
    TooLarge {
        /// Where it should have gone.
        route: Route,
        /// Its size.
        bytes: usize,
    },
    /// No confirm: it may or may not have been queued.
    #[error("the broker did not confirm a message for `{route}`: {detail}")]
    Unavailable {
        /// Where it should have gone.
        route: Route,
        /// What failed.
        detail: String,
    },
}

/// The broker cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The configured address is none.
    #[error("the address of the bus is unusable: {detail}")]
    Address {
        /// What is wrong with it; never the address itself, which may hold a password.
        detail: String,
    },
    /// Not reachable now.
    #[error("could not reach the broker while it {doing}: {detail}")]
    Unavailable {
        /// What was asked, as a verb phrase.
        doing: &'static str,
        /// What failed.
        detail: String,
    },
    /// A queue or exchange exists with other properties.
    #[error("the broker's `{name}` is not what this version declares: {detail}")]
    Topology {
        /// The queue or exchange.
        name: String,
        /// The broker's words.
        detail: String,
    },
}
