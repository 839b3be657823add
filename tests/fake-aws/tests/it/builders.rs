//! The builder that is played: what it says on its console, and how it ends.

use fake_aws::world::{
    World,
    builder::{Fate, FateRule},
    instance::{Instance, InstanceState},
};

use crate::world::{A_WHILE, me, order, pass, world};

fn bake(world: &mut World, user_data: &str) -> (Instance, String) {
    let id = world.run_instances(&me(), &order("t1", user_data)).unwrap().id;
    pass(world, A_WHILE);
    let console = world.console_output(&me(), &id).unwrap();
    (world.describe_instances(&me(), &[id], &[]).unwrap().remove(0), console)
}

fn bake_with(fate: Fate) -> (Instance, String) {
    let mut world = world();
    world.script_fate(FateRule { package: Some("shop-web".to_owned()), times: 1, fate });
    bake(&mut world, "BAKE k1 shop-web=1.4.2-h118")
}

#[test]
fn a_builder_installs_says_so_and_stops() {
    let (instance, console) = bake(&mut world(), "BAKE k1 shop-web=1.4.2-h118");
    assert_eq!(instance.state, InstanceState::Stopped);
    assert_eq!(instance.packages, ["shop-web=1.4.2-h118"]);
    assert!(console.lines().any(|line| line == "BOWLINE-BAKE-OK k1"), "{console}");
}

#[test]
fn without_a_version_the_newest_is_installed() {
    let mut world = world();
    world.publish("shop-web", "1.5.0");
    let (instance, _) = bake(&mut world, "BAKE k1 shop-web");
    assert_eq!(instance.packages, ["shop-web=1.5.0"]);
}

#[test]
fn a_version_without_its_epoch_is_found() {
    let mut world = world();
    world.publish("shop-web", "1:2.0");
    let (instance, _) = bake(&mut world, "BAKE k1 shop-web=2.0");
    assert_eq!(instance.packages, ["shop-web=1:2.0"]);
}

#[test]
fn a_package_that_is_missing_fails_the_script_and_stops_the_machine() {
    let (instance, console) = bake(&mut world(), "BAKE k1 shop-web=9.9");
    assert_eq!(instance.state, InstanceState::Stopped);
    let verdict = "BOWLINE-BAKE-FAILED package-missing: shop-web=9.9";
    assert!(console.lines().any(|line| line == verdict), "{console}");
    assert!(!console.contains("BOWLINE-BAKE-OK"));
}

#[test]
fn each_fate_ends_its_own_way() {
    for (fate, state, said) in [
        (Fate::Normal, InstanceState::Stopped, "BOWLINE-BAKE-OK k1"),
        (Fate::RepositoryDown, InstanceState::Stopped, "BOWLINE-BAKE-FAILED repository:"),
        (Fate::InstallFails, InstanceState::Stopped, "BOWLINE-BAKE-FAILED install: shop-web"),
        (Fate::Silent, InstanceState::Stopped, ""),
        (Fate::Hangs, InstanceState::Running, ""),
        (Fate::Dies, InstanceState::Terminated, ""),
        (Fate::NoCapacity, InstanceState::Terminated, ""),
    ] {
        let (instance, console) = bake_with(fate);
        assert_eq!(instance.state, state, "{fate:?}");
        assert!(console.contains(said), "{fate:?}: {console}");
    }
}

#[test]
fn a_fate_meets_only_as_many_builders_as_it_says() {
    let mut world = world();
    world.script_fate(FateRule { package: None, times: 1, fate: Fate::Hangs });
    let first = world.run_instances(&me(), &order("t1", "BAKE k1 shop-web")).unwrap().id;
    world.terminate_instances(&me(), &[first]).unwrap();
    let second = world.run_instances(&me(), &order("t2", "BAKE k1 shop-web")).unwrap().id;
    pass(&mut world, A_WHILE);
    let second = world.describe_instances(&me(), &[second], &[]).unwrap().remove(0);
    assert_eq!(second.state, InstanceState::Stopped);
    assert_eq!(world.violations(), []);
}

#[test]
fn user_data_that_is_no_bake_script_just_runs() {
    let (instance, _) = bake(&mut world(), "#!/bin/sh\n");
    assert_eq!(instance.state, InstanceState::Running);
}
