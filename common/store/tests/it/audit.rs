//! What `fsck` finds: nothing in a healthy store, and every planted corruption in a damaged one.

mod file;
mod healthy;
mod server;

use model::ExecutionStatus;
use store::{
    Beat, Commit, Create, DefinitionIndex, EventRow, Locked, PipelinePut, Removed, SharedStore,
    SlotRequest, StoreError, TaskChange,
    audit::{Audit, Finding, Rule, Survey, open_for_audit, survey},
};

use crate::rows::{claim, commit, create, dispatch, ended, id, message, task};

/// Surveys a store by the store's own rules.
async fn surveyed(audit: &dyn Audit) -> Result<Survey, StoreError> {
    survey(audit, &|_| Vec::new(), &mut |_| {}).await
}

/// Opens a store to look at it, and surveys it.
async fn survey_of(url: &str) -> Survey {
    let audit = open_for_audit(url).await.unwrap();
    surveyed(&*audit).await.unwrap()
}

/// Fails unless this rule is found broken, about a subject with these words.
fn assert_found(survey: &Survey, rule: Rule, subject: &str) -> Finding {
    let found = survey.findings.iter().find(|it| it.rule == rule && it.subject.contains(subject));
    let Some(found) = found else {
        panic!("{rule:?} of `{subject}` was not found: {:#?}", survey.findings)
    };
    assert!(!found.what.is_empty() && !found.why.is_empty() && !found.remedy.is_empty());
    found.clone()
}

const fn wake(now_ms: u64) -> u64 {
    now_ms + 60_000
}

fn put(name: &str) -> PipelinePut {
    PipelinePut {
        id: format!("id-of-{name}"),
        application: "shop".to_owned(),
        name: name.to_owned(),
        body: "{}".to_owned(),
        index: DefinitionIndex {
            version: 1,
            keys: vec!["all".to_owned(), format!("key of/{name}")],
        },
        ..PipelinePut::default()
    }
}

fn running(execution: &str, now_ms: u64) -> Create {
    let first = Commit { wake_ms: Some(wake(now_ms)), ..create(execution).first };
    Create { first: Commit { id: id(execution), ..first }, ..create(execution) }
}

/// Something of everything, by the store's own means:
/// - pipelines `deploy` and `bake`, each found under `all` and a key of its own; event `e1` settled, event `e2` pending;
/// - `L`, live: task `L/s/1` claimed with a checkpoint, task `L/t/1` waiting, a lock, a message;
/// - `D`, over since its second version, with history; `N`, live, just made;
/// - `W`, live, which waits for a slot; `G`, over and removed.
async fn lived_in(store: &SharedStore) {
    let now = store.now_ms().await.unwrap();
    store.pipeline_put(put("deploy")).await.unwrap();
    store.pipeline_put(put("bake")).await.unwrap();
    for key in ["e1", "e2"] {
        let body = r#"{"event":"cancel","execution":"L","user":"ann","reason":null}"#.to_owned();
        store.event_accept(EventRow::new(key, body)).await.unwrap();
    }
    store.event_settle("e1", "{}", Vec::new()).await.unwrap();
    let mut live = running("L", now);
    live.first.tasks = vec![dispatch("L/s/1", 1), dispatch("L/t/1", 1)];
    live.first.outbox = vec![message("m1")];
    live.first.timeline = vec!["made".to_owned()];
    store.execution_create(live).await.unwrap();
    let claimed = store.lease_claim(claim("L/s/1", 1, "w1")).await.unwrap();
    let store::Claim::Granted { token, .. } = claimed else { panic!("{claimed:?}") };
    let beat = store.lease_beat(&task("L/s/1"), token, 90_000, Some("half")).await.unwrap();
    assert_eq!(beat, Beat::Held { cancel: false });
    let locked = store.lock("cluster/shop", &id("L"), "L/s").await.unwrap();
    assert!(matches!(locked, Locked::Granted { .. }));
    let mut done = running("D", now);
    done.first.tasks = vec![dispatch("D/s/1", 1)];
    done.first.timeline = vec!["made".to_owned(), "started".to_owned()];
    store.execution_create(done).await.unwrap();
    let over = Commit {
        status: ExecutionStatus::Succeeded,
        wake_ms: None,
        timeline: vec!["over".to_owned()],
        tasks: vec![TaskChange::Retire { task: task("D/s/1") }],
        ..commit("D", 1, "result")
    };
    store.execution_commit(over).await.unwrap();
    store.execution_create(running("N", now)).await.unwrap();
    let waiter = Create { slot: SlotRequest { limit: Some(1) }, ..running("W", now) };
    store.execution_create(waiter).await.unwrap();
    let gone = running("G", now);
    store.execution_create(gone).await.unwrap();
    let over = Commit { wake_ms: None, ..ended("G", 1, "end") };
    store.execution_commit(over).await.unwrap();
    assert_eq!(store.execution_remove(&id("G")).await.unwrap(), Removed::Done);
}
