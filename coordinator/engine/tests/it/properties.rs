//! Whatever the order of events: safe at every step, and over once the faults stop.

use engine::Input;
use model::{ExecutionStatus, TaskId};
use proptest::{prelude::*, sample::Index, test_runner::FileFailurePersistence};
use wire::{FailureKind, TaskOutcome};

use crate::world::{LEASE_MS, World, outcome_of, pipeline};

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
    /// Every process is lost; the document is read back from its stored form.
    Restart,
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
        2 => Just(Action::Restart),
    ]
}

/// One to eight bakes; each may require any before it.
fn graphs() -> impl Strategy<Value = String> {
    let choice = prop_oneof![
        6 => Just(""), 1 => Just("!ignore"), 1 => Just("!branch"), 1 => Just("!late")
    ];
    prop::collection::vec((any::<u8>(), any::<bool>(), choice), 1..=8).prop_map(|stages| {
        let word = |(n, (mask, two, choice)): (usize, (u8, bool, &str))| {
            let requires: Vec<String> =
                (0..n).filter(|m| mask & (1 << m) != 0).map(|m| m.to_string()).collect();
            let kind = if two { "bake2" } else { "bake" };
            let requires = requires.join(",");
            if requires.is_empty() {
                format!("{n}:{kind}{choice}")
            } else {
                format!("{n}:{kind}{choice}<{requires}")
            }
        };
        stages.into_iter().enumerate().map(word).collect::<Vec<_>>().join(" ")
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
        Action::Restart => {
            let stored = serde_json::to_string(&world.document).unwrap();
            world.document = serde_json::from_str(&stored).unwrap();
        }
        Action::Claim(_) | Action::Finish(..) | Action::Checkpoint(_) | Action::Release(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn execution_is_safe_and_live(
        words in graphs(),
        schedule in prop::collection::vec(actions(), 0..80),
    ) {
        let mut world = World::start(&pipeline(&words));
        for action in &schedule {
            act(&mut world, action);
        }
        // The faults stop: every task is done by somebody, and it must come to an end.
        let mut rounds = 0;
        while !world.complete() {
            rounds += 1;
            prop_assert!(rounds < 200, "it does not end: {}", world.statuses());
            for task in live(&world) {
                world.claim(&task);
                let outcome = if world.canceled.contains(&task) {
                    TaskOutcome::Canceled { detail: "nothing left".to_owned() }
                } else {
                    outcome_of(&world.requests[&task], true, FailureKind::User)
                };
                world.finish(&task, outcome);
            }
            drop(world.step(&Input::Look));
            world.now_ms += LEASE_MS;
        }
        let statuses = world.statuses();
        match world.document.status {
            ExecutionStatus::Succeeded => {
                let bad = world.document.top_level().any(|stage| {
                    matches!(stage.status(), ExecutionStatus::Terminal | ExecutionStatus::Canceled)
                });
                prop_assert!(!bad, "{statuses}");
                prop_assert!(world.document.canceled.is_none(), "{statuses}");
            }
            ExecutionStatus::Canceled => prop_assert!(world.document.canceled.is_some()),
            ExecutionStatus::Terminal => {
                let failed = world.document.stages.iter().any(|stage| {
                    matches!(stage.status(), ExecutionStatus::Terminal | ExecutionStatus::Stopped)
                });
                prop_assert!(failed, "{statuses}");
            }
            ExecutionStatus::NotStarted
            | ExecutionStatus::Running
            | ExecutionStatus::Paused
            | ExecutionStatus::Suspended
            | ExecutionStatus::FailedContinue
            | ExecutionStatus::Redirect
            | ExecutionStatus::Stopped
            | ExecutionStatus::Skipped
            | ExecutionStatus::Buffered => prop_assert!(false, "{statuses}"),
        }
    }
}
