//! From what somebody says about a build, through what Jenkins says, to executions.

use std::{collections::BTreeMap, slice, time::Duration};

use fake_jenkins::{Build, FakeJenkins, Fault, Trouble};
use model::{ExecutionId, ExecutionStatus};
use runtime::{JenkinsConfig, JenkinsController, Tasks};
use serde_json::{Value, json};
use store::EventAccepted;
use triggers::jenkins::ReportedBuild;
use wire::Event;

use crate::world::{START_MS, World, jenkins, ship, ship_on, started, stop};

const JOB: &str = "shop/package/main";
/// When build 118 started.
const BUILD_MS: u64 = START_MS - 60_000;

fn report(number: u64) -> ReportedBuild {
    ReportedBuild {
        controller: "ci-main".to_owned(),
        job: JOB.to_owned(),
        number,
        started_ms: None,
        reported_ms: START_MS,
        found: false,
    }
}

fn build(number: u64) -> Build {
    Build { started_ms: Some(BUILD_MS), ..Build::successful(JOB, number) }
}

/// A coordinator, a Jenkins with one good build (118), and a pipeline `ship` that waits for it.
async fn world() -> (World, FakeJenkins, Tasks) {
    let world = World::by_hand();
    let (jenkins, config) = jenkins(&world.tasks).await;
    jenkins.add_build(build(118));
    world.define("p1", &ship_on("ship", JOB)).await;
    let coordinator = world.coordinate(config).await;
    (world, jenkins, coordinator)
}

