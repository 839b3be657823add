//! Takes tasks from the queue for as long as there are free slots, and starts them.
//!
//! A message is acknowledged as soon as its task is claimed, so the broker never sees a task that
//! takes an hour. What it then counts as free is ours to decide: behind every message it may hand
//! us lies a reserved slot, and before an acknowledgement frees the broker to send one more,
//! another slot is reserved, or the subscription ends. So no message waits in a full worker while
//! another is idle.

use std::{sync::Arc, time::Duration};

use bus::{BusError, Consumer, SharedBus};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use model::limits;
use runtime::{Chain, Tasks};
use store::SharedStore;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tracing::{debug, info, warn};
use wire::CancelHint;

use crate::{
    Operations,
    claim::Step,
    lease::{Lease, Rhythm},
    metrics,
    run::Job,
    worker::Worker,
};

/// Most messages in hand before their claims: enough to hide the store's latency, few enough that a
/// queue is shared out evenly.
const PREFETCH_MAX: usize = 16;
/// Pause after the broker or the store failed us.
const PAUSE: Duration = Duration::from_secs(1);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Tasks at once; at least one.
    pub slots: usize,
    /// Who this is: a name for people, made unique for the store. A process that comes back under
    /// its old name is somebody else.
    pub holder: String,
    /// How long the worker may be silent before another takes its tasks over.
    pub ttl: Duration,
    /// How often it renews its leases.
    pub beat: Duration,
    /// How long a message is held, and a result offered, while the store does not answer.
    pub store_patience: Duration,
}

impl WorkerConfig {
    /// The product's rhythm (`model::limits`).
    pub fn new(name: &str, slots: usize) -> Self {
        let Rhythm { ttl, beat } = Rhythm::default();
        let store_patience = limits::WAKE_MAX;
        let holder = format!("{name}/{}", ulid::Ulid::new());
        Self { slots, holder, ttl, beat, store_patience }
    }
}

/// Why a worker ended without being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The broker holds something else under the queue's name.
    #[error("could not consume `{queue}`")]
    Consume {
        /// The queue.
        queue: String,
        /// The broker's words.
        #[source]
        cause: BusError,
    },
    /// Somebody closed the bus under it.
    #[error("the bus was closed while `{queue}` was being served")]
    Closed {
        /// The queue.
        queue: String,
    },
}

/// Serves the queue of the operations' pool until `tasks` is told to stop; then hands over what is not done,
/// and returns when the last task has ended.
///
/// # Errors
///
/// A queue that is not what it should be, and a bus that was closed before the end. Outages of the
/// broker or the store are waited out.
pub async fn serve(
    operations: Operations,
    config: WorkerConfig,
    store: SharedStore,
    bus: SharedBus,
    tasks: Tasks,
) -> Result<(), ServeError> {
    let slots = config.slots.clamp(1, Semaphore::MAX_PERMITS);
    let worker = Arc::new(Worker {
        operations,
        holder: config.holder,
        rhythm: Rhythm { ttl: config.ttl, beat: config.beat },
        patience: config.store_patience,
        slots: Arc::new(Semaphore::new(slots)),
        running: Arc::default(),
        store,
        bus,
        tasks,
    });
    let pool = worker.pool();
    metrics::describe(pool, slots);
    info!(%pool, slots, holder = worker.holder, "worker serves");
    let served = tokio::select! {
        biased;
        served = worker.take() => served,
        never = worker.listen() => match never {},
    };
    info!(%pool, running = worker.running.len(), "worker takes nothing new");
    // Each running task holds a slot: all of them free means that all have ended. The semaphore is
    // never closed.
    let all = u32::try_from(slots).unwrap_or(u32::MAX);
    drop(worker.slots.acquire_many(all).await);
    info!(%pool, "worker ended");
    served
}

/// How one subscription ended.
enum Ended {
    /// We are told to stop.
    Stopping,
    /// Every slot is taken.
    Full,
    /// The store does not answer; what was in hand goes back.
    StoreAway,
    /// The bus is closed.
    Closed,
}

impl Worker {
    /// Takes tasks until told to stop.
    async fn take(self: &Arc<Self>) -> Result<(), ServeError> {
        let queue = self.queue().name();
        loop {
            let reserved = tokio::select! {
                biased;
                () = self.tasks.stop().cancelled() => return Ok(()),
                reserved = self.reserve() => reserved,
            };
            let prefetch = u16::try_from(reserved.len()).unwrap_or(u16::MAX);
            match self.bus.consume(self.queue(), prefetch).await {
                Ok(consumer) => {
                    let subscription = Subscription {
                        worker: Arc::clone(self),
                        consumer,
                        reserved,
                        in_hand: FuturesUnordered::new(),
                        taking: true,
                    };
                    match subscription.run().await {
                        Ended::Stopping => return Ok(()),
                        Ended::Full => debug!(queue, "every slot is taken"),
                        Ended::StoreAway => self.store_answers().await,
                        Ended::Closed if self.tasks.stopping() => return Ok(()),
                        Ended::Closed => return Err(ServeError::Closed { queue }),
                    }
                }
                Err(BusError::Unavailable { doing, detail }) => {
                    warn!(queue, doing, detail, "not consuming, trying again");
                    self.pause().await;
                }
                Err(cause @ (BusError::Topology { .. } | BusError::Address { .. })) => {
                    return Err(ServeError::Consume { queue, cause });
                }
            }
        }
    }

