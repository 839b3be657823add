//! Each safety invariant: the call that breaks it is recorded, and the careful way is not.

use std::collections::BTreeMap;

use fake_aws::world::{
    World,
    balancer::BalancerRef,
    group::{Conduct, ConductRule, GroupTag, TagReach},
    group_calls::{Deletion, Sizes},
};

use crate::world::{
    A_WHILE, create_group, image_order, me, order, pass, texts, world, world_with_old_group,
};

const OLD: &str = "shop-web-v000";
const NEW: &str = "shop-web-v001";
const ZERO: Sizes = Sizes { min: Some(0), desired: Some(0), max: Some(0) };

fn broken(world: &World) -> Vec<&'static str> {
    world.violations().iter().map(|violation| violation.invariant).collect()
}

fn disable(world: &mut World, name: &str) {
    let processes = texts(&["Launch", "Terminate", "AddToLoadBalancer"]);
    world.suspend(&me(), name, &processes).unwrap();
}

fn deregister(world: &mut World, name: &str) {
    let group = world.describe_groups(&me(), &[name.to_owned()]).unwrap().remove(0);
    let ids: Vec<String> = group.members.keys().cloned().collect();
    for balancer in group.balancers() {
        world.deregister(&me(), &balancer, &ids).unwrap();
    }
}

fn doom(world: &mut World, name: &str, by: &str) {
    let tag = GroupTag { value: by.to_owned(), reach: TagReach::Group };
    let tags = BTreeMap::from([("bowline:doomed".to_owned(), tag)]);
    world.tag_group(&me(), name, &tags).unwrap();
}

fn old_and_new(conduct: Conduct) -> World {
    let mut world = world_with_old_group();
    world.set_conduct(ConductRule { group: NEW.to_owned(), conduct });
    create_group(&mut world, NEW, 2).unwrap();
    pass(&mut world, A_WHILE);
    world
}

#[test]
fn the_careful_highlander_breaks_nothing() {
    let mut world = old_and_new(Conduct::Normal);
    disable(&mut world, OLD);
    deregister(&mut world, OLD);
    pass(&mut world, A_WHILE);
    doom(&mut world, OLD, "E-shop-web-v001/7");
    world.resume(&me(), OLD, &texts(&["Terminate"])).unwrap();
    world.resize_group(&me(), OLD, ZERO).unwrap();
    pass(&mut world, A_WHILE);
    world.delete_group(&me(), OLD, Deletion::OfEmpty).unwrap();
    pass(&mut world, A_WHILE);
    assert_eq!(world.violations(), []);
    assert_eq!(world.describe_groups(&me(), &[]).unwrap().len(), 1);
}

#[test]
fn disabling_the_last_healthy_group_is_i21() {
    let mut world = old_and_new(Conduct::Never);
    disable(&mut world, OLD);
    assert_eq!(broken(&world), ["I21"]);
    assert_eq!(world.violations()[0].sequence, u64::try_from(world.ledger().len()).unwrap());
}

#[test]
fn half_a_healthy_group_is_not_a_healthy_one() {
    let mut world = old_and_new(Conduct::Normal);
    let new = world.describe_groups(&me(), &texts(&[NEW])).unwrap().remove(0);
    let one = new.members.keys().next().unwrap().clone();
    world.kill_instance(&me().site, &one);
    world.suspend(&me(), NEW, &texts(&["Launch"])).unwrap();
    pass(&mut world, A_WHILE);
    disable(&mut world, OLD);
    assert_eq!(broken(&world), ["I21"]);
}

#[test]
fn a_disabled_group_does_not_save_another() {
    let mut world = old_and_new(Conduct::Normal);
    disable(&mut world, OLD);
    disable(&mut world, NEW);
    assert_eq!(broken(&world), ["I21"]);
}

#[test]
fn deregistering_detaching_and_scaling_down_the_last_healthy_group_are_i21_too() {
    let mut world = old_and_new(Conduct::Never);
    deregister(&mut world, OLD);
    assert_eq!(broken(&world)[0], "I21");
    let mut world = old_and_new(Conduct::Never);
    let classic = BalancerRef::Classic("shop-web".to_owned());
    world.detach(&me(), OLD, &[classic]).unwrap();
    assert_eq!(broken(&world), ["I21"]);
    let mut world = old_and_new(Conduct::Never);
    world.resize_group(&me(), OLD, ZERO).unwrap();
    assert_eq!(broken(&world), ["I21"]);
}

