//! A bus inside one process, with a broker's manners: at least once, first in first out, prefetch,
//! delivery limit, parking. It keeps nothing when the process ends; the store does.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::{FutureExt, future::BoxFuture};
use model::limits;
use tokio::sync::mpsc;
use wire::{Queue, Route};

use crate::{
    Bus, BusError, Consumer, Delivery, HINTS_MAX, Message, PublishError, QUEUE_LENGTH_MAX,
    QueueDepth, Settle,
    api::Subscription,
    in_process::queue::{Broker, Stored},
    now_ms,
};

/// The bus of a standalone process.
#[derive(Debug, Default)]
pub(crate) struct InProcess {
    broker: Arc<Mutex<Broker>>,
}

impl InProcess {
    fn lock(&self) -> MutexGuard<'_, Broker> {
        lock(&self.broker)
    }

    fn publish_now(&self, message: Message) -> Result<(), PublishError> {
        let Message { route, id, body, park } = message;
        if body.len() > limits::MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge { route, bytes: body.len() });
        }
        let mut broker = self.lock();
        if broker.closed() {
            return Err(PublishError::Unavailable {
                route,
                detail: "the bus is closed".to_owned(),
            });
        }
        let queue = match route {
            Route::Cancel => {
                broker.hint(&body);
                return Ok(());
            }
            Route::Task(kind) => Queue::Task(kind),
            Route::Result(kind) => Queue::Result(kind),
            Route::Dead => Queue::Parked,
        };
        if queue != Queue::Parked && broker.depth(queue).ready >= QUEUE_LENGTH_MAX {
            return Err(PublishError::Refused { route });
        }
        broker.push(queue, Stored { id, body, park, published_ms: now_ms(), returns: 0 });
        Ok(())
    }
}

/// What can happen to a broker, for whoever plays its fate.
#[derive(Clone, Debug)]
pub struct BrokerControl {
    broker: Arc<Mutex<Broker>>,
}

impl BrokerControl {
    /// The broker loses everything it holds, as with its disk; its consumers stay.
    pub fn wipe(&self) {
        lock(&self.broker).wipe();
    }

    /// Every connection breaks and is made anew: unsettled deliveries are delivered again.
    pub fn reconnect(&self) {
        lock(&self.broker).reconnect();
    }
}

impl InProcess {
    pub(crate) fn control(&self) -> BrokerControl {
        BrokerControl { broker: Arc::clone(&self.broker) }
    }
}

impl Bus for InProcess {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        async move { self.publish_now(message) }.boxed()
    }

    fn consume(&self, queue: Queue, prefetch: u16) -> BoxFuture<'_, Result<Consumer, BusError>> {
        async move {
            let prefetch = prefetch.max(1);
            let (sender, deliveries) = mpsc::channel(usize::from(prefetch));
            let broker = Arc::clone(&self.broker);
            let settler = Arc::downgrade(&self.broker);
            let hand_out = move |stored: &Stored, place: Place| Delivery {
                id: stored.id.clone(),
                body: stored.body.clone(),
                redelivered: stored.returns > 0,
                published_ms: Some(stored.published_ms),
                park: stored.park.clone(),
                settle: Box::new(Held { broker: Weak::clone(&settler), place }),
            };
            let consumer = self.lock().subscribe(queue, usize::from(prefetch), sender, hand_out);
            let subscription = Subscribed { broker, queue, consumer };
            Ok(Consumer { deliveries, subscription: Box::new(subscription) })
        }
        .boxed()
    }

    fn hints(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Vec<u8>>, BusError>> {
        async move {
            let (sender, receiver) = mpsc::channel(HINTS_MAX);
            self.lock().listen(sender);
            Ok(receiver)
        }
        .boxed()
    }

    fn depth(&self, queue: Queue) -> BoxFuture<'_, Result<QueueDepth, BusError>> {
        async move { Ok(self.lock().depth(queue)) }.boxed()
    }

    fn healthy(&self) -> bool {
        !self.lock().closed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move { self.lock().close() }.boxed()
    }
}

/// Where a delivery is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) queue: Queue,
    pub(crate) consumer: u64,
    pub(crate) tag: u64,
}

#[derive(Debug)]
struct Held {
    /// Weak: a delivery that somebody keeps must not keep the broker with all its queues.
    broker: Weak<Mutex<Broker>>,
    place: Place,
}

impl Settle for Held {
    fn ack(self: Box<Self>) -> BoxFuture<'static, bool> {
        let broker = self.broker.upgrade();
        let done = broker.is_some_and(|broker| lock(&broker).ack(self.place));
        async move { done }.boxed()
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, bool> {
        let broker = self.broker.upgrade();
        let done = broker.is_some_and(|broker| lock(&broker).requeue(self.place));
        async move { done }.boxed()
    }
}

#[derive(Debug)]
struct Subscribed {
    broker: Arc<Mutex<Broker>>,
    queue: Queue,
    consumer: u64,
}

impl Subscription for Subscribed {
    fn stop(&mut self) -> BoxFuture<'_, ()> {
        lock(&self.broker).stop(self.queue, self.consumer);
        async {}.boxed()
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        lock(&self.broker).unsubscribe(self.queue, self.consumer);
    }
}

fn lock(broker: &Mutex<Broker>) -> MutexGuard<'_, Broker> {
    // Nothing panics while it holds the lock; if it did, queues would still be whole.
    broker.lock().unwrap_or_else(PoisonError::into_inner)
}
