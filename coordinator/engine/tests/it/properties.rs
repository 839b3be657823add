//! Whatever the order of events: safe at every step, and over once the faults stop.

use engine::{Await, Input, Rejection, StageState, Work};
use model::{ExecutionStatus, StageId, TaskId};
use proptest::{prelude::*, sample::Index, test_runner::FileFailurePersistence};
use wire::{Control, ExecutionOrder, FailureKind, Judgment, StageOrder, TaskOutcome};

use crate::world::{LEASE_MS, World, nth, outcome_of, pipeline};

#[derive(Clone, Debug)]
enum Action {
    /// A worker takes a task.
    Claim(Index),
    /// A worker ends a task it may or may not have claimed before.
    Finish(Index, bool, bool),
    /// A worker gets a bit further.
    Checkpoint(Index),
    /// A worker gives a task back.
    Release(Index),
    /// Time passes, and the coordinator looks.
    Wait(u64),
    /// Somebody cancels.
    Cancel,
    /// Somebody pauses or resumes.
    Pause,
    /// Somebody lets it go on.
    Resume,
    /// Somebody restarts a stage.
    Restart(Index),
    /// Somebody judges, well or badly, whatever it waits for.
    Judge(Index, bool),
    /// Somebody cuts a wait or a window short.
    SkipWait(Index),
    /// Somebody leaves a stage out.
    Skip(Index),
    /// Every process is lost; the document is read back from its stored form.
    Reload,
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => any::<Index>().prop_map(Action::Claim),
        8 => (any::<Index>(), any::<bool>(), any::<bool>())
            .prop_map(|(which, good, transient)| Action::Finish(which, good, transient)),
        2 => any::<Index>().prop_map(Action::Checkpoint),
        2 => any::<Index>().prop_map(Action::Release),
        6 => (1..400_000_u64).prop_map(Action::Wait),
        1 => Just(Action::Cancel),
        1 => Just(Action::Pause),
        2 => Just(Action::Resume),
        2 => any::<Index>().prop_map(Action::Restart),
        3 => (any::<Index>(), any::<bool>()).prop_map(|(which, good)| Action::Judge(which, good)),
        2 => any::<Index>().prop_map(Action::SkipWait),
        1 => any::<Index>().prop_map(Action::Skip),
        2 => Just(Action::Reload),
    ]
}

/// The text of one stage: its type, choice and fields, by number.
fn word(number: usize, (kind, choice, requires): (u8, u8, &[usize])) -> String {
    let kind = match kind % 15 {
        0..=3 => "bake",
        4 | 5 => "bake2",
        6 => "judge",
        7 => r#"wait{"waitTime":120}"#,
        8 => r#"bake{"stageTimeoutMs":200000}"#,
        9 => r#"bake{"stageTimeoutMs":200000,"markSuccessfulOnTimeout":true}"#,
        10 => {
            r#"judge{"restrictExecutionDuringTimeWindow":true,"restrictedExecutionWindow":{"whitelist":[{"startHour":1,"endHour":2}]}}"#
        }
        11 => "rolls",
        12 => "rolls2",
        13 => r#"rolls2{"stageTimeoutMs":200000}"#,
        _ => r#"bake{"stageEnabled":{"type":"expression","expression":"false"}}"#,
    };
    let choice = ["", "", "", "!ignore", "!branch", "!late"][usize::from(choice % 6)];
    let (kind, fields) = kind
        .split_once('{')
        .map_or((kind, String::new()), |(kind, fields)| (kind, format!("@{{{fields}")));
    let requires: Vec<String> = requires.iter().map(ToString::to_string).collect();
    let requires =
        if requires.is_empty() { String::new() } else { format!("<{}", requires.join(",")) };
    format!("{number}:{kind}{choice}{fields}{requires}")
}

/// One to eight stages of all types; each may require any before it.
fn graphs() -> impl Strategy<Value = String> {
    prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..=8).prop_map(|stages| {
        let one = |(number, (mask, kind, choice)): (usize, (u8, u8, u8))| {
            let requires: Vec<usize> = (0..number).filter(|m| mask & (1 << m) != 0).collect();
            word(number, (kind, choice, &requires))
        };
        stages.into_iter().enumerate().map(one).collect::<Vec<_>>().join(" ")
    })
}

/// Up to 500 stages; each requires up to three of those at least twenty before it.
fn large_graphs() -> impl Strategy<Value = String> {
    let stage = (any::<u8>(), any::<u8>(), prop::collection::vec(any::<Index>(), 0..=3));
    prop::collection::vec(stage, 200..=500).prop_map(|stages| {
        let one = |(number, (kind, choice, picks)): (usize, (u8, u8, Vec<Index>))| {
            let mut requires: Vec<usize> = match number.checked_sub(20) {
                Some(first @ 1..) => picks.iter().map(|pick| pick.index(first)).collect(),
                Some(0) | None => Vec::new(),
            };
            requires.sort_unstable();
            requires.dedup();
            // Each judgment is an order of its own: a few will do.
            let kind = if matches!(kind % 15, 6 | 10) && number % 16 != 0 { 0 } else { kind };
            word(number, (kind, choice, &requires))
        };
        stages.into_iter().enumerate().map(one).collect::<Vec<_>>().join(" ")
    })
}

