//! Executions that others wait for.

use std::time::Duration;

use model::{ExecutionId, ExecutionStatus};
use runtime::JenkinsConfig;
use serde_json::json;
use store::{Commit, Create, Created, Reopen, SlotRequest};

use crate::{
    crew::{Crew, Manners},
    trap::Trap,
    world::{World, ship, stop, until},
};

/// A live execution that is looked at in five minutes. What it is does not matter.
async fn patient(world: &World, id: &str) -> ExecutionId {
    let id: ExecutionId = id.parse().unwrap();
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
        wake_ms: Some(world.store.now_ms().await.unwrap() + 300_000),
        slot: None,
        events: Vec::new(),
        notify: Vec::new(),
        reopen: Reopen::Never,
    };
    let create = Create {
        id: id.clone(),
        application: "shop".to_owned(),
        pipeline_id: "p0".to_owned(),
        event_key: "odd".to_owned(),
        first,
        slot: SlotRequest { limit: None },
    };
    assert_eq!(world.store.execution_create(create).await.unwrap(), Created::New);
    id
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_child_makes_its_parent_look() {
    let world = World::paused(Trap::none());
    let (parent, other) = (patient(&world, "PARENT").await, patient(&world, "OTHER").await);
    world.define("p1", &ship("ship")).await;
    world.define("empty", &json!({ "application": "shop", "name": "empty", "stages": [] })).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let loads = async |id: &ExecutionId| {
        world.store.execution_load(id).await.unwrap().unwrap().wake_ms.unwrap()
    };
    let before = loads(&parent).await;
    let trigger = json!({ "type": "pipeline", "parentExecution": { "id": "PARENT" } });
    let key = world.start("p1", &trigger).await;
    let child = ExecutionId::of_event(&key, "p1");
    world.becomes(&child, ExecutionStatus::Succeeded).await;
    // It cannot be read, so the look puts it off by a minute, where it was at five.
    until("the parent to be looked at", async || (loads(&parent).await < before).then_some(()))
        .await;
    assert_eq!(loads(&other).await, before, "nobody told this one");

    // One that fails before anything runs is over, too.
    let before = loads(&parent).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.start("empty", &trigger).await;
    until("the parent to be looked at again", async || {
        (loads(&parent).await > before).then_some(())
    })
    .await;
    crew.stop().await;
    stop(coordinator).await;
}
