//! Who may work on a task, and what becomes of its progress.

use model::{Pool, digest};
use store::{Beat, Claim, Commit, Committed, TaskChange, TaskClaim};

use crate::{
    rows::{claim, commit, create, dispatch, dispatched, granted, id, rewake, task},
    worlds::{START, World},
};

super::on_every_store! {
    only_what_was_committed_can_be_claimed
    a_held_lease_is_busy_and_its_holder_is_granted_it_again
    a_lease_that_ran_out_goes_to_the_next_and_its_old_holder_has_lost_it
    a_new_epoch_keeps_the_checkpoint_and_takes_the_lease
    a_holder_that_was_heard_of_in_time_keeps_the_lease
    the_same_or_a_lower_epoch_changes_nothing
    a_result_is_stored_once_and_by_the_holder_only
    a_result_brings_the_wake_forward_and_never_back
    a_commit_that_did_not_see_a_result_leaves_its_notice
    a_result_survives_a_new_epoch_dispatched_at_the_same_time
    a_released_lease_is_free_with_its_checkpoint
    the_same_checkpoint_again_is_no_progress
    a_cancel_reaches_the_holder_and_whoever_comes_next
    a_retired_task_is_gone
    leases_are_counted_by_kind
}

async fn lease(world: &World) -> store::LeaseRow {
    let stored = world.store.execution_load(&id("E")).await.unwrap().unwrap();
    stored.leases.get(&task("E/s/1")).cloned().expect("the task is live")
}

async fn change(world: &World, version: u64, change: TaskChange) {
    let next = Commit { tasks: vec![change], ..commit("E", version, &format!("i{version}")) };
    let answer = world.store.execution_commit(next).await.unwrap();
    assert_eq!(answer, Committed::Applied { version: version + 1 });
}

async fn only_what_was_committed_can_be_claimed(world: World) {
    let store = &world.store;
    assert_eq!(store.lease_claim(claim("E/s/1", 1, "w1")).await.unwrap(), Claim::Gone);
    dispatched(store).await;
    assert_eq!(store.lease_claim(claim("E/s/2", 1, "w1")).await.unwrap(), Claim::Gone);
    assert_eq!(store.lease_claim(claim("E/s/1", 2, "w1")).await.unwrap(), Claim::Gone);
    let forged = TaskClaim { digest: digest("forged"), ..claim("E/s/1", 1, "w1") };
    assert_eq!(store.lease_claim(forged).await.unwrap(), Claim::Gone);
    let before = lease(&world).await;
    assert_eq!((before.claimed, before.dispatched_ms, before.holder), (false, START, None));
    granted(store, 1, "w1").await;
    let after = lease(&world).await;
    assert_eq!((after.claimed, after.until_ms), (true, Some(START + 90_000)));
    assert_eq!(after.holder.as_deref(), Some("w1"));
}

async fn a_held_lease_is_busy_and_its_holder_is_granted_it_again(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    world.advance(10_000).await;
    let busy = store.lease_claim(claim("E/s/1", 1, "w2")).await.unwrap();
    assert_eq!(busy, Claim::Busy { holder: "w1".to_owned() });
    assert_eq!(granted(store, 1, "w1").await, token);
    assert_eq!(lease(&world).await.until_ms, Some(START + 100_000));
}

async fn a_lease_that_ran_out_goes_to_the_next_and_its_old_holder_has_lost_it(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let old = granted(store, 1, "w1").await;
    world.advance(90_000).await;
    // Nobody else came: it is still theirs.
    let beat = store.lease_beat(&task("E/s/1"), old, 1_000, None).await.unwrap();
    assert_eq!(beat, Beat::Held { cancel: false });
    world.advance(1_000).await;
    let new = granted(store, 1, "w2").await;
    assert!(new > old);
    for answer in [
        store.lease_beat(&task("E/s/1"), old, 1_000, Some("late")).await.unwrap(),
        store.lease_finish(&task("E/s/1"), old, "late", 0).await.unwrap(),
        store.lease_release(&task("E/s/1"), old, Some("late")).await.unwrap(),
    ] {
        assert_eq!(answer, Beat::Lost);
    }
    let row = lease(&world).await;
    assert_eq!((row.holder.as_deref(), row.checkpoints, row.result), (Some("w2"), 0, None));
}

async fn a_new_epoch_keeps_the_checkpoint_and_takes_the_lease(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let old = granted(store, 1, "w1").await;
    store.lease_beat(&task("E/s/1"), old, 90_000, Some("half")).await.unwrap();
    world.advance(90_000).await;
    change(&world, 1, dispatch("E/s/1", 2)).await;
    let row = lease(&world).await;
    assert_eq!((row.epoch, row.checkpoints, row.claimed), (2, 1, false));
    assert_eq!((row.holder, row.until_ms, row.dispatched_ms), (None, None, START + 90_000));
    let beat = store.lease_beat(&task("E/s/1"), old, 90_000, None).await.unwrap();
    assert_eq!(beat, Beat::Lost);
    let stale = store.lease_claim(claim("E/s/1", 1, "w1")).await.unwrap();
    assert_eq!(stale, Claim::Stale { epoch: 2 });
    let next = store.lease_claim(claim("E/s/1", 2, "w2")).await.unwrap();
    assert!(
        matches!(&next, Claim::Granted { checkpoint: Some(half), .. } if half == "half"),
        "{next:?}"
    );
}

