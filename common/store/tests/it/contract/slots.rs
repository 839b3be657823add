//! How many of a pipeline may run, and in which order the others wait.

use model::{ExecutionId, ExecutionStatus};
use store::{
    Commit, Committed, Create, Created, PipelinePut, Reopen, SlotChange, SlotRequest, SlotRow,
    SlotState,
};

use crate::{
    rows::{commit, create, ended, id},
    worlds::{START, World},
};

super::on_every_store! {
    a_pipeline_without_a_limit_runs_everything
    a_limit_is_never_exceeded_and_who_comes_later_waits
    nobody_overtakes_those_who_wait
    a_waiter_takes_a_free_slot_and_keeps_its_place_in_the_order
    a_slot_that_is_taken_refuses_the_whole_transition
    one_that_holds_a_slot_keeps_it_whatever_the_limit_is
    every_way_to_end_frees_the_slot_and_wakes_all_who_wait
    a_waiter_that_gives_up_leaves_the_queue
    a_waiter_that_takes_a_slot_wakes_the_others
    a_transition_that_did_not_see_a_free_slot_leaves_the_wake
    another_limit_in_the_definition_wakes_all_who_wait
    pipelines_do_not_count_each_other
    one_that_failed_on_startup_holds_nothing
    a_finished_execution_opens_again_only_by_a_restart_that_asks_for_a_slot
    one_that_opens_again_queues_behind_everybody
    one_that_opens_again_needs_a_free_slot
    who_waits_is_counted
}

fn limited(execution: &str, limit: u32) -> Create {
    Create { slot: SlotRequest { limit: Some(limit) }, ..create(execution) }
}

fn take(execution: &str, version: u64, input: &str, limit: u32) -> Commit {
    let slot = Some(SlotChange::Take { limit: Some(limit) });
    Commit { slot, ..commit(execution, version, input) }
}

async fn start(world: &World, executions: &[&str], limit: u32) {
    for execution in executions {
        let created = world.store.execution_create(limited(execution, limit)).await.unwrap();
        assert_eq!(created, Created::New, "{execution}");
    }
}

async fn slots(world: &World, execution: &str) -> SlotRow {
    world.store.execution_load(&id(execution)).await.unwrap().unwrap().slot
}

/// Who holds and who waits, as one that holds nothing sees it.
async fn lists(world: &World, seen_by: &str) -> (Vec<String>, Vec<String>) {
    let row = slots(world, seen_by).await;
    let names = |entries: &[store::SlotEntry]| {
        let grows = entries.is_sorted_by(|a, b| a.number < b.number);
        assert!(grows, "out of order: {entries:?}");
        entries.iter().map(|entry| entry.execution.to_string()).collect()
    };
    (names(&row.holders), names(&row.waiting))
}

