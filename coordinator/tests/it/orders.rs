//! What people tell executions, and what executions tell each other.

use std::time::Duration;

use model::{ExecutionId, ExecutionStatus, StageId};
use runtime::JenkinsConfig;
use serde_json::{Value, json};
use wire::{Control, Event, StartChild};

use crate::{
    trap::Trap,
    world::{World, stop, until},
};

/// One stage that waits for an hour.
fn patience(name: &str) -> Value {
    json!({ "application": "shop", "name": name, "stages": [
        { "refId": "1", "type": "wait", "name": "Wait", "waitTime": 3600 } ] })
}

async fn start(world: &World, pipeline_id: &str) -> ExecutionId {
    let key = world.start(pipeline_id, &json!({})).await;
    let id = ExecutionId::of_event(&key, pipeline_id);
    world.becomes(&id, ExecutionStatus::Running).await;
    id
}

async fn tell(world: &World, key: &str, execution: &ExecutionId, control: Control) -> Value {
    let (execution, user) = (execution.clone(), "ann".to_owned());
    world.accept(key, &Event::Control { execution, user, control }).await;
    world.outcome(key).await
}

fn child_of(parent: &ExecutionId, pipeline_id: &str) -> StartChild {
    let trigger = json!({ "type": "pipeline", "user": "ann", "parentExecution": { "id": parent } });
    StartChild {
        parent: parent.clone(),
        stage: StageId::of(parent, "1"),
        attempt: 1,
        pipeline_id: pipeline_id.to_owned(),
        application: "shop".to_owned(),
        user: "ann".to_owned(),
        trigger: trigger.as_object().unwrap().clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_is_followed_once_and_one_that_does_not_fit_is_answered_with_the_reason() {
    let world = World::paused(Trap::none());
    world.define("p1", &patience("slow")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let id = start(&world, "p1").await;
    let applied = json!({ "result": "applied", "execution": id });
    assert_eq!(tell(&world, "control/1", &id, Control::Pause).await, applied);
    world.becomes(&id, ExecutionStatus::Paused).await;
    let again = tell(&world, "control/2", &id, Control::Pause).await;
    assert_eq!(
        (&again["result"], again["reason"].is_string()),
        (&json!("refused"), true),
        "{again}"
    );
    assert_eq!(tell(&world, "control/3", &id, Control::Resume).await, applied);
    let stage = world.view(&id).await.stages[0].id.clone();
    assert_eq!(
        tell(&world, "control/4", &id, Control::SkipWait { stage: stage.clone() }).await,
        applied
    );
    world.becomes(&id, ExecutionStatus::Succeeded).await;
    let restart = Control::RestartStage { stage };
    assert_eq!(tell(&world, "control/5", &id, restart).await, applied);
    world.becomes(&id, ExecutionStatus::Running).await;
    let nobody: ExecutionId = "NOSUCH".parse().unwrap();
    let outcome = tell(&world, "control/6", &nobody, Control::Pause).await;
    assert_eq!(
        outcome,
        json!({ "result": "refused", "execution": nobody, "reason": "no such execution" })
    );
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_is_made_whatever_is_wrong_with_it_and_says_what() {
    let world = World::paused(Trap::none());
    world.define("p1", &patience("outer")).await;
    world.define("p2", &patience("inner")).await;
    let mut disabled = patience("off");
    disabled["disabled"] = json!(true);
    world.define("p3", &disabled).await;
    world.define("p4", &json!({ "application": "shop", "name": "broken", "stages": 1 })).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let parent = start(&world, "p1").await;
    for (pipeline, status, reason) in [
        ("p2", ExecutionStatus::Running, None),
        ("p3", ExecutionStatus::Terminal, Some("disabled")),
        ("p4", ExecutionStatus::Terminal, Some("the definition of pipeline `broken` is not valid")),
        ("p5", ExecutionStatus::Terminal, Some("there is no pipeline with the id `p5`")),
    ] {
        let mut start = child_of(&parent, pipeline);
        // Each try of a stage is a start of its own.
        start.attempt = world.executions().await.len().try_into().unwrap();
        let (key, id) = (start.key(), start.execution());
        world.accept(&key, &Event::StartChild(start)).await;
        let outcome = world.outcome(&key).await;
        assert_eq!(outcome["started"][0]["execution"], json!(id), "{outcome}");
        let view = world.view(&id).await;
        assert_eq!((view.status, view.application.as_str()), (status, "shop"), "{pipeline}");
        assert_eq!(view.trigger["parentExecution"]["id"], json!(parent));
        let why = view.cancellation_reason.unwrap_or_default();
        assert!(reason.map_or(why.is_empty(), |reason| why.contains(reason)), "{pipeline}: {why}");
    }
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_parent_was_canceled_meanwhile_does_not_run() {
    let world = World::paused(Trap::none());
    world.define("p1", &patience("outer")).await;
    world.define("p2", &patience("inner")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let parent = start(&world, "p1").await;
    let cancel = Event::Cancel { execution: parent.clone(), user: "ann".to_owned(), reason: None };
    world.accept("cancel/1", &cancel).await;
    world.becomes(&parent, ExecutionStatus::Canceled).await;
    let start = child_of(&parent, "p2");
    let (key, id) = (start.key(), start.execution());
    world.accept(&key, &Event::StartChild(start)).await;
    world.outcome(&key).await;
    let view = world.view(&id).await;
    assert_eq!(view.status, ExecutionStatus::Terminal);
    let why = view.cancellation_reason.unwrap();
    assert!(why.contains(parent.as_str()) && why.contains("was canceled"), "{why}");
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_comes_before_its_execution_is_made_finds_it_later() {
    let world = World::paused(Trap::none());
    world.define("p1", &patience("outer")).await;
    world.define("p2", &patience("inner")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let parent = start(&world, "p1").await;
    let start = child_of(&parent, "p2");
    let (key, id) = (start.key(), start.execution());
    let cancel = Event::Cancel { execution: id.clone(), user: "ann".to_owned(), reason: None };
    world.accept("cancel/1", &cancel).await;
    until("the cancel to be put off", async || {
        let event = world.store.event_get("cancel/1").await.unwrap().unwrap();
        matches!(event.state, store::EventState::Pending { note: Some(_) }).then_some(())
    })
    .await;
    world.accept(&key, &Event::StartChild(start)).await;
    tokio::time::timeout(Duration::from_mins(2), world.becomes(&id, ExecutionStatus::Canceled))
        .await
        .unwrap();
    assert_eq!(world.outcome("cancel/1").await["result"], "canceled");
    stop(coordinator).await;
}
