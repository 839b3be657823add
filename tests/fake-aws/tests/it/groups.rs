//! Auto Scaling groups: names, sizes, deletion, and what they do by themselves.

use fake_aws::{
    Seed,
    world::{
        World,
        balancer::{BalancerRef, Verdict},
        behaviour::Lags,
        group::{Conduct, ConductRule, Group, Lifecycle},
        group_calls::{Deletion, Sizes},
        template::TemplateRef,
    },
};

use crate::world::{
    A_WHILE, code, create_group, me, pass, site, spec, template_order, texts, world,
    world_with_old_group,
};

const NAME: &str = "shop-web-v001";

fn group(world: &mut World, name: &str) -> Group {
    world.describe_groups(&me(), &[name.to_owned()]).unwrap().remove(0)
}

fn balancer() -> BalancerRef {
    BalancerRef::TargetGroup(Seed::target_group_arn(&site(), "shop-web"))
}

fn verdicts(world: &mut World) -> Vec<Verdict> {
    let health = world.describe_health(&me(), &balancer(), &[]).unwrap();
    health.into_iter().filter_map(|(_, verdict)| verdict).collect()
}

fn conduct(world: &mut World, conduct: Conduct) {
    world.set_conduct(ConductRule { group: NAME.to_owned(), conduct });
}

fn zero() -> Sizes {
    Sizes { min: Some(0), desired: Some(0), max: Some(0) }
}

#[test]
fn a_group_comes_to_its_size_over_both_subnets_and_becomes_healthy() {
    let mut world = world();
    create_group(&mut world, NAME, 2).unwrap();
    assert!(group(&mut world, NAME).members.is_empty());
    pass(&mut world, Lags::FAST.scaling);
    let starting = group(&mut world, NAME);
    assert!(starting.members.values().all(|m| m.lifecycle == Lifecycle::Pending));
    pass(&mut world, Lags::FAST.boot + Lags::FAST.in_service);
    assert_eq!(verdicts(&mut world), [Verdict::Initial, Verdict::Initial]);
    pass(&mut world, Lags::FAST.health_check);
    assert_eq!(verdicts(&mut world), [Verdict::Healthy, Verdict::Healthy]);
    let instances = world.describe_instances(&me(), &[], &[]).unwrap();
    assert_ne!(instances[0].subnet, instances[1].subnet);
    assert_eq!(instances[0].tags["bowline:execution"], "E-shop-web-v001");
}

#[test]
fn a_group_name_is_used_once_also_while_it_is_being_deleted() {
    let mut world = world();
    create_group(&mut world, NAME, 0).unwrap();
    let template = TemplateRef::Name(NAME.to_owned());
    let again = |world: &mut World| world.create_group(&me(), &spec(NAME, 0), &template);
    assert_eq!(code(again(&mut world)), "AlreadyExists");
    pass(&mut world, A_WHILE);
    world.delete_group(&me(), NAME, Deletion::OfEmpty).unwrap();
    assert!(group(&mut world, NAME).deleting);
    assert_eq!(code(again(&mut world)), "AlreadyExists");
    pass(&mut world, Lags::FAST.delete_group);
    again(&mut world).unwrap();
}

#[test]
fn a_group_needs_a_template_with_an_image_and_balancers_that_exist() {
    let mut world = world();
    let absent = TemplateRef::Name("absent".to_owned());
    assert_eq!(code(world.create_group(&me(), &spec(NAME, 1), &absent)), "ValidationError");
    let mut template = template_order("no-image", "t1");
    template.data.image_id = "ami-0".to_owned();
    let id = TemplateRef::Id(world.create_template(&me(), &template).unwrap().id);
    assert_eq!(code(world.create_group(&me(), &spec(NAME, 1), &id)), "ValidationError");
    let good = world.create_template(&me(), &template_order("good", "t2")).unwrap();
    let mut bad = spec(NAME, 1);
    bad.load_balancers = texts(&["absent"]);
    let answer = world.create_group(&me(), &bad, &TemplateRef::Id(good.id));
    assert_eq!(code(answer), "ValidationError");
}

#[test]
fn the_desired_size_stays_within_its_bounds() {
    let mut world = world();
    create_group(&mut world, NAME, 2).unwrap();
    assert_eq!(code(world.set_desired(&me(), NAME, 3)), "ValidationError");
    let upside_down = Sizes { min: Some(3), desired: None, max: Some(2) };
    assert_eq!(code(world.resize_group(&me(), NAME, upside_down)), "ValidationError");
    let smaller = Sizes { min: Some(0), desired: None, max: Some(1) };
    world.resize_group(&me(), NAME, smaller).unwrap();
    assert_eq!(group(&mut world, NAME).spec.desired, 1);
}

#[test]
fn a_group_with_instances_is_not_deleted_without_force() {
    let mut world = world();
    create_group(&mut world, NAME, 1).unwrap();
    let answer = world.delete_group(&me(), NAME, Deletion::OfEmpty);
    assert_eq!(code(answer), "ScalingActivityInProgress");
    pass(&mut world, A_WHILE);
    assert_eq!(code(world.delete_group(&me(), NAME, Deletion::OfEmpty)), "ResourceInUse");
    world.resize_group(&me(), NAME, zero()).unwrap();
    // Its instance drains and ends first.
    pass(&mut world, Lags::FAST.scaling);
    assert_eq!(code(world.delete_group(&me(), NAME, Deletion::OfEmpty)), "ResourceInUse");
    pass(&mut world, A_WHILE);
    world.delete_group(&me(), NAME, Deletion::OfEmpty).unwrap();
    pass(&mut world, A_WHILE);
    assert_eq!(code(world.delete_group(&me(), NAME, Deletion::OfEmpty)), "ValidationError");
}

