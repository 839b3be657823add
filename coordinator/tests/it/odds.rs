//! What should not be there, and company.

use std::time::Duration;

use model::{ExecutionId, ExecutionStatus, Pool};
use runtime::JenkinsConfig;
use serde_json::json;
use store::{Commit, Create, Created};
use wire::{Event, Queue, Route};

use crate::{
    crew::{Crew, Manners},
    protocol::CALM,
    trap::{Counted, Trap, Trip},
    world::{World, ship, stop, until},
};

#[tokio::test(start_paused = true)]
async fn unreadable_results_are_parked_with_the_reason_even_if_parking_fails_at_first() {
    let world = World::paused(Trap::at(1, Counted::Only("publish"), Trip::Refused));
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let older = json!({ "v": 1, "task": "E/S/1", "epoch": 1,
        "outcome": { "outcome": "canceled", "detail": "" } });
    let newer = json!({ "v": 3, "task": "E/S/1", "epoch": 1 });
    let bodies =
        [b"\xffnot json".to_vec(), older.to_string().into_bytes(), newer.to_string().into_bytes()];
    let ids = ["odd-1", "odd-2", "odd-3"];
    for (id, body) in ids.into_iter().zip(&bodies) {
        world.publish(Route::Result(Pool::Deploy), id, body.clone()).await;
    }
    let mut parked = Vec::new();
    let mut consumer = world.bus.consume(Queue::Parked, 10).await.unwrap();
    while parked.len() < 3 {
        parked.push(until("a parked message", async || consumer.deliveries.try_recv().ok()).await);
    }
    parked.sort_by(|a, b| a.id.cmp(&b.id));
    let reasons = [
        "not a message of this kind",
        "message version 1, and this program reads 2",
        "message version 3, and this program reads 2",
    ];
    for (((id, body), reason), found) in ids.iter().zip(&bodies).zip(reasons).zip(parked) {
        assert_eq!((found.id.as_str(), &found.body), (*id, body), "byte for byte");
        let why = found.park.unwrap();
        assert_eq!(why.origin, "result.deploy.v1");
        assert!(why.reason.contains(reason), "{}", why.reason);
    }
    stop(coordinator).await;
    let depth = world.bus.depth(Queue::Result(Pool::Deploy)).await.unwrap();
    assert_eq!(depth.ready, 0, "it was parked and not acknowledged");
}

/// A live execution with a document no coordinator can read.
async fn unreadable(world: &World) -> ExecutionId {
    let id: ExecutionId = "TORN".parse().unwrap();
    let first = Commit {
        id: id.clone(),
        expect_version: 0,
        input_id: "create".to_owned(),
        document: "{".to_owned(),
        schema: 1,
        view: "{}".to_owned(),
        status: ExecutionStatus::Running,
        timeline: Vec::new(),
        outbox: Vec::new(),
        tasks: Vec::new(),
        unlock_owners: Vec::new(),
        wake_ms: Some(world.store.now_ms().await.unwrap()),
        slot: None,
        events: Vec::new(),
        notify: Vec::new(),
        reopen: store::Reopen::Never,
    };
    let create = Create {
        id: id.clone(),
        application: "shop".to_owned(),
        pipeline_id: "p0".to_owned(),
        event_key: "odd".to_owned(),
        first,
        slot: store::SlotRequest { limit: None },
    };
    assert_eq!(world.store.execution_create(create).await.unwrap(), Created::New);
    id
}

#[tokio::test(start_paused = true)]
async fn document_nobody_can_read_is_left_alone_and_stops_nobody_else() {
    let world = World::paused(Trap::none());
    let torn = unreadable(&world).await;
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let key = world.start("p1", &json!({})).await;
    world.becomes(&ExecutionId::of_event(&key, "p1"), ExecutionStatus::Succeeded).await;
    let left = async || {
        let stored = world.store.execution_load(&torn).await.unwrap().unwrap();
        assert_eq!((stored.version, stored.document.as_str()), (1, "{"));
        stored.wake_ms.unwrap() - stored.now_ms
    };
    until("a later look", async || (left().await > 50_000).then_some(())).await;
    let loads = world.watched.answered("execution_load");
    tokio::time::sleep(Duration::from_mins(10)).await;
    let looks = world.watched.answered("execution_load") - loads;
    assert!((9..=11).contains(&looks), "{looks} looks in ten minutes");
    left().await;
    let event = Event::Cancel { execution: torn.clone(), user: "bob".to_owned(), reason: None };
    world.accept("cancel/1", &event).await;
    let outcome = world.outcome("cancel/1").await;
    assert_eq!(outcome["result"], "refused", "it cannot be canceled: {outcome}");
    crew.stop().await;
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn two_coordinators_share_the_work_without_doing_it_twice() {
    const RUNS: usize = 20;
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let first = world.coordinate(JenkinsConfig::default()).await;
    let second = world.coordinate(JenkinsConfig::default()).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let mut ids = Vec::new();
    for _ in 0..RUNS {
        let key = world.start("p1", &json!({})).await;
        ids.push(ExecutionId::of_event(&key, "p1"));
    }
    for id in &ids {
        world.becomes(id, ExecutionStatus::Succeeded).await;
        assert_eq!(world.timeline(id).await, CALM);
    }
    assert_eq!(world.executions().await.len(), RUNS);
    let mut published = world.watched_bus.reached();
    published.sort();
    let count = published.len();
    published.dedup();
    assert_eq!((count, published.len()), (2 * RUNS, 2 * RUNS), "a task was published twice");
    assert_eq!(crew.jobs().iter().filter(|job| job.granted).count(), 2 * RUNS);
    assert!(world.watched.conflicts() <= RUNS, "{} conflicts", world.watched.conflicts());
    crew.stop().await;
    stop(first).await;
    stop(second).await;
}

#[tokio::test(start_paused = true)]
async fn coordinator_told_to_stop_ends_while_work_is_under_way_and_another_goes_on() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let first = world.coordinate(JenkinsConfig::default()).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let key = world.start("p1", &json!({})).await;
        ids.push(ExecutionId::of_event(&key, "p1"));
    }
    stop(first).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let second = world.coordinate(JenkinsConfig::default()).await;
    for id in &ids {
        until("the execution", async || world.store.execution_view(id).await.unwrap()).await;
        world.becomes(id, ExecutionStatus::Succeeded).await;
        assert_eq!(world.timeline(id).await, CALM);
    }
    crew.stop().await;
    stop(second).await;
}
