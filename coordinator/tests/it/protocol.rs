//! Tasks out, results back, and what is lost between.

use std::time::Duration;

use model::{ExecutionId, ExecutionStatus, Pool, limits};
use runtime::JenkinsConfig;
use serde_json::{Value, json};
use store::Beat;
use tokio::time::Instant;
use wire::{Event, FailureKind, Queue, ResultMessage, TaskMessage};

use crate::{
    crew::{self, Crew, Manners, failure, finish, success, take, told},
    trap::{Counted, Trap, Trip},
    world::{World, ship, stop, until},
};

/// The whole history of a run of [`ship`] in which nothing goes wrong; by hand.
pub(crate) const CALM: [&str; 12] = [
    "1 execution_started",
    "1 stage_started 1",
    "1 task_dispatched 1<1",
    "2 task_succeeded 1<1",
    "2 stage_ended 1<1",
    "2 stage_ended 1",
    "2 stage_started 2",
    "2 task_dispatched 2<1",
    "3 task_succeeded 2<1",
    "3 stage_ended 2<1",
    "3 stage_ended 2",
    "3 execution_ended",
];

async fn started(world: &World) -> ExecutionId {
    let key = world.start("p1", &json!({})).await;
    let id = ExecutionId::of_event(&key, "p1");
    until("the execution", async || world.store.execution_view(&id).await.unwrap()).await;
    id
}

fn result_of(message: &TaskMessage) -> ResultMessage {
    let task = message.task.clone();
    ResultMessage { v: ResultMessage::VERSION, task, epoch: message.epoch }
}

#[tokio::test(start_paused = true)]
async fn results_that_are_told_of_are_applied_at_once() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let begun = Instant::now();
    let id = started(&world).await;
    world.becomes(&id, ExecutionStatus::Succeeded).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(world.timeline(&id).await, CALM);
    let view = world.view(&id).await;
    assert_eq!(view.stages[0].outputs["deploymentDetails"][0]["ami"], "ami-us-east-1");
    assert_eq!(
        view.stages[2].outputs["deploy.server.groups"],
        json!({ "us-east-1": ["shop-v001"] })
    );
    crew.stop().await;
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn results_nobody_tells_of_are_applied_when_the_notice_is_over() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let crew = Crew::start(&world, Manners::Silent).await;
    let begun = Instant::now();
    let id = started(&world).await;
    world.becomes(&id, ExecutionStatus::Succeeded).await;
    assert_eq!(world.timeline(&id).await, CALM);
    let took = begun.elapsed();
    // Two results, each found by a wake: not before, and at most a look later.
    assert!(took >= limits::RESULT_NOTICE * 2, "somebody told: {took:?}");
    assert!(took < limits::RESULT_NOTICE * 2 + Duration::from_secs(1), "{took:?}");
    crew.stop().await;
    stop(coordinator).await;
}

/// The message is kept until then: the wake, which would find the result too, comes much later.
#[tokio::test(start_paused = true)]
async fn result_that_cannot_be_applied_now_is_tried_again_soon() {
    for (call, trip) in [
        ("execution_load", Trip::FailsBefore),
        ("execution_commit", Trip::FailsBefore),
        ("execution_commit", Trip::FailsAfter),
    ] {
        let world = World::paused(Trap::at(1, Counted::Only(call), trip));
        world.define("p1", &ship("ship")).await;
        let coordinator = world.coordinate(JenkinsConfig::default()).await;
        let crew = Crew::start(&world, Manners::Tells).await;
        let begun = Instant::now();
        let id = started(&world).await;
        world.becomes(&id, ExecutionStatus::Succeeded).await;
        assert_eq!(world.watched.tripped(), Some(call));
        assert!(begun.elapsed() < Duration::from_secs(2), "{call}: {:?}", begun.elapsed());
        assert_eq!(world.timeline(&id).await, CALM);
        crew.stop().await;
        stop(coordinator).await;
    }
}

/// However the coordinator's calls for one result fall between those for another.
#[tokio::test(start_paused = true)]
async fn two_results_at_the_same_time_are_both_applied_at_once() {
    let world = World::paused(Trap::none());
    let mut bakes = ship("ship");
    bakes["stages"][0]["regions"] = json!(["us-east-1", "us-west-2"]);
    bakes["stages"].as_array_mut().unwrap().truncate(1);
    world.define("p1", &bakes).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    for apart in 0..12 {
        let id = started(&world).await;
        let mut in_hand = Vec::new();
        for holder in ["east", "west"] {
            let message = take(&world, Pool::Bake).await;
            let token = crew::claim(&world.store, &message, holder).await.unwrap();
            in_hand.push((message, token));
        }
        let begun = Instant::now();
        for (message, token) in &in_hand {
            assert!(finish(&world.store, message, *token, &success(message)).await);
            world.bus.publish(told(Pool::Bake, &result_of(message))).await.unwrap();
            for _ in 0..apart {
                tokio::task::yield_now().await;
            }
        }
        world.becomes(&id, ExecutionStatus::Succeeded).await;
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(1), "{apart} turns apart: {took:?}");
    }
    stop(coordinator).await;
}