async fn wake(world: &World, execution: &str) -> Option<u64> {
    world.store.execution_load(&id(execution)).await.unwrap().unwrap().wake_ms
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn a_pipeline_without_a_limit_runs_everything(world: World) {
    for execution in ["A", "B", "C"] {
        world.store.execution_create(create(execution)).await.unwrap();
        let row = slots(&world, execution).await;
        assert_eq!(row.own, SlotState::Holds);
        let seen: Vec<&ExecutionId> = row.holders.iter().map(|entry| &entry.execution).collect();
        assert_eq!((seen, row.waiting.len()), (vec![&id(execution)], 0), "it sees itself only");
    }
}

async fn a_limit_is_never_exceeded_and_who_comes_later_waits(world: World) {
    start(&world, &["A", "B", "C", "D"], 2).await;
    for (execution, state) in [
        ("A", SlotState::Holds),
        ("B", SlotState::Holds),
        ("C", SlotState::Waits),
        ("D", SlotState::Waits),
    ] {
        assert_eq!(slots(&world, execution).await.own, state, "{execution}");
    }
    assert_eq!(lists(&world, "D").await, (named(&["A", "B"]), named(&["C", "D"])));
    // A repeated start changes nothing.
    let again = world.store.execution_create(limited("C", 9)).await.unwrap();
    assert_eq!(again, Created::Exists);
    assert_eq!(lists(&world, "C").await, (named(&["A", "B"]), named(&["C", "D"])));
    // A limit of nothing lets nothing run.
    let none = Create { pipeline_id: "p2".to_owned(), ..limited("N", 0) };
    world.store.execution_create(none).await.unwrap();
    assert_eq!(slots(&world, "N").await.own, SlotState::Waits);
}

async fn nobody_overtakes_those_who_wait(world: World) {
    start(&world, &["A", "B"], 1).await;
    world.store.execution_commit(ended("A", 1, "end")).await.unwrap();
    start(&world, &["C"], 1).await;
    assert_eq!(lists(&world, "C").await, (named(&[]), named(&["B", "C"])));
    // One for which the limit does not count does not wait at all.
    world.store.execution_create(create("D")).await.unwrap();
    assert_eq!(lists(&world, "C").await, (named(&["D"]), named(&["B", "C"])));
}

async fn a_waiter_takes_a_free_slot_and_keeps_its_place_in_the_order(world: World) {
    let store = &world.store;
    start(&world, &["A", "B", "C"], 1).await;
    let number = slots(&world, "B").await.waiting.first().unwrap().number;
    store.execution_commit(ended("A", 1, "end")).await.unwrap();
    let taken = store.execution_commit(take("B", 1, "take", 1)).await.unwrap();
    assert_eq!(taken, Committed::Applied { version: 2 });
    let row = slots(&world, "B").await;
    assert_eq!((row.own, row.holders.first().unwrap().number), (SlotState::Holds, number));
    assert_eq!(lists(&world, "C").await, (named(&["B"]), named(&["C"])));
    // A repeat after a lost reply.
    let repeated = store.execution_commit(take("B", 1, "take", 1)).await.unwrap();
    assert_eq!(repeated, Committed::Duplicate);
}

async fn a_slot_that_is_taken_refuses_the_whole_transition(world: World) {
    let store = &world.store;
    start(&world, &["A", "B"], 1).await;
    let before = store.execution_load(&id("B")).await.unwrap();
    let mut next = take("B", 1, "i", 1);
    next.outbox.push(crate::rows::message("m1"));
    next.events.push(store::EventRow::new("k".to_owned(), "{}".to_owned()));
    next.notify.push(id("A"));
    assert_eq!(store.execution_commit(next).await.unwrap(), Committed::NoSlot);
    assert_eq!(store.execution_load(&id("B")).await.unwrap(), before);
    assert_eq!(store.stats().await.unwrap().outbox_depth, 0);
    assert_eq!(store.event_get("k").await.unwrap(), None);
    assert_eq!(wake(&world, "A").await, Some(START + 60_000));
    // Its input is not remembered as applied: decided again, it goes through.
    let plain = commit("B", 1, "i");
    assert_eq!(store.execution_commit(plain).await.unwrap(), Committed::Applied { version: 2 });
    let wider = take("B", 2, "j", 2);
    assert_eq!(store.execution_commit(wider).await.unwrap(), Committed::Applied { version: 3 });
}

async fn one_that_holds_a_slot_keeps_it_whatever_the_limit_is(world: World) {
    let store = &world.store;
    start(&world, &["A", "B"], 2).await;
    for (version, input, slot) in [
        (1, "same", Some(SlotChange::Take { limit: Some(1) })),
        (2, "wait", Some(SlotChange::Wait)),
        (3, "nothing", None),
    ] {
        let next = Commit { slot, ..commit("A", version, input) };
        let applied = store.execution_commit(next).await.unwrap();
        assert_eq!(applied, Committed::Applied { version: version + 1 }, "{input}");
        assert_eq!(slots(&world, "A").await.own, SlotState::Holds, "{input}");
    }
    // A pause is no end: the slot is held.
    let paused = Commit { status: ExecutionStatus::Paused, ..commit("A", 4, "pause") };
    store.execution_commit(paused).await.unwrap();
    start(&world, &["C"], 2).await;
    assert_eq!(lists(&world, "C").await, (named(&["A", "B"]), named(&["C"])));
}

async fn every_way_to_end_frees_the_slot_and_wakes_all_who_wait(world: World) {
    let store = &world.store;
    for (number, status) in
        ExecutionStatus::ALL.into_iter().filter(|status| status.is_complete()).enumerate()
    {
        let names = ["A", "B", "C"].map(|name| format!("{name}{number}"));
        let [a, b, c] = names.each_ref().map(String::as_str);
        for name in [a, b, c] {
            let request = Create { pipeline_id: format!("of-{number}"), ..limited(name, 1) };
            store.execution_create(request).await.unwrap();
        }
        let last = Commit { status, ..ended(a, 1, "end") };
        store.execution_commit(last).await.unwrap();
        assert_eq!(lists(&world, b).await, (named(&[]), named(&[b, c])), "{status}");
        assert_eq!((wake(&world, b).await, wake(&world, c).await), (Some(START), Some(START)));
        assert_eq!(slots(&world, a).await.own, SlotState::None, "{status}");
    }
}

async fn a_waiter_that_gives_up_leaves_the_queue(world: World) {
    let store = &world.store;
    start(&world, &["A", "B", "C"], 1).await;
    let canceled = Commit { status: ExecutionStatus::Canceled, ..ended("B", 1, "cancel") };
    store.execution_commit(canceled).await.unwrap();
    assert_eq!(lists(&world, "C").await, (named(&["A"]), named(&["C"])));
    assert_eq!(wake(&world, "C").await, Some(START), "its place is another one");
    assert_eq!(wake(&world, "A").await, Some(START + 60_000));
    assert_eq!(store.execution_commit(take("C", 1, "take", 1)).await.unwrap(), Committed::NoSlot);
}

async fn a_waiter_that_takes_a_slot_wakes_the_others(world: World) {
    let store = &world.store;
    start(&world, &["A", "B", "C"], 1).await;
    store.execution_commit(ended("A", 1, "end")).await.unwrap();
    store.execution_commit(commit("B", 1, "looked too early")).await.unwrap();
    store.execution_commit(commit("B", 2, "rests")).await.unwrap();
    assert_eq!(wake(&world, "B").await, Some(START + 60_000));
    store.execution_commit(take("C", 1, "take", 1)).await.unwrap();
    assert_eq!(wake(&world, "B").await, Some(START), "it sees that a newer one runs");
}

async fn a_transition_that_did_not_see_a_free_slot_leaves_the_wake(world: World) {
    let store = &world.store;
    start(&world, &["A", "B"], 1).await;
    let seen = wake(&world, "B").await;
    // The coordinator loaded B before this, and writes after it.
    store.execution_commit(ended("A", 1, "end")).await.unwrap();
    store.execution_commit(commit("B", 1, "blind")).await.unwrap();
    assert_eq!(wake(&world, "B").await, Some(START), "the free slot is not overlooked");
    // The next one was computed from a state with the free slot in it: its wake is meant so.
    store.execution_commit(commit("B", 2, "seeing")).await.unwrap();
    assert_eq!(wake(&world, "B").await, Some(START + 60_000));

    start(&world, &["C"], 1).await;
    store.execution_commit(take("B", 3, "take", 1)).await.unwrap();
    store.execution_commit(commit("C", 1, "rests")).await.unwrap();
    store.execution_commit(ended("B", 4, "end")).await.unwrap();
    // Nothing to commit for C, from before B ended: its rest does not count.
    store.execution_rewake(&id("C"), seen, START + 300_000).await.unwrap();
    assert_eq!(wake(&world, "C").await, Some(START));
}

async fn another_limit_in_the_definition_wakes_all_who_wait(world: World) {
    let store = &world.store;
    start(&world, &["A", "B", "C"], 1).await;
    let definition = |id: &str| PipelinePut {
        id: id.to_owned(),
        application: "shop".to_owned(),
        name: id.to_owned(),
        body: "{}".to_owned(),
        ..PipelinePut::default()
    };
    store.pipeline_put(definition("other")).await.unwrap();
    assert_eq!(wake(&world, "B").await, Some(START + 60_000));
    store.pipeline_put(definition("p1")).await.unwrap();
    assert_eq!((wake(&world, "B").await, wake(&world, "C").await), (Some(START), Some(START)));
    assert_eq!(wake(&world, "A").await, Some(START + 60_000));
    for execution in ["B", "C"] {
        store.execution_commit(commit(execution, 1, "looked")).await.unwrap();
        store.execution_commit(commit(execution, 2, "rests")).await.unwrap();
    }
    store.pipeline_delete("p1").await.unwrap();
    assert_eq!((wake(&world, "B").await, wake(&world, "C").await), (Some(START), Some(START)));
}

async fn pipelines_do_not_count_each_other(world: World) {
    // Names of which one begins with the other.
    for (pipeline, execution) in [("p", "A"), ("p1", "B"), ("p/1", "C")] {
        let request = Create { pipeline_id: pipeline.to_owned(), ..limited(execution, 1) };
        world.store.execution_create(request).await.unwrap();
        assert_eq!(slots(&world, execution).await.own, SlotState::Holds, "{pipeline}");
    }
    let second = Create { pipeline_id: "p".to_owned(), ..limited("D", 1) };
    world.store.execution_create(second).await.unwrap();
    assert_eq!(lists(&world, "D").await, (named(&["A"]), named(&["D"])));
}

async fn one_that_failed_on_startup_holds_nothing(world: World) {
    start(&world, &["A", "B"], 1).await;
    let failed = Commit { status: ExecutionStatus::Terminal, ..ended("F", 0, "create") };
    let failed = Create { first: failed, ..limited("F", 1) };
    assert_eq!(world.store.execution_create(failed).await.unwrap(), Created::New);
    assert_eq!(lists(&world, "F").await, (named(&["A"]), named(&["B"])));
    assert_eq!(wake(&world, "B").await, Some(START + 60_000), "nobody's turn has come");
}

fn reopened(execution: &str, version: u64, slot: Option<SlotChange>) -> Commit {
    Commit { reopen: Reopen::ByRestart, slot, ..commit(execution, version, "restart") }
}

async fn a_finished_execution_opens_again_only_by_a_restart_that_asks_for_a_slot(world: World) {
    let store = &world.store;
    store.execution_create(create("A")).await.unwrap();
    store.execution_commit(ended("A", 1, "end")).await.unwrap();
    let take = Some(SlotChange::Take { limit: None });
    let plain = Commit { slot: take, ..commit("A", 2, "revive") };
    let refused = store.execution_commit(plain).await.unwrap();
    assert!(matches!(&refused, Committed::Refused { reason } if reason.contains("complete")));
    let refused = store.execution_commit(reopened("A", 2, None)).await.unwrap();
    assert!(matches!(&refused, Committed::Refused { reason } if reason.contains("slot")));
    let zombie = Commit { wake_ms: None, ..reopened("A", 2, take) };
    let refused = store.execution_commit(zombie).await.unwrap();
    assert!(matches!(&refused, Committed::Refused { reason } if reason.contains("wake")));

    let opened = store.execution_commit(reopened("A", 2, take)).await.unwrap();
    assert_eq!(opened, Committed::Applied { version: 3 });
    let stored = store.execution_load(&id("A")).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.wake_ms), (ExecutionStatus::Running, Some(START + 60_000)));
    let live = store.stats().await.unwrap().executions;
    assert_eq!(live.get(&ExecutionStatus::Running), Some(&1));
    assert_eq!(live.get(&ExecutionStatus::Succeeded), None);
    let locked = store.lock("cluster", &id("A"), "A/s").await.unwrap();
    assert!(matches!(locked, store::Locked::Granted { .. }), "it is as live as any");
    // It ends once more, and is final once more. The restart is not applied twice.
    store.execution_commit(ended("A", 3, "end again")).await.unwrap();
    let repeated = store.execution_commit(reopened("A", 4, take)).await.unwrap();
    assert_eq!(repeated, Committed::Duplicate);
    assert_eq!(wake(&world, "A").await, None);
}

