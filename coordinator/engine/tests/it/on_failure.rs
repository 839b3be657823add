//! What is done after a failure and before it is final.

use engine::{Document, Input};
use model::ExecutionStatus;
use serde_json::{Value, json};
use wire::{DestroyCreated, FailureKind, OperationCall};

use crate::{
    traces::check,
    world::{World, outcome_of, pipeline},
};

#[test]
fn failure_is_final_once_what_follows_from_it_is_done() {
    check(
        "1:rolls 2:bake<1",
        "fail 1
         claim 1>1
         wait 5000
         ok 1>1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         fail 1 > 1>1/1/1: RUNNING [1=RUNNING 2=NOT_STARTED]
         claim 1>1 - nothing to do
         wait 5000 - nothing to do
         ok 1>1 > : TERMINAL [1=TERMINAL 2=NOT_STARTED]",
    );
    check(
        "1:rolls!ignore 2:bake<1",
        "fail 1
         ok 1>1
         ok 2",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         fail 1 > 1>1/1/1: RUNNING [1=RUNNING 2=NOT_STARTED]
         ok 1>1 > 2<1/1/1: RUNNING [1=FAILED_CONTINUE 2=RUNNING]
         ok 2 > : SUCCEEDED [1=FAILED_CONTINUE 2=SUCCEEDED]",
    );
    check(
        "1:rolls 2:bake<1",
        "ok 1
         ok 2",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         ok 1 > 2<1/1/1: RUNNING [1=SUCCEEDED 2=RUNNING]
         ok 2 > : SUCCEEDED [1=SUCCEEDED 2=SUCCEEDED]",
    );
}

#[test]
fn halting_failure_stops_other_work_and_not_what_follows_from_it() {
    check(
        "1:rolls 2:bake 3:bake<2",
        "claim 2
         fail 1
         canceled 2
         lost 1>1
         ok 1>1",
        "start: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         claim 2 - nothing to do
         fail 1 > 1>1/1/1 stop: RUNNING [1=RUNNING 2=RUNNING 3=NOT_STARTED]
         canceled 2 > : RUNNING [1=RUNNING 2=CANCELED 3=NOT_STARTED]
         lost 1>1 > 1>1/1/2: RUNNING [1=RUNNING 2=CANCELED 3=NOT_STARTED]
         ok 1>1 > : TERMINAL [1=TERMINAL 2=CANCELED 3=NOT_STARTED]",
    );
    // Nor does a failure elsewhere.
    check(
        "1:rolls!branch 2:bake",
        "fail 1
         claim 1>1
         fail 2
         again 1>1
         wait 2000
         ok 1>1",
        "start: RUNNING [1=RUNNING 2=RUNNING]
         fail 1 > 1>1/1/1: RUNNING [1=RUNNING 2=RUNNING]
         claim 1>1 - nothing to do
         fail 2 > : RUNNING [1=RUNNING 2=TERMINAL]
         again 1>1 > : RUNNING [1=RUNNING 2=TERMINAL]
         wait 2000 > 1>1/2/1: RUNNING [1=RUNNING 2=TERMINAL]
         ok 1>1 > : TERMINAL [1=STOPPED 2=TERMINAL]",
    );
}

#[test]
fn cancel_stops_it_and_keeps_it_from_beginning() {
    check(
        "1:rolls",
        "fail 1
         claim 1>1
         cancel
         canceled 1>1",
        "start: RUNNING [1=RUNNING]
         fail 1 > 1>1/1/1: RUNNING [1=RUNNING]
         claim 1>1 - nothing to do
         cancel >  stop: RUNNING [1=RUNNING]
         canceled 1>1 > : CANCELED [1=TERMINAL]",
    );
    for (end, status) in [("fail", "TERMINAL"), ("canceled", "CANCELED")] {
        check(
            "1:rolls",
            &format!(
                "claim 1
                 cancel
                 {end} 1"
            ),
            &format!(
                "start: RUNNING [1=RUNNING]
                 claim 1 - nothing to do
                 cancel >  stop: RUNNING [1=RUNNING]
                 {end} 1 > : CANCELED [1={status}]"
            ),
        );
    }
    // A try that is due when the cancel comes is not begun.
    check(
        "1:rolls",
        "fail 1
         again 1>1
         pause
         wait 2000
         cancel",
        "start: RUNNING [1=RUNNING]
         fail 1 > 1>1/1/1: RUNNING [1=RUNNING]
         again 1>1 > : RUNNING [1=RUNNING]
         pause > : PAUSED [1=RUNNING]
         wait 2000 - nothing to do
         cancel > : CANCELED [1=TERMINAL]",
    );
    // Stopped because another branch failed is canceled, not failed.
    check(
        "1:rolls 2:bake",
        "claim 1
         fail 2
         canceled 1",
        "start: RUNNING [1=RUNNING 2=RUNNING]
         claim 1 - nothing to do
         fail 2 >  stop: RUNNING [1=RUNNING 2=TERMINAL]
         canceled 1 > : TERMINAL [1=CANCELED 2=TERMINAL]",
    );
}

