//! One run, and something goes wrong at its n-th call, for every n: no task is lost, none is done
//! twice, and the history is the one of a calm run.

use std::{collections::BTreeSet, slice, time::Duration};

use model::{ExecutionId, ExecutionStatus};
use runtime::JenkinsConfig;
use serde_json::json;
use tokio::{runtime::Builder, time::Instant};
use wire::Queue;

use crate::{
    crew::{Crew, Job, Manners},
    protocol::CALM,
    trap::{Counted, Trap, Trip},
    world::{World, ship, started, stop, until},
};

/// What one call's loss may cost: what it had taken is hidden for half a minute, and then everything
/// else takes its usual seconds.
const PATIENCE: Duration = Duration::from_secs(45);

/// Every call a coordinator makes in a calm run.
const CALLS: [&str; 11] = [
    "due",
    "event_settle",
    "execution_commit",
    "execution_create",
    "execution_load",
    "now_ms",
    "outbox_done",
    "pipeline_get",
    "pipelines_indexed_otherwise",
    "pipelines_keyed",
    "publish",
];

/// A run in a runtime of its own, which ends everything, dead coordinators too. Says at which call
/// it went wrong; `None` when the run has no such call.
fn run(nth: usize, counted: Counted, trip: Trip) -> Option<&'static str> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::paused(Trap::at(nth, counted, trip));
        world.define("p1", &ship("ship")).await;
        let crew = Crew::start(&world, Manners::Tells).await;
        let coordinator = world.coordinate(JenkinsConfig::default()).await;
        let (key, begun) = (world.start("p1", &json!({})).await, Instant::now());
        let id = ExecutionId::of_event(&key, "p1");
        let at = || format!("{trip:?} at call {nth} ({:?})", world.watched.tripped());
        if matches!(trip, Trip::DiesBefore | Trip::DiesAfter) {
            until(&at(), async || {
                let over = finished(&world, &id).await;
                (over || world.watched.tripped().is_some()).then_some(())
            })
            .await;
            let other = world.coordinate_unharmed().await;
            until(&at(), async || finished(&world, &id).await.then_some(())).await;
            stop(other).await;
        } else {
            until(&at(), async || finished(&world, &id).await.then_some(())).await;
            // A result whose look failed is acknowledged when it was tried again, half a second on.
            tokio::time::sleep(Duration::from_secs(1)).await;
            stop(coordinator).await;
            for queue in Queue::all() {
                assert_eq!(world.bus.depth(queue).await.unwrap().ready, 0, "{queue:?}: {}", at());
            }
        }
        assert!(begun.elapsed() < PATIENCE, "{:?}: {}", begun.elapsed(), at());
        // A publish that failed is tried again long before anybody gives the message up for lost.
        let dies = matches!(trip, Trip::DiesBefore | Trip::DiesAfter);
        let lost = usize::from(dies || world.watched.tripped() != Some("publish"));
        assert_calm(&world.timeline(&id).await, lost, &at());
        assert_eq!(world.executions().await.len(), 1, "{}", at());
        assert_eq!(started(&world.outcome(&key).await), slice::from_ref(&id), "{}", at());
        assert_done_once(&world, &id, &crew.jobs(), &at()).await;
        crew.stop().await;
        world.watched.tripped()
    })
}

/// Succeeded, and nothing is left to do.
async fn finished(world: &World, id: &ExecutionId) -> bool {
    let row = world.store.execution_view(id).await.unwrap();
    if row.is_none_or(|row| row.status != ExecutionStatus::Succeeded) {
        return false;
    }
    let stats = world.store.stats().await.unwrap();
    stats.outbox_depth == 0 && stats.events_pending == 0
}

/// The history is that of a calm run and has no holes; but a task whose message was hidden together
/// with whoever had taken it may have been published again, `lost` times.
fn assert_calm(timeline: &[String], lost: usize, at: &str) {
    let lines: Vec<(&str, &str)> =
        timeline.iter().map(|line| line.split_once(' ').unwrap()).collect();
    let mut versions: Vec<usize> = lines.iter().map(|line| line.0.parse().unwrap()).collect();
    versions.dedup();
    assert_eq!(versions, (1..=versions.len()).collect::<Vec<_>>(), "{at}: a hole");
    let again = |line: &&str| line.starts_with("task_published_again ");
    let (repeated, told): (Vec<&str>, Vec<&str>) = lines.iter().map(|line| line.1).partition(again);
    let calm = CALM.map(|line| line.split_once(' ').unwrap().1);
    assert_eq!(told, calm, "{at}");
    assert!(repeated.len() <= lost, "{at}: {repeated:?}");
}

/// Both tasks were claimed once; whatever else arrived was one of them again, and refused.
async fn assert_done_once(world: &World, id: &ExecutionId, jobs: &[Job], at: &str) {
    let view = world.view(id).await;
    let parts = view.stages.iter().filter(|stage| stage.parent_stage_id.is_some());
    let wanted: Vec<String> = parts.map(|stage| format!("{id}/{}/1/1", stage.id)).collect();
    assert_eq!(wanted.len(), 2);
    let granted = jobs.iter().filter(|job| job.granted).map(|job| job.id.clone());
    assert_eq!(granted.collect::<Vec<_>>(), wanted, "{at}");
    assert!(jobs.iter().all(|job| wanted.contains(&job.id)), "{at}: {jobs:?}");
    let reached = world.watched_bus.reached();
    assert!(reached.iter().all(|id| wanted.contains(id)), "{at}: {reached:?}");
}

/// Runs with the fault at the first call, the second, and so on until there is none; says how many
/// there were, and which.
fn everywhere(counted: Counted, trip: Trip) -> (usize, BTreeSet<&'static str>) {
    let mut calls = BTreeSet::new();
    for nth in 1.. {
        match run(nth, counted, trip) {
            Some(call) => calls.insert(call),
            None => return (nth - 1, calls),
        };
    }
    unreachable!("a run ends")
}

/// Two tasks need two publishes, three transitions and what is around them.
fn assert_went_wrong_everywhere(trip: Trip) {
    let (count, calls) = everywhere(Counted::All, trip);
    assert_eq!(calls, CALLS.into(), "some calls were never hit");
    assert!(count >= 16, "only {count} calls");
}

#[test]
fn call_that_fails_without_effect_loses_nothing() {
    assert_went_wrong_everywhere(Trip::FailsBefore);
}

#[test]
fn call_that_fails_after_its_effect_does_nothing_twice() {
    assert_went_wrong_everywhere(Trip::FailsAfter);
}

#[test]
fn coordinator_that_dies_before_a_call_is_replaced_by_another() {
    assert_went_wrong_everywhere(Trip::DiesBefore);
}

#[test]
fn coordinator_that_dies_after_a_call_is_replaced_by_another() {
    assert_went_wrong_everywhere(Trip::DiesAfter);
}

#[test]
fn message_the_broker_does_not_take_is_published_again() {
    for trip in [Trip::Refused, Trip::Unroutable, Trip::FailsBefore, Trip::FailsAfter] {
        let (count, calls) = everywhere(Counted::Only("publish"), trip);
        assert_eq!((count, calls), (2, ["publish"].into()), "{trip:?}");
    }
}
