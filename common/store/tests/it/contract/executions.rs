//! Transitions and the rules nobody may break.

use model::{ExecutionStatus, limits};
use store::{Commit, Committed, Create, Created, Locked, TaskChange};

use crate::{
    rows::{claim, commit, create, dispatch, dispatched, ended, granted, id, rewake, task},
    worlds::{START, World},
};

super::on_every_store! {
    an_execution_is_created_once_per_id
    a_transition_writes_everything_or_nothing
    a_repeated_input_is_a_duplicate_even_at_an_old_version
    an_old_version_is_a_conflict
    an_unknown_execution_is_gone
    terminal_is_final
    a_live_execution_needs_a_wake_within_five_minutes
    the_schema_never_goes_back
    a_document_over_the_limit_is_refused
    a_task_of_another_execution_is_refused
    a_first_transition_of_another_execution_is_refused
    the_terminal_commit_frees_locks_and_deletes_leases
    rewake_moves_live_executions_only
    the_clock_never_goes_back
    the_timeline_keeps_order_and_bytes
    the_bell_rings_for_a_transition
}

fn refused(answer: &Committed, word: &str) {
    let Committed::Refused { reason } = answer else { panic!("was not refused: {answer:?}") };
    assert!(reason.contains(word), "{reason}");
}

async fn an_execution_is_created_once_per_id(world: World) {
    let store = &world.store;
    assert_eq!(store.execution_create(create("E")).await.unwrap(), Created::New);
    let mut again = create("E");
    again.first.document = "another".to_owned();
    assert_eq!(store.execution_create(again).await.unwrap(), Created::Exists);
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.document.as_str()), (1, "document of create"));
    assert_eq!((stored.schema, stored.status), (1, ExecutionStatus::Running));
    assert_eq!((stored.wake_ms, stored.now_ms), (Some(START + 60_000), START));
    assert_eq!(store.execution_load(&id("F")).await.unwrap(), None);
}

async fn a_transition_writes_everything_or_nothing(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    let mut next = commit("E", 1, "i1");
    next.tasks.push(dispatch("E/s/1", 1));
    next.outbox.push(crate::rows::message("m1"));
    next.timeline.push("line".to_owned());
    next.schema = 2;
    let applied = store.execution_commit(next.clone()).await.unwrap();
    assert_eq!(applied, Committed::Applied { version: 2 });
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.schema, stored.document.as_str()), (2, 2, "document of i1"));
    assert_eq!(stored.leases.keys().collect::<Vec<_>>(), [&task("E/s/1")]);
    assert_eq!(store.execution_view(&id("E")).await.unwrap().unwrap().view, "view of i1");
    assert_eq!(store.stats().await.unwrap().outbox_depth, 1);

    // Refused: none of its parts is there afterwards.
    let wrong = Commit {
        wake_ms: None,
        schema: 2,
        outbox: vec![crate::rows::message("m2")],
        tasks: vec![TaskChange::Retire { task: task("E/s/1") }],
        ..commit("E", 2, "i2")
    };
    refused(&store.execution_commit(wrong).await.unwrap(), "wake");
    assert_eq!(store.execution_load(&id("E")).await.unwrap().unwrap(), stored);
    assert_eq!(store.stats().await.unwrap().outbox_depth, 1);
    assert_eq!(store.execution_timeline(&id("E")).await.unwrap().len(), 1);
    // And its input is not remembered as applied.
    let right = Commit { schema: 2, ..commit("E", 2, "i2") };
    assert_eq!(store.execution_commit(right).await.unwrap(), Committed::Applied { version: 3 });
}

async fn a_repeated_input_is_a_duplicate_even_at_an_old_version(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    // Not in the order of their names: no high-water mark can tell these apart.
    for (version, input) in [(1, "z"), (2, "a"), (3, "m")] {
        let applied = store.execution_commit(commit("E", version, input)).await.unwrap();
        assert_eq!(applied, Committed::Applied { version: version + 1 });
    }
    for (version, input) in [(1, "z"), (2, "a"), (3, "m"), (9, "z")] {
        let repeated = store.execution_commit(commit("E", version, input)).await.unwrap();
        assert_eq!(repeated, Committed::Duplicate, "{input}");
    }
    store.execution_commit(ended("E", 4, "end")).await.unwrap();
    assert_eq!(store.execution_commit(ended("E", 4, "end")).await.unwrap(), Committed::Duplicate);
    assert_eq!(store.execution_load(&id("E")).await.unwrap().unwrap().version, 5);
}