#[test]
fn stage_that_ran_out_of_time_has_failed_and_has_more_time_for_this() {
    check(
        r#"1:rolls@{"stageTimeoutMs":10000} 2:bake<1"#,
        "claim 1
         wait 10000
         canceled 1
         claim 1>1
         wait 80000
         ok 1>1",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED]
         claim 1 - nothing to do
         wait 10000 >  stop: RUNNING [1=RUNNING 2=NOT_STARTED]
         canceled 1 > 1>1/1/1: RUNNING [1=RUNNING 2=NOT_STARTED]
         claim 1>1 - nothing to do
         wait 80000 - nothing to do
         ok 1>1 > : TERMINAL [1=TERMINAL 2=NOT_STARTED]",
    );
    check(
        r#"1:rolls@{"stageTimeoutMs":10000,"markSuccessfulOnTimeout":true}"#,
        "claim 1
         wait 10000
         canceled 1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         wait 10000 >  stop: RUNNING [1=RUNNING]
         canceled 1 > : SUCCEEDED [1=SUCCEEDED]",
    );
    // An hour is its own bound; what nobody has claimed by then is dropped.
    check(
        r#"1:rolls@{"stageTimeoutMs":10000}"#,
        "fail 1
         pause
         wait 3600000
         resume
         wait 3599999
         wait 1
         wait 2000",
        "start: RUNNING [1=RUNNING]
         fail 1 > 1>1/1/1: RUNNING [1=RUNNING]
         pause > : PAUSED [1=RUNNING]
         wait 3600000 - nothing to do
         resume > 1>1/1/1: RUNNING [1=RUNNING]
         wait 3599999 > 1>1/1/1: RUNNING [1=RUNNING]
         wait 1 >  stop: RUNNING [1=RUNNING]
         wait 2000 > : TERMINAL [1=TERMINAL]",
    );
}

#[test]
fn pause_puts_it_off() {
    check(
        "1:rolls",
        "claim 1
         pause
         fail 1
         look
         resume
         ok 1>1",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         pause > : PAUSED [1=RUNNING]
         fail 1 > : PAUSED [1=RUNNING]
         look - nothing to do
         resume > 1>1/1/1: RUNNING [1=RUNNING]
         ok 1>1 > : TERMINAL [1=TERMINAL]",
    );
    check(
        "1:rolls",
        "claim 1
         pause
         fail 1
         cancel",
        "start: RUNNING [1=RUNNING]
         claim 1 - nothing to do
         pause > : PAUSED [1=RUNNING]
         fail 1 > : PAUSED [1=RUNNING]
         cancel > : CANCELED [1=TERMINAL]",
    );
}

#[test]
fn restart_takes_it_away_and_a_new_failure_has_its_own() {
    check(
        "1:rolls",
        "fail 1
         ok 1>1
         restart 1>1
         restart 1
         fail 1
         ok 1>1
         restart 1
         ok 1",
        "start: RUNNING [1=RUNNING]
         fail 1 > 1>1/1/1: RUNNING [1=RUNNING]
         ok 1>1 > : TERMINAL [1=TERMINAL]
         restart 1>1 - stage `Destroy the new server group in us-east-1` is a part of another one: restart that one
         restart 1 > 1<1/2/1: RUNNING [1=RUNNING]
         fail 1 > 1>1/2/1: RUNNING [1=RUNNING]
         ok 1>1 > : TERMINAL [1=TERMINAL]
         restart 1 > 1<1/3/1: RUNNING [1=RUNNING]
         ok 1 > : SUCCEEDED [1=SUCCEEDED]",
    );
}

