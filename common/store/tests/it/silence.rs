//! A server that vanished without a goodbye: its connection stays open, and nothing is heard on it.

use std::time::Duration;

use fault_proxy::{Flow, Order, Proxy, Way};
use runtime::Tasks;
use store::{Durability, RedisStore, Store as _};
use tokio::time::{Instant, timeout};

use crate::server::Server;

/// How long a caller waits who is in a hurry: less than a call may take.
const HURRY: Duration = Duration::from_millis(500);
/// More than it takes to notice, and less than a call and a half.
const LONG: Duration = Duration::from_secs(8);

async fn through_a_proxy(server: &Server, tasks: &Tasks) -> (RedisStore, Proxy) {
    let any = "127.0.0.1:0".parse().unwrap();
    let address = server.url().trim_start_matches("redis://").parse().unwrap();
    let proxy = Proxy::start(any, address, tasks).await.unwrap();
    let url = format!("redis://{}", proxy.address());
    (RedisStore::connect(&url, "", Durability::Checked).await.unwrap(), proxy)
}

/// Every connection that carries something now is dead for ever.
async fn vanish(store: &RedisStore, proxy: &Proxy) {
    proxy.obey(Order::Flow(Way::ToClient, Flow::Swallow));
    let heard = timeout(HURRY, store.now_ms()).await;
    assert!(heard.is_err(), "nothing is heard: {heard:?}");
    assert!(proxy.counts().swallowed_bytes > 0);
    proxy.obey(Order::Heal);
}

#[tokio::test]
async fn callers_in_a_hurry_get_another_connection_when_one_is_silent() {
    let (server, tasks) = (Server::start().await, Tasks::new());
    let (store, proxy) = through_a_proxy(&server, &tasks).await;
    vanish(&store, &proxy).await;
    let begun = Instant::now();
    while timeout(HURRY, store.now_ms()).await.is_err() {
        assert!(begun.elapsed() < LONG, "still silent");
    }
    tasks.stop().cancel();
}

#[tokio::test]
async fn patient_callers_hear_again_after_one_call() {
    let (server, tasks) = (Server::start().await, Tasks::new());
    let (store, proxy) = through_a_proxy(&server, &tasks).await;
    vanish(&store, &proxy).await;
    let begun = Instant::now();
    while store.now_ms().await.is_err() {
        assert!(begun.elapsed() < LONG, "still silent");
    }
    tasks.stop().cancel();
}
