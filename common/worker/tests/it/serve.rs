//! Messages in, results out, and everything that may go wrong between.

use std::{sync::Arc, time::Duration};

use bus::Message;
use model::Pool;
use serde_json::json;
use tokio::time::{Instant, sleep};
use wire::{CancelHint, OperationCall, Queue, ResultMessage, Route, TaskMessage};

use crate::{
    probe::{Act, Order, call},
    world::{TASKS, World, soon, until},
};

#[tokio::test(start_paused = true)]
async fn a_task_is_done_and_its_result_is_stored_and_told() {
    let world = World::new().await;
    let message = world.dispatch("E1", Order::Succeed).await;
    let mut results = world.bus.consume(Queue::Result(Pool::Bake), 1).await.unwrap();
    let serving = world.serve(2);
    world.send(&message).await;
    let told = soon("the result message", results.deliveries.recv()).await.unwrap();
    let told = ResultMessage::decode(&told.body).unwrap();
    assert_eq!((&told.task, told.epoch), (&message.task, 1));
    let done = json!({"outcome": "succeeded", "result": {"done": true}});
    assert_eq!(world.result(&message).await, done);
    serving.drain().await;
    world.queue_is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_told_many_times_is_one_run() {
    let world = World::new().await;
    let message = world.dispatch("E1", Order::AwaitPermit).await;
    let (one, other) = (world.serve(4), world.serve(4));
    for _ in 0..5 {
        world.send(&message).await;
    }
    until("the duplicates are settled", async || world.bus.depth(TASKS).await.unwrap().ready == 0)
        .await;
    world.probe.permits.add_permits(5);
    world.result(&message).await;
    world.send(&message).await;
    one.drain().await;
    other.drain().await;
    assert_eq!(world.probe.started(), ["E1:1"]);
    assert_eq!(world.probe.permits.available_permits(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_forged_request_does_nothing() {
    let world = World::new().await;
    let message = world.dispatch("E1", Order::AwaitPermit).await;
    let unknown = TaskMessage { task: "E9/S9/1".parse().unwrap(), ..message.clone() };
    let forged = TaskMessage { call: call(Order::Succeed), ..message };
    let serving = world.serve(1);
    world.send(&forged).await;
    world.send(&unknown).await;
    let real = world.dispatch("E2", Order::Succeed).await;
    world.send(&real).await;
    world.result(&real).await;
    serving.drain().await;
    assert_eq!(world.probe.started(), ["E2:1"]);
    assert!(!world.lease(&forged).await.claimed);
    world.queue_is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_an_old_epoch_does_nothing() {
    let world = World::new().await;
    let old = world.dispatch("E1", Order::Succeed).await;
    let new = world.dispatch_again(&old).await;
    let serving = world.serve(1);
    world.send(&old).await;
    world.send(&new).await;
    world.result(&new).await;
    serving.drain().await;
    assert_eq!(world.probe.started(), ["E1:2"]);
    world.queue_is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_read_is_parked_with_the_reason() {
    let world = World::new().await;
    let mut parked = world.bus.consume(Queue::Parked, 10).await.unwrap();
    let serving = world.serve(1);
    let message = world.dispatch("E1", Order::Succeed).await;
    let other_pool = TaskMessage { pool: Pool::Deploy, ..message.clone() };
    // As the version before this one wrote it.
    let old = json!({ "v": 1, "task": message.task, "kind": "bake", "epoch": 1, "request": "{}" });
    let future = TaskMessage { v: 3, ..message };
    let cases = [
        (b"\xff not JSON".to_vec(), "not a message of this kind"),
        (serde_json::to_vec(&other_pool).unwrap(), "a deploy task in the queue of bake tasks"),
        (serde_json::to_vec(&old).unwrap(), "message version 1, and this program reads 2"),
        (serde_json::to_vec(&future).unwrap(), "message version 3, and this program reads 2"),
    ];
    for (body, reason) in cases {
        world.send_raw("poison", body.clone()).await;
        let delivery = soon("the parked message", parked.deliveries.recv()).await.unwrap();
        assert_eq!((delivery.id.as_str(), &delivery.body), ("poison", &body));
        let park = delivery.park.unwrap();
        assert_eq!(park.origin, "task.bake.v1");
        assert!(park.reason.contains(reason), "{}", park.reason);
    }
    serving.drain().await;
    world.queue_is_empty().await;
    assert!(world.probe.started().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_the_task_and_not_of_the_worker() {
    let world = World::new().await;
    let serving = world.serve(1);
    let broken = world.dispatch("E1", Order::Panic).await;
    world.send(&broken).await;
    let result = world.result(&broken).await;
    assert_eq!(result["outcome"], "failed");
    assert_eq!(result["failure"]["kind"], "bug");
    assert_eq!(result["failure"]["detail"], "the probe was told to");
    let sound = world.dispatch("E2", Order::Succeed).await;
    world.send(&sound).await;
    assert_eq!(world.result(&sound).await["outcome"], "succeeded");
    serving.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_committed_request_nobody_can_read_is_a_failure_that_says_so() {
    let world = World::new().await;
    let serving = world.serve(1);
    let request = json!({ "operation": "test.act/1", "pool": "bake", "mode": "run", "request": { "do": "fly" } });
    let mode = json!({ "operation": "test.act/1", "pool": "bake", "mode": "fly", "request": { "do": "succeed" } });
    for (name, call, what) in [
        (
            "E1",
            request,
            "read the task: the request for `test.act/1` is unreadable: unknown variant",
        ),
        ("E2", mode, "read the task: not a message of this kind: unknown variant `fly`"),
        ("E3", json!({ "do": "succeed" }), "read the task: not a message of this kind"),
    ] {
        let message = world.dispatch_text(name, call.to_string()).await;
        world.send(&message).await;
        let result = world.result(&message).await;
        assert_eq!(result["failure"]["kind"], "bug");
        let text = result["failure"]["message"].as_str().unwrap();
        assert!(text.contains(what), "{text}");
    }
    serving.drain().await;
    assert!(world.probe.started().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operation_the_worker_does_not_know_is_a_failure_that_names_it_and_says_what_to_upgrade()
{
    let world = World::new().await;
    let serving = world.serve(1);
    for (name, operation) in [("E1", "test.act/2"), ("E2", "image.find/1")] {
        let call = json!({ "operation": operation, "pool": "bake", "mode": "run", "request": { "do": "succeed" } });
        let message = world.dispatch_text(name, call.to_string()).await;
        world.send(&message).await;
        let failure = world.result(&message).await["failure"].clone();
        let told = json!({
            // A newer worker may take the next attempt.
            "kind": "transient",
            "message": format!("this bake worker does not know the operation `{operation}`"),
            "detail": "it knows test.act/1",
            "hint": "upgrade the bake workers to the version of the coordinators that ask for it",
        });
        assert_eq!(failure, told);
    }
    serving.drain().await;
    assert!(world.probe.started().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operation_without_a_preview_says_so_and_does_nothing() {
    let world = World::new().await;
    let serving = world.serve(1);
    let call = OperationCall::preview::<Act>(&Order::Succeed, Vec::new());
    let message = world.dispatch_text("E1", call.text()).await;
    world.send(&message).await;
    let text = world.result(&message).await["failure"]["message"].clone();
    assert_eq!(text, "operation `test.act/1` cannot say what it would do");
    serving.drain().await;
    assert!(world.probe.started().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drain_hands_the_task_over_with_its_checkpoint_at_once() {
    let world = World::new().await;
    let first = world.dispatch("E1", Order::SaveAndWait).await;
    let serving = world.serve(1);
    world.send(&first).await;
    until("a checkpoint", async || world.lease(&first).await.checkpoints > 0).await;
    let before = Instant::now();
    serving.drain().await;
    assert!(before.elapsed() < Duration::from_secs(1));
    let lease = world.lease(&first).await;
    assert_eq!((lease.until_ms, lease.claimed, lease.result), (None, true, None));

    let serving = world.serve(1);
    let second = world.dispatch_again(&first).await;
    world.send(&second).await;
    assert_eq!(world.result(&second).await["result"], json!({"checkpoint": 7}));
    serving.drain().await;
    assert_eq!(world.probe.started(), ["E1:1", "E1:2"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_the_work_with_a_beat_and_its_cleaning_up_is_the_result() {
    let world = World::new().await;
    let serving = world.serve(1);
    let message = world.dispatch("E1", Order::Sleep).await;
    world.send(&message).await;
    until("the start", async || !world.probe.started().is_empty()).await;
    world.cancel(&message).await;
    let canceled = json!({"outcome": "canceled", "detail": "cleaned up"});
    assert_eq!(world.result(&message).await, canceled);
    serving.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_makes_a_cancel_immediate() {
    let world = World::new().await;
    let serving = world.serve(1);
    let message = world.dispatch("E1", Order::Sleep).await;
    world.send(&message).await;
    until("the start", async || !world.probe.started().is_empty()).await;
    world.cancel(&message).await;
    let before = Instant::now();
    let hint = CancelHint { execution: message.task.execution.clone() };
    let body = serde_json::to_vec(&hint).unwrap();
    let hint = Message { route: Route::Cancel, id: "hint".to_owned(), body, park: None };
    world.bus.publish(hint).await.unwrap();
    world.result(&message).await;
    assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
    serving.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_told_to_stop_before_it_was_claimed_only_cleans_up() {
    let world = World::new().await;
    let message = world.dispatch("E1", Order::Sleep).await;
    world.cancel(&message).await;
    let serving = world.serve(1);
    world.send(&message).await;
    assert_eq!(world.result(&message).await["outcome"], "canceled");
    serving.drain().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_worker_leaves_the_rest_to_others() {
    let world = World::new().await;
    let one = world.serve(3);
    for number in 0..8 {
        let message = world.dispatch(&format!("E{number}"), Order::AwaitPermit).await;
        world.send(&message).await;
    }
    until("three are running", async || world.probe.started().len() == 3).await;
    until("five are waiting", async || world.bus.depth(TASKS).await.unwrap().ready == 5).await;
    let other = world.serve(2);
    until("five are running", async || world.probe.started().len() == 5).await;
    until("three are waiting", async || world.bus.depth(TASKS).await.unwrap().ready == 3).await;
    world.probe.permits.add_permits(8);
    until("all have run", async || world.probe.started().len() == 8).await;
    one.drain().await;
    other.drain().await;
    world.queue_is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tasks_are_in_flight_in_one_process() {
    let world = World::new().await;
    let serving = world.serve(1_000);
    let mut messages = Vec::new();
    for number in 0..1_000 {
        let message = world.dispatch(&format!("E{number}"), Order::AwaitPermit).await;
        world.send(&message).await;
        messages.push(message);
    }
    until("all are running", async || world.probe.started().len() == 1_000).await;
    // Longer than a lease lives: beats keep them all, and may_mutate agrees at the end.
    sleep(Duration::from_secs(100)).await;
    world.probe.permits.add_permits(1_000);
    for message in &messages {
        assert_eq!(world.result(message).await["outcome"], "succeeded");
    }
    serving.drain().await;
    assert_eq!(world.probe.started().len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_messages_are_kept_and_results_wait() {
    let world = World::new().await;
    let first = world.dispatch("E1", Order::AwaitPermit).await;
    let second = world.dispatch("E2", Order::Succeed).await;
    let serving = world.serve(2);
    world.send(&first).await;
    until("the start", async || world.probe.started().len() == 1).await;
    world.store.set_away(true);
    world.send(&second).await;
    world.probe.permits.add_permits(1);
    sleep(Duration::from_secs(30)).await;
    assert!(world.lease(&first).await.result.is_none());
    assert!(!world.lease(&second).await.claimed);
    world.store.set_away(false);
    assert_eq!(world.result(&first).await["outcome"], "succeeded");
    assert_eq!(world.result(&second).await["outcome"], "succeeded");
    serving.drain().await;
    world.queue_is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_long_outage_of_the_store_the_messages_are_taken_again() {
    let world = World::new().await;
    let message = world.dispatch("E1", Order::Succeed).await;
    let serving = world.serve(1);
    world.store.set_away(true);
    world.send(&message).await;
    sleep(Duration::from_mins(10)).await;
    assert!(world.probe.started().is_empty());
    world.store.set_away(false);
    assert_eq!(world.result(&message).await["outcome"], "succeeded");
    serving.drain().await;
    assert_eq!(world.probe.started(), ["E1:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_told_to_stop_gives_back_what_it_has_not_claimed() {
    let world = World::new().await;
    let message = world.dispatch("E1", Order::Succeed).await;
    let serving = world.serve(1);
    world.store.set_away(true);
    world.send(&message).await;
    until("the message is in hand", async || world.bus.depth(TASKS).await.unwrap().ready == 0)
        .await;
    serving.drain().await;
    assert_eq!(world.bus.depth(TASKS).await.unwrap().ready, 1);
    assert_eq!(Arc::strong_count(&world.probe), 1, "nothing of the worker is left");
}