#[test]
fn protection_refuses_a_forced_deletion() {
    let mut world = world();
    let template = world.create_template(&me(), &template_order(NAME, "t1")).unwrap();
    let mut protected = spec(NAME, 1);
    protected.deletion_protection = Some("prevent-force-deletion".to_owned());
    world.create_group(&me(), &protected, &TemplateRef::Id(template.id)).unwrap();
    assert_eq!(code(world.delete_group(&me(), NAME, Deletion::Forced)), "ResourceInUse");
}

#[test]
fn a_suspended_launch_launches_nothing_and_a_suspended_terminate_keeps_all() {
    let mut world = world();
    create_group(&mut world, NAME, 1).unwrap();
    world.suspend(&me(), NAME, &texts(&["Launch"])).unwrap();
    pass(&mut world, A_WHILE);
    assert!(group(&mut world, NAME).members.is_empty());
    world.resume(&me(), NAME, &texts(&["Launch"])).unwrap();
    pass(&mut world, A_WHILE);
    world.suspend(&me(), NAME, &texts(&["Terminate"])).unwrap();
    world.resize_group(&me(), NAME, zero()).unwrap();
    pass(&mut world, A_WHILE);
    assert_eq!(group(&mut world, NAME).members.len(), 1);
    world.resume(&me(), NAME, &texts(&["Terminate"])).unwrap();
    pass(&mut world, A_WHILE);
    assert!(group(&mut world, NAME).members.is_empty());
    assert_eq!(verdicts(&mut world), []);
}

#[test]
fn instances_launched_while_add_to_load_balancer_is_suspended_are_never_registered() {
    let mut world = world();
    create_group(&mut world, NAME, 1).unwrap();
    world.suspend(&me(), NAME, &texts(&["AddToLoadBalancer"])).unwrap();
    pass(&mut world, A_WHILE);
    world.resume(&me(), NAME, &texts(&["AddToLoadBalancer"])).unwrap();
    pass(&mut world, A_WHILE);
    assert_eq!(group(&mut world, NAME).members.len(), 1);
    assert_eq!(verdicts(&mut world), []);
}

#[test]
fn an_unknown_process_is_refused() {
    let mut world = world_with_old_group();
    let answer = world.suspend(&me(), "shop-web-v000", &texts(&["Lunch"]));
    assert_eq!(code(answer), "ValidationError");
}

#[test]
fn a_group_that_cannot_launch_says_why_and_tries_again() {
    let mut world = world();
    conduct(&mut world, Conduct::LaunchFails);
    create_group(&mut world, NAME, 1).unwrap();
    pass(&mut world, A_WHILE);
    let failed = group(&mut world, NAME).last_failure.unwrap();
    assert!(failed.starts_with("InsufficientInstanceCapacity"), "{failed}");
    conduct(&mut world, Conduct::Normal);
    pass(&mut world, A_WHILE);
    assert_eq!(verdicts(&mut world), [Verdict::Healthy]);
}

#[test]
fn health_can_be_slow_or_flap_or_never_come() {
    let mut world = world();
    conduct(&mut world, Conduct::Slow { ms: 5_000 });
    create_group(&mut world, NAME, 1).unwrap();
    pass(&mut world, 4_000);
    assert_eq!(verdicts(&mut world), [Verdict::Initial]);
    pass(&mut world, 2_000);
    assert_eq!(verdicts(&mut world), [Verdict::Healthy]);
    conduct(&mut world, Conduct::Never);
    pass(&mut world, 1);
    assert_eq!(verdicts(&mut world), [Verdict::Unhealthy]);
    conduct(&mut world, Conduct::Flapping { period_ms: 1_000 });
    let mut seen = Vec::new();
    for _ in 0..4 {
        pass(&mut world, 1_000);
        seen.extend(verdicts(&mut world));
    }
    assert!(seen.contains(&Verdict::Healthy) && seen.contains(&Verdict::Unhealthy), "{seen:?}");
}

#[test]
fn a_group_replaces_what_died_and_what_its_balancers_call_unhealthy() {
    let mut world = world();
    let template = world.create_template(&me(), &template_order(NAME, "t1")).unwrap();
    let mut trusting = spec(NAME, 1);
    trusting.health_check_type = "ELB".to_owned();
    trusting.grace_seconds = 2;
    world.create_group(&me(), &trusting, &TemplateRef::Id(template.id)).unwrap();
    pass(&mut world, 1_000);
    let member = |world: &mut World| group(world, NAME).members.into_keys().next().unwrap();
    let first = member(&mut world);
    world.kill_instance(&site(), &first);
    pass(&mut world, 1_000);
    let second = member(&mut world);
    assert_ne!(first, second);
    conduct(&mut world, Conduct::Never);
    pass(&mut world, 1_000);
    assert_eq!(member(&mut world), second, "grace is not over");
    pass(&mut world, 3_000);
    assert!(!group(&mut world, NAME).members.contains_key(&second));
}

#[test]
fn tags_of_a_group_come_and_go() {
    let mut world = world_with_old_group();
    let name = "shop-web-v000";
    let tag = group(&mut world, name).spec.tags["Name"].clone();
    let pair = std::collections::BTreeMap::from([("a".to_owned(), tag)]);
    world.tag_group(&me(), name, &pair).unwrap();
    assert!(group(&mut world, name).spec.tags.contains_key("a"));
    world.untag_group(&me(), name, &texts(&["a"])).unwrap();
    world.untag_group(&me(), name, &texts(&["a"])).unwrap();
    assert!(!group(&mut world, name).spec.tags.contains_key("a"));
    let effects: Vec<String> =
        world.ledger().iter().map(|entry| format!("{:?}", entry.effect)).collect();
    assert_eq!(effects, ["Changed", "Changed", "NoEffect"]);
}
