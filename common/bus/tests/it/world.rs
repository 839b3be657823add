//! A bus of one's own: in this process, or on the real broker under a random prefix.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use bus::{Consumer, Delivery, Message, Options, SharedBus};
use futures::FutureExt as _;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use model::Pool;
use wire::{Queue, Route};

/// Longest wait for anything; a healthy broker needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const TASKS: Queue = Queue::Task(Pool::Bake);

/// The address of the tests' broker.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration but this")]
pub(crate) fn broker() -> String {
    std::env::var("BOWLINE_TEST_AMQP").expect(
        "BOWLINE_TEST_AMQP is not set: run `make services`, then `. .run/services/services.env`",
    )
}

pub(crate) fn options(prefix: &str) -> Options {
    Options { prefix: prefix.to_owned(), name: "test".to_owned(), ..Options::default() }
}

/// Whoever may do with the broker what the bus may not.
#[derive(Debug)]
pub(crate) struct Admin {
    connection: Connection,
    pub(crate) prefix: String,
}

impl Admin {
    pub(crate) async fn new() -> Self {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&broker(), properties).await.unwrap();
        Self { connection, prefix: format!("test-{}-", ulid::Ulid::new()) }
    }

    pub(crate) async fn channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    pub(crate) fn name(&self, queue: Queue) -> String {
        format!("{}{}", self.prefix, queue.name())
    }

    pub(crate) async fn delete(&self, queue: Queue) {
        let name = self.name(queue).into();
        self.channel().await.queue_delete(name, QueueDeleteOptions::default()).await.unwrap();
    }

    async fn delete_everything(&self) {
        for queue in Queue::all() {
            self.delete(queue).await;
            let exchange = format!("{}{}", self.prefix, queue.route().exchange());
            let options = ExchangeDeleteOptions::default();
            self.channel().await.exchange_delete(exchange.into(), options).await.unwrap();
        }
        let exchange = format!("{}{}", self.prefix, Route::Cancel.exchange());
        let options = ExchangeDeleteOptions::default();
        self.channel().await.exchange_delete(exchange.into(), options).await.unwrap();
    }
}

/// Runs a test under a prefix of its own, and leaves nothing on the broker.
pub(crate) async fn on_the_broker(test: impl AsyncFnOnce(&Admin)) {
    let admin = Admin::new().await;
    let outcome = AssertUnwindSafe(test(&admin)).catch_unwind().await;
    admin.delete_everything().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: &str, awaited: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(PATIENCE, awaited).await;
    answer.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"))
}

/// Asks again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    soon("a delivery", consumer.deliveries.recv()).await.expect("the bus is open")
}

pub(crate) fn task(id: &str) -> Message {
    let body = format!("body of {id}").into_bytes();
    Message { route: TASKS.route(), id: id.to_owned(), body, park: None }
}

/// Publishes what a broker in trouble may not take at once.
pub(crate) async fn publish_in_the_end(bus: &SharedBus, id: &str) {
    until("a confirm", async || bus.publish(task(id)).await.is_ok()).await;
}

pub(crate) async fn ready(bus: &SharedBus, queue: Queue, count: u32) {
    let what = format!("{count} ready in {}", queue.name());
    until(&what, async || bus.depth(queue).await.is_ok_and(|depth| depth.ready == count)).await;
}