fn live(world: &World) -> Vec<TaskId> {
    world
        .leases
        .iter()
        .filter(|(_, lease)| lease.result.is_none())
        .map(|(id, _)| id.clone())
        .collect()
}

fn any_stage(world: &World, which: Index) -> StageId {
    nth(&world.document, which.index(world.document.stages.len())).id.clone()
}

fn judging(world: &World) -> Vec<StageId> {
    let waits = |stage: &&engine::Stage| {
        matches!(stage.state(), StageState::Running(Work::Awaiting(Await::Person { .. })))
    };
    world.document.stages.iter().filter(waits).map(|stage| stage.id.clone()).collect()
}

/// The faults stop and everybody does their part: it must come to an end.
fn drive_to_the_end(world: &mut World) {
    let mut rounds = 0;
    while !world.complete() {
        rounds += 1;
        assert!(rounds < 400, "it does not end: {}", world.statuses());
        if world.document.status == ExecutionStatus::Paused {
            world.order(Control::Resume).unwrap();
        }
        for stage in judging(world) {
            let decision = Judgment::Continue;
            drop(world.order(Control::Judge { stage, decision, input: None }));
        }
        for task in live(world) {
            world.claim(&task);
            let outcome = if world.canceled.contains(&task) {
                TaskOutcome::Canceled { detail: "nothing left".to_owned() }
            } else {
                outcome_of(&world.requests[&task], true, FailureKind::User)
            };
            world.finish(&task, outcome);
        }
        drop(world.step(&Input::Look));
        // Half an hour at a time: a window of one hour a day is not missed.
        world.now_ms += if rounds % 8 == 0 { 1_800_000 } else { LEASE_MS };
    }
}

/// What the whole came to fits what its stages came to.
fn check_end(world: &World) {
    let statuses = world.statuses();
    let has = |wanted: &[ExecutionStatus]| {
        world.document.top_level().any(|stage| wanted.contains(&stage.status()))
    };
    assert!(!has(&[ExecutionStatus::Running]), "{statuses}");
    check_on_failure(world);
    match world.document.status {
        ExecutionStatus::Succeeded => {
            assert!(!has(&[ExecutionStatus::Terminal, ExecutionStatus::Canceled]), "{statuses}");
            assert!(world.document.canceled.is_none(), "{statuses}");
        }
        ExecutionStatus::Canceled => assert!(
            world.document.canceled.is_some() || has(&[ExecutionStatus::Canceled]),
            "{statuses}"
        ),
        ExecutionStatus::Terminal => {
            assert!(has(&[ExecutionStatus::Terminal, ExecutionStatus::Stopped]), "{statuses}");
        }
        ExecutionStatus::NotStarted
        | ExecutionStatus::Running
        | ExecutionStatus::Paused
        | ExecutionStatus::Suspended
        | ExecutionStatus::FailedContinue
        | ExecutionStatus::Redirect
        | ExecutionStatus::Stopped
        | ExecutionStatus::Skipped
        | ExecutionStatus::Buffered => panic!("{statuses}"),
    }
}

/// Whatever was stopped, each failed deploy that is to be undone was, once, unless somebody canceled; others
/// were not.
fn check_on_failure(world: &World) {
    for stage in world.document.top_level() {
        let after = |part: &&engine::Stage| part.follows_failure();
        let failed = |part: &&engine::Stage| {
            let late = stage.run.timed_out && part.status() == ExecutionStatus::Canceled;
            !after(part) && (part.status() == ExecutionStatus::Terminal || late)
        };
        let parts: Vec<&engine::Stage> = world.document.children(&stage.id).collect();
        let (done, wanted) = (
            parts.iter().copied().filter(after).count(),
            parts.iter().copied().filter(failed).count(),
        );
        let is_to_be = stage.kind == "deploy" && stage.status().is_failure();
        match (is_to_be, world.was_canceled) {
            (true, false) => assert_eq!(done, wanted, "{}", stage.ref_id),
            (true, true) => assert!(done == wanted || done == 0, "{}", stage.ref_id),
            (false, _) => assert_eq!(done, 0, "{}", stage.ref_id),
        }
    }
}

