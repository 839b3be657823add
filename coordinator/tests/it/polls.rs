//! Builds that nobody tells of are found, once, and only by those that waited for them.

use std::time::Duration;

use coordinator::Config;
use fake_jenkins::{Build, FakeJenkins, Fault, Trouble};
use runtime::{JenkinsConfig, Tasks};
use triggers::jenkins::ReportedBuild;

use crate::world::{START_MS, World, jenkins, ship_on, started, stop, until};

const JOB: &str = "shop/package";

/// A build that ended so many seconds after the world began.
fn build(number: u64, ended_s: u64) -> Build {
    let started_ms = Some(START_MS + ended_s * 1_000 - 60_000);
    Build { started_ms, ..Build::successful(JOB, number) }
}

/// What a webhook tells of build 118.
fn told() -> ReportedBuild {
    ReportedBuild {
        controller: "ci-main".to_owned(),
        job: JOB.to_owned(),
        number: 118,
        started_ms: None,
        reported_ms: START_MS + 60_000,
        found: false,
    }
}

async fn poll(world: &World, jenkins: JenkinsConfig) -> Tasks {
    let config = Config { poll_interval_ms: 20, ..Config::default() };
    world.coordinate_with(config, jenkins).await
}

/// A Jenkins, and a pipeline that waits for builds of its job from the beginning.
async fn world() -> (World, FakeJenkins, JenkinsConfig) {
    let world = World::by_hand();
    let (jenkins, config) = jenkins(&world.tasks).await;
    world.define("p1", &ship_on("ship", JOB)).await;
    (world, jenkins, config)
}

/// How often the list of a job was asked for.
fn asked(jenkins: &FakeJenkins, job: &str) -> usize {
    let lists = jenkins.requests();
    let list =
        |query: &Option<String>| query.as_deref().is_some_and(|all| all.contains("allBuilds"));
    lists.iter().filter(|request| request.path.contains(job) && list(&request.query)).count()
}

/// Waits until a whole round has begun and ended.
async fn round(jenkins: &FakeJenkins) {
    let before = asked(jenkins, "package");
    until("two more rounds", async || (asked(jenkins, "package") > before + 1).then_some(())).await;
}

async fn builds_run(world: &World) -> Vec<u64> {
    let executions = world.executions().await;
    let number = |view: &wire::ExecutionView| view.trigger["buildNumber"].as_u64().unwrap();
    let mut numbers: Vec<u64> = executions.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

async fn run(world: &World, numbers: &[u64]) {
    until(&format!("executions of {numbers:?}"), async || {
        (builds_run(world).await == numbers).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_build_nobody_tells_of_is_found_half_a_minute_after_its_end() {
    let (world, jenkins, config) = world().await;
    let coordinator = poll(&world, config).await;
    jenkins.add_build(build(118, 60));
    world.pass(Duration::from_millis(89_999));
    round(&jenkins).await;
    assert_eq!(world.store.event_list(10).await.unwrap(), [], "its webhook may be on its way");
    world.pass(Duration::from_millis(1));
    run(&world, &[118]).await;
    let events = world.store.event_list(10).await.unwrap();
    let keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    assert_eq!(keys, [format!("jenkins/ci-main/{JOB}/118/{START_MS}/found")]);
    let found = started(&world.outcome(keys[0]).await);
    assert_eq!(found.len(), 1);
    round(&jenkins).await;
    assert_eq!(world.store.event_list(10).await.unwrap().len(), 1, "it is found once");
    // Its webhook was only late.
    let key = world.report(told()).await;
    assert_eq!(started(&world.outcome(&key).await), found);
    assert_eq!(builds_run(&world).await, [118]);
    stop(coordinator).await;
}

#[tokio::test]
async fn a_build_that_was_told_is_not_reported_again() {
    let (world, jenkins, config) = world().await;
    jenkins.add_build(build(118, 60));
    world.pass(Duration::from_mins(2));
    let coordinator = world.coordinate(config.clone()).await;
    let key = world.report(told()).await;
    assert_eq!(started(&world.outcome(&key).await).len(), 1);
    stop(coordinator).await;
    let coordinator = poll(&world, config).await;
    round(&jenkins).await;
    assert_eq!(world.store.event_list(10).await.unwrap().len(), 1);
    stop(coordinator).await;
}

#[tokio::test]
async fn all_that_was_missed_while_nobody_was_there_runs_once_whoever_finds_it() {
    let (world, jenkins, config) = world().await;
    // More than a page, of which every tenth failed, and one is not over.
    for number in 1..=110 {
        let result = if number % 10 == 0 { "FAILURE" } else { "SUCCESS" };
        jenkins.add_build(Build { result: Some(result.to_owned()), ..build(number, 60 + number) });
    }
    jenkins.add_build(Build { result: None, building: true, ..build(111, 300) });
    world.pass(Duration::from_hours(60));
    let coordinators = [poll(&world, config.clone()).await, poll(&world, config).await];
    let mut good: Vec<u64> = (1..=110).filter(|number| number % 10 != 0).collect();
    run(&world, &good).await;
    assert_eq!(world.store.event_list(1_000).await.unwrap().len(), 99);
    // The one that was going on ends.
    jenkins.add_build(build(111, 300));
    good.push(111);
    run(&world, &good).await;
    for coordinator in coordinators {
        stop(coordinator).await;
    }
}

#[tokio::test]
async fn a_build_starts_only_what_waited_for_it_when_it_ended() {
    let (world, jenkins, config) = world().await;
    jenkins.add_build(build(118, 60));
    world.pass(Duration::from_secs(61));
    world.define("late", &ship_on("late", JOB)).await;
    let mut off = ship_on("off", JOB);
    off["disabled"] = true.into();
    world.define("off", &off).await;
    world.pass(Duration::from_mins(1));
    let coordinator = poll(&world, config).await;
    run(&world, &[118]).await;
    let key = format!("jenkins/ci-main/{JOB}/118/{START_MS}/found");
    let outcome = world.outcome(&key).await;
    assert_eq!(started(&outcome).len(), 1);
    let reason = "the build was over before this definition was saved";
    let decisions = outcome["decisions"].as_array().unwrap();
    let late = decisions.iter().find(|decision| decision["pipeline"] == "late").unwrap();
    assert_eq!(late["reason"], reason, "{outcome}");
    stop(coordinator).await;
}

#[tokio::test]
async fn a_job_that_cannot_be_read_stops_no_other_and_is_read_when_it_can() {
    let (world, jenkins, config) = world().await;
    // Its job comes first.
    world.define("p0", &ship_on("first", "app/package")).await;
    jenkins.add_build(build(118, 60));
    jenkins.add_build(Build { job: "app/package".to_owned(), ..build(7, 60) });
    let refused = Fault::new(1_000, Trouble::Status { status: 403 });
    jenkins.order(Fault { path_contains: Some("app/job/package".to_owned()), ..refused });
    world.pass(Duration::from_mins(2));
    let coordinator = poll(&world, config).await;
    run(&world, &[118]).await;
    jenkins.forget_faults();
    run(&world, &[7, 118]).await;
    stop(coordinator).await;
}
