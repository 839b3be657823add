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
    assert_eq!(world.stage("1").outputs["deploymentDetails"][0]["ami"], "ami-us-east-1");
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

/// As version 1 wrote it: a bake at work, its part right behind it, a stage after it.
const VERSION_1: &str = r#"{
  "id": "E1", "application": "shop", "pipeline_id": "p1", "pipeline_name": "ship",
  "event_key": "manual/1", "status": "RUNNING", "created_ms": 1000, "ended_ms": null,
  "canceled": null, "startup_failure": null, "trigger": {},
  "stages": [
    { "id": "S1", "ref_id": "1", "kind": "bake", "name": "Bake", "requires": [], "parent": null,
      "on_failure": "halt_pipeline", "config": { "type": "bake" },
      "state": { "running": "children" }, "started_ms": 1000, "ended_ms": null, "outputs": {},
      "failure": null, "attempts": [] },
    { "id": "S2", "ref_id": "1<1", "kind": "bake", "name": "Bake in us-east-1", "requires": [],
      "parent": "S1", "on_failure": "halt_pipeline", "config": { "region": "us-east-1" },
      "state": { "running": { "task": { "pool": "bake", "attempt": 1, "epoch": 1,
        "request": "{}", "started_ms": 1000, "published_ms": 1000, "publishes": 1,
        "checkpoints": 0, "fruitless": 0, "canceling_ms": null } } },
      "started_ms": 1000, "ended_ms": null, "outputs": {}, "failure": null, "attempts": [] },
    { "id": "S3", "ref_id": "2", "kind": "bake", "name": "Again", "requires": ["1"],
      "parent": null, "on_failure": "ignore",
      "config": { "type": "bake", "package": "shop-web", "regions": ["us-east-1"],
        "baseOs": "bookworm" },
      "state": "not_started", "started_ms": null, "ended_ms": null, "outputs": {},
      "failure": null, "attempts": [] }
  ] }"#;

#[test]
fn document_of_the_version_before_is_read_and_goes_on() {
    let mut document: Document = serde_json::from_str(VERSION_1).unwrap();
    let task = document.task_of(&document.stages[1]).unwrap();
    let lease = engine::Lease {
        epoch: 1,
        until_ms: None,
        claimed: true,
        checkpoints: 0,
        result: Some(wire::TaskOutcome::Succeeded { result: serde_json::Map::new() }),
    };
    let facts = engine::Facts { leases: [(task, lease)].into(), ..engine::Facts::default() };
    let effects = engine::step(&mut document, &Input::Look, &facts, 2_000).unwrap();
    let order: Vec<String> =
        engine::view(&document).stages.into_iter().map(|stage| stage.ref_id).collect();
    assert_eq!(order, ["1", "1<1", "2", "2<1"]);
    assert_eq!(effects.dispatch.len(), 1);
    assert_eq!(document.stages[0].status().as_str(), "SUCCEEDED");
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
