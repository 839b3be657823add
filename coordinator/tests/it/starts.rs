//! Starts and cancels by people.

use std::{slice, time::Duration};

use fake_jenkins::{Build, Fault, Trouble};
use model::{ExecutionId, ExecutionStatus, Pool};
use runtime::{JenkinsConfig, Tasks};
use serde_json::{Value, json};
use wire::{Event, OperationCall, TaskOutcome};

use crate::{
    crew::{self, Crew, Manners},
    world::{World, jenkins, ship, started, stop, until},
};

const JOB: &str = "shop/package/main";

/// A coordinator without a Jenkins, and the pipeline `ship`.
async fn quiet() -> (World, Tasks) {
    let world = World::by_hand();
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    (world, coordinator)
}

/// The execution which a start by hand makes.
async fn start(world: &World, pipeline_id: &str, trigger: &Value) -> ExecutionId {
    let key = world.start(pipeline_id, trigger).await;
    let id = ExecutionId::of_event(&key, pipeline_id);
    until("the execution", async || world.store.execution_view(&id).await.unwrap()).await;
    id
}

async fn cancel(world: &World, key: &str, execution: &ExecutionId) -> Value {
    let (execution, reason) = (execution.clone(), Some("wrong branch".to_owned()));
    let event = Event::Cancel { execution, user: "bob".to_owned(), reason };
    world.accept(key, &event).await;
    world.outcome(key).await
}

#[tokio::test]
async fn start_without_a_build_runs_with_what_was_sent() {
    let (world, coordinator) = quiet().await;
    let trigger = json!({ "parameters": { "region": "mars ${1 + 1}" }, "rebake": true });
    let key = world.start("p1", &trigger).await;
    let outcome = world.outcome(&key).await;
    assert_eq!(outcome["result"], "started");
    let id = ExecutionId::of_event(&key, "p1");
    assert_eq!(started(&outcome), slice::from_ref(&id));
    let view = world.view(&id).await;
    assert_eq!(view.status, ExecutionStatus::Running);
    assert_eq!(view.trigger["type"], "manual");
    assert_eq!(view.trigger["user"], "ada");
    assert_eq!(view.trigger["parameters"], json!({ "region": "mars ${1 + 1}" }), "data, not code");
    stop(coordinator).await;
}

#[tokio::test]
async fn start_with_a_picked_build_knows_what_jenkins_knows() {
    let world = World::by_hand();
    let (jenkins, config) = jenkins(&world.tasks).await;
    let artifacts = vec!["target/shop-web_1.4.2-h118.3f2a1bc_all.deb".to_owned()];
    jenkins.add_build(Build { artifacts, ..Build::successful(JOB, 118) });
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(config).await;
    let picked = json!({ "type": "manual", "master": "ci-main", "job": JOB, "buildNumber": "118",
        "user": "mallory", "parameters": { "who": "ada" } });
    let id = start(&world, "p1", &picked).await;
    let view = world.view(&id).await;
    assert_eq!(view.status, ExecutionStatus::Running);
    assert_eq!(view.trigger["user"], "ada", "the gateway knows who it was");
    assert_eq!(view.trigger["type"], "manual");
    assert_eq!(view.trigger["parameters"], json!({ "who": "ada" }));
    assert_eq!(view.trigger["buildNumber"], 118);
    assert_eq!(view.trigger["buildInfo"]["number"], 118);
    let bake = crew::take(&world, Pool::Bake).await;
    let request = OperationCall::parse(&bake.call).unwrap().request;
    assert_eq!(request["packages"][0]["version"], "1.4.2-h118.3f2a1bc");
    stop(coordinator).await;
}

#[tokio::test]
async fn start_with_an_unusable_build_fails_and_names_the_reason() {
    let world = World::by_hand();
    let (jenkins, config) = jenkins(&world.tasks).await;
    jenkins.add_build(Build { building: true, ..Build::successful(JOB, 119) });
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(config).await;
    for (controller, number, reason) in [
        ("ci-main", 999, "build 999 of ci-main/shop/package/main not found"),
        ("ci-main", 119, "build 119 of ci-main/shop/package/main is not over yet"),
        ("ci-two", 118, "no Jenkins controller `ci-two` is configured"),
    ] {
        let picked = json!({ "master": controller, "job": JOB, "buildNumber": number });
        let key = world.start("p1", &picked).await;
        let outcome = world.outcome(&key).await;
        assert_eq!(outcome["reason"], reason);
        let id = ExecutionId::of_event(&key, "p1");
        assert_eq!(
            started(&outcome),
            slice::from_ref(&id),
            "whoever reads outcomes finds it as any other"
        );
        let view = world.view(&id).await;
        assert_eq!(view.status, ExecutionStatus::Terminal);
        assert_eq!(view.cancellation_reason, Some(format!("failed on startup: {reason}")));
        assert_eq!(world.timeline(&id).await, ["1 failed_on_startup"]);
    }
    stop(coordinator).await;
}