async fn one_that_opens_again_queues_behind_everybody(world: World) {
    let store = &world.store;
    start(&world, &["A", "B", "C"], 1).await;
    store.execution_commit(ended("A", 1, "end")).await.unwrap();
    store.execution_commit(take("B", 1, "take", 1)).await.unwrap();
    assert_eq!(lists(&world, "A").await, (named(&["B"]), named(&["C"])), "it sees who is there");
    let waits =
        Commit { status: ExecutionStatus::NotStarted, ..reopened("A", 2, Some(SlotChange::Wait)) };
    assert_eq!(store.execution_commit(waits).await.unwrap(), Committed::Applied { version: 3 });
    assert_eq!(lists(&world, "A").await, (named(&["B"]), named(&["C", "A"])));
}

async fn one_that_opens_again_needs_a_free_slot(world: World) {
    let store = &world.store;
    start(&world, &["A", "B"], 1).await;
    store.execution_commit(ended("A", 1, "end")).await.unwrap();
    store.execution_commit(take("B", 1, "take", 1)).await.unwrap();
    let one = Some(SlotChange::Take { limit: Some(1) });
    assert_eq!(store.execution_commit(reopened("A", 2, one)).await.unwrap(), Committed::NoSlot);
    assert_eq!(wake(&world, "A").await, None, "it is over as before");
    store.execution_commit(ended("B", 2, "end")).await.unwrap();
    let opened = store.execution_commit(reopened("A", 2, one)).await.unwrap();
    assert_eq!(opened, Committed::Applied { version: 3 });
    assert_eq!(lists(&world, "B").await, (named(&["A"]), named(&[])));
}

async fn who_waits_is_counted(world: World) {
    let store = &world.store;
    let counted = async || {
        let stats = store.stats().await.unwrap();
        (stats.executions_waiting, stats.executions_waiting_oldest_ms)
    };
    start(&world, &["A", "B"], 1).await;
    world.advance(2_000).await;
    start(&world, &["C"], 1).await;
    world.advance(1_000).await;
    assert_eq!(counted().await, (2, 3_000));
    store.execution_commit(ended("B", 1, "cancel")).await.unwrap();
    assert_eq!(counted().await, (1, 1_000));
    store.execution_commit(ended("A", 1, "end")).await.unwrap();
    store.execution_commit(take("C", 1, "take", 1)).await.unwrap();
    assert_eq!(counted().await, (0, 0));
}