/// The view offers exactly the orders that are accepted; all others are refused with a reason and change
/// nothing.
fn check_orders(world: &World) {
    let view = engine::view(&world.document);
    let takes = |control: Control| {
        let mut document = world.document.clone();
        let input = Input::Control { user: "eve".to_owned(), control };
        let result = engine::step(&mut document, &input, &world.facts(), world.now_ms);
        if let Err(rejection) = &result {
            assert_eq!(document, world.document, "{input:?}");
            assert!(!rejection.to_string().is_empty(), "{input:?}");
            assert_ne!(*rejection, Rejection::NothingToDo, "{input:?}");
        }
        result.is_ok()
    };
    for order in ExecutionOrder::ALL {
        let control = match order {
            ExecutionOrder::Pause => Control::Pause,
            ExecutionOrder::Resume => Control::Resume,
            // A cancel is an input of its own.
            ExecutionOrder::Cancel => {
                let live = !world.complete() && world.document.canceled.is_none();
                assert_eq!(view.orders.contains(&order), live);
                continue;
            }
        };
        assert_eq!(view.orders.contains(&order), takes(control), "{order:?}");
    }
    for shown in &view.stages {
        for order in StageOrder::ALL {
            let stage = shown.id.clone();
            let control = match order {
                StageOrder::Restart => Control::RestartStage { stage },
                StageOrder::Judge => {
                    Control::Judge { stage, decision: Judgment::Continue, input: None }
                }
                StageOrder::SkipWait => Control::SkipWait { stage },
                StageOrder::Skip => Control::SkipStage { stage },
            };
            let offered = shown.orders.contains(&order);
            assert_eq!(offered, takes(control), "{order:?} of {}", shown.ref_id);
        }
    }
}

fn act(world: &mut World, action: &Action) {
    let tasks = live(world);
    match action {
        Action::Claim(which) if !tasks.is_empty() => world.claim(which.get(&tasks)),
        Action::Finish(which, good, transient) if !tasks.is_empty() => {
            let task = which.get(&tasks).clone();
            let kind = if *transient { FailureKind::Transient } else { FailureKind::User };
            let outcome = if world.canceled.contains(&task) {
                TaskOutcome::Canceled { detail: "nothing left".to_owned() }
            } else {
                outcome_of(&world.requests[&task], *good, kind)
            };
            world.claim(&task);
            world.finish(&task, outcome);
        }
        Action::Checkpoint(which) if !tasks.is_empty() => {
            world.leases.get_mut(which.get(&tasks)).unwrap().checkpoints += 1;
        }
        Action::Release(which) if !tasks.is_empty() => {
            world.leases.get_mut(which.get(&tasks)).unwrap().until_ms = None;
        }
        Action::Wait(time_ms) => {
            world.now_ms += time_ms;
            drop(world.step(&Input::Look));
        }
        Action::Cancel => {
            drop(world.step(&Input::Cancel { user: "eve".to_owned(), reason: None }));
        }
        Action::Pause => drop(world.order(Control::Pause)),
        Action::Resume => drop(world.order(Control::Resume)),
        Action::Restart(which) => {
            drop(world.order(Control::RestartStage { stage: any_stage(world, *which) }));
        }
        Action::Judge(which, good) => {
            let waiting = judging(world);
            if !waiting.is_empty() {
                let decision = if *good { Judgment::Continue } else { Judgment::Stop };
                let stage = which.get(&waiting).clone();
                let told = world.order(Control::Judge { stage, decision, input: None });
                assert!(told.is_ok() || world.document.canceled.is_some(), "{told:?}");
            }
        }
        Action::SkipWait(which) => {
            drop(world.order(Control::SkipWait { stage: any_stage(world, *which) }));
        }
        Action::Skip(which) => {
            drop(world.order(Control::SkipStage { stage: any_stage(world, *which) }));
        }
        Action::Reload => {
            let stored = serde_json::to_string(&world.document).unwrap();
            world.document = serde_json::from_str(&stored).unwrap();
        }
        Action::Claim(_) | Action::Finish(..) | Action::Checkpoint(_) | Action::Release(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 250,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn execution_is_safe_and_live(
        words in graphs(),
        schedule in prop::collection::vec(actions(), 0..80),
    ) {
        let mut world = World::start(&pipeline(&words));
        for (number, action) in schedule.iter().enumerate() {
            act(&mut world, action);
            if number % 8 == 0 {
                check_orders(&world);
            }
        }
        drive_to_the_end(&mut world);
        check_end(&world);
        check_orders(&world);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 3,
        max_shrink_iters: 200,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn large_execution_is_safe_and_live(
        words in large_graphs(),
        schedule in prop::collection::vec(actions(), 0..60),
    ) {
        let mut world = World::start(&pipeline(&words));
        for action in &schedule {
            act(&mut world, action);
        }
        drive_to_the_end(&mut world);
        check_end(&world);
        // A restart of any stage that was over, and everything behind it, ends as well.
        let first = nth(&world.document, 0).id.clone();
        if world.order(Control::RestartStage { stage: first }).is_ok() {
            drive_to_the_end(&mut world);
            check_end(&world);
        }
    }
}
