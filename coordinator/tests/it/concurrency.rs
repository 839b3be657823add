//! How many executions of a pipeline run at a time, whoever starts them and wherever.

use std::time::Duration;

use model::{ExecutionId, ExecutionStatus};
use runtime::{JenkinsConfig, Tasks};
use serde_json::{Value, json};
use store::{PipelinePut, PipelineWritten};
use wire::{Control, Event};

use crate::{
    trap::{Counted, Trap, Trip},
    world::{World, stop, until},
};

/// Pairs of starts in the same moment, one pair after the other on the same pipeline. The store's own
/// tests do ten thousand; `BOWLINE_ROUNDS` asks for more here, too.
const ROUNDS: usize = 200;

/// A pipeline that waits so many seconds.
fn waits(seconds: u32, keep_waiting: bool) -> Value {
    json!({
        "application": "shop", "name": "waits", "limitConcurrent": true,
        "keepWaitingPipelines": keep_waiting,
        "stages": [{ "refId": "1", "type": "wait", "name": "Wait", "waitTime": seconds }],
    })
}

/// Starts `p1`, once it is known that the ones before are there.
async fn start(world: &World) -> ExecutionId {
    let key = world.start("p1", &json!({})).await;
    let id = ExecutionId::of_event(&key, "p1");
    until("the execution", async || world.store.execution_view(&id).await.unwrap()).await;
    id
}

async fn coordinators(world: &World) -> [Tasks; 2] {
    [
        world.coordinate(JenkinsConfig::default()).await,
        world.coordinate(JenkinsConfig::default()).await,
    ]
}

