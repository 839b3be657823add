//! Stages that start another pipeline: what becomes of them, and of it.

use engine::{ChildFact, ChildRun, Input, Rejection, StageState, Work};
use model::{ExecutionId, ExecutionStatus};
use serde_json::{Map, json};
use wire::{Control, Event};

use crate::world::{World, pipeline};

fn awaited(world: &World) -> ExecutionId {
    let state = world.stage("1").state();
    let StageState::Running(Work::Child(ChildRun { execution, .. })) = state else {
        panic!("{state:?}")
    };
    execution.clone()
}

#[test]
fn a_child_gives_its_outputs_and_its_end_to_the_stage() {
    let known = |status: ExecutionStatus| ChildFact::Known {
        name: "other".to_owned(),
        status,
        reason: None,
        outputs: Map::from_iter([("version".to_owned(), json!("7"))]),
    };
    // Whether it is waited for, where the child stands, how the stage ends.
    for (waits, status, end) in [
        (true, ExecutionStatus::Running, "RUNNING [1=RUNNING]"),
        (true, ExecutionStatus::Succeeded, "SUCCEEDED [1=SUCCEEDED]"),
        (true, ExecutionStatus::Terminal, "TERMINAL [1=TERMINAL]"),
        (true, ExecutionStatus::Canceled, "CANCELED [1=CANCELED]"),
        (false, ExecutionStatus::Running, "SUCCEEDED [1=SUCCEEDED]"),
    ] {
        let words = format!(r#"1:pipeline@{{"pipeline":"p2","waitForCompletion":{waits}}}"#);
        let mut world = World::start(&pipeline(&words));
        let child = awaited(&world);
        world.children.insert(child, known(status));
        match world.step(&Input::Look) {
            Ok(_) => {}
            Err(Rejection::NothingToDo) => assert_eq!(status, ExecutionStatus::Running),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(world.statuses(), end, "{waits} {status}");
        if world.complete() {
            assert_eq!(world.stage("1").run.outputs["version"], "7");
        }
    }
    let mut world = World::start(&pipeline(r#"1:pipeline@{"pipeline":"p2"}"#));
    let child = awaited(&world);
    world
        .children
        .insert(child, ChildFact::Refused { reason: "there is no pipeline `p2`".to_owned() });
    world.step(&Input::Look).unwrap();
    let told = &world.stage("1").run.failure.as_ref().unwrap().message;
    assert_eq!(told, "the pipeline could not be started: there is no pipeline `p2`");
}

/// A world whose only stage has started a child, and what is known of it so far.
fn parent(fields: &str, status: ExecutionStatus, reason: Option<&str>) -> World {
    let mut world = World::start(&pipeline(&format!(r#"1:pipeline@{{"pipeline":"p2"{fields}}}"#)));
    tell(&mut world, status, reason);
    world
}

fn tell(world: &mut World, status: ExecutionStatus, reason: Option<&str>) {
    let (name, reason) = ("other".to_owned(), reason.map(str::to_owned));
    let fact = ChildFact::Known { name, status, reason, outputs: Map::new() };
    world.children.insert(awaited(world), fact);
}

#[test]
fn a_child_nobody_waits_for_counts_once_it_has_begun() {
    // Where it stands, why it was canceled or never began, how the stage ends and what is told.
    let failed = "pipeline `other` ended TERMINAL: it is disabled";
    for (status, reason, end, told) in [
        (ExecutionStatus::Terminal, None, "SUCCEEDED [1=SUCCEEDED]", None),
        (ExecutionStatus::Terminal, Some("it is disabled"), "TERMINAL [1=TERMINAL]", Some(failed)),
        (ExecutionStatus::Canceled, Some("superseded"), "CANCELED [1=CANCELED]", None),
        (ExecutionStatus::Running, Some("no matter"), "SUCCEEDED [1=SUCCEEDED]", None),
    ] {
        let mut world = parent(r#","waitForCompletion":false"#, status, reason);
        world.step(&Input::Look).unwrap();
        assert_eq!(world.statuses(), end, "{status} {reason:?}");
        let failure = world.stage("1").run.failure.as_ref();
        assert_eq!(failure.map(|failure| failure.message.as_str()), told, "{status} {reason:?}");
        assert_eq!(world.stage("1").run.context["status"], status.as_str());
    }
}

#[test]
fn a_child_that_failed_is_named_with_where_to_look() {
    let mut world = parent("", ExecutionStatus::Terminal, None);
    world.step(&Input::Look).unwrap();
    let failure = world.stage("1").run.failure.clone().unwrap();
    assert_eq!(failure.message, "pipeline `other` ended TERMINAL");
    let child = world.stage("1").run.context["executionId"].as_str().unwrap();
    assert_eq!(failure.hint.unwrap(), format!("look at execution {child}"));
}

#[test]
fn a_parent_that_is_canceled_tells_its_child_once_and_ends_with_it() {
    let mut world = parent("", ExecutionStatus::Running, None);
    let child = awaited(&world);
    let user = "eve".to_owned();
    let effects = world.step(&Input::Cancel { user: user.clone(), reason: None }).unwrap();
    let reason = Some(format!("its parent, execution {}, was stopped", world.document.id));
    let told = Event::Cancel { execution: child.clone(), user, reason };
    assert_eq!(effects.events, [(format!("cancel-child/{child}"), told)]);
    assert_eq!(world.statuses(), "RUNNING [1=RUNNING]");
    assert_eq!(world.step(&Input::Look), Err(Rejection::NothingToDo));
    tell(&mut world, ExecutionStatus::Canceled, Some("its parent was stopped"));
    world.step(&Input::Look).unwrap();
    assert_eq!(world.statuses(), "CANCELED [1=CANCELED]");
}

#[test]
fn a_child_that_runs_for_longer_than_its_stage_may_is_canceled() {
    let mut world = parent(r#","stageTimeoutMs":5000"#, ExecutionStatus::Running, None);
    world.now_ms = 6_000;
    let effects = world.step(&Input::Look).unwrap();
    let [(_, Event::Cancel { execution, user, .. })] = effects.events.as_slice() else {
        panic!("{:?}", effects.events)
    };
    assert_eq!((execution, user.as_str()), (&awaited(&world), "bowline"));
    tell(&mut world, ExecutionStatus::Canceled, None);
    world.step(&Input::Look).unwrap();
    assert_eq!(world.statuses(), "TERMINAL [1=TERMINAL]");
    let failure = world.stage("1").run.failure.as_ref().unwrap();
    assert_eq!(failure.message, "it did not end within 5s");
}

#[test]
fn a_stage_that_is_restarted_starts_another_child() {
    let started = |events: &[(String, Event)]| match events {
        [(_, Event::StartChild(start))] => (start.attempt, start.execution()),
        other => panic!("{other:?}"),
    };
    let mut world = parent("", ExecutionStatus::Terminal, None);
    let first = awaited(&world);
    world.step(&Input::Look).unwrap();
    let stage = world.id("1");
    let effects = world.order(Control::RestartStage { stage: stage.clone() }).unwrap();
    assert_eq!(started(&effects.events), (2, awaited(&world)));
    assert_ne!(awaited(&world), first);
    tell(&mut world, ExecutionStatus::Terminal, None);
    world.step(&Input::Look).unwrap();
    let effects = world.order(Control::RestartStage { stage }).unwrap();
    assert_eq!(started(&effects.events), (3, awaited(&world)));
}
