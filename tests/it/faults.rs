//! kill -9 in the middle: the execution still succeeds, and nothing is done twice.

use std::time::Duration;

use processes::eventually;
use serde_json::Value;

use crate::{
    distributed::old_group,
    world::{Mode, Size, World, assert_shipped},
};

/// Leases last three seconds here; a few of them may be lost one after the other.
const LONG: Duration = Duration::from_mins(2);

const PAIR: Mode =
    Mode::Distributed(Size { coordinators: 2, bakers: 2, deployers: 2, gateways: 1 });

/// The calls of the canonical run after which a worker is killed, in order.
const BAKE_CALLS: [&str; 3] = ["RunInstances", "CreateImage", "TerminateInstances"];
const DEPLOY_CALLS: [&str; 7] = [
    "CreateLaunchTemplate",
    "CreateAutoScalingGroup",
    "SuspendProcesses",
    "DeregisterTargets",
    "CreateOrUpdateTags",
    "UpdateAutoScalingGroup",
    "DeleteAutoScalingGroup",
];

async fn has(world: &World, call: &str) -> Option<()> {
    let ledger: Vec<Value> = world.ledger().await;
    ledger.iter().any(|line| line["call"] == call).then_some(())
}

/// Kills every process of a role right after a call was seen, and starts as many new ones.
async fn kill_after(world: &mut World, role: &str, call: &str) {
    eventually(call, LONG, || has(world, call)).await;
    let count = {
        let mut victims = world.processes_of(role);
        for victim in &mut victims {
            victim.kill();
        }
        victims.len()
    };
    world.processes.retain_mut(|process| process.ended().is_none());
    for _ in 0..count {
        world.launch(role);
    }
}

#[tokio::test]
async fn workers_killed_after_each_of_their_calls_change_nothing() {
    let mut world = World::start(PAIR, old_group()).await;
    world.build(1).await;
    world.notify(1, 1).await;
    let id = world.new_execution(&[]).await;
    for call in BAKE_CALLS {
        kill_after(&mut world, "bowline-worker-bake", call).await;
    }
    for call in DEPLOY_CALLS {
        kill_after(&mut world, "bowline-worker-deploy", call).await;
    }
    let ended = world.ended(&id, LONG).await;
    assert_shipped(&ended, "shop-test-v007");
    world.assert_done_once().await;
}

#[tokio::test]
async fn coordinators_killed_in_mid_run_change_nothing() {
    let mut world = World::start(PAIR, old_group()).await;
    world.build(1).await;
    world.notify(1, 1).await;
    let id = world.new_execution(&[]).await;
    for call in ["RunInstances", "CreateImage", "CreateAutoScalingGroup"] {
        kill_after(&mut world, "bowline-coordinator", call).await;
    }
    let ended = world.ended(&id, LONG).await;
    assert_shipped(&ended, "shop-test-v007");
    world.assert_done_once().await;
}

#[tokio::test]
async fn wiped_broker_loses_no_execution() {
    let world = World::start(PAIR, old_group()).await;
    world.build(1).await;
    world.notify(1, 1).await;
    let id = world.new_execution(&[]).await;
    eventually("RunInstances", LONG, || has(&world, "RunInstances")).await;
    world.services().run("wipe-broker");
    let ended = world.ended(&id, LONG).await;
    assert_shipped(&ended, "shop-test-v007");
    world.assert_done_once().await;
}

#[tokio::test]
async fn standalone_killed_in_mid_run_goes_on_where_it_was() {
    let mut world = World::start(Mode::Standalone, old_group()).await;
    world.build(1).await;
    world.notify(1, 1).await;
    let id = world.new_execution(&[]).await;
    for call in ["RunInstances", "CreateImage", "CreateAutoScalingGroup", "SuspendProcesses"] {
        world.gateways.clear();
        kill_after(&mut world, "bowline", call).await;
    }
    let ended = world.ended(&id, LONG).await;
    assert_shipped(&ended, "shop-test-v007");
    world.assert_done_once().await;
}
