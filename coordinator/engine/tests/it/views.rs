//! What people see of an execution, beside how it goes.

use engine::Input;
use model::ExecutionStatus;
use wire::{Awaits, ExecutionOrder, StageOrder};
use wire::{FailureKind, StageView};

use crate::world::{World, outcome_of, pipeline};

#[test]
fn what_was_canceled_or_never_started_says_by_whom_and_why() {
    let mut world = World::start(&pipeline("1:judge"));
    let view = engine::view(&world.document);
    assert_eq!((view.canceled, view.canceled_by, view.cancellation_reason), (false, None, None));
    assert_eq!(view.start_time, Some(1_000));

    let reason = Some("wrong image".to_owned());
    world.step(&Input::Cancel { user: "eve".to_owned(), reason: reason.clone() }).unwrap();
    let view = engine::view(&world.document);
    assert_eq!((view.canceled, view.cancellation_reason), (true, reason));
    assert_eq!((view.canceled_by.as_deref(), view.start_time), (Some("eve"), Some(1_000)));

    let mut disabled = pipeline("1:judge");
    disabled.disabled = true;
    let view = engine::view(&World::start(&disabled).document);
    let reason = Some("failed on startup: the pipeline is disabled".to_owned());
    assert_eq!((view.canceled, view.cancellation_reason), (true, reason));
    assert_eq!((view.canceled_by.as_deref(), view.start_time), (Some("system"), None));
    assert_eq!(view.status, ExecutionStatus::Terminal);
}

#[test]
fn how_many_run_at_a_time_is_shown_in_both_forms() {
    for (one, most, shown) in [
        (true, 0, (true, 1)),
        (false, 1, (true, 1)),
        (false, 2, (false, 2)),
        (false, 0, (false, 0)),
    ] {
        let mut definition = pipeline("1:judge");
        definition.limit_concurrent = one;
        definition.max_concurrent_executions = most;
        let view = engine::view(&World::start(&definition).document);
        assert_eq!((view.limit_concurrent, view.max_concurrent_executions), shown);
    }
}

fn shown(world: &World, ref_id: &str) -> StageView {
    let stages = engine::view(&world.document).stages;
    stages.into_iter().find(|stage| stage.ref_id == ref_id).unwrap()
}

#[test]
fn tries_of_a_task_are_shown_with_the_one_to_come() {
    let mut world = World::start(&pipeline("1:bake"));
    let tries = |world: &World| -> Vec<_> {
        let tasks = shown(world, "1<1").tasks.into_iter();
        tasks.map(|task| (task.id, task.status, task.start_time, task.end_time)).collect()
    };
    let (first, second) = (|| "1".to_owned(), || "2".to_owned());
    let running = ExecutionStatus::Running;
    assert_eq!(tries(&world), [(first(), running, Some(1_000), None)]);
    let task = world.task("1");
    let lost = outcome_of(&world.requests[&task], false, FailureKind::Transient);
    world.finish(&task, lost);
    world.now_ms = 3_000;
    world.step(&Input::Look).unwrap();
    let failed = (first(), ExecutionStatus::Terminal, Some(1_000), Some(3_000));
    let to_come = (second(), ExecutionStatus::NotStarted, None, None);
    assert_eq!(tries(&world), [failed.clone(), to_come]);
    world.now_ms = 5_000;
    world.step(&Input::Look).unwrap();
    assert_eq!(tries(&world), [failed, (second(), running, Some(5_000), None)]);
    let told = shown(&world, "1<1").tasks[0].failure.clone().unwrap().message;
    assert_eq!(told, "it broke");
}

#[test]
fn paused_stage_whose_part_waits_for_another_try_is_shown_as_paused() {
    let mut world = World::start(&pipeline("1:bake"));
    let task = world.task("1");
    let lost = outcome_of(&world.requests[&task], false, FailureKind::Transient);
    world.finish(&task, lost);
    world.order(wire::Control::Pause).unwrap();
    world.step(&Input::Look).unwrap_err();
    for stage in ["1", "1<1"] {
        assert_eq!(shown(&world, stage).status, ExecutionStatus::Paused, "{stage}");
    }
}

#[test]
fn only_stages_that_run_are_shown_as_paused() {
    let mut world =
        World::start(&pipeline(r#"1:evaluateVariables@{"variables":[]} 2:judge<1 3:bake<2"#));
    let statuses = |world: &World| {
        ["1", "2", "3"].map(|ref_id| shown(world, ref_id).status.as_str().to_owned())
    };
    assert_eq!(statuses(&world), ["SUCCEEDED", "RUNNING", "NOT_STARTED"]);
    world.order(wire::Control::Pause).unwrap();
    assert_eq!(statuses(&world), ["SUCCEEDED", "PAUSED", "NOT_STARTED"]);
}

#[test]
fn view_says_what_a_stage_awaits_and_which_orders_it_takes() {
    let words = r#"1:judge@{"instructions":"Ship?","judgmentInputs":[{"value":"now"}],"selectedStageRoles":["ops"]} 2:wait@{"waitTime":60} 3:bake 4:judge@{"restrictExecutionDuringTimeWindow":true,"restrictedExecutionWindow":{"whitelist":[{"startHour":1,"endHour":2}]}} 5:bake<1"#;
    let mut world = World::start(&pipeline(words));
    let shown = |world: &World, ref_id: &str| {
        let stages = engine::view(&world.document).stages;
        let stage = stages.into_iter().find(|stage| stage.ref_id == ref_id).unwrap();
        (stage.awaits, stage.orders)
    };
    let person = Awaits::Person {
        instructions: Some("Ship?".to_owned()),
        choices: vec!["now".to_owned()],
        roles: vec!["ops".to_owned()],
    };
    let (restart, skips) =
        (vec![StageOrder::Restart], vec![StageOrder::SkipWait, StageOrder::Skip]);
    for (ref_id, awaits, orders) in [
        ("1", Some(person), vec![StageOrder::Judge, StageOrder::Skip]),
        ("2", Some(Awaits::Time { until_ms: 61_000 }), skips.clone()),
        ("3", None, vec![]),
        ("3<1", None, vec![]),
        ("4", None, skips),
        ("4<0", Some(Awaits::Window { opens_ms: 3_600_000 }), vec![StageOrder::SkipWait]),
        ("5", None, vec![]),
    ] {
        assert_eq!(shown(&world, ref_id), (awaits, orders), "{ref_id}");
    }
    let orders = |world: &World| engine::view(&world.document).orders;
    assert_eq!(orders(&world), [ExecutionOrder::Cancel, ExecutionOrder::Pause]);
    world.order(wire::Control::Pause).unwrap();
    assert_eq!(orders(&world), [ExecutionOrder::Cancel, ExecutionOrder::Resume]);
    let task = world.task("3");
    world.claim(&task);
    world.finish(&task, outcome_of(&world.requests[&task], true, FailureKind::User));
    world.step(&Input::Look).unwrap();
    assert_eq!(shown(&world, "3"), (None, restart));
    let cancel = Input::Cancel { user: "eve".to_owned(), reason: None };
    world.step(&cancel).unwrap();
    assert_eq!(orders(&world), []);
}
