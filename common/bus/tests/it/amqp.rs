//! What happens to a broker and to the way there.

use bus::{BusError, Message, Options, ParkReason, PublishError};
use lapin::{options::QueueDeclareOptions, types::FieldTable};
use wire::{Queue, Route};

use crate::{
    proxy::Proxy,
    world::{
        TASKS, broker, next, on_the_broker, options, publish_in_the_end, ready, soon, task, until,
    },
};

#[tokio::test]
async fn a_message_for_a_deleted_queue_is_an_error_and_the_queue_comes_back() {
    on_the_broker(async |admin| {
        let bus = bus::open(&broker(), options(&admin.prefix)).await.unwrap();
        bus.publish(task("before")).await.unwrap();
        admin.delete(TASKS).await;
        let lost = bus.publish(task("lost")).await;
        assert!(
            matches!(lost, Err(PublishError::Unroutable { route }) if route == TASKS.route()),
            "{lost:?}"
        );
        publish_in_the_end(&bus, "after").await;
        let mut consumer = bus.consume(TASKS, 1).await.unwrap();
        assert_eq!(next(&mut consumer).await.id, "after");
    })
    .await;
}

#[tokio::test]
async fn only_the_unroutable_of_many_concurrent_messages_fail() {
    on_the_broker(async |admin| {
        let bus = bus::open(&broker(), options(&admin.prefix)).await.unwrap();
        admin.delete(TASKS).await;
        let park = ParkReason { origin: "test".to_owned(), reason: "test".to_owned() };
        let parked =
            |id: &str| Message { route: Route::Dead, park: Some(park.clone()), ..task(id) };
        let ids: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
        let sent = ids
            .iter()
            .enumerate()
            .map(|(number, id)| bus.publish(if number % 10 == 7 { task(id) } else { parked(id) }));
        let sent = futures::future::join_all(sent).await;
        let failed: Vec<usize> = sent
            .iter()
            .enumerate()
            .filter(|(_, sent)| sent.is_err())
            .map(|(number, _)| number)
            .collect();
        // The first that comes back has the queue declared again: those sent later may find it.
        let unroutable = [7, 17, 27, 37, 47, 57, 67, 77, 87, 97];
        assert!(!failed.is_empty() && unroutable.starts_with(&failed), "{failed:?}");
        ready(&bus, Queue::Parked, 90).await;
        ready(&bus, TASKS, 10 - u32::try_from(failed.len()).unwrap()).await;
    })
    .await;
}

#[tokio::test]
async fn a_consumer_survives_the_deletion_of_its_queue() {
    on_the_broker(async |admin| {
        let bus = bus::open(&broker(), options(&admin.prefix)).await.unwrap();
        let mut consumer = bus.consume(TASKS, 1).await.unwrap();
        bus.publish(task("before")).await.unwrap();
        let before = next(&mut consumer).await;
        admin.delete(TASKS).await;
        publish_in_the_end(&bus, "after").await;
        assert_eq!(next(&mut consumer).await.id, "after");
        assert!(!before.settle.ack().await, "its channel is gone");
    })
    .await;
}

#[tokio::test]
async fn publishers_consumers_and_listeners_survive_a_cut_connection() {
    on_the_broker(async |admin| {
        let url = broker();
        let (front, back) = url.rsplit_once('@').unwrap();
        let (host, vhost) = back.split_once('/').unwrap();
        let proxy = Proxy::new(host.to_owned()).await;
        let url = format!("{front}@{}/{vhost}", proxy.address);
        let bus = bus::open(&url, options(&admin.prefix)).await.unwrap();
        let mut consumer = bus.consume(TASKS, 1).await.unwrap();
        let mut hints = bus.hints().await.unwrap();
        bus.publish(task("before")).await.unwrap();
        let before = next(&mut consumer).await;
        proxy.cut();
        let cut = soon("an answer", bus.publish(task("cut"))).await;
        assert!(matches!(cut, Err(PublishError::Unavailable { .. })), "{cut:?}");
        until("the watch sees it", async || !bus.healthy()).await;
        assert!(bus.depth(TASKS).await.is_err());
        proxy.mend();
        publish_in_the_end(&bus, "after").await;
        until("the watch sees it", async || bus.healthy()).await;
        assert!(!before.settle.ack().await, "its channel is gone");
        let again = next(&mut consumer).await;
        assert_eq!((again.id.as_str(), again.redelivered), ("before", true));
        assert!(again.settle.ack().await);
        let after = next(&mut consumer).await;
        assert_eq!(after.id, "after");
        until("a hint", async || {
            let hint = Message { route: Route::Cancel, ..task("hint") };
            bus.publish(hint).await.unwrap();
            hints.try_recv().is_ok()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_queue_with_other_properties_is_refused_by_name_at_the_start() {
    on_the_broker(async |admin| {
        let name = admin.name(TASKS);
        let declare = QueueDeclareOptions::durable();
        let channel = admin.channel().await;
        channel.queue_declare(name.clone().into(), declare, FieldTable::default()).await.unwrap();
        let refused = bus::open(&broker(), options(&admin.prefix)).await;
        let Err(BusError::Topology { name: refused, detail }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(refused, name);
        assert!(detail.contains("inequivalent arg"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn an_unreachable_broker_is_named_without_its_password() {
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("amqp://bowline:hunter2@127.0.0.1:{port}/%2f");
    let error = bus::open(&url, Options::default()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("amqp://bowline:***@127.0.0.1:{port}")), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused() {
    let error = bus::open("http://user:hunter2@broker", Options::default()).await.unwrap_err();
    assert!(matches!(error, BusError::Address { .. }), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
