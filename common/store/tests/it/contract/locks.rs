//! Locks without expiry: freed by their owner, their stage, or the end of their execution.

use store::{Commit, Locked};

use crate::{
    rows::{commit, create, id},
    worlds::World,
};

super::on_every_store! {
    a_lock_is_its_owners_until_it_is_freed
    a_stage_that_is_done_frees_its_own_locks_only
}

async fn a_lock_is_its_owners_until_it_is_freed(world: World) {
    let store = &world.store;
    for execution in ["E", "F"] {
        store.execution_create(create(execution)).await.unwrap();
    }
    let (e, f) = (id("E"), id("F"));
    assert_eq!(store.lock("r", &id("G"), "G/s").await.unwrap(), Locked::Gone);
    let Locked::Granted { fence } = store.lock("r", &e, "E/s").await.unwrap() else {
        panic!("the lock is free");
    };
    assert_eq!(store.lock("r", &e, "E/s").await.unwrap(), Locked::Granted { fence });
    let busy = Locked::Busy { owner: "E/s".to_owned() };
    assert_eq!(store.lock("r", &f, "F/s").await.unwrap(), busy);
    assert_eq!(store.lock("r", &f, "E/s").await.unwrap(), busy, "not by a borrowed name");
    // Only the holder frees it, and only in its own term.
    store.unlock("r", "F/s", fence).await.unwrap();
    store.unlock("r", "E/s", fence + 1).await.unwrap();
    assert!(store.lock_held("r", "E/s", fence).await.unwrap());
    assert!(!store.lock_held("r", "F/s", fence).await.unwrap());
    store.unlock("r", "E/s", fence).await.unwrap();
    store.unlock("r", "E/s", fence).await.unwrap();
    assert!(!store.lock_held("r", "E/s", fence).await.unwrap());
    let next = store.lock("r", &f, "F/s").await.unwrap();
    assert!(matches!(next, Locked::Granted { fence: newer } if newer > fence), "{next:?}");
}

async fn a_stage_that_is_done_frees_its_own_locks_only(world: World) {
    let store = &world.store;
    store.execution_create(create("E")).await.unwrap();
    for (resource, owner) in [("a", "E/s1"), ("b", "E/s1"), ("c", "E/s2")] {
        store.lock(resource, &id("E"), owner).await.unwrap();
    }
    let done = Commit { unlock_owners: vec!["E/s1".to_owned()], ..commit("E", 1, "a") };
    store.execution_commit(done).await.unwrap();
    let execution = id("E");
    let by_another = |resource| store.lock(resource, &execution, "E/s3");
    assert!(matches!(by_another("a").await.unwrap(), Locked::Granted { .. }));
    assert!(matches!(by_another("b").await.unwrap(), Locked::Granted { .. }));
    assert_eq!(by_another("c").await.unwrap(), Locked::Busy { owner: "E/s2".to_owned() });
}