#[test]
fn scaling_down_a_disabled_group_after_the_new_one_fell_ill_is_i21() {
    let mut world = old_and_new(Conduct::Normal);
    disable(&mut world, OLD);
    deregister(&mut world, OLD);
    pass(&mut world, A_WHILE);
    assert_eq!(world.violations(), []);
    world.set_conduct(ConductRule { group: NEW.to_owned(), conduct: Conduct::Never });
    pass(&mut world, A_WHILE);
    world.resize_group(&me(), OLD, ZERO).unwrap();
    assert_eq!(broken(&world), ["I21"]);
}

#[test]
fn a_caller_is_not_blamed_for_health_that_ended_a_moment_ago() {
    let mut world = old_and_new(Conduct::Normal);
    world.set_conduct(ConductRule { group: NEW.to_owned(), conduct: Conduct::Never });
    pass(&mut world, 100);
    disable(&mut world, OLD);
    assert_eq!(world.violations(), []);
}

#[test]
fn harming_the_newest_group_is_i22() {
    let mut world = old_and_new(Conduct::Normal);
    disable(&mut world, NEW);
    assert_eq!(broken(&world), ["I22"]);
}

#[test]
fn dooming_a_group_that_is_newer_than_ones_own_is_i22() {
    let mut world = old_and_new(Conduct::Normal);
    create_group(&mut world, "shop-web-v002", 1).unwrap();
    doom(&mut world, "shop-web-v002", "E-shop-web-v001/7");
    assert_eq!(broken(&world), ["I22"]);
}

#[test]
fn asking_for_force_is_i23() {
    let mut world = old_and_new(Conduct::Normal);
    world.delete_group(&me(), OLD, Deletion::Forced).unwrap();
    assert_eq!(broken(&world), ["I23"]);
}

#[test]
fn two_living_builders_of_one_bake_key_are_i18() {
    let mut world = world();
    let first = world.run_instances(&me(), &order("t1", "")).unwrap().id;
    world.terminate_instances(&me(), &[first]).unwrap();
    world.run_instances(&me(), &order("t2", "")).unwrap();
    assert_eq!(world.violations(), [], "one after the other is fine");
    world.run_instances(&me(), &order("t3", "")).unwrap();
    assert_eq!(broken(&world), ["I18"]);
}

#[test]
fn two_images_of_one_bake_key_and_generation_are_i18() {
    let mut world = world();
    let builder = world.run_instances(&me(), &order("t1", "BAKE k1 shop-web")).unwrap().id;
    pass(&mut world, A_WHILE);
    world.create_image(&me(), &image_order(&builder, "shop-web-1")).unwrap();
    assert_eq!(world.violations(), []);
    world.create_image(&me(), &image_order(&builder, "shop-web-2")).unwrap();
    assert_eq!(broken(&world), ["I18"]);
}

#[test]
fn two_groups_of_one_task_are_i20() {
    let mut world = world();
    create_group(&mut world, NEW, 1).unwrap();
    let mut twin = crate::world::spec("shop-web-v002", 1);
    twin.tags = crate::world::spec(NEW, 1).tags;
    let template = fake_aws::world::template::TemplateRef::Name(NEW.to_owned());
    world.create_group(&me(), &twin, &template).unwrap();
    assert_eq!(broken(&world), ["I20"]);
}

#[test]
fn terminating_what_is_no_builder_is_i22() {
    let mut world = world_with_old_group();
    let id = world.describe_instances(&me(), &[], &[]).unwrap().remove(0).id;
    world.terminate_instances(&me(), &[id]).unwrap();
    assert_eq!(broken(&world), ["I22"]);
}

#[test]
fn deregistering_an_image_is_i26() {
    let mut world = world();
    let builder = world.run_instances(&me(), &order("t1", "BAKE k1 shop-web")).unwrap().id;
    pass(&mut world, A_WHILE);
    let image = world.create_image(&me(), &image_order(&builder, "shop-web-1")).unwrap();
    world.deregister_image(&me(), &image).unwrap();
    assert_eq!(broken(&world), ["I26"]);
}
