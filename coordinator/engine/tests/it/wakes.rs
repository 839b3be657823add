//! When an execution is looked at again, and what the time alone does to a task.

use engine::{ChildFact, ChildRun, Input, StageState, Work};
use model::ExecutionStatus;
use serde_json::Map;

use crate::{
    traces::check,
    world::{World, pipeline},
};

/// How long it sleeps at most, seen from now.
const LATEST: u64 = 290_000;

/// How many milliseconds from now it is looked at again.
fn sleeps(world: &World) -> u64 {
    engine::next_look(&world.document, &world.facts(), world.now_ms).unwrap() - world.now_ms
}

#[test]
fn task_is_looked_at_when_nobody_claims_it_and_when_its_lease_ends() {
    let mut world = World::start(&pipeline("1:bake"));
    assert_eq!(sleeps(&world), 15_000);
    world.now_ms += 15_000;
    world.step(&Input::Look).unwrap();
    assert_eq!(sleeps(&world), 30_000);
    let task = world.task("1");
    world.claim(&task);
    assert_eq!(sleeps(&world), 91_000);
    // Lost: what the store says is of the epoch before.
    world.now_ms += 91_000;
    world.step(&Input::Look).unwrap();
    let lease = world.leases.get_mut(&task).unwrap();
    (lease.epoch, lease.claimed, lease.until_ms) = (1, true, Some(world.now_ms - 1_000));
    assert_eq!(sleeps(&world), 15_000);
}

#[test]
fn canceled_task_is_looked_at_in_two_seconds_if_nobody_ever_had_it() {
    let cancel = Input::Cancel { user: "eve".to_owned(), reason: None };
    let mut world = World::start(&pipeline("1:bake"));
    world.now_ms += 1_000;
    world.step(&cancel).unwrap();
    assert_eq!(sleeps(&world), 2_000);

    let mut world = World::start(&pipeline("1:bake"));
    let task = world.task("1");
    world.claim(&task);
    world.now_ms += 91_000;
    world.step(&Input::Look).unwrap();
    world.step(&cancel).unwrap();
    assert_eq!(sleeps(&world), 15_000, "another worker has to clean up");
}

#[test]
fn retry_wait_and_deadline_are_looked_at_when_they_are_due() {
    for (words, due) in [
        ("1:judge", LATEST),
        (r#"1:judge@{"stageTimeoutMs":5000}"#, 5_000),
        (r#"1:wait@{"waitTime":7}"#, 7_000),
        (r#"1:wait@{"waitTime":7,"stageTimeoutMs":5000}"#, 5_000),
        (r#"1:wait@{"waitTime":7,"stageTimeoutMs":9000}"#, 7_000),
        (r#"1:wait@{"waitTime":900}"#, LATEST),
    ] {
        assert_eq!(sleeps(&World::start(&pipeline(words))), due, "{words}");
    }
}

#[test]
fn child_that_nobody_has_seen_yet_is_looked_for() {
    let mut world = World::start(&pipeline(r#"1:pipeline@{"pipeline":"p2"}"#));
    assert_eq!(sleeps(&world), 15_000);
    let StageState::Running(Work::Child(ChildRun { execution, .. })) =
        world.stage("1").state().clone()
    else {
        panic!("{:?}", world.stage("1").state())
    };
    let fact = ChildFact::Known {
        name: "other".to_owned(),
        status: ExecutionStatus::Running,
        reason: None,
        outputs: Map::new(),
    };
    world.children.insert(execution, fact);
    assert_eq!(sleeps(&world), LATEST);
}

#[test]
fn pauses_between_publications_double_up_to_four_and_a_half_minutes() {
    let mut world = World::start(&pipeline("1:bake"));
    for pause in [15, 30, 60, 120, 240, 270, 270] {
        world.now_ms += pause * 1_000 - 1;
        world.step(&Input::Look).unwrap_err();
        world.now_ms += 1;
        assert_eq!(world.step(&Input::Look).unwrap().dispatch.len(), 1, "{pause}");
    }
}

#[test]
fn lease_is_judged_a_second_after_its_end() {
    check(
        "1:bake",
        "claim 1
         wait 90999
         wait 1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         wait 90999 - nothing to do
         wait 1 > 1<1/1/2: RUNNING [1=RUNNING]",
    );
}

#[test]
fn workers_may_be_lost_as_long_as_one_in_five_gets_further() {
    let mut world = World::start(&pipeline("1:bake"));
    let task = world.task("1");
    let mut lose = |checkpoints: u64| {
        world.claim(&task);
        world.leases.get_mut(&task).unwrap().checkpoints = checkpoints;
        world.now_ms += 91_000;
        world.step(&Input::Look).unwrap();
        world.statuses()
    };
    for checkpoints in [0, 0, 0, 0, 2, 2, 2, 2, 2] {
        assert_eq!(lose(checkpoints), "RUNNING [1=RUNNING]");
    }
    assert_eq!(lose(2), "TERMINAL [1=TERMINAL]");
}

#[test]
fn transient_failure_is_tried_four_times_with_growing_pauses() {
    check(
        "1:bake",
        "again 1
         wait 2000
         again 1
         wait 3999
         wait 1
         again 1
         wait 7999
         wait 1
         again 1",
        "start: RUNNING [1=RUNNING]
         again 1 > : RUNNING [1=RUNNING]
         wait 2000 > 1<1/2/1: RUNNING [1=RUNNING]
         again 1 > : RUNNING [1=RUNNING]
         wait 3999 - nothing to do
         wait 1 > 1<1/3/1: RUNNING [1=RUNNING]
         again 1 > : RUNNING [1=RUNNING]
         wait 7999 - nothing to do
         wait 1 > 1<1/4/1: RUNNING [1=RUNNING]
         again 1 > : TERMINAL [1=TERMINAL]",
    );
}

#[test]
fn what_fails_after_it_was_told_to_stop_is_not_tried_again() {
    check(
        "1:bake",
        "claim 1
         cancel
         again 1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         cancel >  stop: RUNNING [1=RUNNING]
         again 1 > : CANCELED [1=TERMINAL]",
    );
}
