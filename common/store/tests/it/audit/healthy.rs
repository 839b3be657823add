//! No false alarms.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use model::ExecutionStatus;
use store::{
    Commit, Durability, EmbeddedStore, RedisStore, SharedStore, StoreError,
    audit::{Audit, open_for_audit},
    system_clock,
};
use tokio::task::JoinSet;

use super::{lived_in, running, survey_of, surveyed, wake};
use crate::{
    rows::{claim, commit, create, dispatch, id, message, task},
    server::Server,
};

#[tokio::test]
async fn a_file_that_was_used_and_closed_is_clean() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", directory.path().display());
    let store = store::open(&url).await.unwrap();
    lived_in(&store).await;
    drop(store);
    let survey = survey_of(&url).await;
    assert_eq!(survey.findings, []);
    assert_eq!(survey.executions, 4);
}

#[tokio::test]
async fn a_server_in_use_is_clean() {
    let server = Server::start().await;
    let store = store::open(&server.url()).await.unwrap();
    lived_in(&store).await;
    let survey = survey_of(&server.url()).await;
    assert_eq!(survey.findings, []);
    assert_eq!(survey.executions, 4);
}

/// Its event is a report of the build, under a key with the time of the report.
#[tokio::test]
async fn an_execution_of_a_build_that_jenkins_confirmed_is_clean() {
    let server = Server::start().await;
    let store = store::open(&server.url()).await.unwrap();
    let mut build = create("B");
    build.event_key = "jenkins/ci-main/shop/package/7/1795390581116/done".to_owned();
    build.first.wake_ms = Some(store.now_ms().await.unwrap() + 1_000);
    store.execution_create(build).await.unwrap();
    assert_eq!(survey_of(&server.url()).await.findings, []);
}

#[tokio::test]
async fn worlds_beside_each_other_on_one_server_are_not_odd() {
    let server = Server::start().await;
    for world in ["", "?world=blue", "?world=green"] {
        let store = store::open(&format!("{}{world}", server.url())).await.unwrap();
        lived_in(&store).await;
    }
    for world in ["", "?world=blue"] {
        let survey = survey_of(&format!("{}{world}", server.url())).await;
        assert_eq!((survey.findings, survey.executions), (Vec::new(), 4));
    }
}

#[tokio::test]
async fn a_file_in_use_is_told_by_name_and_one_that_is_not_there_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("embedded:{}", directory.path().display());
    let missing = open_for_audit(&url).await.unwrap_err();
    assert!(missing.to_string().contains("there is no data file"), "{missing}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let store = store::open(&url).await.unwrap();
    let busy = open_for_audit(&url).await.unwrap_err();
    assert!(busy.to_string().contains("open in another process"), "{busy}");
    drop(store);
}

#[tokio::test]
async fn a_server_without_our_functions_is_left_as_it_is() {
    let server = Server::start().await;
    let error = open_for_audit(&server.url()).await.unwrap_err();
    assert!(error.to_string().contains("no Functions of ours"), "{error}");
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut list = redis::cmd("FUNCTION");
    let found: Vec<redis::Value> = list.arg("LIST").query_async(&mut connection).await.unwrap();
    assert_eq!(found, []);
}

/// One execution from its creation to its end, then the next, until told to stop.
async fn busy(store: SharedStore, name: &str, stop: Arc<AtomicBool>) -> Result<u32, StoreError> {
    let mut ended = 0;
    while !stop.load(Ordering::Relaxed) {
        let execution = format!("{name}-{ended}");
        let task_id = format!("{execution}/s/1");
        let now = store.now_ms().await?;
        let event = store::EventRow::new(execution.clone(), "{}".to_owned());
        store.event_accept(event).await?;
        let mut first = running(&execution, now);
        first.event_key.clone_from(&execution);
        first.first.tasks.push(dispatch(&task_id, 1));
        first.first.outbox.push(message(&format!("m-{execution}")));
        store.execution_create(first).await?;
        store.event_settle(&execution, "{}", Vec::new()).await?;
        if let store::Claim::Granted { token, .. } =
            store.lease_claim(claim(&task_id, 1, "w")).await?
        {
            store.lock(&format!("r-{execution}"), &id(&execution), "o").await?;
            store.lease_beat(&task(&task_id), token, 90_000, Some("c")).await?;
            store.due(10, 1_000).await?;
            store.lease_finish(&task(&task_id), token, "{}", 5_000).await?;
        }
        let look = Commit { wake_ms: Some(wake(now)), ..commit(&execution, 1, "look") };
        store.execution_commit(look).await?;
        store.outbox_done(&[format!("m-{execution}")]).await?;
        let over = Commit {
            status: ExecutionStatus::Succeeded,
            wake_ms: None,
            ..commit(&execution, 2, "end")
        };
        store.execution_commit(over).await?;
        ended += 1;
    }
    Ok(ended)
}

/// Surveys a store again and again while others change it; answers how often, and what they did.
async fn surveyed_under_load(store: SharedStore, audit: &dyn Audit) -> (u32, u32) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for name in ["a", "b", "c"] {
        load.spawn(busy(Arc::clone(&store), name, Arc::clone(&stop)));
    }
    let (mut surveys, end) = (0, Instant::now() + Duration::from_secs(2));
    while Instant::now() < end || surveys < 3 {
        let survey = surveyed(audit).await.unwrap();
        assert_eq!(survey.findings, [], "after {surveys} clean ones");
        surveys += 1;
    }
    stop.store(true, Ordering::Relaxed);
    let mut ended = 0;
    while let Some(task) = load.join_next().await {
        ended += task.unwrap().unwrap();
    }
    assert!(ended > 10, "only {ended} executions ran meanwhile");
    (surveys, ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_under_load_raises_no_false_alarm() {
    let server = Server::start().await;
    let store = RedisStore::connect(&server.url(), "", Durability::Checked).await.unwrap();
    let audit = open_for_audit(&server.url()).await.unwrap();
    surveyed_under_load(Arc::new(store), &*audit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_under_load_raises_no_false_alarm() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(EmbeddedStore::open(directory.path(), system_clock()).unwrap());
    let shared: SharedStore = Arc::<EmbeddedStore>::clone(&store);
    surveyed_under_load(shared, &*store).await;
}

#[tokio::test]
async fn a_server_that_was_killed_amid_work_is_clean() {
    let mut server = Server::start().await;
    let store: SharedStore =
        Arc::new(RedisStore::connect(&server.url(), "", Durability::Checked).await.unwrap());
    let mut load = JoinSet::new();
    load.spawn(busy(Arc::clone(&store), "k", Arc::new(AtomicBool::new(false))));
    let end = Instant::now() + Duration::from_secs(20);
    while store.execution_view(&id("k-5")).await.unwrap().is_none() {
        assert!(Instant::now() < end, "no load came up");
        tokio::task::yield_now().await;
    }
    server.kill();
    let ended = load.join_next().await.expect("there is one task").unwrap();
    ended.expect_err("the load lost its server");
    server.restart().await;
    let survey = survey_of(&server.url()).await;
    assert_eq!(survey.findings, []);
    assert!(survey.executions >= 5);
}