async fn an_old_version_is_a_conflict(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    store.execution_commit(commit("E", 1, "a")).await.unwrap();
    for version in [0, 1, 3] {
        let answer = store.execution_commit(commit("E", version, "b")).await.unwrap();
        assert_eq!(answer, Committed::Conflict { version: 2 });
    }
}

async fn an_unknown_execution_is_gone(world: World) {
    let answer = world.store.execution_commit(commit("E", 1, "a")).await.unwrap();
    assert_eq!(answer, Committed::Gone);
    assert!(world.store.due(9, 1_000).await.unwrap().wakes.is_empty());
}

async fn terminal_is_final(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    store.execution_commit(ended("E", 1, "end")).await.unwrap();
    refused(&store.execution_commit(commit("E", 2, "revive")).await.unwrap(), "complete");
    refused(&store.execution_commit(ended("E", 2, "again")).await.unwrap(), "complete");
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!((stored.status, stored.wake_ms), (ExecutionStatus::Succeeded, None));
}

async fn a_live_execution_needs_a_wake_within_five_minutes(world: World) {
    let store = &world.store;
    let limit = START + 300_000;
    let woken = |wake_ms, input: &str| Commit { wake_ms, ..commit("E", 1, input) };
    let first = Create { first: woken(Some(limit + 1), "c"), ..create("E") };
    assert!(matches!(store.execution_create(first).await.unwrap(), Created::Refused { .. }));
    assert_eq!(store.execution_load(&id("E")).await.unwrap(), None);
    store.execution_create(create("E")).await.unwrap();
    refused(&store.execution_commit(woken(None, "a")).await.unwrap(), "wake");
    refused(&store.execution_commit(woken(Some(limit + 1), "b")).await.unwrap(), "wake");
    refused(&store.execution_commit(woken(Some(u64::MAX), "c")).await.unwrap(), "wake");
    let applied = store.execution_commit(woken(Some(limit), "d")).await.unwrap();
    assert_eq!(applied, Committed::Applied { version: 2 });
    // In the past is fine: due at once.
    let past = Commit { wake_ms: Some(5), ..commit("E", 2, "e") };
    assert_eq!(store.execution_commit(past).await.unwrap(), Committed::Applied { version: 3 });
    assert_eq!(store.due(9, 1_000).await.unwrap().wakes, [id("E")]);
}

async fn the_schema_never_goes_back(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    let newer = Commit { schema: 3, ..commit("E", 1, "a") };
    store.execution_commit(newer).await.unwrap();
    refused(&store.execution_commit(commit("E", 2, "b")).await.unwrap(), "newer format");
    let same = Commit { schema: 3, ..commit("E", 2, "b") };
    assert_eq!(store.execution_commit(same).await.unwrap(), Committed::Applied { version: 3 });
}

async fn a_document_over_the_limit_is_refused(world: World) {
    let store = &world.store;
    let sized = |bytes| "x".repeat(bytes);
    let mut first = create("E");
    first.first.document = sized(limits::DOCUMENT_BYTES_MAX + 1);
    assert!(matches!(store.execution_create(first).await.unwrap(), Created::Refused { .. }));
    store.execution_create(create("E")).await.unwrap();
    let mut next = commit("E", 1, "a");
    next.document = sized(limits::DOCUMENT_BYTES_MAX + 1);
    refused(&store.execution_commit(next.clone()).await.unwrap(), "larger");
    next.document.pop();
    assert_eq!(store.execution_commit(next).await.unwrap(), Committed::Applied { version: 2 });
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!(stored.document.len(), limits::DOCUMENT_BYTES_MAX);
}

async fn a_task_of_another_execution_is_refused(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    store.execution_create(create("EE")).await.unwrap();
    for foreign in ["EE/s/1", "F/s/1"] {
        let mut next = commit("E", 1, "a");
        next.tasks.push(dispatch(foreign, 1));
        refused(&store.execution_commit(next).await.unwrap(), "another execution");
    }
}

async fn a_first_transition_of_another_execution_is_refused(world: World) {
    let first = Create { first: commit("F", 0, "c"), ..create("E") };
    let answer = world.store.execution_create(first).await.unwrap();
    assert!(matches!(answer, Created::Refused { .. }), "{answer:?}");
}