async fn a_holder_that_was_heard_of_in_time_keeps_the_lease(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let here = task("E/s/1");
    // Given back, so that a coordinator decides to dispatch again; claimed by a doubled message
    // before it writes.
    let first = granted(store, 1, "w1").await;
    store.lease_release(&here, first, None).await.unwrap();
    let second = granted(store, 1, "w2").await;
    let again = Commit { tasks: vec![dispatch("E/s/1", 2)], ..commit("E", 1, "again") };
    let answer = store.execution_commit(again.clone()).await.unwrap();
    assert_eq!(answer, Committed::Conflict { version: 1 }, "and nothing of it is written");
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.leases[&here].epoch), (1, 1));
    let beat = store.lease_beat(&here, second, 90_000, None).await.unwrap();
    assert_eq!(beat, Beat::Held { cancel: false });
    world.advance(90_000).await;
    let answer = store.execution_commit(again).await.unwrap();
    assert_eq!(answer, Committed::Applied { version: 2 }, "the same input, once it is silent");
    assert_eq!(store.lease_beat(&here, second, 90_000, None).await.unwrap(), Beat::Lost);
}

async fn the_same_or_a_lower_epoch_changes_nothing(world: World) {
    let store = &world.store;
    dispatched(store).await;
    change(&world, 1, dispatch("E/s/1", 3)).await;
    let token = granted(store, 3, "w1").await;
    let before = lease(&world).await;
    world.advance(5).await;
    change(&world, 2, dispatch("E/s/1", 3)).await;
    change(&world, 3, dispatch("E/s/1", 2)).await;
    assert_eq!(lease(&world).await, before);
    let beat = store.lease_beat(&task("E/s/1"), token, 90_000, None).await.unwrap();
    assert_eq!(beat, Beat::Held { cancel: false });
}

async fn a_result_is_stored_once_and_by_the_holder_only(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let here = task("E/s/1");
    assert_eq!(store.lease_finish(&here, 1, "forged", 0).await.unwrap(), Beat::Lost);
    let token = granted(store, 1, "w1").await;
    assert_eq!(store.lease_finish(&here, token + 1, "forged", 0).await.unwrap(), Beat::Lost);
    let held = Beat::Held { cancel: false };
    assert_eq!(store.lease_finish(&here, token, "first", 5_000).await.unwrap(), held);
    assert_eq!(store.lease_finish(&here, token, "second", 0).await.unwrap(), held);
    let row = lease(&world).await;
    assert_eq!((row.result.as_deref(), row.until_ms), (Some("first"), None));
    assert_eq!(store.lease_beat(&here, token, 1_000, None).await.unwrap(), Beat::Lost);
    assert_eq!(store.lease_release(&here, token, None).await.unwrap(), Beat::Lost);
    assert_eq!(store.lease_claim(claim("E/s/1", 1, "w1")).await.unwrap(), Claim::Finished);
}

async fn a_result_brings_the_wake_forward_and_never_back(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    rewake(store, "E", START + 2_000).await;
    store.lease_finish(&task("E/s/1"), token, "done", 5_000).await.unwrap();
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!(stored.wake_ms, Some(START + 2_000));
    change(&world, 1, TaskChange::Retire { task: task("E/s/1") }).await;
    change(&world, 2, dispatch("E/s/1", 1)).await;
    let token = granted(store, 1, "w1").await;
    store.lease_finish(&task("E/s/1"), token, "done", 5_000).await.unwrap();
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!(stored.wake_ms, Some(START + 5_000));
}

async fn a_commit_that_did_not_see_a_result_leaves_its_notice(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    // The coordinator loaded before this, and commits after it.
    store.lease_finish(&task("E/s/1"), token, "done", 5_000).await.unwrap();
    store.execution_commit(commit("E", 1, "blind")).await.unwrap();
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!(stored.wake_ms, Some(START + 5_000), "the notice is not overwritten");
    // The next one was computed from a state with the result in it: its wake is meant so.
    store.execution_commit(commit("E", 2, "seeing")).await.unwrap();
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!(stored.wake_ms, Some(START + 60_000));
}

