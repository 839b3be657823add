//! Starts and ends at the same moment, through two handles: never more run than may.

use std::sync::Arc;

use store::{
    Commit, Committed, Create, Created, Durability, EmbeddedStore, RedisStore, Removed,
    SharedStore, SlotChange, SlotRequest, SlotState,
};

use crate::{
    rows::{commit, create, ended, id},
    server::Server,
    worlds::START,
};

const ONE: Option<u32> = Some(1);

fn clock() -> store::Clock {
    Arc::new(|| START)
}

/// Due at once, and so never too late for a real clock either.
fn at_once(commit: Commit) -> Commit {
    let wake_ms = commit.wake_ms.map(|_| 0);
    Commit { wake_ms, ..commit }
}

fn limited(execution: &str) -> Create {
    let row = create(execution);
    Create { slot: SlotRequest { limit: ONE }, first: at_once(row.first), ..row }
}

fn take(execution: &str) -> Commit {
    let slot = Some(SlotChange::Take { limit: ONE });
    Commit { slot, ..at_once(commit(execution, 1, "take")) }
}

async fn own(store: &SharedStore, execution: &str) -> SlotState {
    store.execution_load(&id(execution)).await.unwrap().unwrap().slot.own
}

/// How many hold a slot, as one that is over sees it.
async fn held(store: SharedStore) -> usize {
    store.execution_load(&id("O")).await.unwrap().unwrap().slot.holders.len()
}

/// Two are started at once; one runs. It ends while the other tries to take its slot and somebody
/// counts. In the end both have run, one after the other.
#[expect(clippy::disallowed_methods, reason = "these are to run side by side, and are waited for")]
async fn round(one: &SharedStore, two: &SharedStore, number: u32) {
    let names = [format!("A{number}"), format!("B{number}")];
    let start = |store: &SharedStore, name: &str| {
        let (store, row) = (Arc::clone(store), limited(name));
        tokio::spawn(async move { store.execution_create(row).await.unwrap() })
    };
    let [a, b] = names.each_ref().map(String::as_str);
    let (first, second) = (start(one, a), start(two, b));
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Created::New, Created::New));
    let (runs, waits) = match (own(one, a).await, own(one, b).await) {
        (SlotState::Holds, SlotState::Waits) => (a, b),
        (SlotState::Waits, SlotState::Holds) => (b, a),
        other => panic!("round {number}: {other:?}"),
    };
    let write = |store: &SharedStore, next: Commit| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.execution_commit(next).await.unwrap() })
    };
    let counts = tokio::spawn(held(Arc::clone(one)));
    let (ends, takes) = (write(one, ended(runs, 1, "end")), write(two, take(waits)));
    assert!(counts.await.unwrap() <= 1, "round {number}: two run");
    assert_eq!(ends.await.unwrap(), Committed::Applied { version: 2 });
    match takes.await.unwrap() {
        Committed::Applied { version: 2 } => {}
        Committed::NoSlot => {
            let again = one.execution_commit(take(waits)).await.unwrap();
            assert_eq!(again, Committed::Applied { version: 2 });
        }
        other @ (Committed::Applied { .. }
        | Committed::Duplicate
        | Committed::Conflict { .. }
        | Committed::Gone
        | Committed::Refused { .. }) => panic!("round {number}: {other:?}"),
    }
    assert_eq!(held(Arc::clone(one)).await, 1, "round {number}");
    let last = two.execution_commit(ended(waits, 2, "end")).await.unwrap();
    assert_eq!(last, Committed::Applied { version: 3 });
    for name in [a, b] {
        assert_eq!(one.execution_remove(&id(name)).await.unwrap(), Removed::Done);
    }
}

async fn never_two(one: SharedStore, two: SharedStore, rounds: u32) {
    one.execution_create(limited("O")).await.unwrap();
    one.execution_commit(ended("O", 1, "end")).await.unwrap();
    for number in 0..rounds {
        round(&one, &two, number).await;
    }
    assert_eq!(held(one).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_starts_at_once_one_waits_ten_thousand_times_in_memory() {
    let store: SharedStore = Arc::new(EmbeddedStore::in_memory(clock()).unwrap());
    never_two(Arc::clone(&store), store, 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_starts_at_once_one_waits_on_redis() {
    let server = Server::start().await;
    never_two(connected(&server).await, connected(&server).await, 500).await;
}

async fn connected(server: &Server) -> SharedStore {
    Arc::new(RedisStore::connect(&server.url(), "t", Durability::Checked).await.unwrap())
}