#[tokio::test]
async fn start_with_a_picked_build_waits_a_minute_for_jenkins() {
    let world = World::by_hand();
    let (jenkins, config) = jenkins(&world.tasks).await;
    jenkins.add_build(Build::successful(JOB, 118));
    jenkins.order(Fault::new(3, Trouble::Status { status: 502 }));
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(config).await;
    let picked = json!({ "master": "ci-main", "job": JOB, "buildNumber": 118 });
    let patient = world.start("p1", &picked).await;
    assert!(world.deferred(&patient, 1).await.contains("answered 502"));
    world.pass(Duration::from_secs(1));
    world.deferred(&patient, 2).await;
    world.pass(Duration::from_secs(59));
    let outcome = world.outcome(&patient).await;
    assert!(outcome["reason"].as_str().unwrap().contains("answered 502"), "{outcome}");
    let id = ExecutionId::of_event(&patient, "p1");
    assert_eq!(world.view(&id).await.status, ExecutionStatus::Terminal);
    stop(coordinator).await;
}

#[tokio::test]
async fn pipeline_that_cannot_run_fails_on_startup_before_anything_runs() {
    let (world, coordinator) = quiet().await;
    let mut unknown = ship("unknown");
    unknown["stages"][1]["type"] = "paintTheShed".into();
    world.define("p2", &unknown).await;
    let id = start(&world, "p2", &json!({})).await;
    let view = world.view(&id).await;
    assert_eq!(view.status, ExecutionStatus::Terminal);
    let reason = view.cancellation_reason.unwrap();
    assert!(reason.starts_with("failed on startup: stage `Deploy`: "), "{reason}");
    assert!(reason.contains("`paintTheShed` is not known here"), "{reason}");
    assert!(view.stages.iter().all(|stage| stage.status == ExecutionStatus::NotStarted));
    assert_eq!(world.store.stats().await.unwrap().outbox_depth, 0);
    assert!(world.watched_bus.reached().is_empty());
    stop(coordinator).await;
}

#[tokio::test]
async fn start_of_what_is_no_pipeline_is_rejected_with_the_reason() {
    let (world, coordinator) = quiet().await;
    let key = world.start("p9", &json!({})).await;
    let outcome = world.outcome(&key).await;
    assert_eq!(outcome, json!({ "result": "rejected", "reason": "no such pipeline" }));
    world.define("p2", &json!({ "application": "shop", "name": "torn", "stages": 7 })).await;
    let key = world.start("p2", &json!({})).await;
    let outcome = world.outcome(&key).await;
    assert_eq!((&outcome["result"], outcome.get("started")), (&"rejected".into(), None));
    assert_eq!(outcome["reason"], "its definition is not valid");
    assert_eq!(outcome["problems"].as_array().unwrap().len(), 1, "{outcome}");
    assert!(world.executions().await.is_empty());
    stop(coordinator).await;
}

#[tokio::test]
async fn start_too_large_for_an_execution_is_rejected_with_the_reason() {
    let (world, coordinator) = quiet().await;
    let key = world.start("p1", &json!({ "parameters": { "all": "x".repeat(1_100_000) } })).await;
    let outcome = world.outcome(&key).await;
    assert_eq!((&outcome["result"], outcome.get("started")), (&"rejected".into(), None));
    assert!(outcome["reason"].as_str().unwrap().contains("larger than"), "{outcome}");
    assert!(world.executions().await.is_empty());
    stop(coordinator).await;
}

