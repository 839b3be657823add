//! Rows the tests write, with what does not matter filled in.

use model::{ExecutionId, ExecutionStatus, Pool, TaskId, digest};
use store::{Claim, Commit, Create, OutboxRow, SharedStore, TaskChange, TaskClaim};

use crate::worlds::START;

pub(crate) fn id(text: &str) -> ExecutionId {
    text.parse().unwrap()
}

pub(crate) fn task(text: &str) -> TaskId {
    text.parse().unwrap()
}

/// A transition of a running execution that changes nothing but its version.
pub(crate) fn commit(execution: &str, expect_version: u64, input: &str) -> Commit {
    Commit {
        id: id(execution),
        expect_version,
        input_id: input.to_owned(),
        document: format!("document of {input}"),
        schema: 1,
        view: format!("view of {input}"),
        status: ExecutionStatus::Running,
        timeline: Vec::new(),
        outbox: Vec::new(),
        tasks: Vec::new(),
        unlock_owners: Vec::new(),
        wake_ms: Some(START + 60_000),
        slot: None,
        events: Vec::new(),
        notify: Vec::new(),
        reopen: store::Reopen::Never,
    }
}

pub(crate) fn ended(execution: &str, expect_version: u64, input: &str) -> Commit {
    Commit {
        status: ExecutionStatus::Succeeded,
        wake_ms: None,
        ..commit(execution, expect_version, input)
    }
}

pub(crate) fn create(execution: &str) -> Create {
    Create {
        id: id(execution),
        application: "shop".to_owned(),
        pipeline_id: "p1".to_owned(),
        event_key: "e1".to_owned(),
        first: commit(execution, 0, "create"),
        slot: store::SlotRequest { limit: None },
    }
}

pub(crate) fn dispatch(text: &str, epoch: u32) -> TaskChange {
    TaskChange::Dispatch { task: task(text), kind: Pool::Bake, epoch, digest: digest("request") }
}

pub(crate) fn claim(text: &str, epoch: u32, holder: &str) -> TaskClaim {
    TaskClaim {
        task: task(text),
        epoch,
        digest: digest("request"),
        holder: holder.to_owned(),
        ttl_ms: 90_000,
    }
}

pub(crate) fn message(message_id: &str) -> OutboxRow {
    OutboxRow {
        message_id: message_id.to_owned(),
        route: "task/bake".to_owned(),
        body: format!("body of {message_id}"),
        only_if: None,
    }
}

/// Creates execution `E` with the task `E/s/1` dispatched in epoch 1.
pub(crate) async fn dispatched(store: &SharedStore) {
    let mut first = create("E");
    first.first.tasks.push(dispatch("E/s/1", 1));
    store.execution_create(first).await.unwrap();
}

/// Claims `E/s/1` in an epoch and returns the token.
pub(crate) async fn granted(store: &SharedStore, epoch: u32, holder: &str) -> u64 {
    let answer = store.lease_claim(claim("E/s/1", epoch, holder)).await.unwrap();
    let Claim::Granted { token, .. } = answer else { panic!("was not granted: {answer:?}") };
    token
}

/// Moves the wake of an execution, whatever it is now.
pub(crate) async fn rewake(store: &SharedStore, execution: &str, wake_ms: u64) {
    let execution = id(execution);
    let stored = store.execution_load(&execution).await.unwrap();
    let seen = stored.and_then(|stored| stored.wake_ms);
    store.execution_rewake(&execution, seen, wake_ms).await.unwrap();
}
