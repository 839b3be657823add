//! Publishing: pipelined on one channel, each message confirmed.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lapin::{
    BasicProperties, Channel, Confirmation, Connection,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use model::limits;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tracing::{debug, warn};
use wire::Route;

use crate::{
    Message, PublishError,
    amqp::{
        envelope,
        link::Link,
        topology::{Topology, is_missing},
    },
};

/// Messages sent and not yet confirmed. Enough to hide a disk's and a network's latency; a larger
/// window gained nothing against a real broker.
const WINDOW: usize = 128;

/// The publishing side of the bus.
#[derive(Debug)]
pub(crate) struct Publisher {
    link: Arc<Link>,
    topology: Topology,
    app: String,
    timeout: Duration,
    window: Semaphore,
    line: AsyncMutex<Option<Arc<Line>>>,
}

/// A channel in confirm mode.
#[derive(Debug)]
struct Line {
    connection: Arc<Connection>,
    channel: Channel,
    /// Ids of returned messages whose return came attached to another's confirm.
    strays: Mutex<BTreeSet<String>>,
}

impl Line {
    fn strays(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.strays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    pub(crate) fn new(link: Arc<Link>, topology: Topology, app: String, timeout: Duration) -> Self {
        let window = Semaphore::new(WINDOW);
        Self { link, topology, app, timeout, window, line: AsyncMutex::default() }
    }

    pub(crate) async fn publish(&self, message: Message) -> Result<(), PublishError> {
        let (route, bytes) = (message.route, message.body.len());
        let away = |detail: String| PublishError::Unavailable { route, detail };
        if bytes > limits::MESSAGE_BYTES_MAX {
            return Err(PublishError::TooLarge { route, bytes });
        }
        let Some(properties) = envelope::properties(&message, &self.app) else {
            return Err(PublishError::TooLarge { route, bytes: message.id.len() });
        };
        let room = self.in_time(self.window.acquire()).await;
        let Some(Ok(_permit)) = room else {
            return Err(away("too many messages wait for their confirms".to_owned()));
        };
        let line = self.line().await.map_err(away)?;
        // The broker has said that it takes nothing now: do not pile up what it has to take later.
        if line.connection.status().blocked() {
            return Err(away(
                "the broker blocks publishers: it is out of memory or disk".to_owned(),
            ));
        }
        let answer = self.in_time(self.send(&line, &message, properties)).await;
        let confirmation = match answer {
            Some(Ok(confirmation)) => confirmation,
            Some(Err(error)) => {
                if is_missing(&error) {
                    self.link.declare_again();
                }
                self.drop_line(&line).await;
                return Err(away(error.to_string()));
            }
            None => {
                // Sent or not, nobody knows. A connection which an alarm blocks is sound, and what
                // was sent on it arrives when the alarm ends.
                if !line.connection.status().blocked() {
                    self.drop_line(&line).await;
                    self.link.drop_connection(&line.connection).await;
                }
                return Err(away("no confirm in time".to_owned()));
            }
        };
        self.judge(&line, &message, confirmation).await
    }

    async fn send(
        &self,
        line: &Line,
        message: &Message,
        properties: BasicProperties,
    ) -> Result<Confirmation, lapin::Error> {
        let route = message.route;
        // Without `mandatory` the broker confirms a message which no queue received. A hint may
        // well find nobody.
        let mandatory = match route {
            Route::Task(_) | Route::Result(_) | Route::Dead => true,
            Route::Cancel => false,
        };
        let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.topology.name(&route.exchange()), route.key().into());
        let sent = line.channel.basic_publish(exchange, key, options, &message.body, properties);
        sent.await?.await
    }

    async fn judge(
        &self,
        line: &Line,
        message: &Message,
        confirmation: Confirmation,
    ) -> Result<(), PublishError> {
        let route = message.route;
        let (accepted, returned) = match confirmation {
            Confirmation::Ack(returned) => (true, returned),
            Confirmation::Nack(returned) => (false, returned),
            Confirmation::NotRequested => (false, None),
        };
        // lapin attaches a return to whichever confirm completes next: trust the id alone.
        if let Some(returned) = returned {
            let id = envelope::message_id(&returned.delivery.properties).to_owned();
            line.strays().insert(id);
        } else {
            // The confirm that carries ours may be completing at this very moment.
            tokio::task::yield_now().await;
        }
        if line.strays().remove(&message.id) {
            warn!(%route, "no queue is bound, declaring the topology again");
            self.link.declare_again();
            return Err(PublishError::Unroutable { route });
        }
        if accepted { Ok(()) } else { Err(PublishError::Refused { route }) }
    }

    /// The channel, with the topology declared.
    async fn line(&self) -> Result<Arc<Line>, String> {
        let mut held = self.line.lock().await;
        let connection = self.link.connection().await.map_err(|trouble| trouble.detail())?;
        if let Some(line) = held.as_ref()
            && Arc::ptr_eq(&line.connection, &connection)
            && line.channel.status().connected()
        {
            return Ok(Arc::clone(line));
        }
        let opened = self.in_time(async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok::<_, lapin::Error>(channel)
        });
        let channel = match opened.await {
            Some(Ok(channel)) => channel,
            Some(Err(error)) => return Err(error.to_string()),
            None => {
                self.link.drop_connection(&connection).await;
                return Err("no channel in time".to_owned());
            }
        };
        debug!("publishing on a new channel");
        let line = Arc::new(Line { connection, channel, strays: Mutex::default() });
        *held = Some(Arc::clone(&line));
        Ok(line)
    }

    async fn drop_line(&self, broken: &Arc<Line>) {
        let mut held = self.line.lock().await;
        if held.as_ref().is_some_and(|line| Arc::ptr_eq(line, broken)) {
            *held = None;
        }
    }

    async fn in_time<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.timeout, asked).await.ok()
    }
}