async fn a_result_survives_a_new_epoch_dispatched_at_the_same_time(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    store.lease_finish(&task("E/s/1"), token, "done", 5_000).await.unwrap();
    change(&world, 1, dispatch("E/s/1", 2)).await;
    let row = lease(&world).await;
    assert_eq!((row.epoch, row.result.as_deref()), (2, Some("done")));
    assert_eq!(store.lease_claim(claim("E/s/1", 2, "w2")).await.unwrap(), Claim::Finished);
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!(stored.wake_ms, Some(START + 5_000));
}

async fn a_released_lease_is_free_with_its_checkpoint(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let here = task("E/s/1");
    let old = granted(store, 1, "w1").await;
    let held = Beat::Held { cancel: false };
    assert_eq!(store.lease_release(&here, old, Some("half")).await.unwrap(), held);
    assert_eq!(store.lease_release(&here, old, Some("half")).await.unwrap(), held, "a repeat");
    assert_eq!(store.lease_beat(&here, old, 1_000, None).await.unwrap(), Beat::Lost);
    assert_eq!(store.lease_finish(&here, old, "late", 0).await.unwrap(), Beat::Lost);
    let row = lease(&world).await;
    assert_eq!((row.until_ms, row.claimed, row.checkpoints), (None, true, 1));
    assert_eq!(store.due(9, 1_000).await.unwrap().wakes, [id("E")], "another continues at once");
    let next = store.lease_claim(claim("E/s/1", 1, "w2")).await.unwrap();
    let Claim::Granted { token, checkpoint, cancel: false } = next else { panic!("{next:?}") };
    assert_eq!((token > old, checkpoint.as_deref()), (true, Some("half")));
}

async fn the_same_checkpoint_again_is_no_progress(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    for (checkpoint, count) in [(Some("a"), 1), (Some("a"), 1), (None, 1), (Some("b"), 2)] {
        store.lease_beat(&task("E/s/1"), token, 90_000, checkpoint).await.unwrap();
        assert_eq!(lease(&world).await.checkpoints, count);
    }
}

async fn a_cancel_reaches_the_holder_and_whoever_comes_next(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let here = task("E/s/1");
    let token = granted(store, 1, "w1").await;
    change(&world, 1, TaskChange::Cancel { task: here.clone() }).await;
    // Unknown tasks cannot be canceled, which is no mistake of anybody.
    change(&world, 2, TaskChange::Cancel { task: task("E/s/9") }).await;
    let canceled = Beat::Held { cancel: true };
    assert_eq!(store.lease_beat(&here, token, 90_000, None).await.unwrap(), canceled);
    world.advance(90_000).await;
    change(&world, 3, dispatch("E/s/1", 2)).await;
    let next = store.lease_claim(claim("E/s/1", 2, "w2")).await.unwrap();
    let Claim::Granted { token, cancel: true, .. } = next else { panic!("{next:?}") };
    assert_eq!(store.lease_finish(&here, token, "cleaned", 0).await.unwrap(), canceled);
}

async fn a_retired_task_is_gone(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let here = task("E/s/1");
    let token = granted(store, 1, "w1").await;
    change(&world, 1, TaskChange::Retire { task: here.clone() }).await;
    assert_eq!(store.lease_claim(claim("E/s/1", 1, "w1")).await.unwrap(), Claim::Gone);
    assert_eq!(store.lease_beat(&here, token, 1_000, None).await.unwrap(), Beat::Lost);
    assert_eq!(store.lease_finish(&here, token, "late", 0).await.unwrap(), Beat::Lost);
    assert_eq!(store.lease_release(&here, token, None).await.unwrap(), Beat::Lost);
    assert!(store.execution_load(&id("E")).await.unwrap().unwrap().leases.is_empty());
}

async fn leases_are_counted_by_kind(world: World) {
    let store = &world.store;
    let mut first = create("E");
    for name in ["E/s/1", "E/t/1", "E/u/1"] {
        first.first.tasks.push(dispatch(name, 1));
    }
    first.first.tasks.push(TaskChange::Dispatch {
        task: task("E/d/1"),
        kind: Pool::Deploy,
        epoch: 1,
        digest: digest("request"),
    });
    store.execution_create(first).await.unwrap();
    world.advance(1_000).await;
    let token = granted(store, 1, "w1").await;
    store.lease_claim(claim("E/t/1", 1, "w2")).await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.leases_running.into_iter().collect::<Vec<_>>(), [(Pool::Bake, 2)]);
    let waiting: Vec<_> = stats.tasks_waiting.into_iter().collect();
    assert_eq!(waiting, [(Pool::Bake, 1), (Pool::Deploy, 1)]);
    assert_eq!(stats.oldest_waiting_ms.get(&Pool::Deploy), Some(&1_000));
    store.lease_finish(&task("E/s/1"), token, "done", 0).await.unwrap();
    assert_eq!(store.stats().await.unwrap().leases_running.get(&Pool::Bake), Some(&1));
    world.advance(90_000).await;
    assert!(store.stats().await.unwrap().leases_running.is_empty(), "run out is not running");
}
