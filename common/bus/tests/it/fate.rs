//! What can happen to the broker inside one process, for simulations.

use bus::{Message, SharedBus};
use model::Pool;
use wire::{Queue, Route};

const QUEUE: Queue = Queue::Task(Pool::Bake);

async fn publish(bus: &SharedBus, id: &str) {
    let route = Route::Task(Pool::Bake);
    let message = Message { route, id: id.to_owned(), body: b"{}".to_vec(), park: None };
    bus.publish(message).await.unwrap();
}

#[tokio::test]
async fn what_was_in_hand_when_the_connection_broke_comes_again() {
    let (bus, fate) = bus::in_process_controlled();
    let mut consumer = bus.consume(QUEUE, 1).await.unwrap();
    publish(&bus, "one").await;
    let first = consumer.deliveries.recv().await.unwrap();
    assert!(!first.redelivered);
    fate.reconnect();
    assert!(!first.settle.ack().await, "its channel is gone");
    let again = consumer.deliveries.recv().await.unwrap();
    assert_eq!((again.id.as_str(), again.redelivered), ("one", true));
    assert!(again.settle.ack().await);
}

#[tokio::test]
async fn a_wiped_broker_has_nothing_and_goes_on() {
    let (bus, fate) = bus::in_process_controlled();
    publish(&bus, "one").await;
    let mut consumer = bus.consume(QUEUE, 1).await.unwrap();
    publish(&bus, "two").await;
    let in_hand = consumer.deliveries.recv().await.unwrap();
    fate.wipe();
    assert!(!in_hand.settle.ack().await);
    assert_eq!(bus.depth(QUEUE).await.unwrap().ready, 0);
    publish(&bus, "three").await;
    assert_eq!(consumer.deliveries.recv().await.unwrap().id, "three");
}
