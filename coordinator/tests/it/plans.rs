//! Dry runs: workers are asked what they see, and nothing else happens.

use std::time::Duration;

use coordinator::audit::findings;
use model::{ExecutionId, ExecutionStatus, Pool};
use runtime::JenkinsConfig;
use serde_json::{Value, json};
use store::{ExecutionFilter, audit::survey};
use tokio::{runtime::Builder, time::Instant};
use wire::{Event, ManualStart};

use crate::{
    crew::{self, Crew, Manners},
    trap::{Counted, Trap, Trip},
    world::{World, ship, stop, until},
};

const KEY: &str = "plan/1";
const NOBODY_DEPLOYS: &str =
    "no deploy worker answered within 15 s: is one running, and has it a free slot?";

/// The survey of [`KEY`].
fn survey_id() -> ExecutionId {
    ExecutionId::of_event(KEY, "(dry run)")
}

async fn ask(world: &World, pipeline_id: &str) {
    let start = ManualStart {
        pipeline_id: pipeline_id.to_owned(),
        user: "ada".to_owned(),
        trigger: serde_json::Map::new(),
    };
    world.accept(KEY, &Event::Plan(start)).await;
}

fn action(outcome: &Value, stage: usize) -> &Value {
    assert_eq!(outcome["result"], "planned", "{outcome:#}");
    &outcome["plan"]["stages"][stage]["actions"][0]
}

