//! Word of results. The result itself is in the store; a message only says when to look.

use std::{sync::Arc, time::Duration};

use bus::{BusError, Delivery, Message, ParkReason, PublishError, SharedBus};
use futures::stream::{FuturesUnordered, StreamExt as _};
use model::Pool;
use runtime::{Chain, Tasks};
use tracing::{debug, warn};
use wire::{Queue, ResultMessage, Route};

use crate::executions::Executions;

/// Pause before the store or the broker is tried again.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn start(
    kind: Pool,
    prefetch: u16,
    bus: &SharedBus,
    executions: &Executions,
    tasks: &Tasks,
) -> Result<(), BusError> {
    let queue = Queue::Result(kind);
    let mut consumer = bus.consume(queue, prefetch).await?;
    let (bus, executions, stop) = (Arc::clone(bus), executions.clone(), tasks.stop().clone());
    tasks.spawn(async move {
        let mut in_hand = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = in_hand.next() => {}
                next = consumer.deliveries.recv(), if !stop.is_cancelled() => match next {
                    Some(delivery) => in_hand.push(settle(delivery, queue, &bus, &executions, &stop)),
                    None => break,
                },
                () = stop.cancelled(), if in_hand.is_empty() => break,
                else => break,
            }
        }
    });
    Ok(())
}

/// Acknowledges only what is applied (or parked); until then the delivery stays in hand, which
/// also keeps the broker from sending more than the prefetch.
async fn settle(
    delivery: Delivery,
    queue: Queue,
    bus: &SharedBus,
    executions: &Executions,
    stop: &tokio_util::sync::CancellationToken,
) {
    let execution = match ResultMessage::decode(&delivery.body) {
        Ok(message) => message.task.execution,
        Err(error) => {
            let reason = error.to_string();
            park(delivery, queue, reason, bus, stop).await;
            return;
        }
    };
    loop {
        match executions.look(&execution).await {
            Ok(()) => break,
            Err(error) => {
                warn!(error = %Chain(&error), execution.id = %execution, "result not applied, trying again");
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    if !delivery.settle.ack().await {
        debug!("result not acknowledged, it will come again");
    }
}

async fn park(
    delivery: Delivery,
    queue: Queue,
    reason: String,
    bus: &SharedBus,
    stop: &tokio_util::sync::CancellationToken,
) {
    warn!(queue = queue.name(), reason, "unreadable message goes to the parking queue");
    loop {
        let message = Message {
            route: Route::Dead,
            id: delivery.id.clone(),
            body: delivery.body.clone(),
            park: Some(ParkReason { origin: queue.name(), reason: reason.clone() }),
        };
        match bus.publish(message).await {
            Ok(()) => break,
            Err(error @ PublishError::TooLarge { .. }) => {
                // The broker parks it itself, once it has come back often enough.
                warn!(error = %Chain(&error), "message handed back");
                delivery.settle.requeue().await;
                return;
            }
            Err(
                error @ (PublishError::Unroutable { .. }
                | PublishError::Refused { .. }
                | PublishError::Unavailable { .. }),
            ) => warn!(error = %Chain(&error), "message not parked, trying again"),
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    if !delivery.settle.ack().await {
        debug!("parked message not acknowledged, it will come again");
    }
}
