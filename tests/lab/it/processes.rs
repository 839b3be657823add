//! Our own processes killed, frozen, drained: F01, F02, F03, F05, F24 (late), F32.

use std::time::{Duration, Instant};

use fault_proxy::{Flow, Order, Way};
use processes::{eventually, how_soon};
use serde_json::json;

use crate::{
    measure::{Dice, dose, figure, figure_times, left_to_the_soak},
    story::{is_over, stage},
    world::{Lines, Plan, Role, World},
};

const LONG: Duration = Duration::from_mins(3);

/// A bake takes long enough to be met in each of its steps.
fn slow_bake() -> serde_json::Value {
    json!({ "boot": 800, "install": 1_000, "stop": 800, "image": 1_000, "terminate": 500 })
}

/// `basic.publish` to an exchange, as it goes over the wire.
fn publish_to(exchange: &str) -> Vec<u8> {
    let length = u8::try_from(exchange.len()).unwrap();
    [&[0, 60, 0, 40, 0, 0, length], exchange.as_bytes()].concat()
}

/// F01. Known by: each end counted here was a SIGKILL, and executions were live meanwhile.
#[tokio::test]
async fn coordinators_killed_all_the_time_lose_nothing() {
    let mut world = Plan { clusters: 6, ..Plan::default() }.start().await;
    let mut dice = Dice::shown("F01");
    let (until, pause) =
        (dose(Duration::from_secs(8), Duration::from_mins(2)), Duration::from_millis(600));
    let (begun, mut kills, mut builds) = (Instant::now(), 0, Vec::new());
    let mut next = Instant::now();
    while begun.elapsed() < until || kills < dose(4, 50) {
        builds.push(world.ship(builds.len() % 6).await);
        if next.elapsed() > Duration::ZERO {
            let victim = dice.below(2);
            assert!(world.of(Role::Coordinator)[victim].kill(), "a SIGKILL ended it");
            kills += 1;
            world.tend();
            next =
                Instant::now() + dice.between(Duration::from_millis(300), Duration::from_secs(2));
        }
        tokio::time::sleep(pause).await;
    }
    world.assert_shipped(&builds, LONG).await;
    figure("F01 coordinators killed", format!("{kills} times under {} builds", builds.len()));
}

/// Recovery after the kill of a coordinator while another lives: from the kill, in the very moment in
/// which a bake ends, until its deploy begins.
#[tokio::test]
async fn another_coordinator_goes_on_at_once() {
    let mut world = Plan::default().start().await;
    let (mut builds, mut times) = (Vec::new(), Vec::new());
    for round in 0..dose(4, 20) {
        builds.push(world.ship(0).await);
        world.called("TerminateInstances", round).await;
        assert!(world.of(Role::Coordinator)[round % 2].kill(), "a SIGKILL ended it");
        times.push(world.called("CreateLaunchTemplate", round).await);
        world.tend();
        world.settle(&builds, LONG).await;
    }
    world.assert_shipped(&builds, LONG).await;
    figure_times("recovery, coordinator killed and another lives", &mut times);
    assert!(times.iter().all(|time| *time < Duration::from_secs(5)), "{times:?}");
}