async fn the_terminal_commit_frees_locks_and_deletes_leases(world: World) {
    let store = &world.store;
    dispatched(store).await;
    store.execution_create(create("F")).await.unwrap();
    let token = granted(store, 1, "w1").await;
    let Locked::Granted { fence } = store.lock("cluster", &id("E"), "E/s").await.unwrap() else {
        panic!("the lock is free");
    };
    let busy = store.lock("cluster", &id("F"), "F/s").await.unwrap();
    assert_eq!(busy, Locked::Busy { owner: "E/s".to_owned() });
    store.execution_commit(ended("E", 1, "end")).await.unwrap();

    assert!(!store.lock_held("cluster", "E/s", fence).await.unwrap());
    let next = store.lock("cluster", &id("F"), "F/s").await.unwrap();
    assert!(matches!(next, Locked::Granted { fence: newer } if newer > fence), "{next:?}");
    assert_eq!(store.lock("other", &id("E"), "E/s").await.unwrap(), Locked::Gone);
    assert_eq!(store.lease_claim(claim("E/s/1", 1, "w2")).await.unwrap(), store::Claim::Gone);
    let beat = store.lease_beat(&task("E/s/1"), token, 1_000, None).await.unwrap();
    assert_eq!(beat, store::Beat::Lost);
    assert!(store.execution_load(&id("E")).await.unwrap().unwrap().leases.is_empty());
    assert!(store.stats().await.unwrap().leases_running.is_empty());
}

async fn rewake_moves_live_executions_only(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    rewake(store, "E", START).await;
    assert_eq!(store.due(9, 1_000).await.unwrap().wakes, [id("E")]);
    rewake(store, "E", u64::MAX).await;
    let stored = store.execution_load(&id("E")).await.unwrap().unwrap();
    assert_eq!(stored.wake_ms, Some(START + 300_000), "not later than the rule allows");
    store.execution_commit(ended("E", 1, "end")).await.unwrap();
    rewake(store, "E", START).await;
    rewake(store, "F", START).await;
    assert!(store.due(9, 1_000).await.unwrap().wakes.is_empty());
}

async fn the_clock_never_goes_back(world: World) {
    let store = &world.store;
    world.set_clock(START + 5_000).await;
    assert_eq!(store.now_ms().await.unwrap(), START + 5_000);
    world.set_clock(START).await;
    assert_eq!(store.now_ms().await.unwrap(), START + 5_000);
    store.execution_create(create("E")).await.unwrap();
    assert_eq!(store.execution_view(&id("E")).await.unwrap().unwrap().created_ms, START + 5_000);
    world.set_clock(START + 6_000).await;
    assert_eq!(store.now_ms().await.unwrap(), START + 6_000);
}

async fn the_timeline_keeps_order_and_bytes(world: World) {
    let store = &world.store;
    let mut first = create("E");
    first.first.timeline = vec!["{\"a\": 1}".to_owned(), " two  words ".to_owned()];
    store.execution_create(first).await.unwrap();
    world.advance(7).await;
    let next = Commit { timeline: vec!["ünï\n\u{1F680}".to_owned()], ..commit("E", 1, "a") };
    store.execution_commit(next).await.unwrap();
    let rows = store.execution_timeline(&id("E")).await.unwrap();
    for (of, input, applied) in [("E", "a", true), ("E", "b", false), ("F", "a", false)] {
        assert_eq!(store.execution_applied(&id(of), input).await.unwrap(), applied, "{of} {input}");
    }
    let rows: Vec<_> = rows.iter().map(|row| (row.version, row.at_ms, row.body.as_str())).collect();
    let wanted =
        [(1, START, "{\"a\": 1}"), (1, START, " two  words "), (2, START + 7, "ünï\n\u{1F680}")];
    assert_eq!(rows, wanted);
}

async fn the_bell_rings_for_a_transition(world: World) {
    let mut bell = world.store.bell();
    // Redis rings once when it has subscribed; what is rung from then on is heard.
    let heard = async {
        for number in 0_u64.. {
            bell.mark_unchanged();
            world.store.execution_create(create(&format!("E{number}"))).await.unwrap();
            let wait = tokio::time::timeout(std::time::Duration::from_millis(250), bell.changed());
            if wait.await.is_ok() {
                break;
            }
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(20), heard).await;
    assert!(in_time.is_ok(), "the bell never rang");
}
