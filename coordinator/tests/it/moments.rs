//! Pipelines that start at moments: planned in the store, made once, whoever is there.

use std::time::Duration;

use model::ExecutionStatus;
use runtime::JenkinsConfig;
use serde_json::{Value, json};
use store::EventState;
use wire::{Event, EventOutcome};

use crate::world::{World, started, stop, until};

/// A pipeline that starts every minute.
fn every_minute(more: &Value) -> Value {
    let mut trigger = json!({ "type": "cron", "enabled": true, "cronExpression": "0 * * * * ?" });
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "application": "shop", "name": "nightly", "triggers": [trigger],
        "stages": [{ "refId": "1", "type": "wait", "waitTime": 1 }] })
}

/// What a gateway does when it saves the definition.
async fn saved(world: &World) -> Value {
    let event = Event::DefinitionSaved { pipeline_id: "p1".to_owned() };
    world.accept("saved/p1/1", &event).await;
    world.outcome("saved/p1/1").await
}

/// The keys of all moments of the pipeline, the latest first.
async fn moments(world: &World) -> Vec<String> {
    let events = world.store.event_list(1_000).await.unwrap();
    let keys = events.into_iter().map(|event| event.key);
    keys.filter(|key| key.starts_with("cron/p1/")).collect()
}

/// Waits until the latest moment is another one; its key.
async fn next_moment(world: &World, before: &str) -> String {
    until("the next moment to be planned", async || {
        moments(world).await.first().filter(|key| *key != before).cloned()
    })
    .await
}

#[tokio::test]
async fn a_moment_is_planned_when_saved_and_starts_the_pipeline_once_for_all_coordinators() {
    let world = World::by_hand();
    world.define("p1", &every_minute(&json!({}))).await;
    let one = world.coordinate(JenkinsConfig::default()).await;
    let two = world.coordinate(JenkinsConfig::default()).await;
    let outcome = saved(&world).await;
    assert_eq!(outcome["result"], "scheduled");
    assert_eq!(outcome["runs"][0]["at"].as_array().unwrap().len(), 5);
    assert_eq!(outcome["runs"][0]["description"], "0 * * * * ? in America/Los_Angeles");
    let first = moments(&world).await;
    assert_eq!(first.len(), 1, "planned once, by whomever");
    assert!(world.executions().await.is_empty());
    world.pass(Duration::from_mins(1));
    let outcome = world.outcome(&first[0]).await;
    let executions = started(&outcome);
    assert_eq!(executions.len(), 1);
    let second = next_moment(&world, &first[0]).await;
    world.pass(Duration::from_mins(1));
    assert_eq!(started(&world.outcome(&second).await).len(), 1);
    next_moment(&world, &second).await;
    assert_eq!(world.executions().await.len(), 2);
    stop(one).await;
    stop(two).await;
}

#[tokio::test]
async fn a_moment_nobody_planned_is_planned_when_a_coordinator_starts() {
    let world = World::by_hand();
    world.define("p1", &every_minute(&json!({}))).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let planned = next_moment(&world, "").await;
    world.pass(Duration::from_mins(1));
    assert_eq!(started(&world.outcome(&planned).await).len(), 1);
    stop(coordinator).await;
}

#[tokio::test]
async fn runs_that_were_missed_are_passed_over_or_made_once() {
    for (missed, made) in [("skip", 0), ("once", 1)] {
        let world = World::by_hand();
        world.define("p1", &every_minute(&json!({ "missedRuns": missed }))).await;
        let coordinator = world.coordinate(JenkinsConfig::default()).await;
        let planned = next_moment(&world, "").await;
        stop(coordinator).await;
        world.pass(Duration::from_hours(3));
        let coordinator = world.coordinate(JenkinsConfig::default()).await;
        let outcome: EventOutcome = serde_json::from_value(world.outcome(&planned).await).unwrap();
        assert_eq!(outcome.executions().len(), made, "{missed}: {outcome:?}");
        let next = next_moment(&world, &planned).await;
        let pending = EventState::Pending { note: None };
        assert_eq!(world.store.event_get(&next).await.unwrap().unwrap().state, pending);
        assert_eq!(moments(&world).await.len(), 2, "three hours are one step");
        stop(coordinator).await;
    }
}

#[tokio::test]
async fn a_trigger_that_was_changed_or_switched_off_starts_nothing_at_its_old_moment() {
    let world = World::by_hand();
    world.define("p1", &every_minute(&json!({}))).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let planned = next_moment(&world, "").await;
    world.store.pipeline_delete("p1").await.unwrap();
    world.pass(Duration::from_millis(1));
    world.define("p1", &every_minute(&json!({ "enabled": false }))).await;
    world.pass(Duration::from_mins(1));
    let outcome = world.outcome(&planned).await;
    assert_eq!(outcome["decisions"][0]["reason"], "the trigger is disabled");
    assert_eq!(moments(&world).await.len(), 1, "nothing follows");
    assert!(world.executions().await.iter().all(|view| view.status != ExecutionStatus::Running));
    stop(coordinator).await;
}
