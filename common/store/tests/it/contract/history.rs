//! A store that went back in time: a backup was restored, or a replica that lagged took over.

use store::{Beat, Claim, Locked};

use crate::{
    rows::{claim, commit, dispatched, granted, id, task},
    worlds::World,
};

super::on_every_store! {
    who_holds_what_is_not_known_any_more_has_lost_it_and_nobody_gets_it_at_once
    who_is_still_known_goes_on
    no_lock_is_given_until_every_forgotten_holder_has_stopped
    a_second_loss_is_found_like_the_first
    a_store_that_never_went_back_says_so
}

async fn who_holds_what_is_not_known_any_more_has_lost_it_and_nobody_gets_it_at_once(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let past = world.present().await;
    let forgotten = granted(store, 1, "w1").await;
    world.go_back(&past).await;
    // The first who comes has not heard of anything: what the store itself was told is enough.
    let early = store.lease_claim(claim("E/s/1", 1, "w2")).await.unwrap();
    assert!(matches!(early, Claim::Busy { .. }), "{early:?}");
    let beat = store.lease_beat(&task("E/s/1"), forgotten, 90_000, None).await.unwrap();
    assert_eq!(beat, Beat::Lost);
    world.advance(89_999).await;
    let early = store.lease_claim(claim("E/s/1", 1, "w2")).await.unwrap();
    assert!(matches!(early, Claim::Busy { .. }), "{early:?}");
    world.advance(1).await;
    let next = granted(store, 1, "w2").await;
    assert!(next > forgotten, "no token is given twice: {next} after {forgotten}");
    assert_eq!(store.stats().await.unwrap().rollbacks, 1);
}

async fn who_is_still_known_goes_on(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let token = granted(store, 1, "w1").await;
    let past = world.present().await;
    store.lease_beat(&task("E/s/1"), token, 90_000, Some("half")).await.unwrap();
    world.go_back(&past).await;
    let held = Beat::Held { cancel: false };
    assert_eq!(store.lease_beat(&task("E/s/1"), token, 90_000, Some("more")).await.unwrap(), held);
    assert_eq!(granted(store, 1, "w1").await, token, "a repeat of its claim, too");
    assert_eq!(store.lease_finish(&task("E/s/1"), token, "done", 0).await.unwrap(), held);
}

async fn no_lock_is_given_until_every_forgotten_holder_has_stopped(world: World) {
    let store = &world.store;
    dispatched(store).await;
    let past = world.present().await;
    let locked = store.lock("cluster", &id("E"), "s").await.unwrap();
    let Locked::Granted { fence } = locked else { panic!("{locked:?}") };
    world.go_back(&past).await;
    assert!(!store.lock_held("cluster", "s", fence).await.unwrap());
    let early = store.lock("cluster", &id("E"), "s").await.unwrap();
    assert!(matches!(early, Locked::Busy { .. }), "{early:?}");
    world.advance(90_000).await;
    let again = store.lock("cluster", &id("E"), "s").await.unwrap();
    assert!(matches!(again, Locked::Granted { .. }), "{again:?}");
}

async fn a_second_loss_is_found_like_the_first(world: World) {
    let store = &world.store;
    dispatched(store).await;
    for nth in 1..=2 {
        let past = world.present().await;
        store.execution_commit(commit("E", 1, "lost")).await.unwrap();
        world.go_back(&past).await;
        store.execution_rewake(&id("E"), None, 0).await.unwrap();
        assert_eq!(store.stats().await.unwrap().rollbacks, nth);
        let version = store.execution_load(&id("E")).await.unwrap().unwrap().version;
        assert_eq!(version, 1, "what was written since is gone");
    }
}

async fn a_store_that_never_went_back_says_so(world: World) {
    let store = &world.store;
    dispatched(store).await;
    granted(store, 1, "w1").await;
    assert_eq!(store.stats().await.unwrap().rollbacks, 0);
}
