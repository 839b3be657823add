//! Registration, draining, and what balancers refuse.

use fake_aws::{
    Seed,
    world::{
        World,
        balancer::{BalancerRef, Verdict},
        behaviour::Lags,
    },
};

use crate::world::{A_WHILE, code, create_group, me, pass, site, texts, world_with_old_group};

fn both() -> [BalancerRef; 2] {
    let arn = Seed::target_group_arn(&site(), "shop-web");
    [BalancerRef::Classic("shop-web".to_owned()), BalancerRef::TargetGroup(arn)]
}

fn registered(world: &mut World, balancer: &BalancerRef) -> Vec<(String, Verdict)> {
    let health = world.describe_health(&me(), balancer, &[]).unwrap();
    health.into_iter().filter_map(|(id, verdict)| Some((id, verdict?))).collect()
}

#[test]
fn a_seeded_group_is_healthy_at_both_balancers_from_the_beginning() {
    let mut world = world_with_old_group();
    for balancer in both() {
        let verdicts: Vec<Verdict> =
            registered(&mut world, &balancer).into_iter().map(|(_, verdict)| verdict).collect();
        assert_eq!(verdicts, [Verdict::Healthy, Verdict::Healthy]);
    }
    assert_eq!(world.ledger(), []);
}

#[test]
fn what_is_deregistered_drains_and_then_is_gone() {
    for balancer in both() {
        let mut world = world_with_old_group();
        create_group(&mut world, "shop-web-v001", 2).unwrap();
        pass(&mut world, A_WHILE);
        let one = registered(&mut world, &balancer).remove(0).0;
        world.deregister(&me(), &balancer, std::slice::from_ref(&one)).unwrap();
        assert!(registered(&mut world, &balancer).contains(&(one.clone(), Verdict::Draining)));
        pass(&mut world, Lags::FAST.drain);
        assert!(!registered(&mut world, &balancer).iter().any(|(id, _)| *id == one));
        // Again changes nothing.
        world.deregister(&me(), &balancer, &[one]).unwrap();
        assert_eq!(format!("{:?}", world.ledger().last().unwrap().effect), "NoEffect");
    }
}

#[test]
fn what_is_registered_again_while_it_drains_stays() {
    let mut world = world_with_old_group();
    create_group(&mut world, "shop-web-v001", 2).unwrap();
    pass(&mut world, A_WHILE);
    let [_, balancer] = both();
    let one = registered(&mut world, &balancer).remove(0).0;
    world.deregister(&me(), &balancer, std::slice::from_ref(&one)).unwrap();
    world.register(&me(), &balancer, std::slice::from_ref(&one)).unwrap();
    pass(&mut world, A_WHILE);
    assert!(registered(&mut world, &balancer).contains(&(one, Verdict::Healthy)));
}

#[test]
fn unknown_balancers_and_instances_are_refused() {
    let mut world = world_with_old_group();
    let [classic, targets] = both();
    let id = texts(&["i-0"]);
    assert_eq!(code(world.register(&me(), &classic, &id)), "InvalidInstance");
    assert_eq!(code(world.register(&me(), &targets, &id)), "InvalidTarget");
    let absent = BalancerRef::Classic("absent".to_owned());
    assert_eq!(code(world.describe_health(&me(), &absent, &[])), "LoadBalancerNotFound");
    let absent = BalancerRef::TargetGroup("absent".to_owned());
    assert_eq!(code(world.describe_health(&me(), &absent, &[])), "TargetGroupNotFound");
    let answer = world.describe_load_balancers(&me(), &texts(&["shop-web", "absent"]));
    assert_eq!(code(answer), "LoadBalancerNotFound");
}

#[test]
fn detaching_drains_and_attaching_registers_the_groups_instances() {
    let mut world = world_with_old_group();
    create_group(&mut world, "shop-web-v001", 1).unwrap();
    pass(&mut world, A_WHILE);
    let [_, balancer] = both();
    let list = std::slice::from_ref(&balancer);
    world.detach(&me(), "shop-web-v000", list).unwrap();
    pass(&mut world, A_WHILE);
    assert_eq!(registered(&mut world, &balancer).len(), 1);
    world.attach(&me(), "shop-web-v000", list).unwrap();
    pass(&mut world, A_WHILE);
    assert_eq!(registered(&mut world, &balancer).len(), 3);
    assert_eq!(world.violations(), []);
}
