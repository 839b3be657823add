//! What every bus does. Each function is one test per implementation.

use std::collections::BTreeSet;

use bus::{Message, ParkReason, PublishError, SharedBus};
use futures::future::join_all;
use model::{Pool, limits};
use wire::{Queue, Route};

use crate::world::{TASKS, next, ready, soon, task, until};

macro_rules! contract {
    ($($test:ident,)*) => {
        mod in_process {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(bus::in_process()).await;
                }
            )*
        }
        mod amqp {
            $(
                #[tokio::test]
                async fn $test() {
                    crate::world::on_the_broker(async |admin| {
                        let options = crate::world::options(&admin.prefix);
                        let bus = bus::open(&crate::world::broker(), options).await.unwrap();
                        super::$test(bus).await;
                    })
                    .await;
                }
            )*
        }
    };
}

contract! {
    what_is_published_is_delivered,
    concurrent_publishes_are_all_confirmed_and_all_arrive,
    no_more_than_the_prefetch_is_in_hand,
    what_a_dropped_consumer_held_comes_again,
    what_is_acknowledged_is_gone,
    what_comes_back_too_often_is_parked_with_the_reason,
    a_parked_message_keeps_its_reason_and_origin,
    depth_counts_what_waits_and_who_consumes,
    a_hint_reaches_every_listener,
    a_stopped_consumer_gets_nothing_new_and_settles_the_rest,
    a_message_over_the_limit_is_never_sent,
    a_closed_bus_says_so,
    each_kind_has_its_own_queues,
}

async fn what_is_published_is_delivered(bus: SharedBus) {
    assert!(bus.healthy());
    bus.publish(task("one")).await.unwrap();
    bus.publish(task("two")).await.unwrap();
    let mut consumer = bus.consume(TASKS, 10).await.unwrap();
    for id in ["one", "two"] {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.id, id);
        assert_eq!(delivery.body, format!("body of {id}").into_bytes());
        assert!(!delivery.redelivered);
        assert!(delivery.published_ms.is_some());
        assert_eq!(delivery.park, None);
        assert!(delivery.settle.ack().await);
    }
}

async fn concurrent_publishes_are_all_confirmed_and_all_arrive(bus: SharedBus) {
    let ids: BTreeSet<String> = (0..500).map(|number| format!("m{number}")).collect();
    let mut consumer = bus.consume(TASKS, 50).await.unwrap();
    let published = join_all(ids.iter().map(|id| bus.publish(task(id))));
    let received = async {
        let mut received = BTreeSet::new();
        while received.len() < ids.len() {
            let delivery = next(&mut consumer).await;
            received.insert(delivery.id);
            assert!(delivery.settle.ack().await);
        }
        received
    };
    let (published, received) = tokio::join!(published, received);
    assert!(published.iter().all(Result::is_ok));
    assert_eq!(received, ids);
}

async fn no_more_than_the_prefetch_is_in_hand(bus: SharedBus) {
    for id in ["1", "2", "3", "4", "5"] {
        bus.publish(task(id)).await.unwrap();
    }
    let mut consumer = bus.consume(TASKS, 2).await.unwrap();
    let first = next(&mut consumer).await;
    let _second = next(&mut consumer).await;
    ready(&bus, TASKS, 3).await;
    assert!(consumer.deliveries.try_recv().is_err());
    assert!(first.settle.ack().await);
    assert_eq!(next(&mut consumer).await.id, "3");
    ready(&bus, TASKS, 2).await;
}

async fn what_a_dropped_consumer_held_comes_again(bus: SharedBus) {
    for id in ["taken", "buffered", "waiting"] {
        bus.publish(task(id)).await.unwrap();
    }
    let mut consumer = bus.consume(TASKS, 2).await.unwrap();
    let taken = next(&mut consumer).await;
    ready(&bus, TASKS, 1).await;
    drop(consumer);
    ready(&bus, TASKS, 3).await;
    assert!(!taken.settle.ack().await, "too late to settle");

    let mut other = bus.consume(TASKS, 3).await.unwrap();
    for (id, redelivered) in [("taken", true), ("buffered", true), ("waiting", false)] {
        let delivery = next(&mut other).await;
        assert_eq!((delivery.id.as_str(), delivery.redelivered), (id, redelivered));
    }
}

async fn what_is_acknowledged_is_gone(bus: SharedBus) {
    bus.publish(task("done")).await.unwrap();
    let mut consumer = bus.consume(TASKS, 1).await.unwrap();
    assert!(next(&mut consumer).await.settle.ack().await);
    drop(consumer);
    bus.publish(task("next")).await.unwrap();
    let mut consumer = bus.consume(TASKS, 1).await.unwrap();
    assert_eq!(next(&mut consumer).await.id, "next");
}

async fn what_comes_back_too_often_is_parked_with_the_reason(bus: SharedBus) {
    bus.publish(task("poison")).await.unwrap();
    let mut parked = bus.consume(Queue::Parked, 1).await.unwrap();
    let mut consumer = bus.consume(TASKS, 1).await.unwrap();
    let mut times = 0;
    let poison = loop {
        tokio::select! {
            delivery = next(&mut consumer) => {
                assert_eq!(delivery.redelivered, times > 0);
                times += 1;
                assert!(delivery.settle.requeue().await);
            }
            delivery = next(&mut parked) => break delivery,
        }
    };
    assert_eq!(times, 11, "handed out once, and ten times again");
    assert_eq!(
        (poison.id.as_str(), poison.body.as_slice()),
        ("poison", b"body of poison".as_slice())
    );
    let park = poison.park.expect("a reason");
    assert_eq!(park.origin, "task.bake.v1");
    assert!(park.reason.contains("delivery_limit"), "{}", park.reason);
    ready(&bus, TASKS, 0).await;
}