/// F02. Known by: all bake workers ended by SIGKILL while the step was seen in the cloud or on the wire.
#[tokio::test]
async fn bake_workers_killed_in_each_of_eight_steps_bake_once() {
    let plan = Plan { lines: Lines::Proxied, lags: slow_bake(), bakers: 1, ..Plan::default() };
    let mut world = plan.start().await;
    // 1: while it asks what is there.
    world.wires().aws.obey(Order::Flow(Way::ToServer, Flow::Hold));
    let build = world.ship(0).await;
    held(&world, 0, "the first question to the cloud").await;
    assert_eq!(world.replace(Role::Baker), 1);
    world.wires().aws.obey(Order::Heal);
    for step in ["RunInstances", "running", "stopped", "CreateImage"] {
        eventually(step, LONG, || in_step(&world, step)).await;
        assert_eq!(world.replace(Role::Baker), 1, "{step}");
    }
    let asked = world.wires().aws.counts().held;
    let ending = Flow::HoldAt(b"Action=TerminateInstances".to_vec());
    world.wires().aws.obey(Order::Flow(Way::ToServer, ending));
    eventually("available", LONG, || in_step(&world, "available")).await;
    assert_eq!(world.replace(Role::Baker), 1);
    // 7: while it ends the builder.
    held(&world, asked, "the order to end the builder").await;
    let told = world.wires().amqp.counts().held;
    let silence = Flow::HoldAt(publish_to("result.bake"));
    world.wires().amqp.obey(Order::Flow(Way::ToServer, silence));
    assert_eq!(world.replace(Role::Baker), 1);
    world.wires().aws.obey(Order::Heal);
    // 8: the result is stored, and nobody is told of it.
    eventually("the word of the result", LONG, || async {
        (world.wires().amqp.counts().held > told).then_some(())
    })
    .await;
    assert_eq!(world.replace(Role::Baker), 1);
    world.wires().amqp.obey(Order::Heal);
    world.assert_shipped(&[build], LONG).await;
}

/// Waits until more than so many pieces were held on the way to the cloud.
async fn held(world: &World, before: u64, what: &str) {
    let more = || async { (world.wires().aws.counts().held > before).then_some(()) };
    eventually(what, LONG, more).await;
}

/// Whether a call was made, or an instance or our image is in this state.
async fn in_step(world: &World, step: &str) -> Option<()> {
    if world.ledger().await.iter().any(|line| line["call"] == step) {
        return Some(());
    }
    let region = world.region().await;
    let ours = |image: &serde_json::Value| {
        image["name"].as_str().is_some_and(|name| name.starts_with("shop-web"))
    };
    let built = |one: &serde_json::Value| one["tags"]["bowline:bake-key"].is_string();
    let any = |kind: &str, fits: &dyn Fn(&serde_json::Value) -> bool| {
        let all = region[kind].as_object().unwrap();
        all.values().any(|one| {
            let state = one["state"].as_str().unwrap_or_default();
            fits(one) && state.eq_ignore_ascii_case(step)
        })
    };
    (any("instances", &built) || any("images", &ours)).then_some(())
}

/// F03. Known by: all deploy workers ended by SIGKILL right after the call was in the ledger, and once
/// while their last word was on the wire.
#[tokio::test]
async fn deploy_workers_killed_between_all_steps_of_highlander_harm_nothing() {
    let plan = Plan {
        lines: Lines::Proxied,
        deployers: 1,
        disabled_seconds: 1,
        lags: json!({ "delete_group": 1_500 }),
        ..Plan::default()
    };
    let mut world = plan.start().await;
    let silence = Flow::HoldAt(publish_to("result.deploy"));
    world.wires().amqp.obey(Order::Flow(Way::ToServer, silence));
    let build = world.ship(0).await;
    let calls = [
        "CreateLaunchTemplate",
        "CreateAutoScalingGroup",
        "SuspendProcesses",
        "DeregisterTargets",
        "CreateOrUpdateTags",
        "UpdateAutoScalingGroup",
        "DeleteAutoScalingGroup",
    ];
    for call in calls {
        world.called(call, 0).await;
        assert_eq!(world.replace(Role::Deployer), 1, "{call}");
    }
    eventually("the word of the result", LONG, || async {
        (world.wires().amqp.counts().held > 0).then_some(())
    })
    .await;
    assert_eq!(world.replace(Role::Deployer), 1);
    world.wires().amqp.obey(Order::Heal);
    world.assert_shipped(&[build], LONG).await;
    assert_eq!(world.effects("DeleteAutoScalingGroup", "Changed").await, 1, "the old one, once");
}

