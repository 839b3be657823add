//! From what somebody says about a build, through what Jenkins says, to executions.

use std::{collections::BTreeMap, time::Duration};

use fake_jenkins::{Build, FakeJenkins, Fault, Trouble};
use model::{ExecutionId, ExecutionStatus};
use runtime::{JenkinsConfig, JenkinsController, Tasks};
use serde_json::{Value, json};
use store::EventAccepted;
use wire::{Event, ReportedBuild};

use crate::world::{START_MS, World, jenkins, ship, ship_on, stop};

const JOB: &str = "shop/package/main";

fn report(number: u64) -> ReportedBuild {
    ReportedBuild {
        controller: "ci-main".to_owned(),
        job: JOB.to_owned(),
        number,
        started_ms: None,
        reported_ms: START_MS,
    }
}

/// A coordinator, and a Jenkins with one good build: number 118.
async fn world_with_build() -> (World, FakeJenkins, Tasks) {
    let world = World::by_hand();
    let (jenkins, config) = jenkins(&world.tasks).await;
    jenkins.add_build(Build { started_ms: Some(START_MS - 60_000), ..Build::successful(JOB, 118) });
    let coordinator = world.coordinate(config).await;
    (world, jenkins, coordinator)
}

fn started(outcome: &Value) -> Vec<ExecutionId> {
    let id = |entry: &Value| entry["execution"].as_str().unwrap().parse().unwrap();
    outcome["started"].as_array().unwrap().iter().map(id).collect()
}

fn missed(outcome: &Value) -> Vec<(&str, &str)> {
    let text = |entry: &Value| (entry["pipeline"].as_str().unwrap(), entry["reason"].as_str().unwrap());
    fn of<'a>(entry: &'a Value, key: &str) -> &'a str {
        entry[key].as_str().unwrap()
    }
    let _ = text;
    let entries = outcome["missed"].as_array().unwrap();
    entries.iter().map(|entry| (of(entry, "pipeline"), of(entry, "reason"))).collect()
}

#[tokio::test]
async fn build_told_many_times_in_different_ways_makes_one_execution() {
    let (world, _jenkins, coordinator) = world_with_build().await;
    world.define("p1", &ship_on("ship", JOB)).await;
    let later = START_MS + 600_000;
    let ways = [
        report(118),
        ReportedBuild { reported_ms: later, ..report(118) },
        ReportedBuild { started_ms: Some(5), reported_ms: later + 600_000, ..report(118) },
        ReportedBuild { job: "shop/job/package/job/main".to_owned(), ..report(118) },
        ReportedBuild { job: "/shop/package/main/".to_owned(), ..report(118) },
    ];
    let mut keys = Vec::new();
    for way in ways {
        keys.push(world.report(way).await);
    }
    let again = world.accept(&keys[0], &Event::BuildReported(report(118))).await;
    assert_eq!(again, EventAccepted::Duplicate);
    let key = format!("jenkins/ci-main/{JOB}/118/{}/done", START_MS - 60_000);
    let only = ExecutionId::of_event(&key, "p1");
    for key in &keys {
        assert_eq!(started(&world.outcome(key).await), [only.clone()], "{key}");
    }
    let executions = world.executions().await;
    assert_eq!(executions.len(), 1);
    assert_eq!(executions[0].id, only);
    assert_eq!(executions[0].trigger["buildNumber"], 118);
    assert_eq!(world.timeline(&only).await.len(), 3, "the first transition, and no other");
    stop(coordinator).await;
}

#[tokio::test]
async fn build_jenkins_does_not_know_waits_ten_minutes_and_starts_nothing() {
    let (world, jenkins, coordinator) = world_with_build().await;
    world.define("p1", &ship_on("ship", JOB)).await;
    let key = world.report(report(999)).await;
    assert_eq!(world.deferred(&key, 1).await, "Jenkins does not know this build");
    world.pass(Duration::from_secs(599)).await_nothing();
    assert_eq!(world.deferred(&key, 2).await, "Jenkins does not know this build");
    world.pass(Duration::from_secs(2)).await_nothing();
    let unverified = json!({ "result": "unverified", "started": [],
        "reason": "Jenkins does not know this build" });
    assert_eq!(world.outcome(&key).await, unverified);
    assert_eq!(jenkins.requests().len(), 3);
    assert!(world.executions().await.is_empty());
    stop(coordinator).await;
}

#[tokio::test]
async fn build_known_to_jenkins_a_moment_later_starts_then() {
    let (world, jenkins, coordinator) = world_with_build().await;
    world.define("p1", &ship_on("ship", JOB)).await;
    jenkins.order(Fault::new(1, Trouble::Unknown));
    let key = world.report(report(118)).await;
    world.deferred(&key, 1).await;
    world.pass(Duration::from_secs(1)).await_nothing();
    assert_eq!(started(&world.outcome(&key).await).len(), 1);
    stop(coordinator).await;
}

#[tokio::test]
async fn build_starts_pipelines_only_when_it_is_over() {
    let (world, jenkins, coordinator) = world_with_build().await;
    world.define("p1", &ship_on("ship", JOB)).await;
    jenkins.order(Fault::new(1, Trouble::StillBuilding));
    // Here Jenkins knows the result already, and post-build steps go on.
    jenkins.order(Fault::new(1, Trouble::PostBuild));
    let key = world.report(report(118)).await;
    assert_eq!(world.deferred(&key, 1).await, "Jenkins says it is not over yet");
    world.pass(Duration::from_secs(1)).await_nothing();
    assert_eq!(world.deferred(&key, 2).await, "Jenkins says it is not over yet");
    assert!(world.executions().await.is_empty());
    world.pass(Duration::from_secs(2)).await_nothing();
    assert_eq!(started(&world.outcome(&key).await).len(), 1);
    stop(coordinator).await;
}

#[tokio::test]
async fn event_waits_while_jenkins_is_in_trouble() {
    let (world, jenkins, coordinator) = world_with_build().await;
    world.define("p1", &ship_on("ship", JOB)).await;
    let elsewhere = format!("{}job/elsewhere/1/api/json", jenkins.url());
    let troubles = [
        (Trouble::Status { status: 500 }, "answered 500"),
        (Trouble::Status { status: 403 }, "answered 403"),
        (Trouble::Redirect { location: elsewhere }, "answered 302"),
        (Trouble::LoginPage, "not what it should be"),
    ];
    let key = world.report(report(118)).await;
    // The first ask may come before the first order: a build that started is no event that waits.
    drop(key);
    for (count, (trouble, reason)) in (200_u64..).zip(troubles) {
        jenkins.add_build(Build::successful(JOB, count));
        let path_contains = Some(format!("/{count}/"));
        jenkins.order(Fault { path_contains, times: 1, trouble });
        let key = world.report(report(count)).await;
        let why = world.deferred(&key, 1).await;
        assert!(why.contains(reason), "{why}");
        assert!(why.contains(&format!("build {count} of ci-main/{JOB}")), "{why}");
        world.pass(Duration::from_secs(1)).await_nothing();
        assert_eq!(started(&world.outcome(&key).await).len(), 1, "{reason}");
    }
    let asked = jenkins.requests();
    assert!(asked.iter().all(|request| !request.path.contains("elsewhere")), "a redirect is followed");
    stop(coordinator).await;
}
