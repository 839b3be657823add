//! Declares what `wire` names. Every argument stands here, with its reason.

use std::collections::BTreeSet;

use lapin::{
    Channel, Connection, Error, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};
use tracing::debug;
use wire::{Queue, Route};

use crate::{DELIVERY_LIMIT, QUEUE_LENGTH_MAX, amqp::trouble::Trouble};

/// The names, under a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    prefix: String,
}

/// What became of one declaration.
enum Declared {
    Done,
    /// This user may only use what is there; it is there.
    NotOurs,
}

impl Topology {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The full name of a queue or exchange.
    pub(crate) fn name(&self, name: &str) -> ShortString {
        // A prefix is ours and short; a name over AMQP's 255 bytes cannot be declared, and says so.
        ShortString::try_new(format!("{}{name}", self.prefix)).unwrap_or_default()
    }

    /// Makes what is missing and checks the rest.
    ///
    /// A passive declaration would not compare arguments, so these are active, on channels of their
    /// own: a difference closes the channel it was found on and nothing else. Each needs a few round
    /// trips per connection, which is nothing.
    pub(crate) async fn declare(&self, connection: &Connection) -> Result<(), Trouble> {
        // All tasks share one exchange, so several routes lead to it.
        let mut declared = BTreeSet::new();
        for route in Route::all().filter(|route| declared.insert(route.exchange())) {
            self.declare_exchange(connection, route).await?;
        }
        for queue in Queue::all() {
            if let Declared::Done = self.declare_queue(connection, queue).await? {
                self.bind(connection, queue).await?;
            }
        }
        Ok(())
    }

    /// A passive declaration: how full it is, or that it is missing.
    pub(crate) async fn look(
        &self,
        channel: &Channel,
        queue: Queue,
    ) -> Result<lapin::Queue, Error> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(self.name(&queue.name()), options, FieldTable::default()).await
    }

    async fn declare_exchange(&self, connection: &Connection, route: Route) -> Result<(), Trouble> {
        let kind = match route {
            Route::Cancel => ExchangeKind::Fanout,
            Route::Task(_) | Route::Result(_) | Route::Dead => ExchangeKind::Direct,
        };
        let name = self.name(&route.exchange());
        let declare = |options| {
            let (name, kind) = (name.clone(), kind.clone());
            async move {
                let channel = connection.create_channel().await?;
                channel.exchange_declare(name, kind, options, FieldTable::default()).await?;
                super::close(&channel).await;
                Ok(())
            }
        };
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        match declare(options).await {
            Ok(()) => Ok(()),
            Err(error) if is_forbidden(&error) => {
                let options =
                    ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
                declare(options).await.map_err(|error| trouble(&name, &error))
            }
            Err(error) => Err(trouble(&name, &error)),
        }
    }

    async fn declare_queue(
        &self,
        connection: &Connection,
        queue: Queue,
    ) -> Result<Declared, Trouble> {
        let name = self.name(&queue.name());
        let failed = |error| trouble(&name, &error);
        let declared = async {
            let channel = connection.create_channel().await?;
            let options = QueueDeclareOptions::durable();
            channel.queue_declare(name.clone(), options, self.arguments(queue)).await?;
            super::close(&channel).await;
            Ok(())
        };
        match declared.await {
            Ok(()) => Ok(Declared::Done),
            Err(error) if is_forbidden(&error) => {
                debug!(queue = %name, "may not declare the queue, looking whether it is there");
                let channel = connection.create_channel().await.map_err(failed)?;
                self.look(&channel, queue).await.map_err(failed)?;
                super::close(&channel).await;
                Ok(Declared::NotOurs)
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn bind(&self, connection: &Connection, queue: Queue) -> Result<(), Trouble> {
        let (name, route) = (self.name(&queue.name()), queue.route());
        let bound = async {
            let channel = connection.create_channel().await?;
            let (exchange, key) = (self.name(&route.exchange()), route.key().into());
            let options = QueueBindOptions::default();
            channel.queue_bind(name.clone(), exchange, key, options, FieldTable::default()).await?;
            super::close(&channel).await;
            Ok(())
        };
        bound.await.map_err(|error| trouble(&name, &error))
    }

    /// Known to RabbitMQ 3.10 and everything since.
    fn arguments(&self, queue: Queue) -> FieldTable {
        let text = |text: &str| AMQPValue::LongString(text.into());
        let number = |number: u32| AMQPValue::LongLongInt(number.into());
        let mut arguments = FieldTable::default();
        // Replicated, and the only kind that counts deliveries.
        arguments.insert("x-queue-type".into(), text("quorum"));
        match queue {
            // The end of the line: no limit, no lifetime, nowhere to go.
            Queue::Parked => {}
            Queue::Task(_) | Queue::Result(_) => {
                // Said, as the default differs between versions (none, then 20).
                arguments.insert("x-delivery-limit".into(), number(DELIVERY_LIMIT));
                let dead = self.name(&Route::Dead.exchange());
                arguments.insert("x-dead-letter-exchange".into(), text(dead.as_str()));
                let key = text(Route::Dead.key());
                arguments.insert("x-dead-letter-routing-key".into(), key);
                // Poison is evidence: it is kept here until it lies in the parking queue.
                arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
                // Which needs this; and publishers keep what is refused in their outboxes.
                arguments.insert("x-overflow".into(), text("reject-publish"));
                arguments.insert("x-max-length".into(), number(QUEUE_LENGTH_MAX));
            }
        }
        arguments
    }
}

/// True when the error says that a queue or an exchange is missing.
pub(crate) fn is_missing(error: &Error) -> bool {
    is_soft(error, &AMQPSoftError::NOTFOUND)
}

fn is_forbidden(error: &Error) -> bool {
    is_soft(error, &AMQPSoftError::ACCESSREFUSED)
}

fn is_soft(error: &Error, which: &AMQPSoftError) -> bool {
    soft(error).is_some_and(|found| found == which)
}

fn soft(error: &Error) -> Option<&AMQPSoftError> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    match error.kind() {
        AMQPErrorKind::Soft(found) => Some(found),
        AMQPErrorKind::Hard(_) => None,
    }
}

/// The broker's refusal of what we declare is a mistake to be shown; all else is an outage.
fn trouble(name: &ShortString, error: &Error) -> Trouble {
    let refused = soft(error).is_some_and(|found| match found {
        AMQPSoftError::PRECONDITIONFAILED
        | AMQPSoftError::ACCESSREFUSED
        | AMQPSoftError::NOTFOUND => true,
        AMQPSoftError::CONTENTTOOLARGE
        | AMQPSoftError::NOROUTE
        | AMQPSoftError::NOCONSUMERS
        | AMQPSoftError::RESOURCELOCKED => false,
    });
    if refused {
        Trouble::Topology { name: name.to_string(), detail: error.to_string() }
    } else {
        Trouble::Away(format!("declaring `{name}`: {error}"))
    }
}