/// F05. Known by: the proxy holds the commit, the kernel says that the coordinator stands still, and
/// the bytes of the commit reach Redis after the end of the execution.
#[tokio::test]
async fn coordinator_frozen_with_a_commit_in_hand_does_not_revive_an_execution() {
    let plan = Plan {
        lines: Lines::Proxied,
        coordinators: 1,
        lags: json!({ "install": 1_500 }),
        ..Plan::default()
    };
    let mut world = plan.start().await;
    let build = world.ship(0).await;
    world.called("RunInstances", 0).await;
    // A second commit of this execution: the bake is over, the deploy begins.
    let commit = Flow::HoldAt(b"_execution_commit".to_vec());
    world.wires().redis.obey(Order::Flow(Way::ToServer, commit));
    eventually("the commit on the wire", LONG, || async {
        (world.wires().redis.counts().held > 0).then_some(())
    })
    .await;
    let frozen = world.processes.iter().position(|(role, _)| *role == Role::Coordinator).unwrap();
    world.processes[frozen].1.freeze();
    let held = world.wires().redis.counts();
    let direct = world.services.redis.clone();
    world.launch_with(Role::Coordinator, &[("BOWLINE__STORE__URL", direct)]);
    let ended = world.settle(&[build], LONG).await;
    assert_eq!(ended[0]["status"], "SUCCEEDED", "{:#}", ended[0]);
    tokio::time::sleep(dose(Duration::from_secs(1), Duration::from_mins(1))).await;
    world.wires().redis.obey(Order::Heal);
    world.processes[frozen].1.thaw();
    eventually("the late commit reaches Redis", LONG, || async {
        let passed = world.wires().redis.counts().to_server_bytes - held.to_server_bytes;
        (passed >= held.held_bytes).then_some(())
    })
    .await;
    // Whoever was frozen works again.
    let next = world.ship(0).await;
    world.assert_shipped(&[build, next], LONG).await;
    let after = world.execution(build).await;
    assert_eq!(after, ended[0], "what was over is as it was");
}

/// F24, late: the first worker comes back after another has done its work. Known by: the kernel says
/// that it stands still, the other says that it started the task, and the first one ends it as lost.
#[tokio::test]
async fn worker_frozen_for_longer_than_its_lease_says_nothing_that_counts() {
    let mut world = Plan { lags: slow_bake(), ..Plan::default() }.start().await;
    let build = world.ship(0).await;
    world.called("RunInstances", 0).await;
    let holder = holder(&mut world, Role::Baker).await;
    world.of(Role::Baker)[holder].freeze();
    eventually("the other takes over", LONG, || {
        let other = world.of(Role::Baker)[1 - holder].said("task started");
        async move { (other > 0).then_some(()) }
    })
    .await;
    let ended = world.settle(&[build], LONG).await;
    world.of(Role::Baker)[holder].thaw();
    eventually("the first one notices", LONG, || {
        let lost = world.of(Role::Baker)[holder].said("\"outcome\":\"lost\"");
        async move { (lost > 0).then_some(()) }
    })
    .await;
    world.assert_shipped(&[build], LONG).await;
    assert_eq!(world.execution(build).await, ended[0]);
}

/// Which worker of a role has started a task.
async fn holder(world: &mut World, role: Role) -> usize {
    eventually("a worker has the task", LONG, || {
        let mut all = world.of(role).into_iter();
        let holder =
            all.position(|process| process.said("task started") > process.said("task ended"));
        async move { holder }
    })
    .await
}