async fn a_parked_message_keeps_its_reason_and_origin(bus: SharedBus) {
    let park =
        ParkReason { origin: "result.bake.v1".to_owned(), reason: "not JSON: `ä`".to_owned() };
    let message = Message {
        route: Route::Dead,
        id: String::new(),
        body: vec![0xff, 0x00],
        park: Some(park.clone()),
    };
    bus.publish(message).await.unwrap();
    let mut parked = bus.consume(Queue::Parked, 1).await.unwrap();
    let delivery = next(&mut parked).await;
    assert_eq!(delivery.park, Some(park));
    assert_eq!((delivery.id.as_str(), delivery.body.as_slice()), ("", [0xff, 0x00].as_slice()));
}

async fn depth_counts_what_waits_and_who_consumes(bus: SharedBus) {
    ready(&bus, TASKS, 0).await;
    bus.publish(task("1")).await.unwrap();
    bus.publish(task("2")).await.unwrap();
    ready(&bus, TASKS, 2).await;
    assert_eq!(bus.depth(TASKS).await.unwrap().consumers, 0);
    let consumer = bus.consume(TASKS, 1).await.unwrap();
    until("one consumer", async || bus.depth(TASKS).await.unwrap().consumers == 1).await;
    ready(&bus, TASKS, 1).await;
    drop(consumer);
    until("no consumer", async || bus.depth(TASKS).await.unwrap().consumers == 0).await;
}

async fn a_hint_reaches_every_listener(bus: SharedBus) {
    let hint = |id: &str| Message {
        route: Route::Cancel,
        id: id.to_owned(),
        body: id.as_bytes().to_vec(),
        park: None,
    };
    bus.publish(hint("nobody listens")).await.unwrap();
    let mut one = bus.hints().await.unwrap();
    let mut two = bus.hints().await.unwrap();
    bus.publish(hint("both")).await.unwrap();
    assert_eq!(soon("a hint", one.recv()).await, Some(b"both".to_vec()));
    assert_eq!(soon("a hint", two.recv()).await, Some(b"both".to_vec()));
    drop(one);
    bus.publish(hint("the other")).await.unwrap();
    assert_eq!(soon("a hint", two.recv()).await, Some(b"the other".to_vec()));
}

async fn a_stopped_consumer_gets_nothing_new_and_settles_the_rest(bus: SharedBus) {
    for id in ["1", "2", "3"] {
        bus.publish(task(id)).await.unwrap();
    }
    let mut consumer = bus.consume(TASKS, 2).await.unwrap();
    let first = next(&mut consumer).await;
    ready(&bus, TASKS, 1).await;
    soon("the stop", consumer.stop()).await;
    assert!(first.settle.ack().await, "what is in hand can be settled");
    let second = next(&mut consumer).await;
    assert_eq!(second.id, "2");
    assert!(second.settle.ack().await);
    assert!(soon("the end", consumer.deliveries.recv()).await.is_none());
    ready(&bus, TASKS, 1).await;
    let mut other = bus.consume(TASKS, 2).await.unwrap();
    let third = next(&mut other).await;
    assert_eq!((third.id.as_str(), third.redelivered), ("3", false));
}

async fn a_message_over_the_limit_is_never_sent(bus: SharedBus) {
    let large = |bytes| Message { body: vec![b'x'; bytes], ..task("large") };
    let refused = bus.publish(large(limits::MESSAGE_BYTES_MAX + 1)).await;
    assert!(matches!(refused, Err(PublishError::TooLarge { bytes: 1_048_577, .. })), "{refused:?}");
    bus.publish(large(limits::MESSAGE_BYTES_MAX)).await.unwrap();
    ready(&bus, TASKS, 1).await;
}

async fn a_closed_bus_says_so(bus: SharedBus) {
    bus.publish(task("kept")).await.unwrap();
    let mut consumer = bus.consume(TASKS, 1).await.unwrap();
    let delivery = next(&mut consumer).await;
    soon("the close", bus.close()).await;
    assert!(soon("the end", consumer.deliveries.recv()).await.is_none());
    let refused = bus.publish(task("late")).await;
    assert!(matches!(refused, Err(PublishError::Unavailable { .. })), "{refused:?}");
    assert!(!bus.healthy());
    drop(delivery);
}

async fn each_kind_has_its_own_queues(bus: SharedBus) {
    for queue in Queue::all() {
        let id = queue.name();
        let message = Message { route: queue.route(), id, body: Vec::new(), park: None };
        bus.publish(message).await.unwrap();
    }
    for queue in Queue::all() {
        let mut consumer = bus.consume(queue, 5).await.unwrap();
        assert_eq!(next(&mut consumer).await.id, queue.name());
        ready(&bus, queue, 0).await;
    }
    assert_eq!(Queue::Task(Pool::Bake), TASKS);
}