/// Pipeline and reason of everything that was judged and not started.
fn missed(outcome: &Value) -> Vec<(&str, &str)> {
    let entries = outcome["decisions"].as_array().unwrap().iter();
    let not_started = entries.filter(|entry| entry["decision"] == "not_started");
    not_started
        .map(|entry| (entry["pipeline"].as_str().unwrap(), entry["reason"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn build_told_many_times_in_different_ways_makes_one_execution() {
    let (world, _jenkins, coordinator) = world().await;
    let ways = [
        report(118),
        ReportedBuild { reported_ms: START_MS + 600_000, ..report(118) },
        ReportedBuild { started_ms: Some(5), reported_ms: START_MS + 1_200_000, ..report(118) },
        ReportedBuild { job: "shop/job/package/job/main".to_owned(), ..report(118) },
        ReportedBuild { job: "/shop/package/main/".to_owned(), ..report(118) },
    ];
    let mut keys = Vec::new();
    for way in ways {
        keys.push(world.report(way).await);
    }
    let again = world.accept(&keys[0], &Event::Signal(report(118).signal())).await;
    assert_eq!(again, EventAccepted::Duplicate);
    let event_key = format!("jenkins/ci-main/{JOB}/118/{BUILD_MS}/done");
    let only = ExecutionId::of_event(&event_key, "p1");
    for key in &keys {
        assert_eq!(started(&world.outcome(key).await), slice::from_ref(&only), "{key}");
    }
    let executions = world.executions().await;
    assert_eq!(executions.len(), 1);
    assert_eq!(executions[0].id, only);
    assert_eq!(executions[0].trigger["buildNumber"], 118);
    assert_eq!(executions[0].trigger["buildInfo"]["result"], "SUCCESS");
    stop(coordinator).await;
}

#[tokio::test]
async fn build_jenkins_does_not_know_waits_ten_minutes_and_starts_nothing() {
    let (world, jenkins, coordinator) = world().await;
    let key = world.report(report(999)).await;
    assert_eq!(world.deferred(&key, 1).await, "Jenkins does not know this build");
    world.pass(Duration::from_secs(599));
    assert_eq!(world.deferred(&key, 2).await, "Jenkins does not know this build");
    world.pass(Duration::from_secs(2));
    let unverified =
        json!({ "result": "unverified", "reason": "Jenkins does not know this build" });
    assert_eq!(world.outcome(&key).await, unverified);
    assert_eq!(jenkins.requests().len(), 3);
    assert!(world.executions().await.is_empty());
    stop(coordinator).await;
}

#[tokio::test]
async fn build_that_jenkins_shows_a_moment_later_starts_then() {
    let (world, jenkins, coordinator) = world().await;
    jenkins.order(Fault::new(1, Trouble::Unknown));
    let key = world.report(report(118)).await;
    world.deferred(&key, 1).await;
    world.pass(Duration::from_secs(1));
    assert_eq!(started(&world.outcome(&key).await).len(), 1);
    stop(coordinator).await;
}

#[tokio::test]
async fn build_starts_pipelines_only_when_it_is_over() {
    let (world, jenkins, coordinator) = world().await;
    jenkins.order(Fault::new(1, Trouble::StillBuilding));
    // Now Jenkins knows the result, but post-build steps go on.
    jenkins.order(Fault::new(1, Trouble::PostBuild));
    let key = world.report(report(118)).await;
    assert_eq!(world.deferred(&key, 1).await, "Jenkins says it is not over yet");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.deferred(&key, 2).await, "Jenkins says it is not over yet");
    assert!(world.executions().await.is_empty());
    world.pass(Duration::from_secs(2));
    assert_eq!(started(&world.outcome(&key).await).len(), 1);
    stop(coordinator).await;
}

#[tokio::test]
async fn event_waits_while_jenkins_is_in_trouble() {
    let (world, jenkins, coordinator) = world().await;
    let location = format!("{}job/elsewhere/1/api/json", jenkins.url());
    let troubles = [
        (Trouble::Status { status: 500 }, "answered 500"),
        (Trouble::Status { status: 403 }, "answered 403"),
        (Trouble::Redirect { location }, "answered 302"),
        (Trouble::LoginPage, "not what it should be"),
    ];
    for (number, (trouble, reason)) in (200_u64..).zip(troubles) {
        jenkins.add_build(build(number));
        jenkins.order(Fault::new(1, trouble));
        let key = world.report(report(number)).await;
        let why = world.deferred(&key, 1).await;
        assert!(why.contains(reason), "{why}");
        assert!(why.contains(&format!("build {number} of ci-main/{JOB}")), "{why}");
        world.pass(Duration::from_secs(1));
        assert_eq!(started(&world.outcome(&key).await).len(), 1, "{reason}");
    }
    let asked = jenkins.requests();
    assert!(asked.iter().all(|request| !request.path.contains("elsewhere")), "{asked:?}");
    stop(coordinator).await;
}

#[tokio::test]
async fn slow_answer_of_jenkins_is_an_answer_and_holds_nobody_up() {
    let (world, jenkins, coordinator) = world().await;
    jenkins.add_build(build(119));
    let path_contains = Some("/118/".to_owned());
    jenkins.order(Fault { path_contains, times: 1, trouble: Trouble::Slow { delay_ms: 500 } });
    let slow = world.report(report(118)).await;
    let quick = world.report(report(119)).await;
    assert_eq!(started(&world.outcome(&quick).await).len(), 1);
    assert_eq!(world.executions().await.len(), 1, "the slow one came first: nothing was proved");
    assert_eq!(started(&world.outcome(&slow).await).len(), 1);
    stop(coordinator).await;
}

#[tokio::test]
async fn event_outlives_a_weekend_without_jenkins_and_then_ends_unverified() {
    let world = World::by_hand();
    world.define("p1", &ship_on("ship", JOB)).await;
    // A port that was free a moment ago: nobody listens.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let gone = JenkinsController { url, user: None, api_token: None, webhook_token: None };
    let controllers = BTreeMap::from([("ci-main".to_owned(), gone)]);
    let coordinator = world.coordinate(JenkinsConfig { controllers }).await;
    let key = world.report(report(118)).await;
    let why = world.deferred(&key, 1).await;
    assert!(why.contains("could not ask Jenkins for build 118 of ci-main"), "{why}");
    world.pass(Duration::from_hours(71));
    world.deferred(&key, 2).await;
    world.pass(Duration::from_hours(1));
    let outcome = world.outcome(&key).await;
    assert_eq!(outcome["result"], "unverified");
    assert!(outcome["reason"].as_str().unwrap().contains("could not ask"), "{outcome}");
    stop(coordinator).await;
}

#[tokio::test]
async fn controller_nobody_configured_is_named() {
    let (world, jenkins, coordinator) = world().await;
    let key = world.report(ReportedBuild { controller: "ci-two".to_owned(), ..report(118) }).await;
    let outcome = world.outcome(&key).await;
    assert_eq!(outcome["result"], "unverified");
    assert_eq!(outcome["reason"], "no Jenkins controller `ci-two` is configured");
    assert!(jenkins.requests().is_empty());
    stop(coordinator).await;
}

#[tokio::test]
async fn failed_build_starts_nothing_and_the_reason_is_kept() {
    let (world, jenkins, coordinator) = world().await;
    for (number, result) in [(120, "FAILURE"), (121, "UNSTABLE"), (122, "ABORTED")] {
        jenkins.add_build(Build { result: Some(result.to_owned()), ..build(number) });
        let key = world.report(report(number)).await;
        let outcome = world.outcome(&key).await;
        assert_eq!(outcome["result"], "ignored");
        let reason = format!("the build's result is {result}, only SUCCESS starts a pipeline");
        assert_eq!(missed(&outcome), [("ship", reason.as_str())]);
    }
    assert!(world.executions().await.is_empty());
    stop(coordinator).await;
}

#[tokio::test]
async fn every_pipeline_that_waits_for_the_build_starts_or_says_why_not() {
    let (world, _jenkins, coordinator) = world().await;
    world.define("p2", &ship_on("ship too", "shop/job/package/job/main")).await;
    // Nobody reads these for a build they do not wait for.
    world.define("p3", &ship_on("other job", "shop/other")).await;
    world.define("p4", &ship("by hand only")).await;
    let mut disabled = ship_on("switched off", JOB);
    disabled["disabled"] = true.into();
    world.define("p5", &disabled).await;
    let mut torn = ship_on("torn", JOB);
    torn["stages"] = 7.into();
    world.define("p6", &torn).await;
    let mut trigger_off = ship_on("trigger off", JOB);
    trigger_off["triggers"][0]["enabled"] = false.into();
    world.define("p7", &trigger_off).await;
    let key = world.report(report(118)).await;
    let outcome = world.outcome(&key).await;
    let event_key = format!("jenkins/ci-main/{JOB}/118/{BUILD_MS}/done");
    let ids = ["p1", "p2"].map(|pipeline| ExecutionId::of_event(&event_key, pipeline));
    assert_eq!(started(&outcome), ids);
    assert_eq!(outcome["event"], event_key);
    let mut wanted = [
        ("switched off", "the pipeline is disabled"),
        ("trigger off", "the trigger is disabled"),
        ("torn", "its definition is not valid"),
    ];
    let mut others = missed(&outcome);
    others.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(others, wanted);
    assert_eq!(outcome["decisions"].as_array().unwrap().len(), 5);
    assert_eq!(world.executions().await.len(), 2);
    assert_eq!(world.watched.answered("pipeline_list"), 0, "no event reads all definitions");
    stop(coordinator).await;
}

/// The place of each trigger that was judged, and what was decided.
fn decisions(outcome: &Value) -> Vec<(u64, &str)> {
    let entries = outcome["decisions"].as_array().unwrap().iter();
    entries
        .map(|entry| (entry["trigger"].as_u64().unwrap(), entry["decision"].as_str().unwrap()))
        .collect()
}

/// A pipeline with two triggers of one job.
fn twice(name: &str, triggers: [Value; 2]) -> Value {
    let mut pipeline = ship_on(name, JOB);
    let one = pipeline["triggers"][0].clone();
    let triggers = triggers.map(|fields| {
        let mut trigger = one.clone();
        trigger.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        trigger
    });
    pipeline["triggers"] = json!(triggers);
    pipeline
}

#[tokio::test]
async fn every_trigger_of_a_definition_is_judged_and_the_first_that_fits_starts_it_once() {
    let (world, jenkins, coordinator) = world().await;
    jenkins.add_build(with_file(130, "b=main\n"));
    let wants = |pattern: &str| json!({ "propertyFile": "build.properties", "payloadConstraints": { "b": pattern } });
    let off = json!({ "enabled": false });
    let yaml = json!({ "propertyFile": "torn.yml" });
    // What each of two triggers comes to, in their order.
    for (id, triggers, decided) in [
        ("first", [wants("main"), wants("rel")], ["started", "not_started"]),
        ("second", [wants("rel"), wants("main")], ["not_started", "started"]),
        ("second-free", [wants("rel"), json!({})], ["not_started", "started"]),
        ("first-off", [off, json!({})], ["not_started", "started"]),
        ("bad-pattern", [wants("*"), wants("main")], ["not_started", "started"]),
        ("no-file", [yaml, wants("main")], ["started", "fits_too"]),
        ("both", [wants("main"), json!({})], ["started", "fits_too"]),
        ("none", [wants("rel"), wants("^(?!main).*$")], ["not_started", "not_started"]),
    ] {
        world.define(id, &twice(id, triggers)).await;
        let reported_ms = world.store.now_ms().await.unwrap();
        let key = world.report(ReportedBuild { reported_ms, ..report(130) }).await;
        let mut outcome = world.outcome(&key).await;
        let all = outcome["decisions"].as_array_mut().unwrap();
        all.retain(|entry| entry["pipeline"] == id);
        let wanted: Vec<(u64, &str)> = (0..).zip(decided).collect();
        assert_eq!(decisions(&outcome), wanted, "{id}: {outcome}");
        world.store.pipeline_delete(id).await.unwrap();
        world.pass(Duration::from_mins(11));
    }
    stop(coordinator).await;
}

/// A pipeline that wants `RELEASE=yes` in `build.properties`.
fn careful(name: &str) -> Value {
    let mut pipeline = ship_on(name, JOB);
    pipeline["triggers"][0]["propertyFile"] = "build.properties".into();
    pipeline["triggers"][0]["payloadConstraints"] = json!({ "RELEASE": "^yes$" });
    pipeline
}

fn with_file(number: u64, content: &str) -> Build {
    let file = ("target/build.properties".to_owned(), content.to_owned());
    Build { property_files: BTreeMap::from([file]), ..build(number) }
}

#[tokio::test]
async fn property_file_decides_and_travels_along() {
    let (world, jenkins, coordinator) = world().await;
    world.define("p2", &careful("careful")).await;
    jenkins.add_build(with_file(130, "RELEASE=yes\nWHO=ada\n"));
    jenkins.add_build(with_file(131, "RELEASE=not yet\n"));
    jenkins.add_build(with_file(132, "WHO=ada\n"));
    jenkins.add_build(build(133));
    let key = world.report(report(130)).await;
    let outcome = world.outcome(&key).await;
    let id = &started(&outcome)[1 - usize::from(outcome["started"][0]["pipeline"] == "careful")];
    let view = world.view(id).await;
    assert_eq!(view.name, "careful");
    assert_eq!(view.trigger["properties"], json!({ "RELEASE": "yes", "WHO": "ada" }));
    for (number, reason) in [
        (131, "payload constraint `RELEASE` = `^yes$` is not met: the value is `not yet`"),
        (
            132,
            "payload constraint `RELEASE` = `^yes$` is not met: the property file has no such key",
        ),
        (
            133,
            "payload constraint `propertyFile` = `build.properties` is not met: the build archived no such file",
        ),
    ] {
        let key = world.report(report(number)).await;
        let outcome = world.outcome(&key).await;
        assert_eq!(missed(&outcome), [("careful", reason)]);
        assert_eq!(started(&outcome).len(), 1, "the other pipeline does not care");
    }
    stop(coordinator).await;
}

#[tokio::test]
async fn property_file_jenkins_cannot_send_now_is_asked_for_again_and_holds_nobody_up() {
    let (world, jenkins, coordinator) = world().await;
    // Sorted by name, it comes before the one that does not care.
    world.define("p2", &careful("a careful one")).await;
    jenkins.add_build(with_file(130, "RELEASE=yes\n"));
    let path_contains = Some("build.properties".to_owned());
    jenkins.order(Fault { path_contains, times: 1, trouble: Trouble::Status { status: 503 } });
    let key = world.report(report(130)).await;
    let why = world.deferred(&key, 1).await;
    assert!(why.contains("answered 503"), "{why}");
    let now: Vec<String> = world.executions().await.into_iter().map(|view| view.name).collect();
    assert_eq!(now, ["ship"]);
    world.pass(Duration::from_secs(1));
    assert_eq!(started(&world.outcome(&key).await).len(), 2);
    assert_eq!(world.executions().await.len(), 2);
    stop(coordinator).await;
}

#[tokio::test]
async fn property_file_nobody_can_read_is_a_reason_and_holds_nobody_up() {
    let (world, jenkins, coordinator) = world().await;
    let mut torn = careful("a careful one");
    torn["triggers"][0]["propertyFile"] = "build.json".into();
    world.define("p2", &torn).await;
    let file = ("build.json".to_owned(), "{ \"RELEASE\": ".to_owned());
    jenkins.add_build(Build { property_files: BTreeMap::from([file]), ..build(130) });
    let key = world.report(report(130)).await;
    let outcome = world.outcome(&key).await;
    assert_eq!(started(&outcome).len(), 1);
    let missed = missed(&outcome);
    assert_eq!(missed.len(), 1);
    assert!(missed[0].1.contains("`build.json` is not JSON"), "{missed:?}");
    stop(coordinator).await;
}

#[tokio::test]
async fn build_number_used_again_by_a_recreated_job_is_another_build() {
    let (world, jenkins, coordinator) = world().await;
    let key = world.report(report(118)).await;
    let first = started(&world.outcome(&key).await);
    jenkins.add_build(Build { started_ms: Some(BUILD_MS + 1), ..build(118) });
    let later = ReportedBuild { reported_ms: START_MS + 600_000, ..report(118) };
    let key = world.report(later).await;
    let second = started(&world.outcome(&key).await);
    assert_ne!(first, second);
    assert_eq!(world.executions().await.len(), 2);
    assert_eq!(world.view(&first[0]).await.status, ExecutionStatus::Running);
    stop(coordinator).await;
}

#[tokio::test]
async fn build_too_large_for_an_execution_says_so() {
    let (world, jenkins, coordinator) = world().await;
    // Well under what is read of Jenkins, over what an execution may hold.
    let names = (0..8_000).map(|n| format!("target/{n:060}_all.deb")).collect();
    jenkins.add_build(Build { artifacts: names, ..build(140) });
    let key = world.report(report(140)).await;
    let outcome = world.outcome(&key).await;
    assert_eq!(started(&outcome), []);
    let missed = missed(&outcome);
    assert!(missed[0].1.contains("larger than"), "{missed:?}");
    assert!(world.executions().await.is_empty());
    stop(coordinator).await;
}