/// Recovery after the kill of a worker: until another has started its task. Known by: SIGKILL ended it
/// while its log said that it held the task.
#[tokio::test]
async fn another_worker_takes_over_when_the_lease_is_over() {
    let lease_ms = dose(2_000, 90_000);
    let lags = json!({ "install": dose(4_000, 100_000) });
    let mut world = Plan { lease_ms, lags, ..Plan::default() }.start().await;
    let build = world.ship(0).await;
    let holder = holder(&mut world, Role::Baker).await;
    assert!(world.of(Role::Baker)[holder].kill(), "a SIGKILL ended it");
    let took = how_soon("the other has started", LONG, || {
        let other = world.of(Role::Baker)[1 - holder].said("task started");
        async move { (other > 0).then_some(()) }
    })
    .await;
    figure(
        "recovery, worker killed",
        format!("{:.2} s with a lease of {} s", took.as_secs_f64(), lease_ms / 1_000),
    );
    assert!(took < Duration::from_millis(lease_ms + 5_000), "{took:?}");
    world.assert_shipped(&[build], LONG).await;
}

/// The same when it is told to end. Known by: its exit code is 0 and its log says that it handed over.
#[tokio::test]
async fn drained_worker_hands_over_in_two_seconds() {
    let mut world = Plan { lags: json!({ "install": 3_000 }), ..Plan::default() }.start().await;
    let build = world.ship(0).await;
    let holder = holder(&mut world, Role::Baker).await;
    world.of(Role::Baker)[holder].ask_to_stop();
    let took = how_soon("the other has started", LONG, || {
        let other = world.of(Role::Baker)[1 - holder].said("task started");
        async move { (other > 0).then_some(()) }
    })
    .await;
    figure("recovery, worker drained", format!("{:.2} s", took.as_secs_f64()));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let code = eventually("it ends", LONG, || {
        let ended = world.of(Role::Baker)[holder].ended();
        async move { ended }
    })
    .await;
    assert!(code.success(), "{code}");
    assert_eq!(world.of(Role::Baker)[holder].said("\"outcome\":\"handed_over\""), 1);
    world.assert_shipped(&[build], LONG).await;
}

/// F32. Known by: every process of every round ended with exit code 0.
#[tokio::test]
async fn storm_of_drains_and_starts_loses_nothing() {
    let mut world = Plan { clusters: 3, gateways: 2, ..Plan::default() }.start().await;
    let (mut builds, mut worst, mut drained) = (Vec::new(), Duration::ZERO, 0);
    for round in 0..dose(4, 20) {
        builds.push(world.ship(round % 3).await);
        // Somewhere in the middle of it.
        tokio::time::sleep(Duration::from_millis(400 * (u64::try_from(round).unwrap() % 5))).await;
        let begun = Instant::now();
        for (_, process) in &world.processes {
            process.ask_to_stop();
        }
        for index in 0..world.processes.len() {
            let code = eventually("a process ends", Duration::from_secs(30), || {
                let ended = world.processes[index].1.ended();
                async move { ended }
            })
            .await;
            let (_, process) = &world.processes[index];
            assert!(code.success(), "{}: {code}", process.name);
            assert_eq!(process.said("stopped, nothing was abandoned"), 1, "{}", process.name);
            drained += 1;
        }
        worst = worst.max(begun.elapsed());
        world.tend();
        world.ready().await;
    }
    world.assert_shipped(&builds, LONG).await;
    assert!(world.executions().await.unwrap().values().flatten().all(is_over));
    figure("F32 processes drained", format!("{drained}, slowest round {worst:?}"));
}

/// Nothing of ours, nothing done: the stage says so until a worker comes.
#[tokio::test]
async fn build_waits_for_workers_that_are_not_there() {
    if left_to_the_soak() {
        return;
    }
    let mut world = Plan { bakers: 0, deployers: 0, ..Plan::default() }.start().await;
    let build = world.ship(0).await;
    let waiting = world.execution(build).await;
    assert_eq!(stage(&waiting, "bake")["status"], "RUNNING", "{waiting:#}");
    assert_eq!(world.ledger().await.len(), 0);
    world.launch(Role::Baker);
    world.launch(Role::Deployer);
    world.assert_shipped(&[build], LONG).await;
}
