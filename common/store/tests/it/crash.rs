//! Killed at any moment, every acknowledged commit is there, and a repeat does nothing twice.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use store::{Committed, Durability, EmbeddedStore, RedisStore, SharedStore, Store, system_clock};

use crate::{
    rows::{commit, create, id},
    server::Server,
    worlds::START,
};

/// Names the data directory for the child of the crash test.
const CHILD: &str = "STORE_CRASH_DIRECTORY";
/// Acknowledged commits before the child is killed.
const BEFORE_KILL: usize = 200;

fn clock() -> store::Clock {
    Arc::new(|| START)
}

/// Commits for ever and tells of each commit after it was acknowledged. Does nothing unless it is
/// started as the child of the next test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a child process is told what to do by its parent")]
async fn child_of_the_crash_test() {
    let Ok(directory) = std::env::var(CHILD) else {
        return;
    };
    let store: SharedStore = Arc::new(EmbeddedStore::open(Path::new(&directory), clock()).unwrap());
    let lanes = (0..4).map(|lane| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let execution = format!("E{lane}");
            store.execution_create(create(&execution)).await.unwrap();
            for version in 1.. {
                let next = commit(&execution, version, &format!("i{version}"));
                let answer = store.execution_commit(next).await.unwrap();
                assert_eq!(answer, Committed::Applied { version: version + 1 });
                println!("acknowledged {execution} {}", version + 1);
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
}

#[tokio::test]
async fn a_file_survives_sigkill_with_every_acknowledged_commit() {
    let directory = tempfile::tempdir().unwrap();
    for round in 1..=3_u64 {
        let path = directory.path().join(round.to_string());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_of_the_crash_test", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = std::collections::BTreeMap::new();
        let mut seen = 0;
        while let Some(Ok(line)) = lines.next() {
            // The harness prints its own words, also in front of the first of ours.
            let Some((_, told)) = line.split_once("acknowledged ") else {
                continue;
            };
            let (execution, version) = told.split_once(' ').unwrap();
            acknowledged.insert(execution.to_owned(), version.parse::<u64>().unwrap());
            seen += 1;
            if seen == BEFORE_KILL {
                child.kill().unwrap();
            }
        }
        let status = child.wait().unwrap();
        assert!(!status.success(), "the child was killed, it did not end");
        assert!(seen >= BEFORE_KILL, "the child told of {seen} commits only");

        let store = EmbeddedStore::open(&path, clock()).unwrap();
        for (execution, version) in acknowledged {
            let stored = store.execution_load(&id(&execution)).await.unwrap().unwrap();
            assert!(
                stored.version == version || stored.version == version + 1,
                "{execution} has version {}, acknowledged was {version}",
                stored.version
            );
            // Whole, not torn: the snapshot is the one of the version, and its input is known.
            let input = format!("i{}", stored.version - 1);
            assert_eq!(stored.document, format!("document of {input}"));
            let repeat = commit(&execution, stored.version - 1, &input);
            assert_eq!(store.execution_commit(repeat).await.unwrap(), Committed::Duplicate);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_repeated_over_a_killed_redis_is_applied_exactly_once() {
    let mut server = Server::start().await;
    let store: SharedStore =
        Arc::new(RedisStore::connect(&server.url(), "t", Durability::Checked).await.unwrap());
    let woken = |version: u64| store::Commit {
        wake_ms: Some(0),
        timeline: vec![format!("line {version}")],
        ..commit("E", version, &format!("i{version}"))
    };
    let mut first = create("E");
    first.first.wake_ms = Some(0);
    store.execution_create(first).await.unwrap();
    let mut version = 1;
    for round in 0..5_u64 {
        for _ in 0..20 + round * 7 {
            let answer = store.execution_commit(woken(version)).await.unwrap();
            assert_eq!(answer, Committed::Applied { version: version + 1 });
            version += 1;
        }
        // The kill falls into the stream of commits, wherever it is just then.
        let killer = tokio::task::spawn_blocking(move || {
            server.kill();
            server
        });
        let error = loop {
            match store.execution_commit(woken(version)).await {
                Ok(_) => version += 1,
                Err(error) => break error,
            }
        };
        assert!(error.is_transient(), "{error:?}");
        server = killer.await.unwrap();
        server.restart().await;
        // Whether the call had landed is unknown; repeated, it has.
        repeat_until_known(&store, &woken(version)).await;
        version += 1;
    }
    let rows = store.execution_timeline(&id("E")).await.unwrap();
    let told: Vec<String> = rows.into_iter().map(|row| row.body).collect();
    let wanted: Vec<String> = (1..version).map(|version| format!("line {version}")).collect();
    assert_eq!(told, wanted, "each exactly once, in order");
}

async fn repeat_until_known(store: &SharedStore, next: &store::Commit) {
    let known = async {
        loop {
            match store.execution_commit(next.clone()).await {
                Ok(Committed::Applied { .. } | Committed::Duplicate) => break,
                Ok(other) => panic!("{other:?}"),
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(15), known).await;
    assert!(in_time.is_ok(), "Redis was back, the store did not find it");
}

#[tokio::test]
async fn a_file_store_answers_many_callers_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store: SharedStore =
        Arc::new(EmbeddedStore::open(directory.path(), system_clock()).unwrap());
    let calls = (0..500).map(|number| {
        let mut first = create(&format!("E{number}"));
        first.first.wake_ms = Some(0);
        store.execution_create(first)
    });
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), store::Created::New);
    }
    assert_eq!(store.stats().await.unwrap().executions.values().sum::<u64>(), 500);
}