#[tokio::test(start_paused = true)]
async fn what_workers_see_stands_in_the_plan_and_no_list_knows_of_it() {
    let world = World::paused(Trap::none());
    let mut one = ship("ship");
    one["limitConcurrent"] = json!(true);
    world.define("p1", &one).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    // One that has the only slot, and a bake that nobody takes.
    let key = world.start("p1", &json!({})).await;
    let running = ExecutionId::of_event(&key, "p1");
    world.becomes(&running, ExecutionStatus::Running).await;
    crew::take(&world, Pool::Bake).await;

    let crew = Crew::start(&world, Manners::Tells).await;
    let begun = Instant::now();
    ask(&world, "p1").await;
    let outcome = world.outcome(KEY).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let image = json!({ "image": "reused", "imageId": "ami-7", "imageName": "shop-web-1",
        "baseImageId": "ami-base" });
    assert_eq!(action(&outcome, 0)["preview"], image);
    let groups = &action(&outcome, 1)["preview"];
    assert_eq!(groups["serverGroup"], "shop-v002");
    assert_eq!(
        groups["destroys"],
        json!([{ "name": "shop-v001", "instances": 1, "enabled": true }])
    );
    assert_eq!(action(&outcome, 1)["unknown"], Value::Null);

    for filter in [
        ExecutionFilter { application: Some("shop".to_owned()), ..ExecutionFilter::default() },
        ExecutionFilter { pipeline_ids: vec!["p1".to_owned()], ..ExecutionFilter::default() },
    ] {
        let rows = world.store.execution_list(filter).await.unwrap();
        assert_eq!(rows.iter().map(|row| &row.id).collect::<Vec<_>>(), [&running]);
    }
    world.becomes(&survey_id(), ExecutionStatus::Succeeded).await;
    let found = survey(&*world.raw, &findings, &mut |_| {}).await.unwrap();
    assert_eq!((found.findings, found.executions), (vec![], 2));
    crew.stop().await;
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_questions_is_settled_at_once_and_leaves_no_trace() {
    let world = World::paused(Trap::none());
    let waits = json!({ "application": "shop", "name": "waits",
        "stages": [{ "refId": "1", "type": "wait", "waitTime": 60 }] });
    world.define("p1", &waits).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    ask(&world, "p1").await;
    let outcome = world.outcome(KEY).await;
    assert_eq!(action(&outcome, 0), &json!({ "action": "wait", "timeMs": 60_000 }));
    assert_eq!(world.executions().await.len(), 0);
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_given_in_time_when_nobody_answers_and_says_so() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let begun = Instant::now();
    ask(&world, "p1").await;
    // One of two answers.
    let bake = crew::take(&world, Pool::Bake).await;
    let token = crew::claim(&world.store, &bake, "w1").await.unwrap();
    assert!(crew::finish(&world.store, &bake, token, &crew::success(&bake)).await);
    let outcome = world.outcome(KEY).await;
    let waited = begun.elapsed();
    assert!((15..18).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(action(&outcome, 0)["preview"]["imageId"], "ami-7");
    let deploy = action(&outcome, 1);
    assert_eq!((&deploy["preview"], &deploy["unknown"]), (&Value::Null, &json!(NOBODY_DEPLOYS)));
    // The question that nobody took is taken back.
    world.becomes(&survey_id(), ExecutionStatus::Succeeded).await;
    let late = crew::take(&world, Pool::Deploy).await;
    assert_eq!(crew::claim(&world.store, &late, "w2").await, None);
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_comes_too_late_for_anybody_asks_nobody() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    ask(&world, "p1").await;
    world.pass(Duration::from_mins(2));
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let outcome = world.outcome(KEY).await;
    assert_eq!(action(&outcome, 0)["unknown"], "it was too late to ask a worker");
    assert_eq!(world.executions().await.len(), 0);
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn a_survey_is_removed_soon_after_its_end() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    ask(&world, "p1").await;
    world.outcome(KEY).await;
    world.becomes(&survey_id(), ExecutionStatus::Succeeded).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(world.executions().await.len(), 1);
    tokio::time::sleep(Duration::from_mins(70)).await;
    until("the survey to be removed", async || world.executions().await.is_empty().then_some(()))
        .await;
    assert_eq!(world.outcome(KEY).await["result"], "planned", "the plan stays");
    crew.stop().await;
    stop(coordinator).await;
}

/// A dry run with a fault at its n-th call; false when it has no such call.
fn survives(nth: usize, trip: Trip) -> bool {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::paused(Trap::at(nth, Counted::All, trip));
        world.define("p1", &ship("ship")).await;
        let crew = Crew::start(&world, Manners::Tells).await;
        let coordinator = world.coordinate(JenkinsConfig::default()).await;
        let begun = Instant::now();
        ask(&world, "p1").await;
        let at = format!("{trip:?} at call {nth}");
        let over = async || {
            let survey = world.store.execution_view(&survey_id()).await.unwrap();
            let stats = world.store.stats().await.unwrap();
            survey.is_some_and(|row| row.status.is_complete()) && stats.events_pending == 0
        };
        let dies = matches!(trip, Trip::DiesBefore | Trip::DiesAfter);
        until(&at, async || {
            (over().await || dies && world.watched.tripped().is_some()).then_some(())
        })
        .await;
        let other = if dies { Some(world.coordinate_unharmed().await) } else { None };
        until(&at, async || over().await.then_some(())).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{at}: {:?}", begun.elapsed());
        let outcome = world.outcome(KEY).await;
        for stage in 0..2 {
            assert!(action(&outcome, stage)["preview"].is_object(), "{at}: {outcome:#}");
        }
        assert_eq!(world.executions().await.len(), 1, "{at}");
        let granted = crew.jobs().iter().filter(|job| job.granted).count();
        assert_eq!(granted, 2, "{at}: each question is answered once");
        if let Some(other) = other {
            stop(other).await;
        } else {
            stop(coordinator).await;
        }
        crew.stop().await;
        world.watched.tripped().is_some()
    })
}

#[test]
fn a_dry_run_survives_a_fault_at_each_of_its_calls() {
    for trip in [Trip::FailsBefore, Trip::FailsAfter, Trip::DiesBefore, Trip::DiesAfter] {
        // Far more calls than a dry run makes.
        let untouched = (1..1_000).find(|nth| !survives(*nth, trip)).unwrap();
        assert!(untouched > 10, "{trip:?}: only {} calls", untouched - 1);
    }
}
