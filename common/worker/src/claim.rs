//! From a message to a lease.

use std::{sync::Arc, time::Duration};

use bus::{Delivery, Message, ParkReason, PublishError, Settle};
use model::{Pool, digest};
use runtime::Chain;
use store::{Claim, StoreError, TaskClaim};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};
use wire::{Route, TaskMessage};

use crate::{
    lease::{Claimed, Lease, Moment, millis},
    metrics::{self, Outcome},
    run::Job,
    worker::Worker,
};

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What has become of a message that was taken from the queue.
pub(crate) enum Step {
    /// The task is ours; the message is not acknowledged yet.
    Claimed { lease: Arc<Lease>, call: String, settle: Box<dyn Settle> },
    /// The message is acknowledged: begin.
    Start(Box<Job>),
    /// There is nothing more to do about it.
    Settled,
    /// The store did not answer for too long.
    StoreAway,
}

/// The store's answer to a claim, with what a new lease needs.
enum Answer {
    Lease(Box<Claimed>),
    Refusal(Claim),
}

impl Worker {
    /// Decodes and claims.
    pub(crate) async fn claim(self: Arc<Self>, delivery: Delivery) -> Step {
        let message = match TaskMessage::decode(&delivery.body) {
            Ok(message) if message.pool == self.pool() => message,
            Ok(message) => {
                let pool = self.pool();
                let reason = format!("a {} task in the queue of {pool} tasks", message.pool);
                return self.park(delivery, reason).await;
            }
            Err(error) => return self.park(delivery, error.to_string()).await,
        };
        let published_ms = delivery.published_ms;
        let settle = delivery.settle;
        let started = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            match self.ask(&message).await {
                Ok(Answer::Lease(claimed)) => {
                    if let Some(published_ms) = published_ms {
                        let waited = claimed.store_ms.saturating_sub(published_ms);
                        metrics::waited(self.pool(), Duration::from_millis(waited));
                    }
                    let (store, tasks) = (Arc::clone(&self.store), self.tasks.clone());
                    let lease = Arc::new(Lease::new(*claimed, store, tasks, self.rhythm));
                    return Step::Claimed { lease, call: message.call, settle };
                }
                Ok(Answer::Refusal(refusal)) => {
                    return refused(self.pool(), &message, &refusal, settle).await;
                }
                Err(error) => {
                    warn!(error = %Chain(&error), "task not claimed, its message is kept meanwhile");
                }
            }
            if started.elapsed() >= self.patience {
                return Step::StoreAway;
            }
            tokio::select! {
                biased;
                // Unsettled, it goes back when the consumer is dropped.
                () = self.tasks.stop().cancelled() => return Step::Settled,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn ask(&self, message: &TaskMessage) -> Result<Answer, StoreError> {
        let asked = Moment::now();
        let claim = TaskClaim {
            task: message.task.clone(),
            epoch: message.epoch,
            digest: digest(&message.call),
            holder: self.holder.clone(),
            ttl_ms: millis(self.rhythm.ttl),
        };
        match self.store.lease_claim(claim).await? {
            Claim::Granted { token, checkpoint, cancel } => {
                // Should this fail, the claim is repeated, and granted again.
                let store_ms = self.store.now_ms().await?;
                let (task, epoch) = (message.task.clone(), message.epoch);
                let claimed = Claimed { task, epoch, token, checkpoint, cancel, asked, store_ms };
                Ok(Answer::Lease(Box::new(claimed)))
            }
            refusal
            @ (Claim::Busy { .. } | Claim::Stale { .. } | Claim::Finished | Claim::Gone) => {
                Ok(Answer::Refusal(refusal))
            }
        }
    }

    /// Puts a message nobody can read into the parking queue, and only then acknowledges it.
    async fn park(&self, delivery: Delivery, reason: String) -> Step {
        warn!(message.id = delivery.id, reason, "message parked");
        metrics::counted(self.pool(), Outcome::Parked);
        let origin = self.queue().name();
        let message = Message {
            route: Route::Dead,
            id: delivery.id,
            body: delivery.body,
            park: Some(ParkReason { origin, reason }),
        };
        let mut pause = Duration::from_millis(100);
        loop {
            match self.bus.publish(message.clone()).await {
                Ok(()) => {
                    delivery.settle.ack().await;
                    return Step::Settled;
                }
                Err(error @ PublishError::TooLarge { .. }) => {
                    // The broker parks it itself, once it has come back often enough.
                    warn!(error = %Chain(&error), "message handed back");
                    delivery.settle.requeue().await;
                    return Step::Settled;
                }
                Err(
                    error @ (PublishError::Unroutable { .. }
                    | PublishError::Refused { .. }
                    | PublishError::Unavailable { .. }),
                ) => warn!(error = %Chain(&error), "message not parked, trying again"),
            }
            tokio::select! {
                biased;
                () = self.tasks.stop().cancelled() => return Step::Settled,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Another worker has the task, or nobody may have it any more: the message has no further use.
async fn refused(
    pool: Pool,
    message: &TaskMessage,
    refusal: &Claim,
    settle: Box<dyn Settle>,
) -> Step {
    match refusal {
        Claim::Gone => {
            // History, or a forgery: the digest of its request was never committed.
            info!(task = %message.task, epoch = message.epoch, "message without a task, dropped");
            metrics::counted(pool, Outcome::Refused);
        }
        Claim::Busy { .. } | Claim::Stale { .. } | Claim::Finished | Claim::Granted { .. } => {
            debug!(task = %message.task, epoch = message.epoch, ?refusal, "message is old, dropped");
            metrics::counted(pool, Outcome::Duplicate);
        }
    }
    settle.ack().await;
    Step::Settled
}