#[tokio::test]
async fn event_nobody_can_read_is_settled_with_the_reason() {
    let (world, coordinator) = quiet().await;
    let row = store::EventRow::new("odd/1".to_owned(), r#"{"event":"dance"}"#.to_owned());
    world.store.event_accept(row).await.unwrap();
    let outcome = world.outcome("odd/1").await;
    assert_eq!(outcome["result"], "unreadable");
    assert!(outcome["reason"].as_str().unwrap().contains("dance"), "{outcome}");
    stop(coordinator).await;
}

#[tokio::test]
async fn cancel_of_work_nobody_began_ends_it_after_a_moment() {
    let (world, coordinator) = quiet().await;
    let id = start(&world, "p1", &json!({})).await;
    let canceled = json!({ "result": "canceled", "execution": id });
    assert_eq!(cancel(&world, "cancel/1", &id).await, canceled);
    let view = world.view(&id).await;
    assert_eq!((view.status, view.canceled), (ExecutionStatus::Running, true));
    world.pass(Duration::from_secs(2));
    world.becomes(&id, ExecutionStatus::Canceled).await;
    let view = world.view(&id).await;
    assert_eq!(view.canceled_by.as_deref(), Some("bob"));
    assert_eq!(view.cancellation_reason.as_deref(), Some("wrong branch"));
    let message = crew::take(&world, Pool::Bake).await;
    assert_eq!(crew::claim(&world.store, &message, "late").await, None, "a late worker begins it");
    stop(coordinator).await;
}

#[tokio::test]
async fn cancel_tells_the_worker_and_waits_for_its_word() {
    let (world, coordinator) = quiet().await;
    let mut hints = world.bus.hints().await.unwrap();
    let id = start(&world, "p1", &json!({})).await;
    let message = crew::take(&world, Pool::Bake).await;
    let token = crew::claim(&world.store, &message, "w1").await.unwrap();
    cancel(&world, "cancel/1", &id).await;
    let hint = until("the hint", async || hints.try_recv().ok()).await;
    let hint: Value = serde_json::from_slice(&hint).unwrap();
    assert_eq!(hint, json!({ "execution": id }));
    let beat = world.store.lease_beat(&message.task, token, 90_000, None).await.unwrap();
    assert_eq!(beat, store::Beat::Held { cancel: true });
    let left = TaskOutcome::Canceled { detail: "the builder was terminated".to_owned() };
    assert!(crew::finish(&world.store, &message, token, &left).await);
    world.pass(Duration::from_secs(5));
    world.becomes(&id, ExecutionStatus::Canceled).await;
    let view = world.view(&id).await;
    assert_eq!(view.stages[0].status, ExecutionStatus::Canceled);
    assert_eq!(view.stages[2].status, ExecutionStatus::NotStarted);
    stop(coordinator).await;
}

#[tokio::test]
async fn cancel_that_changes_nothing_says_so() {
    let (world, coordinator) = quiet().await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let id = start(&world, "p1", &json!({})).await;
    world.becomes(&id, ExecutionStatus::Succeeded).await;
    let before = world.view(&id).await;
    let refused = |reason: &str, id: &ExecutionId| json!({ "result": "refused", "execution": id, "reason": reason });
    let outcome = cancel(&world, "cancel/1", &id).await;
    assert_eq!(outcome, refused("the execution is already complete", &id));
    assert_eq!(world.view(&id).await, before);
    let unknown: ExecutionId = "NOSUCH".parse().unwrap();
    // Its start may be an event that nobody has worked on yet.
    let event = Event::Cancel { execution: unknown.clone(), user: "bob".to_owned(), reason: None };
    world.accept("cancel/2", &event).await;
    assert_eq!(world.deferred("cancel/2", 1).await, "no such execution");
    world.pass(Duration::from_mins(1));
    assert_eq!(world.outcome("cancel/2").await, refused("no such execution", &unknown));
    crew.stop().await;
    stop(coordinator).await;
}

#[tokio::test]
async fn second_cancel_changes_nothing_and_says_so() {
    let (world, coordinator) = quiet().await;
    let id = start(&world, "p1", &json!({})).await;
    let message = crew::take(&world, Pool::Bake).await;
    crew::claim(&world.store, &message, "w1").await.unwrap();
    cancel(&world, "cancel/1", &id).await;
    let lines = world.timeline(&id).await;
    let outcome = cancel(&world, "cancel/2", &id).await;
    assert_eq!(outcome["reason"], "the execution was canceled before");
    assert_eq!(world.timeline(&id).await, lines);
    stop(coordinator).await;
}
