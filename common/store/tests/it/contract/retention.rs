//! What is old is found, removed, and still known.

use model::ExecutionStatus;
use store::{
    Commit, Created, EventAccepted, EventRow, ExecutionFilter, Expired, Expiry, FinishedFilter,
    FinishedPage, Removed, Reopen, SlotChange, Stats,
};

use crate::{
    rows::{commit, create, ended, id},
    worlds::{START, World},
};

super::on_every_store! {
    old_finished_executions_are_found_oldest_first
    the_newest_of_each_pipeline_stay_however_old_they_are
    one_that_ended_or_was_restarted_lately_stays
    pages_pass_over_what_stays
    a_removed_execution_leaves_nothing_but_its_id
    a_live_execution_is_never_removed
    a_build_that_is_told_again_does_not_run_again_after_its_execution_was_removed
    old_settled_events_are_forgotten_and_pending_ones_stay
    no_more_than_the_limit_is_forgotten_at_once
}

fn older_than(before_ms: u64) -> FinishedFilter {
    FinishedFilter { before_ms, keep_per_pipeline: 0, skip: 0, limit: 100 }
}

async fn found(world: &World, filter: FinishedFilter) -> (u32, Vec<String>) {
    let FinishedPage { looked_at, ids } = world.store.executions_finished(filter).await.unwrap();
    (looked_at, ids.iter().map(ToString::to_string).collect())
}

/// Creates executions of a pipeline one second apart and ends them at once.
async fn finished(world: &World, pipeline: &str, executions: &[&str]) {
    for execution in executions {
        let mut first = create(execution);
        first.pipeline_id = pipeline.to_owned();
        first.first.wake_ms = Some(START);
        world.store.execution_create(first).await.unwrap();
        world.store.execution_commit(ended(execution, 1, "end")).await.unwrap();
        world.advance(1_000).await;
    }
}

async fn old_finished_executions_are_found_oldest_first(world: World) {
    finished(&world, "p1", &["B", "A"]).await;
    world.store.execution_create(create("live")).await.unwrap();
    finished(&world, "p2", &["C", "D"]).await;
    assert_eq!(found(&world, older_than(START)).await, (0, vec![]));
    // Created before START + 3 s: both of p1, the live one and C.
    let (looked_at, ids) = found(&world, older_than(START + 3_000)).await;
    assert_eq!((looked_at, ids), (4, vec!["B".to_owned(), "A".to_owned(), "C".to_owned()]));
}

async fn the_newest_of_each_pipeline_stay_however_old_they_are(world: World) {
    finished(&world, "p1", &["A", "B", "C"]).await;
    finished(&world, "p2", &["D", "E"]).await;
    let filter = FinishedFilter { keep_per_pipeline: 2, ..older_than(START + 100_000) };
    assert_eq!(found(&world, filter).await, (5, vec!["A".to_owned()]));
    // A live one is one of the newest, too.
    let mut live = create("F");
    live.pipeline_id = "p2".to_owned();
    world.store.execution_create(live).await.unwrap();
    assert_eq!(found(&world, filter).await, (6, vec!["A".to_owned(), "D".to_owned()]));
}

async fn one_that_ended_or_was_restarted_lately_stays(world: World) {
    let store = &world.store;
    finished(&world, "p1", &["A"]).await;
    store.execution_create(create("B")).await.unwrap();
    world.advance(50_000).await;
    store.execution_commit(ended("B", 1, "end")).await.unwrap();
    let filter = older_than(START + 10_000);
    assert_eq!(found(&world, filter).await, (2, vec!["A".to_owned()]));
    let restarted = Commit {
        reopen: Reopen::ByRestart,
        slot: Some(SlotChange::Take { limit: None }),
        ..commit("A", 2, "restart")
    };
    store.execution_commit(restarted).await.unwrap();
    assert_eq!(found(&world, filter).await, (2, vec![]), "it is live");
    store.execution_commit(ended("A", 3, "end again")).await.unwrap();
    assert_eq!(found(&world, filter).await, (2, vec![]), "it ended just now");
    assert_eq!(found(&world, older_than(START + 51_001)).await.1.len(), 2);
}

async fn pages_pass_over_what_stays(world: World) {
    finished(&world, "p1", &["A", "B", "C", "D", "E"]).await;
    let page = |skip| FinishedFilter { skip, limit: 2, ..older_than(START + 100_000) };
    assert_eq!(found(&world, page(0)).await, (2, vec!["A".to_owned(), "B".to_owned()]));
    assert_eq!(found(&world, page(4)).await, (1, vec!["E".to_owned()]));
    assert_eq!(found(&world, page(5)).await, (0, vec![]));
}

