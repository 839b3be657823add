//! Due work: handed out, hidden, and handed out again until it is settled.

use store::{Commit, OutboxRow, TaskChange};

use crate::{
    rows::{commit, create, dispatch, dispatched, ended, granted, id, message, rewake, task},
    worlds::{START, World},
};

super::on_every_store! {
    what_is_handed_out_is_hidden_and_comes_again
    due_takes_at_most_the_limit_of_each_kind
    a_wake_is_due_when_its_time_has_come
    messages_stay_until_the_broker_has_confirmed_them
    a_second_message_with_one_id_replaces_the_first
    messages_of_tasks_that_are_no_longer_live_are_dropped
    dropped_messages_do_not_use_up_the_limit
    the_figures_show_age_and_depth
}

fn bodies(rows: &[OutboxRow]) -> Vec<&str> {
    rows.iter().map(|row| row.message_id.as_str()).collect()
}

async fn outbox(world: &World, execution: &str, rows: Vec<OutboxRow>) {
    let mut first = create(execution);
    first.first.outbox = rows;
    world.store.execution_create(first).await.unwrap();
}

async fn what_is_handed_out_is_hidden_and_comes_again(world: World) {
    let store = &world.store;
    outbox(&world, "E", vec![message("m1")]).await;
    rewake(store, "E", START).await;
    let due = store.due(9, 30_000).await.unwrap();
    assert_eq!((bodies(&due.outbox), due.wakes.len()), (vec!["m1"], 1));
    assert_eq!((due.now_ms, due.next_ms), (START, Some(START + 30_000)));
    world.advance(29_999).await;
    let due = store.due(9, 30_000).await.unwrap();
    assert_eq!((due.outbox.len(), due.wakes.len()), (0, 0));
    world.advance(1).await;
    let due = store.due(9, 30_000).await.unwrap();
    assert_eq!((bodies(&due.outbox), due.wakes), (vec!["m1"], vec![id("E")]));
}

async fn due_takes_at_most_the_limit_of_each_kind(world: World) {
    let store = &world.store;
    outbox(&world, "E", vec![message("m1"), message("m2"), message("m3")]).await;
    assert_eq!(store.due(0, 1_000).await.unwrap().outbox.len(), 0);
    assert_eq!(bodies(&store.due(2, 1_000).await.unwrap().outbox), ["m1", "m2"]);
    assert_eq!(bodies(&store.due(2, 1_000).await.unwrap().outbox), ["m3"]);
    assert_eq!(store.due(2, 0).await.unwrap().outbox.len(), 0);
}

async fn a_wake_is_due_when_its_time_has_come(world: World) {
    let store = &world.store;
    for (execution, wake) in [("E", 3_000), ("F", 1_000), ("G", 2_000)] {
        let mut first = create(execution);
        first.first.wake_ms = Some(START + wake);
        store.execution_create(first).await.unwrap();
    }
    assert_eq!(store.due(9, 1_000).await.unwrap().next_ms, Some(START + 1_000));
    world.advance(2_000).await;
    let due = store.due(9, 10_000).await.unwrap();
    assert_eq!(due.wakes, [id("F"), id("G")], "the longest overdue first");
    assert_eq!(due.next_ms, Some(START + 3_000));
    // A commit in between sets the wake anew; nothing of the hiding is left.
    let next = Commit { wake_ms: Some(START + 2_500), ..commit("F", 1, "a") };
    store.execution_commit(next).await.unwrap();
    world.advance(500).await;
    assert_eq!(store.due(9, 10_000).await.unwrap().wakes, [id("F")]);
}

