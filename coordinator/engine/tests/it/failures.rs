//! What a failure means: to its siblings, to its stage, to others, to the whole.

use crate::{
    traces::check,
    world::{World, pipeline},
};
use engine::{Document, Input};
use serde_json::json;

#[test]
fn failed_part_of_a_halting_stage_stops_its_siblings() {
    check(
        "1:bake2 2:bake",
        "claim 1<2
         claim 2
         fail 1<1
         canceled 1<2
         canceled 2",
        "start: RUNNING [1=RUNNING 2=RUNNING]
         claim 1<2 - nothing to do
         claim 2 - nothing to do
         fail 1<1 >  stop: RUNNING [1=RUNNING 2=RUNNING]
         canceled 1<2 > : RUNNING [1=TERMINAL 2=RUNNING]
         canceled 2 > : TERMINAL [1=TERMINAL 2=CANCELED]",
    );
}

#[test]
fn failed_part_of_any_other_stage_lets_its_siblings_finish() {
    for (choice, status, end) in [
        ("branch", "STOPPED", "SUCCEEDED"),
        ("late", "STOPPED", "TERMINAL"),
        ("ignore", "FAILED_CONTINUE", "SUCCEEDED"),
    ] {
        check(
            &format!("1:bake2!{choice}"),
            "fail 1<1
             ok 1<2",
            &format!(
                "start: RUNNING [1=RUNNING]
                 fail 1<1 > : RUNNING [1=RUNNING]
                 ok 1<2 > : {end} [1={status}]"
            ),
        );
    }
}

#[test]
fn ignored_failure_keeps_what_the_good_parts_gave() {
    let mut world = World::start(&pipeline("1:bake2!ignore 2:deploy<1"));
    let (east, west) = (world.task("1<1"), world.task("1<2"));
    let good = crate::world::outcome_of(&world.requests[&east], true, wire::FailureKind::User);
    let bad = crate::world::outcome_of(&world.requests[&west], false, wire::FailureKind::User);
    world.finish(&east, good);
    world.finish(&west, bad);
    world.step(&Input::Look).unwrap();
    assert_eq!(world.statuses(), "RUNNING [1=FAILED_CONTINUE 2=RUNNING]");
    assert_eq!(world.stage("1").run.outputs["deploymentDetails"][0]["ami"], "ami-us-east-1");
}

#[test]
fn halting_wins_over_a_stopped_branch_and_late_failure() {
    check(
        "1:bake!branch 2:bake!late 3:bake",
        "fail 1
         fail 2
         fail 3",
        "start: RUNNING [1=RUNNING 2=RUNNING 3=RUNNING]
         fail 1 > : RUNNING [1=STOPPED 2=RUNNING 3=RUNNING]
         fail 2 > : RUNNING [1=STOPPED 2=STOPPED 3=RUNNING]
         fail 3 > : TERMINAL [1=STOPPED 2=STOPPED 3=TERMINAL]",
    );
}

#[test]
fn everything_behind_a_stopped_branch_stays_where_it_is() {
    check(
        "1:bake!branch 2:bake<1 3:bake<2 4:bake 5:bake<3,4",
        "fail 1
         ok 4",
        "start: RUNNING [1=RUNNING 2=NOT_STARTED 3=NOT_STARTED 4=RUNNING 5=NOT_STARTED]
         fail 1 > : RUNNING [1=STOPPED 2=NOT_STARTED 3=NOT_STARTED 4=RUNNING 5=NOT_STARTED]
         ok 4 > : SUCCEEDED [1=STOPPED 2=NOT_STARTED 3=NOT_STARTED 4=SUCCEEDED 5=NOT_STARTED]",
    );
}

#[test]
fn skipped_and_ignored_stages_let_others_start() {
    check(
        r#"1:bake@{"stageEnabled":{"expression":"false"}} 2:bake!ignore 3:bake<1,2"#,
        "fail 2
         ok 3",
        "start: RUNNING [1=SKIPPED 2=RUNNING 3=NOT_STARTED]
         fail 2 > 3<1/1/1: RUNNING [1=SKIPPED 2=FAILED_CONTINUE 3=RUNNING]
         ok 3 > : SUCCEEDED [1=SKIPPED 2=FAILED_CONTINUE 3=SUCCEEDED]",
    );
}

#[test]
fn late_result_of_an_old_try_changes_nothing_after_a_restart() {
    let mut world = World::start(&pipeline("1:bake"));
    let old = world.task("1");
    let lease = world.leases[&old].clone();
    let bad = crate::world::outcome_of(&world.requests[&old], false, wire::FailureKind::User);
    world.finish(&old, bad);
    world.step(&Input::Look).unwrap();
    let stage = world.id("1");
    world.order(wire::Control::RestartStage { stage }).unwrap();
    let new = world.task("1");
    assert_eq!((new.attempt, new.stage == old.stage), (2, true));
    world.leases.insert(old.clone(), lease);
    world.claim(&old);
    let good = json!({ "image_id": "ami-old" }).as_object().unwrap().clone();
    world.finish(&old, wire::TaskOutcome::Succeeded { result: good });
    assert!(world.step(&Input::Look).is_err(), "nothing to do");
    assert_eq!(world.statuses(), "RUNNING [1=RUNNING]");
}

#[test]
fn document_of_another_version_is_refused_with_what_to_do() {
    let world = World::start(&pipeline("1:bake"));
    let stored = serde_json::to_string(&world.document).unwrap();
    assert_eq!(engine::read(engine::SCHEMA, &stored).unwrap(), world.document);
    for (schema, text, expected) in [
        (2, stored.as_str(), "form 2, this version reads form 3: it was written by an earlier"),
        (4, &stored, "form 4, this version reads form 3: it was written by a later"),
        (engine::SCHEMA, "{}", "its document is damaged"),
    ] {
        let refused = engine::read(schema, text).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn execution_that_has_grown_too_large_is_canceled_and_becomes_smaller() {
    let mut world = World::start(&pipeline("1:bake 2:bake<1"));
    for _ in 0..2 {
        let task = world.task("1");
        let mut lost =
            crate::world::outcome_of(&world.requests[&task], false, wire::FailureKind::Transient);
        if let wire::TaskOutcome::Failed { failure } = &mut lost {
            failure.detail = Some("x".repeat(10_000));
        }
        world.finish(&task, lost);
        world.step(&Input::Look).unwrap();
        world.now_ms += 10_000;
        world.step(&Input::Look).unwrap();
    }
    let task = world.task("1");
    world.claim(&task);
    let size = |document: &Document| serde_json::to_string(document).unwrap().len();
    let before = size(&world.document);
    let mut document = world.document.clone();
    let facts = world.facts();
    let effects =
        engine::end_overgrown(&mut document, &facts, (2_000_000, 1_000_000), world.now_ms).unwrap();
    assert_eq!(effects.cancel, [task]);
    assert!(size(&document) < before - 19_000, "{before} and {}", size(&document));
    let reason = document.canceled.unwrap().reason.unwrap();
    assert_eq!(reason, "its record would be 2000000 bytes long, 1000000 are allowed");
}
