//! What a handler is told about its lease.

use std::{sync::Arc, time::Duration};

use model::Pool;
use serde_json::json;
use store::Locked;
use tokio::time::{Instant, sleep};
use worker::{Stop, testing::TestTask};

use crate::{
    flaky::Flaky,
    probe::{Order, Probe, call, operations, succeeded},
};

async fn flaky() -> Arc<Flaky> {
    Flaky::new(store::open("memory:").await.unwrap())
}

async fn task_in(store: &Arc<Flaky>) -> TestTask {
    TestTask::new(store.shared(), Pool::Bake, &call(Order::SaveAndWait)).await
}

#[tokio::test(start_paused = true)]
async fn without_beats_nothing_may_be_changed_until_they_come_back() {
    let store = flaky().await;
    let task = task_in(&store).await;
    let context = task.context();
    sleep(Duration::from_hours(1)).await;
    assert_eq!(context.may_mutate(), Ok(()), "beats have kept it");
    store.set_away(true);
    sleep(Duration::from_secs(40)).await;
    assert_eq!(context.may_mutate(), Ok(()), "four beats may be lost");
    sleep(Duration::from_secs(25)).await;
    assert_eq!(context.may_mutate(), Err(Stop::Lost), "the lease may be somebody else's soon");
    assert_eq!(context.may_clean_up(), Err(Stop::Lost));
    store.set_away(false);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(context.may_mutate(), Ok(()), "it was not");
}

#[tokio::test(start_paused = true)]
async fn a_silence_as_long_as_the_lease_ends_the_work() {
    let store = flaky().await;
    let task = task_in(&store).await;
    store.set_away(true);
    let before = Instant::now();
    assert_eq!(task.context().sleep(Duration::from_hours(1)).await, Err(Stop::Lost));
    assert!(
        before.elapsed() >= Duration::from_secs(75) && before.elapsed() < Duration::from_secs(100)
    );
    store.set_away(false);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(task.context().may_mutate(), Err(Stop::Lost), "lost is lost");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_saved_before_the_call_returns_or_not_at_all() {
    let store = flaky().await;
    let task = task_in(&store).await;
    assert_eq!(task.context().checkpoint::<u32>(), Ok(None));
    store.set_away(true);
    let saving = task.context().save(&1);
    let back = async {
        sleep(Duration::from_secs(20)).await;
        store.set_away(false);
    };
    let before = Instant::now();
    let (saved, ()) = tokio::join!(saving, back);
    assert_eq!(saved, Ok(()));
    assert!(before.elapsed() >= Duration::from_secs(20));
    let next = task.taken_over().await;
    assert_eq!(next.context().epoch(), 2);
    assert_eq!(next.context().checkpoint::<u32>(), Ok(Some(1)));
    assert!(next.context().checkpoint::<String>().unwrap_err().contains("unreadable"));
    assert_eq!(task.context().save(&2).await, Err(Stop::Lost), "the old one writes nothing");
    assert_eq!(next.taken_over().await.context().checkpoint::<u32>(), Ok(Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_a_sleep_and_forbids_everything() {
    let store = flaky().await;
    let task = task_in(&store).await;
    task.expire().await;
    let context = task.context();
    assert_eq!(context.sleep(Duration::from_secs(1)).await, Err(Stop::Lost));
    assert_eq!(context.may_mutate(), Err(Stop::Lost));
    assert_eq!(context.may_clean_up(), Err(Stop::Lost));
    assert_eq!(context.lock("cluster").await, Err(Stop::Lost));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_a_sleep_and_lets_clean_up() {
    let store = flaky().await;
    let task = task_in(&store).await;
    task.cancel().await;
    let context = task.context();
    assert_eq!(context.sleep(Duration::from_secs(1)).await, Err(Stop::Canceled));
    assert_eq!(context.may_mutate(), Err(Stop::Canceled));
    assert_eq!(context.may_clean_up(), Ok(()));
    assert_eq!(context.sleep_cleaning_up(Duration::from_mins(10)).await, Ok(()));
    assert_eq!(context.may_clean_up(), Ok(()));
    assert_eq!(context.save(&5).await, Ok(()), "cleaning up has progress, too");
    let next = task.taken_over().await;
    assert_eq!(next.context().may_mutate(), Err(Stop::Canceled), "whoever continues knows");
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_every_sleep_before_the_next_change() {
    let store = flaky().await;
    let task = task_in(&store).await;
    let context = task.context();
    let sleeping = context.sleep(Duration::from_hours(1));
    let (stopped, ()) = tokio::join!(sleeping, async { task.drain() });
    assert_eq!(stopped, Err(Stop::Draining));
    assert_eq!(context.may_mutate(), Err(Stop::Draining));
    assert_eq!(context.sleep_cleaning_up(Duration::from_secs(1)).await, Err(Stop::Draining));
    assert_eq!(context.save(&5).await, Ok(()), "what was done is still written down");
}

#[tokio::test(start_paused = true)]
async fn a_lock_belongs_to_the_stage_and_says_who_has_it() {
    let store = flaky().await;
    let (one, other) = (task_in(&store).await, task_in(&store).await);
    let Ok(Locked::Granted { fence }) = one.context().lock("cluster").await else { panic!("free") };
    assert_eq!(one.context().lock("cluster").await, Ok(Locked::Granted { fence }));
    let owner = one.context().task().owner();
    assert_eq!(other.context().lock("cluster").await, Ok(Locked::Busy { owner }));
    assert_eq!(one.context().lock_held("cluster", fence).await, Ok(true));
    assert_eq!(other.context().lock_held("cluster", fence).await, Ok(false));
    let next = one.taken_over().await;
    assert_eq!(next.context().lock("cluster").await, Ok(Locked::Granted { fence }));
    next.context().unlock("cluster", fence).await.unwrap();
    let Ok(Locked::Granted { fence: later }) = other.context().lock("cluster").await else {
        panic!("freed");
    };
    assert!(later > fence);
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_the_stores_and_goes_on() {
    let store = flaky().await;
    let task = task_in(&store).await;
    let before_ms = task.context().now_ms();
    sleep(Duration::from_mins(10)).await;
    assert_eq!(task.context().now_ms() - before_ms, 600_000);
}

#[tokio::test(start_paused = true)]
async fn a_test_task_carries_out_its_call_and_its_successor_goes_on_from_the_checkpoint() {
    let store = flaky().await;
    let task = task_in(&store).await;
    let probe = operations(&Arc::new(Probe::default()));
    let (stopped, ()) = tokio::join!(task.run(&probe), async {
        sleep(Duration::from_mins(1)).await;
        task.drain();
    });
    assert_eq!(stopped, Err(Stop::Draining));
    let next = task.taken_over().await;
    assert_eq!(next.run(&probe).await, Ok(succeeded(&[("checkpoint", json!(7))])));
}
