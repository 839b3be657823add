//! Calls that go wrong on demand, and what the ledger says of them.

use fake_aws::world::{
    behaviour::{Behaviour, Rate},
    fault::{Fault, Script},
    ledger::{Effect, Heard},
};

use crate::world::{code, me, order, pass, world};

#[test]
fn a_call_can_be_carried_out_and_time_out() {
    let mut world = world();
    world.script_fault(Script::next("RunInstances", Fault::ExecuteAndTimeout));
    assert_eq!(code(world.run_instances(&me(), &order("t1", ""))), "no answer");
    let entry = &world.ledger()[0];
    assert_eq!((entry.effect, entry.answer), (Effect::Created, Heard::Silence));
    // The repeat joins what was done.
    world.run_instances(&me(), &order("t1", "")).unwrap();
    assert_eq!(world.ledger()[1].effect, Effect::NoEffect);
    assert_eq!(world.describe_instances(&me(), &[], &[]).unwrap().len(), 1);
    assert_eq!(world.faults_fired()["RunInstances:execute_and_timeout"], 1);
}

#[test]
fn a_call_can_be_lost_before_it_arrives() {
    let mut world = world();
    world.script_fault(Script::next("RunInstances", Fault::TimeoutOnly));
    assert_eq!(code(world.run_instances(&me(), &order("t1", ""))), "no answer");
    assert_eq!(world.ledger()[0].effect, Effect::NeverArrived);
    assert_eq!(world.describe_instances(&me(), &[], &[]).unwrap(), []);
}

#[test]
fn a_server_error_may_hide_a_success() {
    let mut world = world();
    world.script_fault(Script::next("RunInstances", Fault::ExecuteAndServerError));
    world.script_fault(Script::next("RunInstances", Fault::ServerError));
    assert_eq!(code(world.run_instances(&me(), &order("t1", ""))), "InternalFailure");
    assert_eq!(code(world.run_instances(&me(), &order("t2", ""))), "InternalFailure");
    let effects: Vec<Effect> = world.ledger().iter().map(|entry| entry.effect).collect();
    assert_eq!(effects, [Effect::Created, Effect::Refused]);
}

#[test]
fn throttling_has_each_services_own_code() {
    let mut world = world();
    world.script_fault(Script::next("*", Fault::Throttle).times(3));
    assert_eq!(code(world.describe_instances(&me(), &[], &[])), "RequestLimitExceeded");
    assert_eq!(code(world.describe_groups(&me(), &[])), "Throttling");
    assert_eq!(code(world.describe_load_balancers(&me(), &[])), "Throttling");
    world.describe_groups(&me(), &[]).unwrap();
}

#[test]
fn a_rate_is_kept_per_action() {
    let mut world = world();
    let rate = Some(Rate { burst: 1, refill_ms: 100 });
    world.set_behaviour(Behaviour { rate, ..Behaviour::default() });
    world.describe_instances(&me(), &[], &[]).unwrap();
    assert_eq!(code(world.describe_instances(&me(), &[], &[])), "RequestLimitExceeded");
    world.describe_subnets(&me(), &[], &[]).unwrap();
    pass(&mut world, 100);
    world.describe_instances(&me(), &[], &[]).unwrap();
}

#[test]
fn a_refusal_can_be_scripted_with_any_code() {
    let mut world = world();
    let fault = Fault::Refuse {
        code: "InsufficientInstanceCapacity".to_owned(),
        message: "no room".to_owned(),
    };
    world.script_fault(Script::next("RunInstances", fault));
    let answer = world.run_instances(&me(), &order("t1", ""));
    assert_eq!(code(answer), "InsufficientInstanceCapacity");
    assert_eq!(
        world.ledger()[0].refused_with.as_deref(),
        Some("InsufficientInstanceCapacity: no room")
    );
}