    /// As many slots as are free, at least one and at most [`PREFETCH_MAX`].
    async fn reserve(&self) -> Vec<OwnedSemaphorePermit> {
        let first = Arc::clone(&self.slots).acquire_owned().await;
        // The semaphore is never closed.
        let mut reserved: Vec<_> = first.into_iter().collect();
        while reserved.len() < PREFETCH_MAX {
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { break };
            reserved.push(slot);
        }
        reserved
    }

    /// Waits until the store answers again.
    async fn store_answers(&self) {
        while !self.tasks.stopping() {
            match self.store.now_ms().await {
                Ok(_) => return,
                Err(error) => {
                    warn!(error = %Chain(&error), "taking no tasks, the store does not answer");
                    self.pause().await;
                }
            }
        }
    }

    async fn pause(&self) {
        tokio::select! {
            biased;
            () = self.tasks.stop().cancelled() => {}
            () = sleep(PAUSE) => {}
        }
    }

    /// Passes cancel hints to the leases they are about.
    async fn listen(&self) -> std::convert::Infallible {
        loop {
            match self.bus.hints().await {
                Ok(mut hints) => {
                    while let Some(body) = hints.recv().await {
                        match serde_json::from_slice::<CancelHint>(&body) {
                            Ok(hint) => self.running.nudge(&hint.execution),
                            Err(error) => debug!(%error, "not a hint"),
                        }
                    }
                }
                Err(error) => debug!(error = %Chain(&error), "not listening for hints"),
            }
            sleep(PAUSE).await;
        }
    }
}

/// One subscription to the queue, with the slots behind it.
struct Subscription {
    worker: Arc<Worker>,
    consumer: Consumer,
    /// One for each message that may be in hand.
    reserved: Vec<OwnedSemaphorePermit>,
    in_hand: FuturesUnordered<BoxFuture<'static, Step>>,
    /// Whether the broker may still send messages.
    taking: bool,
}

impl Subscription {
    async fn run(mut self) -> Ended {
        let stopping = self.worker.tasks.stop().clone();
        let mut more = true;
        loop {
            tokio::select! {
                biased;
                () = stopping.cancelled(), if more => {
                    // What waits unclaimed goes back to others; claims under way are seen through,
                    // so that no claimed task is left lying until its lease runs out.
                    self.stop_taking().await;
                    more = false;
                }
                Some(step) = self.in_hand.next() => match step {
                    Step::Settled => {}
                    Step::StoreAway => return Ended::StoreAway,
                    Step::Claimed { lease, call, settle } => {
                        self.accept(lease, call, settle).await;
                    }
                    Step::Start(job) => self.start(job),
                },
                next = self.consumer.deliveries.recv(), if more => match next {
                    Some(delivery) => {
                        let worker = Arc::clone(&self.worker);
                        self.in_hand.push(Box::pin(worker.claim(delivery)));
                    }
                    None if self.taking => return Ended::Closed,
                    None => more = false,
                },
                else => return if stopping.is_cancelled() { Ended::Stopping } else { Ended::Full },
            }
        }
    }

    /// Makes sure that the acknowledgement of a claimed task brings nothing we have no slot for.
    async fn accept(&mut self, lease: Arc<Lease>, call: String, settle: Box<dyn bus::Settle>) {
        let Some(entry) = self.worker.running.enter(&lease) else {
            metrics::counted(self.worker.pool(), metrics::Outcome::Duplicate);
            self.in_hand.push(Box::pin(async move {
                settle.ack().await;
                Step::Settled
            }));
            return;
        };
        let free = if self.taking {
            Arc::clone(&self.worker.slots).try_acquire_owned().ok()
        } else {
            None
        };
        if free.is_none() {
            self.stop_taking().await;
        }
        let Some(slot) = free.or_else(|| self.reserved.pop()) else {
            // Impossible: every message in hand has its reserved slot. Its lease runs out.
            warn!(task = %lease.task(), "no slot for a claimed task");
            return;
        };
        let job = Box::new(Job { lease, call, slot, entry });
        self.in_hand.push(Box::pin(async move {
            // False: the message comes again, and its claim finds the task running.
            settle.ack().await;
            Step::Start(job)
        }));
    }

    fn start(&self, job: Box<Job>) {
        self.worker.running.begins(&job.lease);
        let worker = Arc::clone(&self.worker);
        self.worker.tasks.spawn(worker.run(job));
    }

    async fn stop_taking(&mut self) {
        if self.taking {
            self.consumer.stop().await;
            self.taking = false;
        }
    }
}