/// Both are computed from the same version: one is overtaken, and must be computed again.
#[tokio::test(start_paused = true)]
async fn cancel_and_result_that_meet_both_count() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    for apart in 0..24 {
        let execution = started(&world).await;
        let message = take(&world, Pool::Bake).await;
        let token = crew::claim(&world.store, &message, "w1").await.unwrap();
        let (key, id) = (format!("cancel/{apart}"), execution.clone());
        let cancel = Event::Cancel { execution, user: "bob".to_owned(), reason: None };
        world.accept(&key, &cancel).await;
        for _ in 0..apart {
            tokio::task::yield_now().await;
        }
        assert!(finish(&world.store, &message, token, &success(&message)).await);
        world.bus.publish(told(Pool::Bake, &result_of(&message))).await.unwrap();
        assert_eq!(world.outcome(&key).await["result"], "canceled");
        world.becomes(&id, ExecutionStatus::Canceled).await;
        let lines = world.timeline(&id).await;
        let count = |event: &str| lines.iter().filter(|line| line.contains(event)).count();
        assert_eq!((count("cancel_requested"), count("task_succeeded 1<1")), (1, 1), "{lines:?}");
    }
    assert!(world.watched.conflicts() > 0, "they never met: nothing was proved");
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn task_whose_message_is_lost_is_published_again() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let begun = Instant::now();
    let id = started(&world).await;
    let lost = take(&world, Pool::Bake).await;
    let again = take(&world, Pool::Bake).await;
    assert_eq!(again, lost, "the same task, epoch and request");
    let took = begun.elapsed();
    assert!(took >= limits::CLAIM_TIMEOUT, "{took:?}");
    assert!(took < limits::CLAIM_TIMEOUT + Duration::from_secs(2), "{took:?}");
    let lines = world.timeline(&id).await;
    assert_eq!(lines[..3], CALM[..3]);
    assert_eq!(lines[3..], ["2 task_published_again 1<1"]);
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn silent_worker_is_replaced_and_its_late_result_changes_nothing() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let id = started(&world).await;
    let first = take(&world, Pool::Bake).await;
    let old = crew::claim(&world.store, &first, "silent").await.unwrap();
    let begun = Instant::now();
    let second = take(&world, Pool::Bake).await;
    let took = begun.elapsed();
    assert!(took >= limits::LEASE_TTL && took < Duration::from_secs(95), "{took:?}");
    assert_eq!((second.epoch, &second.task), (2, &first.task), "the same attempt, the next epoch");
    assert_eq!(second.call, first.call);
    assert_eq!(crew::claim(&world.store, &first, "late").await, None, "two epochs at once");
    let new = crew::claim(&world.store, &second, "lively").await.unwrap();
    let broken = failure(FailureKind::User);
    assert!(!finish(&world.store, &first, old, &broken).await, "the old holder still counts");
    // A message that brings an outcome: results are in the store, and nothing of it is read.
    let mut forged = told(Pool::Bake, &result_of(&first));
    let mut body: Value = serde_json::from_slice(&forged.body).unwrap();
    body["outcome"] = serde_json::to_value(&broken).unwrap();
    forged.body = body.to_string().into_bytes();
    world.bus.publish(forged).await.unwrap();
    let beat = world.store.lease_beat(&second.task, new, 90_000, None).await.unwrap();
    assert_eq!(beat, Beat::Held { cancel: false });
    assert!(finish(&world.store, &second, new, &success(&second)).await);
    world.bus.publish(told(Pool::Bake, &result_of(&second))).await.unwrap();
    take(&world, Pool::Deploy).await;
    let lines = world.timeline(&id).await;
    assert_eq!(lines[3..5], ["2 worker_lost 1<1", "3 task_succeeded 1<1"]);
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn work_given_back_goes_to_another_at_once() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    started(&world).await;
    let first = take(&world, Pool::Bake).await;
    let token = crew::claim(&world.store, &first, "leaving").await.unwrap();
    world.store.lease_release(&first.task, token, Some("half done")).await.unwrap();
    let begun = Instant::now();
    let second = take(&world, Pool::Bake).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(second.epoch, 2);
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn attempt_that_failed_for_a_while_is_made_again_and_one_that_never_can_is_not() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let id = started(&world).await;
    let first = take(&world, Pool::Bake).await;
    let token = crew::claim(&world.store, &first, "w1").await.unwrap();
    assert!(finish(&world.store, &first, token, &failure(FailureKind::Transient)).await);
    let second = take(&world, Pool::Bake).await;
    assert_eq!((second.task.attempt, second.epoch), (2, 1));
    let token = crew::claim(&world.store, &second, "w1").await.unwrap();
    assert!(finish(&world.store, &second, token, &failure(FailureKind::User)).await);
    world.becomes(&id, ExecutionStatus::Terminal).await;
    let view = world.view(&id).await;
    assert_eq!(view.stages[1].tasks.len(), 2);
    assert_eq!(view.stages[1].context["exception"]["details"]["error"], "it broke");
    assert_eq!(view.stages[2].status, ExecutionStatus::NotStarted);
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn forged_result_changes_nothing_and_is_taken_off_the_queue() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let id = started(&world).await;
    let message = take(&world, Pool::Bake).await;
    let token = crew::claim(&world.store, &message, "honest").await.unwrap();
    let before = world.store.execution_load(&id).await.unwrap().unwrap();
    let forged = result_of(&message);
    let mut foreign = forged.clone();
    foreign.task.execution = "NOSUCH".parse().unwrap();
    let mut future = forged.clone();
    future.epoch = 7;
    for result in [&forged, &foreign, &future] {
        world.bus.publish(told(Pool::Bake, result)).await.unwrap();
    }
    until("the results to be consumed", async || {
        let loads = world.watched.answered("execution_load");
        (loads >= 3).then_some(())
    })
    .await;
    stop(coordinator).await;
    let depth = world.bus.depth(Queue::Result(Pool::Bake)).await.unwrap();
    assert_eq!((depth.ready, depth.consumers), (0, 0), "something was not acknowledged");
    let after = world.store.execution_load(&id).await.unwrap().unwrap();
    assert_eq!((after.version, &after.document), (before.version, &before.document));
    assert!(
        finish(&world.store, &message, token, &success(&message)).await,
        "the lease was harmed"
    );
}
