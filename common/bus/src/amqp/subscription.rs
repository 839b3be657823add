//! Consuming: one background task per consumer, which rebuilds its channel whenever that ends.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use lapin::{
    Acker, Channel,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    },
    types::FieldTable,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tracing::{debug, info};
use wire::Queue;

use crate::{
    Consumer, Delivery, Settle,
    amqp::{Core, backoff::Backoff, envelope, topology::is_missing},
    api::Subscription,
};

/// How long a consumer hears nothing before it asks whether its channel still lives.
const IDLE: Duration = Duration::from_secs(30);

/// Starts to consume. Waits for the first channel, or its failure: after that the task goes on
/// trying by itself, for as long as the consumer is held.
pub(crate) async fn consume(core: &Arc<Core>, queue: Queue, prefetch: u16) -> Consumer {
    let (sender, deliveries) = mpsc::channel(usize::from(prefetch));
    let (stop, stopping) = oneshot::channel();
    let (held, gone) = oneshot::channel();
    let (ready, tried) = oneshot::channel();
    let feed = Feed { core: Arc::clone(core), queue, prefetch, sender: Some(sender) };
    core.spawn(feed.run(Ends { stopping: Some(stopping), gone }, ready));
    // No answer is no reason not to have the consumer: it gets deliveries later.
    timeout(core.timeout, tried).await.ok();
    Consumer { deliveries, subscription: Box::new(Live { stop: Some(stop), _held: held }) }
}

/// The consumer's end of a feed; dropping it ends the feed.
#[derive(Debug)]
struct Live {
    stop: Option<oneshot::Sender<oneshot::Sender<()>>>,
    _held: oneshot::Sender<Infallible>,
}

impl Subscription for Live {
    fn stop(&mut self) -> BoxFuture<'_, ()> {
        async {
            let Some(stop) = self.stop.take() else { return };
            let (done, stopped) = oneshot::channel();
            if stop.send(done).is_ok() {
                // An error means that the bus is gone, and with it every delivery to come.
                stopped.await.ok();
            }
        }
        .boxed()
    }
}

/// The feed's end.
#[derive(Debug)]
struct Ends {
    /// `None` once it was asked to stop.
    stopping: Option<oneshot::Receiver<oneshot::Sender<()>>>,
    gone: oneshot::Receiver<Infallible>,
}

/// What a feed has to react to besides deliveries.
enum Word {
    /// Take nothing new, and say so there.
    Stop(oneshot::Sender<()>),
    /// The consumer was dropped, or the bus is closing.
    Gone,
}

impl Ends {
    async fn word(&mut self, core: &Core) -> Word {
        let stopping = async {
            match &mut self.stopping {
                Some(stopping) => stopping.await.ok(),
                None => None,
            }
        };
        tokio::select! {
            biased;
            _ = &mut self.gone => Word::Gone,
            () = core.closing.cancelled() => Word::Gone,
            // Without a stop to come, only the end is waited for.
            Some(done) = stopping => {
                self.stopping = None;
                Word::Stop(done)
            }
        }
    }
}

/// Moves deliveries from the broker to one consumer.
#[derive(Debug)]
struct Feed {
    core: Arc<Core>,
    queue: Queue,
    prefetch: u16,
    /// `None` once it has stopped.
    sender: Option<mpsc::Sender<Delivery>>,
}

struct Session {
    channel: Channel,
    stream: lapin::Consumer,
}

enum Ended {
    /// There is nobody to feed.
    Done,
    /// The channel ended; make another.
    Broken,
}

impl Feed {
    async fn run(mut self, mut ends: Ends, ready: oneshot::Sender<()>) {
        let core = Arc::clone(&self.core);
        let mut backoff = Backoff::default();
        let mut ready = Some(ready);
        loop {
            let opened = tokio::select! {
                biased;
                word = ends.word(&core) => return self.stop_without_channel(word, ends).await,
                opened = self.open() => opened,
            };
            if let Some(ready) = ready.take() {
                // Nobody waits any more when the first try took long.
                ready.send(()).ok();
            }
            match opened {
                Ok(session) => {
                    backoff.reset();
                    match self.feed(session, &mut ends).await {
                        Ended::Done => return,
                        Ended::Broken => info!(queue = self.queue.name(), "consuming anew"),
                    }
                }
                Err(detail) => debug!(queue = self.queue.name(), detail, "not consuming"),
            }
            tokio::select! {
                biased;
                word = ends.word(&core) => return self.stop_without_channel(word, ends).await,
                () = sleep(backoff.next()) => {}
            }
        }
    }

    /// Without a channel nothing new comes, and nothing in hand can be settled.
    async fn stop_without_channel(mut self, word: Word, mut ends: Ends) {
        match word {
            Word::Gone => {}
            Word::Stop(done) => {
                self.sender = None;
                done.send(()).ok();
                ends.word(&self.core).await;
            }
        }
    }

