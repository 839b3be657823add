//! Builds told too often, or to gateways that are gone: F21, F22.

use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::{
    measure::{Dice, dose, figure, left_to_the_soak},
    world::{Plan, Role},
};

const LONG: Duration = Duration::from_mins(4);

/// F21. Known by: every one of the notifications was answered 202.
#[tokio::test]
async fn one_build_told_in_all_phases_by_all_gateways_is_one_execution() {
    let mut world = Plan { gateways: 2, ..Plan::default() }.start().await;
    let build = world.finish_build(0).await;
    let phases = ["STARTED", "COMPLETED", "FINALIZED", "FINALIZED", "COMPLETED"];
    let told = join_all(phases.map(|phase| world.tell(build, phase, 5))).await;
    let told: Vec<u64> = told.into_iter().flatten().collect();
    assert_eq!(told.len(), 50);
    assert!(told.iter().all(|status| [200, 202].contains(status)), "{told:?}");
    assert!(told.iter().filter(|status| **status == 202).count() >= 20, "{told:?}");
    world.assert_shipped(&[build], LONG).await;
    // Once more, when it is over.
    assert!(world.tell(build, "FINALIZED", 5).await.iter().all(|status| *status == 202));
    world.assert_shipped(&[build], LONG).await;
}

/// F22, as far as it goes without a poller: gateways die while builds are told of. What one of them
/// has accepted is one execution, also when nobody tells of it again; what none has accepted is told
/// again. Known by: each end was a SIGKILL, and some notifications had no answer or a refusal.
#[tokio::test]
async fn builds_accepted_by_gateways_that_die_are_executed_once() {
    let mut world = Plan { gateways: 2, clusters: 8, ..Plan::default() }.start().await;
    let mut dice = Dice::shown("F22");
    let (mut builds, mut kills, mut unheard) = (Vec::new(), 0, 0);
    for number in 0..dose(16, 50) {
        let build = world.finish_build(number % 8).await;
        let told = if number % 3 == 0 {
            let mut victim = world.take_gateway(dice.below(2));
            // The first one dies before anybody gets to it.
            let most = Duration::from_millis(if kills == 0 { 0 } else { 30 });
            let delay = dice.between(Duration::ZERO, most);
            let (told, killed) = tokio::join!(world.tell(build, "FINALIZED", 1), async {
                tokio::time::sleep(delay).await;
                victim.kill()
            });
            assert!(killed, "a SIGKILL ended it");
            kills += 1;
            world.forget_gateway();
            world.launch(Role::Gateway);
            told
        } else {
            world.tell(build, "FINALIZED", 1).await
        };
        unheard += told.iter().filter(|status| **status != 202).count();
        if !told.contains(&202) {
            world.ready().await;
            world.accepted(build).await;
        }
        builds.push(build);
    }
    assert!(kills > 0 && unheard > 0, "{kills} kills, {unheard} without an answer");
    world.assert_shipped(&builds, LONG).await;
    figure("F22 gateways killed", format!("{kills} times under {} builds", builds.len()));
}

/// F22, the only gateway is gone for a while. Known by: nobody answered.
#[tokio::test]
async fn builds_told_again_when_the_gateway_is_back_are_executed_once() {
    if left_to_the_soak() {
        return;
    }
    let mut world = Plan { clusters: 8, ..Plan::default() }.start().await;
    for gateway in world.of(Role::Gateway) {
        assert!(gateway.kill(), "a SIGKILL ended it");
    }
    let mut builds = Vec::new();
    for number in 0..dose(8, 50) {
        let build = world.finish_build(number % 8).await;
        assert_eq!(world.tell(build, "FINALIZED", 1).await, [0], "nobody is there");
        builds.push(build);
    }
    assert_eq!(world.tend(), 1);
    world.ready().await;
    for build in &builds {
        world.accepted(*build).await;
    }
    world.assert_shipped(&builds, LONG).await;
}

/// F22, the only gateway is gone, and nobody tells of a build again: coordinators find them in Jenkins, also
/// those of a time in which none of our programs ran. Known by: nobody answered.
#[tokio::test]
async fn builds_nobody_tells_of_again_are_found_and_executed_once() {
    let mut world = Plan { clusters: 4, ..Plan::default() }.start().await;
    let mut builds = Vec::new();
    for number in 0..dose(4, 50) {
        // First the gateway goes, half way the coordinators do as well.
        let gone = [(0, Role::Gateway), (dose(2, 25), Role::Coordinator)];
        for (_, role) in gone.into_iter().filter(|(when, _)| *when == number) {
            for process in world.of(role) {
                assert!(process.kill(), "a SIGKILL ended it");
            }
        }
        let build = world.finish_build(number % 4).await;
        assert_eq!(world.tell(build, "FINALIZED", 1).await, [0], "nobody is there");
        builds.push(build);
    }
    let begun = Instant::now();
    world.tend();
    world.ready().await;
    world.assert_shipped(&builds, LONG).await;
    figure("F22 untold builds, to the end of the last execution", format!("{:?}", begun.elapsed()));
}