/// A deploy to two regions of which the first fails at its second try.
fn failed_in_one_region() -> World {
    let mut world = World::start(&pipeline("1:rolls2!branch"));
    let (east, west) = (world.task("1<1"), world.task("1<2"));
    let transient = outcome_of(&world.requests[&east], false, FailureKind::Transient);
    let good = outcome_of(&world.requests[&west], true, FailureKind::User);
    world.finish(&east, transient);
    world.finish(&west, good);
    world.step(&Input::Look).unwrap();
    world.now_ms += 2_000;
    world.step(&Input::Look).unwrap();
    let east = world.task("1<1");
    let bad = outcome_of(&world.requests[&east], false, FailureKind::User);
    world.finish(&east, bad);
    world.step(&Input::Look).unwrap();
    world
}

#[test]
fn only_what_the_failed_part_made_is_named() {
    let world = failed_in_one_region();
    let (task, part) = (world.task("1>1"), world.id("1<1"));
    let call = OperationCall::parse(&world.requests[&task].call).unwrap();
    let asked = call.request::<DestroyCreated>().unwrap();
    let tries: Vec<String> = asked.tries.iter().map(ToString::to_string).collect();
    let id = &world.document.id;
    assert_eq!(tries, [format!("{id}/{part}/1"), format!("{id}/{part}/2")]);
    assert_eq!(
        (asked.account.as_str(), asked.region.as_str(), asked.application.as_str()),
        ("test", "us-east-1", "shop")
    );
    assert_eq!((asked.stack.as_str(), asked.detail.as_str()), ("web", ""));
}

#[test]
fn what_was_made_well_or_stopped_for_another_part_is_left_alone() {
    check(
        "1:rolls2",
        "claim 1<2
         fail 1<1
         canceled 1<2",
        "start: RUNNING [1=RUNNING]
         claim 1<2 - nothing to do
         fail 1<1 >  stop: RUNNING [1=RUNNING]
         canceled 1<2 > 1>1/1/1: RUNNING [1=RUNNING]",
    );
    check(
        r#"1:rolls2@{"stageTimeoutMs":10000}"#,
        "ok 1<1
         claim 1<2
         wait 10000
         canceled 1<2",
        "start: RUNNING [1=RUNNING]
         ok 1<1 > : RUNNING [1=RUNNING]
         claim 1<2 - nothing to do
         wait 10000 >  stop: RUNNING [1=RUNNING]
         canceled 1<2 > 1>1/1/1: RUNNING [1=RUNNING]",
    );
}

#[test]
fn it_is_shown_behind_the_parts_and_how_it_ends_is_its_own_affair() {
    let mut world = failed_in_one_region();
    let shown = |world: &World| -> Vec<Value> {
        let view = serde_json::to_value(engine::view(&world.document)).unwrap();
        let told = |stage: &Value| {
            json!([stage["refId"], stage["type"], stage["syntheticStageOwner"], stage["status"]])
        };
        view["stages"].as_array().unwrap().iter().map(told).collect()
    };
    assert_eq!(
        Value::Array(shown(&world)),
        json!([
            ["1", "deploy", null, "RUNNING"],
            ["1<1", "createServerGroup", "STAGE_BEFORE", "TERMINAL"],
            ["1<2", "createServerGroup", "STAGE_BEFORE", "SUCCEEDED"],
            ["1>1", "destroyServerGroup", "STAGE_AFTER", "RUNNING"],
        ])
    );
    let task = world.task("1>1");
    let mut worse = outcome_of(&world.requests[&task], false, FailureKind::User);
    if let wire::TaskOutcome::Failed { failure } = &mut worse {
        failure.message = "it was left".to_owned();
    }
    world.finish(&task, worse);
    world.step(&Input::Look).unwrap();
    assert_eq!(world.statuses(), "SUCCEEDED [1=STOPPED]");
    let failure = |ref_id: &str| world.stage(ref_id).run.failure.as_ref().unwrap().message.clone();
    assert_eq!((failure("1").as_str(), failure("1>1").as_str()), ("it broke", "it was left"));
    assert_eq!(world.stage("1>1").status(), ExecutionStatus::Terminal);
    assert_eq!(
        world.stage("1").run.outputs["deploy.server.groups"]["us-west-2"],
        json!(["shop-v001"])
    );
}

#[test]
fn document_keeps_where_it_stands() {
    let world = failed_in_one_region();
    let stored = serde_json::to_string(&world.document).unwrap();
    let read: Document = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, world.document);
    let kept: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(
        kept["stages"][0]["run"]["state"],
        json!({"running": {"after_failure": {"status": "TERMINAL"}}})
    );
    assert_eq!(kept["stages"][3]["part"]["synthetic"], "after");
    assert_eq!(kept["stages"][1]["part"]["synthetic"], "before");
}
