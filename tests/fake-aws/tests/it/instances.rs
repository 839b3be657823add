//! Client tokens, states and quotas of instances.

use fake_aws::world::{
    behaviour::{Behaviour, Lags},
    filter::Filter,
    instance::InstanceState,
};

use crate::world::{A_WHILE, code, me, order, pass, world};

#[test]
fn the_same_token_with_the_same_parameters_is_the_same_instance() {
    let mut world = world();
    let first = world.run_instances(&me(), &order("t1", "")).unwrap();
    let again = world.run_instances(&me(), &order("t1", "")).unwrap();
    assert_eq!(first.id, again.id);
    let effects: Vec<String> =
        world.ledger().iter().map(|entry| format!("{:?}", entry.effect)).collect();
    assert_eq!(effects, ["Created", "NoEffect"]);
}

#[test]
fn the_same_token_with_other_parameters_is_refused() {
    let mut world = world();
    world.run_instances(&me(), &order("t1", "")).unwrap();
    let mut other = order("t1", "");
    other.instance_type = "m5.large".to_owned();
    assert_eq!(code(world.run_instances(&me(), &other)), "IdempotentParameterMismatch");
}

#[test]
fn the_token_of_a_terminated_instance_starts_nothing() {
    let mut world = world();
    let instance = world.run_instances(&me(), &order("t1", "")).unwrap();
    world.terminate_instances(&me(), &[instance.id]).unwrap();
    let answer = world.run_instances(&me(), &order("t1", ""));
    assert_eq!(code(answer), "IdempotentInstanceTerminated");
    pass(&mut world, A_WHILE);
    let answer = world.run_instances(&me(), &order("t1", ""));
    assert_eq!(code(answer), "IdempotentInstanceTerminated");
}

#[test]
fn a_token_is_at_most_64_ascii_characters() {
    let mut world = world();
    let answer = world.run_instances(&me(), &order(&"x".repeat(65), ""));
    assert_eq!(code(answer), "InvalidParameterValue");
}

#[test]
fn an_unknown_image_subnet_or_security_group_is_refused() {
    let mut world = world();
    let mut bad = order("t1", "");
    bad.image_id = "ami-00000000000000000".to_owned();
    assert_eq!(code(world.run_instances(&me(), &bad)), "InvalidAMIID.NotFound");
    let mut bad = order("t2", "");
    bad.subnet_id = Some("subnet-0".to_owned());
    assert_eq!(code(world.run_instances(&me(), &bad)), "InvalidSubnetID.NotFound");
    let mut bad = order("t3", "");
    bad.security_groups = vec!["sg-0".to_owned()];
    assert_eq!(code(world.run_instances(&me(), &bad)), "InvalidGroup.NotFound");
}

#[test]
fn user_data_over_16_kilobytes_is_refused() {
    let mut world = world();
    let answer = world.run_instances(&me(), &order("t1", &"x".repeat(16 * 1024 + 1)));
    assert_eq!(code(answer), "InvalidParameterValue");
}

#[test]
fn the_quota_counts_living_instances() {
    let mut world = world();
    world.set_behaviour(Behaviour { instance_quota: 1, ..Behaviour::default() });
    let first = world.run_instances(&me(), &order("t1", "")).unwrap();
    assert_eq!(code(world.run_instances(&me(), &order("t2", ""))), "InstanceLimitExceeded");
    world.terminate_instances(&me(), &[first.id]).unwrap();
    world.run_instances(&me(), &order("t3", "")).unwrap();
}

#[test]
fn a_new_instance_is_invisible_for_a_while() {
    let mut world = world();
    let lags = Lags { visible: 500, ..Lags::FAST };
    world.set_behaviour(Behaviour { lags, ..Behaviour::default() });
    let id = world.run_instances(&me(), &order("t1", "")).unwrap().id;
    let by_id = |world: &mut fake_aws::world::World| {
        world.describe_instances(&me(), std::slice::from_ref(&id), &[])
    };
    assert_eq!(code(by_id(&mut world)), "InvalidInstanceID.NotFound");
    let filter = Filter::new("instance-id", &id);
    assert_eq!(world.describe_instances(&me(), &[], &[filter]).unwrap(), []);
    pass(&mut world, 500);
    assert_eq!(by_id(&mut world).unwrap().len(), 1);
}

#[test]
fn an_instance_goes_through_its_states_and_keeps_its_tags() {
    let mut world = world();
    let id = world.run_instances(&me(), &order("t1", "")).unwrap().id;
    let state = |world: &mut fake_aws::world::World| {
        world.describe_instances(&me(), std::slice::from_ref(&id), &[]).unwrap()[0].state
    };
    assert_eq!(state(&mut world), InstanceState::Pending);
    pass(&mut world, Lags::FAST.boot);
    assert_eq!(state(&mut world), InstanceState::Running);
    world.terminate_instances(&me(), std::slice::from_ref(&id)).unwrap();
    assert_eq!(state(&mut world), InstanceState::ShuttingDown);
    pass(&mut world, Lags::FAST.terminate);
    assert_eq!(state(&mut world), InstanceState::Terminated);
    let tagged = Filter::new("tag:bowline:bake-key", "k?");
    assert_eq!(world.describe_instances(&me(), &[], &[tagged]).unwrap().len(), 1);
}

#[test]
fn enhanced_networking_is_switched_on_only_while_stopped() {
    let mut world = world();
    let id = world.run_instances(&me(), &order("t1", "BAKE k1 shop-web")).unwrap().id;
    assert_eq!(code(world.enable_ena(&me(), &id)), "IncorrectInstanceState");
    pass(&mut world, A_WHILE);
    world.enable_ena(&me(), &id).unwrap();
}

#[test]
fn an_unknown_filter_is_refused() {
    let mut world = world();
    let answer = world.describe_instances(&me(), &[], &[Filter::new("colour", "red")]);
    assert_eq!(code(answer), "InvalidParameterValue");
}

#[test]
fn a_region_that_is_not_open_answers_nothing() {
    let mut world = world();
    let mut far = me();
    far.site.region = "eu-west-1".to_owned();
    assert_eq!(code(world.describe_subnets(&far, &[], &[])), "UnauthorizedOperation");
}