async fn messages_stay_until_the_broker_has_confirmed_them(world: World) {
    let store = &world.store;
    outbox(&world, "E", vec![message("m1"), message("m2")]).await;
    let ids = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    store.due(9, 1_000).await.unwrap();
    store.outbox_defer(&ids(&["m1", "unknown"]), START + 50_000).await.unwrap();
    store.outbox_done(&ids(&["m2", "unknown"])).await.unwrap();
    store.outbox_done(&ids(&["m2"])).await.unwrap();
    world.advance(49_999).await;
    assert_eq!(store.due(9, 1_000).await.unwrap().outbox.len(), 0);
    world.advance(1).await;
    let due = store.due(9, 1_000).await.unwrap();
    assert_eq!(due.outbox, [message("m1")]);
    // Messages outlive their execution: what was promised to the broker is told.
    store.execution_commit(ended("E", 1, "end")).await.unwrap();
    world.advance(1_000).await;
    assert_eq!(bodies(&store.due(9, 1_000).await.unwrap().outbox), ["m1"]);
}

async fn a_second_message_with_one_id_replaces_the_first(world: World) {
    let store = &world.store;
    outbox(&world, "E", vec![message("m1")]).await;
    store.due(9, 300_000).await.unwrap();
    world.advance(1_000).await;
    let newer = OutboxRow { body: "newer".to_owned(), ..message("m1") };
    let next = Commit { outbox: vec![newer.clone()], ..commit("E", 1, "a") };
    store.execution_commit(next).await.unwrap();
    assert_eq!(store.due(9, 1_000).await.unwrap().outbox, [newer]);
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.outbox_depth, stats.outbox_oldest_ms), (1, 0));
}

async fn messages_of_tasks_that_are_no_longer_live_are_dropped(world: World) {
    let store = &world.store;
    let only_if = |name: &str, epoch| OutboxRow {
        only_if: Some((task(name), epoch)),
        ..message(&format!("{name}/{epoch}"))
    };
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    let mut next = commit("E", 1, "a");
    for name in ["E/t/1", "E/u/1", "E/v/1"] {
        next.tasks.push(dispatch(name, 1));
        next.outbox.push(only_if(name, 1));
    }
    next.outbox.push(only_if("E/s/1", 1));
    store.execution_commit(next).await.unwrap();
    let mut next = commit("E", 2, "b");
    next.tasks = vec![dispatch("E/t/1", 2), TaskChange::Retire { task: task("E/u/1") }];
    next.outbox = vec![only_if("E/t/1", 2)];
    store.execution_commit(next).await.unwrap();
    store.lease_finish(&task("E/s/1"), token, "done", 0).await.unwrap();
    // t/1 has a newer epoch, u/1 is retired, s/1 has its result.
    let due = store.due(9, 1_000).await.unwrap();
    assert_eq!(bodies(&due.outbox), ["E/t/1/2", "E/v/1/1"]);
    assert_eq!(store.stats().await.unwrap().outbox_depth, 2, "dropped, not hidden");
    assert_eq!(due.outbox.first().unwrap().only_if, Some((task("E/t/1"), 2)));
}

async fn dropped_messages_do_not_use_up_the_limit(world: World) {
    let dead = |name: &str| OutboxRow { only_if: Some((task("E/x/1"), 1)), ..message(name) };
    outbox(&world, "E", vec![dead("a"), dead("b"), message("c"), dead("d"), message("e")]).await;
    let due = world.store.due(2, 1_000).await.unwrap();
    assert_eq!(bodies(&due.outbox), ["c", "e"]);
}

async fn the_figures_show_age_and_depth(world: World) {
    let store = &world.store;
    let calm = store.stats().await.unwrap();
    assert_eq!(calm, store::Stats::default());
    outbox(&world, "E", vec![message("m1")]).await;
    world.advance(5_000).await;
    outbox(&world, "F", vec![message("m2")]).await;
    store.execution_commit(ended("F", 1, "end")).await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.outbox_depth, stats.outbox_oldest_ms, stats.wakes_overdue), (2, 5_000, 0));
    let counts: Vec<_> = stats.executions.values().copied().collect();
    assert_eq!(counts, [1, 1]);
    // E wakes at START + 60 s; a minute after that it is overdue.
    world.advance(115_000).await;
    assert_eq!(store.stats().await.unwrap().wakes_overdue, 0);
    world.advance(1).await;
    assert_eq!(store.stats().await.unwrap().wakes_overdue, 1);
}