/// Waits until an execution shows this place in the queue behind these.
async fn queued(world: &World, id: &ExecutionId, place: usize, behind: &[&ExecutionId]) {
    until(&format!("{id} to be in place {place}"), async || {
        let view = world.view(id).await;
        let queue = view.queue.filter(|queue| queue.position == place)?;
        let named: Vec<&ExecutionId> = queue.waiting_for.iter().collect();
        (named == behind && view.status == ExecutionStatus::NotStarted).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_those_that_wait_supersedes_the_others_and_they_say_so() {
    let world = World::paused(Trap::none());
    world.define("p1", &waits(30, false)).await;
    let [one, two] = coordinators(&world).await;
    let (a, b, c) = (start(&world).await, start(&world).await, start(&world).await);
    world.becomes(&a, ExecutionStatus::Running).await;
    queued(&world, &b, 1, &[&a]).await;
    queued(&world, &c, 2, &[&a]).await;
    world.becomes(&c, ExecutionStatus::Running).await;
    world.becomes(&b, ExecutionStatus::Canceled).await;
    assert_eq!(world.view(&a).await.status, ExecutionStatus::Succeeded);
    let view = world.view(&b).await;
    assert_eq!(view.canceled_by.as_deref(), Some("bowline"));
    let wanted = format!("superseded by the newer execution {c}");
    assert_eq!(view.cancellation_reason.as_deref(), Some(wanted.as_str()));
    world.becomes(&c, ExecutionStatus::Succeeded).await;
    assert_eq!(world.watched.most_running("p1"), 1);
    stop(one).await;
    stop(two).await;
}

#[tokio::test(start_paused = true)]
async fn those_that_are_kept_waiting_run_one_after_the_other() {
    let world = World::paused(Trap::none());
    world.define("p1", &waits(30, true)).await;
    let [one, two] = coordinators(&world).await;
    let (a, b, c) = (start(&world).await, start(&world).await, start(&world).await);
    queued(&world, &b, 1, &[&a]).await;
    queued(&world, &c, 2, &[&a]).await;
    world.becomes(&b, ExecutionStatus::Running).await;
    queued(&world, &c, 1, &[&b]).await;
    let cancel = Event::Cancel { execution: b.clone(), user: "bob".to_owned(), reason: None };
    world.accept("cancel/1", &cancel).await;
    world.becomes(&c, ExecutionStatus::Running).await;
    assert_eq!(world.view(&b).await.status, ExecutionStatus::Canceled);
    world.becomes(&c, ExecutionStatus::Succeeded).await;
    assert_eq!(world.watched.most_running("p1"), 1);
    stop(one).await;
    stop(two).await;
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_free_is_taken_at_once_and_not_at_the_next_wake() {
    let world = World::paused(Trap::none());
    world.define("p1", &waits(30, true)).await;
    let [one, two] = coordinators(&world).await;
    let (a, b) = (start(&world).await, start(&world).await);
    world.becomes(&b, ExecutionStatus::Running).await;
    let (ended, began) = (world.view(&a).await.end_time, world.view(&b).await.start_time);
    let pause_ms = began.unwrap() - ended.unwrap();
    assert!(pause_ms <= 1_000, "{pause_ms} ms after the slot was free");
    stop(one).await;
    stop(two).await;
}

#[tokio::test(start_paused = true)]
async fn another_limit_counts_for_those_that_wait_already() {
    let world = World::paused(Trap::none());
    let mut definition = waits(3_600, true);
    world.define("p1", &definition).await;
    let [one, two] = coordinators(&world).await;
    let (a, b, c) = (start(&world).await, start(&world).await, start(&world).await);
    queued(&world, &c, 2, &[&a]).await;
    definition["limitConcurrent"] = json!(false);
    definition["maxConcurrentExecutions"] = json!(2);
    let put = PipelinePut {
        id: "p1".to_owned(),
        application: "shop".to_owned(),
        name: "waits".to_owned(),
        body: definition.to_string(),
        expected_version: None,
        ..PipelinePut::default()
    };
    let written = world.store.pipeline_put(put).await.unwrap();
    assert!(matches!(written, PipelineWritten::Saved { .. }), "{written:?}");
    let before = world.store.now_ms().await.unwrap();
    world.becomes(&b, ExecutionStatus::Running).await;
    assert!(world.store.now_ms().await.unwrap() - before <= 1_000, "without waiting for a wake");
    queued(&world, &c, 1, &[&a, &b]).await;
    stop(one).await;
    stop(two).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_keeps_the_slot_and_a_restart_waits_for_one() {
    let world = World::paused(Trap::none());
    world.define("p1", &waits(30, true)).await;
    let [one, two] = coordinators(&world).await;
    let (a, b) = (start(&world).await, start(&world).await);
    queued(&world, &b, 1, &[&a]).await;
    let order = |execution: &ExecutionId, control| Event::Control {
        execution: execution.clone(),
        user: "bob".to_owned(),
        control,
    };
    world.accept("control/1", &order(&a, Control::Pause)).await;
    world.becomes(&a, ExecutionStatus::Paused).await;
    tokio::time::sleep(Duration::from_mins(30)).await;
    queued(&world, &b, 1, &[&a]).await;
    world.accept("control/2", &order(&a, Control::Resume)).await;
    world.becomes(&b, ExecutionStatus::Running).await;

    let stage = world.view(&a).await.stages.first().unwrap().id.clone();
    world.accept("control/3", &order(&a, Control::RestartStage { stage })).await;
    queued(&world, &a, 1, &[&b]).await;
    world.becomes(&a, ExecutionStatus::Succeeded).await;
    assert_eq!(world.view(&b).await.status, ExecutionStatus::Succeeded, "it ran before");
    assert_eq!(world.watched.most_running("p1"), 1);
    stop(one).await;
    stop(two).await;
}

/// Two starts that come at the same moment, again and again; both of each round run.
#[tokio::test(start_paused = true)]
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how long they may take")]
async fn of_starts_in_the_same_moment_never_two_run() {
    let world = World::paused(Trap::none());
    world.define("p1", &waits(0, true)).await;
    let [one, two] = coordinators(&world).await;
    let (mut conflicts, nothing) = (0, json!({}));
    let rounds = std::env::var("BOWLINE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    for round in 0..rounds {
        let keys = [format!("manual/{round}/a"), format!("manual/{round}/b")];
        let ids = keys.each_ref().map(|key| ExecutionId::of_event(key, "p1"));
        let [a, b] = keys.each_ref().map(|key| world.start_as(key, "p1", &nothing));
        tokio::join!(a, b);
        for id in &ids {
            world.becomes(id, ExecutionStatus::Succeeded).await;
        }
        let waited = async |id: &ExecutionId| {
            let lines = world.timeline(id).await;
            usize::from(lines.iter().any(|line| line.contains("execution_waits")))
        };
        let [a, b] = &ids;
        conflicts += waited(a).await + waited(b).await;
        for (id, key) in ids.iter().zip(&keys) {
            world.outcome(key).await;
            world.store.execution_remove(id).await.unwrap();
        }
    }
    assert_eq!(world.watched.most_running("p1"), 1);
    assert!(conflicts >= rounds / 2, "only {conflicts} had to wait: they did not meet");
    stop(one).await;
    stop(two).await;
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_dies_while_it_frees_or_takes_a_slot_leaves_nobody_waiting() {
    for nth in 1..=12 {
        let world =
            World::paused(Trap::at(nth, Counted::Only("execution_commit"), Trip::DiesAfter));
        world.define("p1", &waits(5, true)).await;
        let harmed = world.coordinate(JenkinsConfig::default()).await;
        let keys = ["manual/1", "manual/2", "manual/3"];
        for key in keys {
            world.start_as(key, "p1", &json!({})).await;
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        harmed.abandon();
        let healthy = world.coordinate_unharmed().await;
        for key in keys {
            let id = ExecutionId::of_event(key, "p1");
            world.becomes(&id, ExecutionStatus::Succeeded).await;
        }
        assert_eq!(world.watched.most_running("p1"), 1, "died at commit {nth}");
        stop(healthy).await;
    }
}