async fn a_removed_execution_leaves_nothing_but_its_id(world: World) {
    let store = &world.store;
    let calm = store.stats().await.unwrap();
    store.execution_create(create("E")).await.unwrap();
    let mut next = commit("E", 1, "a");
    next.timeline = vec!["one".to_owned(), "two".to_owned()];
    store.execution_commit(next).await.unwrap();
    store.execution_commit(ended("E", 2, "end")).await.unwrap();
    // Its neighbours by name are left alone.
    for neighbour in ["E0", "EE"] {
        store.execution_create(create(neighbour)).await.unwrap();
        let mut last = ended(neighbour, 1, "end");
        last.timeline = vec!["kept".to_owned()];
        store.execution_commit(last).await.unwrap();
    }
    assert_eq!(store.execution_remove(&id("E")).await.unwrap(), Removed::Done);
    assert_eq!(store.execution_remove(&id("E")).await.unwrap(), Removed::Gone);
    assert_eq!(store.execution_remove(&id("X")).await.unwrap(), Removed::Gone);
    assert_eq!(store.execution_load(&id("E")).await.unwrap(), None);
    assert_eq!(store.execution_view(&id("E")).await.unwrap(), None);
    assert!(store.execution_timeline(&id("E")).await.unwrap().is_empty());
    let answer = store.execution_commit(commit("E", 3, "late")).await.unwrap();
    assert_eq!(answer, store::Committed::Gone);
    let all = [
        ExecutionFilter::default(),
        ExecutionFilter { application: Some("shop".to_owned()), ..ExecutionFilter::default() },
        ExecutionFilter { pipeline_ids: vec!["p1".to_owned()], ..ExecutionFilter::default() },
        ExecutionFilter { event_key: Some("e1".to_owned()), ..ExecutionFilter::default() },
        ExecutionFilter {
            statuses: vec![ExecutionStatus::Succeeded],
            ..ExecutionFilter::default()
        },
    ];
    for filter in all {
        let rows = store.execution_list(filter.clone()).await.unwrap();
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["EE", "E0"], "{filter:?}");
    }
    for neighbour in ["E0", "EE"] {
        assert_eq!(store.execution_timeline(&id(neighbour)).await.unwrap().len(), 1);
        let repeated = store.execution_commit(ended(neighbour, 1, "end")).await.unwrap();
        assert_eq!(repeated, store::Committed::Duplicate, "its inputs are still known");
        assert_eq!(store.execution_remove(&id(neighbour)).await.unwrap(), Removed::Done);
    }
    assert_eq!(store.stats().await.unwrap(), Stats { ..calm });
    assert!(store.execution_list(ExecutionFilter::default()).await.unwrap().is_empty());
}

async fn a_live_execution_is_never_removed(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    let before = store.execution_load(&id("E")).await.unwrap();
    assert_eq!(store.execution_remove(&id("E")).await.unwrap(), Removed::Live);
    assert_eq!(store.execution_load(&id("E")).await.unwrap(), before);
    let paused = Commit { status: ExecutionStatus::Paused, ..commit("E", 1, "pause") };
    store.execution_commit(paused).await.unwrap();
    assert_eq!(store.execution_remove(&id("E")).await.unwrap(), Removed::Live);
}

async fn a_build_that_is_told_again_does_not_run_again_after_its_execution_was_removed(
    world: World,
) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    store.execution_commit(ended("E", 1, "end")).await.unwrap();
    store.execution_remove(&id("E")).await.unwrap();
    assert_eq!(store.execution_create(create("E")).await.unwrap(), Created::Exists);
    assert_eq!(store.execution_load(&id("E")).await.unwrap(), None);
    let expiry = |tombstones_before_ms| Expiry {
        events_before_ms: START + 1_000,
        tombstones_before_ms,
        limit: 9,
    };
    let none = Expired::default();
    assert_eq!(store.expire(expiry(START)).await.unwrap(), none, "it was removed at that time");
    assert_eq!(store.execution_create(create("E")).await.unwrap(), Created::Exists);
    let one = Expired { tombstones: 1, ..none };
    assert_eq!(store.expire(expiry(START + 1)).await.unwrap(), one);
    assert_eq!(store.expire(expiry(START + 1)).await.unwrap(), none);
    assert_eq!(store.execution_create(create("E")).await.unwrap(), Created::New);
}

async fn accept(world: &World, keys: &[&str]) {
    for key in keys {
        let row = EventRow::new((*key).to_owned(), "{}".to_owned());
        assert_eq!(world.store.event_accept(row).await.unwrap(), EventAccepted::New);
        world.advance(1_000).await;
    }
}

async fn keys(world: &World) -> Vec<String> {
    world.store.event_list(100).await.unwrap().into_iter().map(|event| event.key).collect()
}

async fn old_settled_events_are_forgotten_and_pending_ones_stay(world: World) {
    let store = &world.store;
    accept(&world, &["a", "b", "c", "d"]).await;
    for key in ["a", "c", "d"] {
        store.event_settle(key, "done", Vec::new()).await.unwrap();
    }
    let expiry =
        Expiry { events_before_ms: START + 3_000, tombstones_before_ms: START, limit: 100 };
    let two = Expired { events: 2, tombstones: 0 };
    assert_eq!(store.expire(expiry).await.unwrap(), two);
    assert_eq!(keys(&world).await, ["d", "b"]);
    assert_eq!(store.event_get("a").await.unwrap(), None);
    // The pending one is due as ever, and a forgotten one is new when it is told again.
    assert_eq!(store.due(9, 1_000).await.unwrap().events.len(), 1);
    accept(&world, &["a"]).await;
    assert_eq!(keys(&world).await, ["a", "d", "b"]);
}

async fn no_more_than_the_limit_is_forgotten_at_once(world: World) {
    let store = &world.store;
    accept(&world, &["p", "a", "b", "c"]).await;
    for key in ["a", "b", "c"] {
        store.event_settle(key, "done", Vec::new()).await.unwrap();
    }
    finished(&world, "p1", &["A", "B", "C"]).await;
    for execution in ["A", "B", "C"] {
        store.execution_remove(&id(execution)).await.unwrap();
        world.advance(1).await;
    }
    let now = store.now_ms().await.unwrap();
    let expiry = Expiry { events_before_ms: now, tombstones_before_ms: now, limit: 2 };
    let expired = |events, tombstones| Expired { events, tombstones };
    assert_eq!(store.expire(expiry).await.unwrap(), expired(2, 2));
    assert_eq!(keys(&world).await, ["c", "p"], "the oldest go first");
    assert_eq!(store.expire(expiry).await.unwrap(), expired(1, 1));
    assert_eq!(store.expire(expiry).await.unwrap(), expired(0, 0));
    assert_eq!(keys(&world).await, ["p"]);
}
