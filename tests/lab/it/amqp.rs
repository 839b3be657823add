//! A stranger on the broker: publishes what it likes, deletes what is not its own.

use std::time::Duration;

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use processes::eventually;

/// A connection of its own, straight to the broker.
pub(crate) struct Stranger {
    connection: Connection,
    channel: Channel,
}

impl Stranger {
    pub(crate) async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { connection, channel }
    }

    /// Publishes; returns when the broker has put it into a queue.
    pub(crate) async fn publish(&self, exchange: &str, key: &str, body: &[u8]) {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(format!("stranger-{}", body.len()).into());
        let sent =
            self.channel.basic_publish(exchange.into(), key.into(), options, body, properties);
        let confirmed = sent.await.unwrap().await.unwrap();
        assert!(matches!(confirmed, Confirmation::Ack(None)), "{confirmed:?}");
    }

    /// Messages ready in a queue; `None` when there is no such queue.
    pub(crate) async fn ready(&self, queue: &str) -> Option<u32> {
        let channel = self.connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found =
            channel.queue_declare(queue.into(), options, FieldTable::default()).await.ok()?;
        Some(found.message_count())
    }

    /// Waits until a queue holds nothing.
    pub(crate) async fn drained(&self, queue: &str) {
        eventually(queue, Duration::from_secs(30), || async {
            (self.ready(queue).await? == 0).then_some(())
        })
        .await;
    }

    pub(crate) async fn delete_queue(&self, queue: &str) {
        let options = QueueDeleteOptions::default();
        self.channel.queue_delete(queue.into(), options).await.unwrap();
    }

    pub(crate) async fn delete_exchange(&self, exchange: &str) {
        let options = ExchangeDeleteOptions::default();
        self.channel.exchange_delete(exchange.into(), options).await.unwrap();
    }

    /// Declares a quorum queue under this name with a length of its own.
    pub(crate) async fn declare_short_queue(&self, queue: &str) -> lapin::Result<()> {
        let channel = self.connection.create_channel().await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(9));
        let options = QueueDeclareOptions::durable();
        channel.queue_declare(queue.into(), options, arguments).await.map(drop)
    }

    /// What the headers of messages in the parking queue say, oldest first; it is empty afterwards.
    pub(crate) async fn parked(&self) -> Vec<String> {
        let mut found = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = self.channel.basic_get("parked.v1".into(), options).await.unwrap()
        {
            let headers = message.properties.headers().clone().unwrap_or_default();
            let texts = headers.inner().iter().filter_map(|(name, value)| {
                let AMQPValue::LongString(text) = value else { return None };
                Some(format!("{name}: {text}"))
            });
            found.push(texts.collect::<Vec<_>>().join(", "));
        }
        found
    }

    /// Takes one message of a queue and never settles it, on a channel of its own.
    pub(crate) async fn hold_one(&self, queue: &str) -> lapin::Consumer {
        let channel = self.connection.create_channel().await.unwrap();
        let options = BasicConsumeOptions::default();
        channel
            .basic_consume(queue.into(), "holder".into(), options, FieldTable::default())
            .await
            .unwrap()
    }

    /// The oldest message of the parking queue, which is gone from it then.
    pub(crate) async fn parked_one(&self) -> Option<Vec<u8>> {
        let options = BasicGetOptions { no_ack: true };
        let found = self.channel.basic_get("parked.v1".into(), options).await.unwrap();
        found.map(|message| message.delivery.data)
    }

    /// Ends without settling anything.
    pub(crate) async fn die(self) {
        self.connection.close(200, "dead".into()).await.unwrap();
    }
}