    async fn open(&self) -> Result<Session, String> {
        let connection = self.core.inward.connection().await.map_err(|trouble| trouble.detail())?;
        let opening = async {
            let channel = connection.create_channel().await?;
            channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
            let name = self.core.topology.name(&self.queue.name());
            let options = BasicConsumeOptions::default();
            let stream =
                channel.basic_consume(name, "".into(), options, FieldTable::default()).await?;
            Ok::<_, lapin::Error>(Session { channel, stream })
        };
        match timeout(self.core.timeout, opening).await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err(error)) => {
                if is_missing(&error) {
                    self.core.inward.declare_again();
                }
                Err(error.to_string())
            }
            Err(_) => {
                self.core.inward.drop_connection(&connection).await;
                Err("no answer in time".to_owned())
            }
        }
    }

    async fn feed(&mut self, mut session: Session, ends: &mut Ends) -> Ended {
        let core = Arc::clone(&self.core);
        loop {
            tokio::select! {
                biased;
                word = ends.word(&core) => {
                    if let Word::Stop(done) = word {
                        self.stop(&mut session).await;
                        // The receiver ends when it has yielded what came before.
                        self.sender = None;
                        done.send(()).ok();
                        // The channel stays until everything in hand was settled or given up.
                        ends.word(&core).await;
                    }
                    super::close(&session.channel).await;
                    return Ended::Done;
                }
                next = session.stream.next() => {
                    // A queue that was deleted ends the stream without an error.
                    let Some(Ok(delivery)) = next else {
                        core.inward.declare_again();
                        super::close(&session.channel).await;
                        return Ended::Broken;
                    };
                    if !self.forward(delivery, ends).await {
                        super::close(&session.channel).await;
                        return Ended::Done;
                    }
                }
                () = sleep(IDLE) => {
                    let look = core.topology.look(&session.channel, self.queue);
                    match timeout(core.timeout, look).await {
                        Ok(Ok(_)) => {}
                        Ok(Err(_)) => return Ended::Broken,
                        Err(_) => {
                            if let Ok(connection) = core.inward.connection().await {
                                core.inward.drop_connection(&connection).await;
                            }
                            return Ended::Broken;
                        }
                    }
                }
            }
        }
    }

    /// False when there is nobody to take it. The channel's prefetch and the receiver's room are
    /// the same, so this waits only while a lost channel's deliveries are still buffered.
    async fn forward(&self, delivery: lapin::message::Delivery, ends: &mut Ends) -> bool {
        let Some(sender) = &self.sender else { return false };
        let delivery = self.delivery(delivery);
        tokio::select! {
            biased;
            sent = sender.send(delivery) => sent.is_ok(),
            _ = &mut ends.gone => false,
            () = self.core.closing.cancelled() => false,
        }
    }

    /// Cancels the subscription and passes on what had come before that.
    async fn stop(&self, session: &mut Session) {
        let cancel =
            session.channel.basic_cancel(session.stream.tag(), BasicCancelOptions::default());
        let canceled = timeout(self.core.timeout, cancel).await;
        if !matches!(canceled, Ok(Ok(()))) {
            debug!(queue = self.queue.name(), "the subscription ended with its channel");
        }
        let Some(sender) = &self.sender else { return };
        while let Some(Some(Ok(delivery))) = session.stream.next().now_or_never() {
            // Never full: no more than the prefetch is unsettled.
            sender.try_send(self.delivery(delivery)).ok();
        }
    }

    fn delivery(&self, delivery: lapin::message::Delivery) -> Delivery {
        let properties = &delivery.properties;
        Delivery {
            id: envelope::message_id(properties).to_owned(),
            redelivered: delivery.redelivered,
            published_ms: envelope::published_ms(properties),
            park: envelope::park(properties, self.core.topology.prefix()),
            body: delivery.data,
            settle: Box::new(Held { acker: delivery.acker, timeout: self.core.timeout }),
        }
    }
}

#[derive(Debug)]
struct Held {
    acker: Acker,
    timeout: Duration,
}

impl Settle for Held {
    fn ack(self: Box<Self>) -> BoxFuture<'static, bool> {
        async move {
            let acked = self.acker.ack(BasicAckOptions::default());
            settled(timeout(self.timeout, acked).await.ok())
        }
        .boxed()
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, bool> {
        async move {
            let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            let returned = self.acker.nack(options);
            settled(timeout(self.timeout, returned).await.ok())
        }
        .boxed()
    }
}

/// A dead channel answers `Ok(false)`, not an error; `None` is no answer in time.
fn settled(answer: Option<lapin::Result<bool>>) -> bool {
    let settled = answer.is_some_and(|answer| answer.unwrap_or(false));
    if !settled {
        debug!("delivery not settled, the broker will deliver it again");
    }
    settled
}
