//! What a transition tells others, and wakes that are brought forward.

use store::{Commit, EventRow, EventState};

use crate::{
    rows::{commit, create, dispatched, ended, granted, id, task},
    worlds::{START, World},
};

super::on_every_store! {
    events_of_a_transition_are_accepted_with_it
    a_known_event_of_a_transition_changes_nothing
    live_executions_that_are_told_look_at_once
    a_transition_that_was_computed_before_does_not_overwrite_what_it_was_told
    a_rest_that_was_decided_before_does_not_overwrite_the_word_of_a_result
    a_rest_that_saw_the_same_wake_from_before_a_result_does_not_overwrite_it
}

fn event(key: &str, body: &str) -> EventRow {
    EventRow::new(key.to_owned(), body.to_owned())
}

async fn wake(world: &World, execution: &str) -> Option<u64> {
    world.store.execution_load(&id(execution)).await.unwrap().unwrap().wake_ms
}

async fn events_of_a_transition_are_accepted_with_it(world: World) {
    let store = &world.store;
    let mut first = create("E");
    first.first.events = vec![event("k1", "one")];
    store.execution_create(first).await.unwrap();
    let next = Commit { events: vec![event("k2", "two")], ..commit("E", 1, "a") };
    store.execution_commit(next).await.unwrap();
    let last = Commit { events: vec![event("k3", "three")], ..ended("E", 2, "b") };
    store.execution_commit(last).await.unwrap();
    let due = store.due(9, 1_000).await.unwrap().events;
    let due: Vec<_> = due.iter().map(|it| (it.key.as_str(), it.body.as_str())).collect();
    assert_eq!(due, [("k1", "one"), ("k2", "two"), ("k3", "three")]);
    // Not applied: not accepted.
    let late = Commit { events: vec![event("k4", "four")], ..commit("E", 3, "c") };
    store.execution_commit(late).await.unwrap();
    assert_eq!(store.event_get("k4").await.unwrap(), None);
}

async fn a_known_event_of_a_transition_changes_nothing(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    store.event_accept(event("k1", "first")).await.unwrap();
    store.event_settle("k1", "done", Vec::new()).await.unwrap();
    let next =
        Commit { events: vec![event("k1", "second"), event("k2", "x")], ..commit("E", 1, "a") };
    store.execution_commit(next).await.unwrap();
    let known = store.event_get("k1").await.unwrap().unwrap();
    assert_eq!(known.body, "first");
    assert_eq!(known.state, EventState::Settled { outcome: "done".to_owned() });
    assert_eq!(store.due(9, 1_000).await.unwrap().events.len(), 1);
}

async fn live_executions_that_are_told_look_at_once(world: World) {
    let store = &world.store;
    for execution in ["E", "F", "G"] {
        store.execution_create(create(execution)).await.unwrap();
    }
    store.execution_commit(ended("G", 1, "end")).await.unwrap();
    world.advance(10).await;
    let notify = vec![id("E"), id("F"), id("G"), id("unknown")];
    store.execution_commit(Commit { notify, ..commit("E", 1, "a") }).await.unwrap();
    assert_eq!(wake(&world, "F").await, Some(START + 10));
    assert_eq!(wake(&world, "E").await, Some(START + 60_000), "it knows what it did itself");
    assert_eq!(wake(&world, "G").await, None, "terminal is final");
    assert_eq!(store.due(9, 1_000).await.unwrap().wakes, [id("F")]);
    // What is due already is not put off.
    let late = Commit { wake_ms: Some(START), ..commit("F", 1, "b") };
    store.execution_commit(late).await.unwrap();
    world.advance(10).await;
    store.execution_commit(Commit { notify: vec![id("F")], ..commit("E", 2, "c") }).await.unwrap();
    assert_eq!(wake(&world, "F").await, Some(START));
}

async fn a_transition_that_was_computed_before_does_not_overwrite_what_it_was_told(world: World) {
    let store = &world.store;
    for execution in ["E", "F"] {
        store.execution_create(create(execution)).await.unwrap();
    }
    store.execution_commit(Commit { notify: vec![id("F")], ..commit("E", 1, "a") }).await.unwrap();
    store.execution_commit(commit("F", 1, "blind")).await.unwrap();
    assert_eq!(wake(&world, "F").await, Some(START));
    store.execution_commit(commit("F", 2, "seeing")).await.unwrap();
    assert_eq!(wake(&world, "F").await, Some(START + 60_000));
}

async fn a_rest_that_was_decided_before_does_not_overwrite_the_word_of_a_result(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    // A coordinator loads, finds nothing to do, and is overtaken by the worker.
    let seen = wake(&world, "E").await;
    store.lease_finish(&task("E/s/1"), token, "done", 5_000).await.unwrap();
    store.execution_rewake(&id("E"), seen, START + 90_000).await.unwrap();
    assert_eq!(wake(&world, "E").await, Some(START + 5_000));
    // One that has seen it may rest.
    store.execution_commit(commit("E", 1, "a")).await.unwrap();
    let seen = wake(&world, "E").await;
    store.execution_rewake(&id("E"), seen, START + 90_000).await.unwrap();
    assert_eq!(wake(&world, "E").await, Some(START + 90_000));
    // One that saw no wake at all decides nothing.
    store.execution_rewake(&id("E"), None, START + 91_000).await.unwrap();
    assert_eq!(wake(&world, "E").await, Some(START + 90_000));
}

async fn a_rest_that_saw_the_same_wake_from_before_a_result_does_not_overwrite_it(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    let seen = wake(&world, "E").await;
    // The notice falls on the very millisecond of the wake.
    store.lease_finish(&task("E/s/1"), token, "done", 60_000).await.unwrap();
    assert_eq!(wake(&world, "E").await, seen);
    store.execution_rewake(&id("E"), seen, START + 90_000).await.unwrap();
    assert_eq!(wake(&world, "E").await, Some(START + 60_000));
    // Only once, or one that has nothing to do would look for ever.
    store.execution_rewake(&id("E"), seen, START + 90_000).await.unwrap();
    assert_eq!(wake(&world, "E").await, Some(START + 90_000));
}
