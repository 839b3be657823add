//! A server that repeats what it hears, behind the proxy.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use fault_proxy::{Counts, Door, Flow, Order, Proxy, Way};
use runtime::Tasks;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);
/// How long nothing must happen for it to count as nothing.
const SILENCE: Duration = Duration::from_millis(150);

struct Scene {
    proxy: Proxy,
    tasks: Tasks,
}

impl Scene {
    async fn start() -> Self {
        let tasks = Tasks::new();
        let server = TcpListener::bind(ANY).await.unwrap();
        let upstream = server.local_addr().unwrap();
        let all = tasks.clone();
        tasks.spawn(async move {
            while let Ok((mut peer, _)) = server.accept().await {
                all.spawn(async move {
                    let (mut reads, mut writes) = peer.split();
                    // A broken connection is what these tests are about.
                    tokio::io::copy(&mut reads, &mut writes).await.ok();
                });
            }
        });
        let proxy = Proxy::start(ANY, upstream, &tasks).await.unwrap();
        Self { proxy, tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).await.unwrap()
    }

    /// A connection through which something went already.
    async fn talk(&self) -> TcpStream {
        let mut client = self.connect().await;
        assert_eq!(said(&mut client, "hello").await, "hello");
        client
    }

    fn counts(&self) -> Counts {
        self.proxy.counts()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

async fn said(client: &mut TcpStream, words: &str) -> String {
    client.write_all(words.as_bytes()).await.unwrap();
    heard(client, words.len()).await
}

async fn heard(client: &mut TcpStream, count: usize) -> String {
    let mut bytes = vec![0; count];
    timeout(LONG, client.read_exact(&mut bytes)).await.expect("an answer").unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Everything until the end, and whether that was a reset.
async fn rest(client: &mut TcpStream) -> (String, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let ended = timeout(LONG, client.read_to_end(&mut bytes)).await.expect("an end");
    (String::from_utf8(bytes).unwrap(), ended.err().map(|error| error.kind()))
}

async fn assert_silent(client: &mut TcpStream) {
    let mut byte = [0];
    let heard = timeout(SILENCE, client.read(&mut byte)).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn open_line_carries_everything_and_its_end() {
    let scene = Scene::start().await;
    let mut client = scene.talk().await;
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, (String::new(), None));
    let counts = scene.counts();
    assert_eq!((counts.accepted, counts.to_server_bytes, counts.to_client_bytes), (1, 5, 5));
}

#[tokio::test]
async fn held_line_loses_nothing() {
    let scene = Scene::start().await;
    let mut client = scene.talk().await;
    scene.proxy.obey(Order::Flow(Way::Both, Flow::Hold));
    client.write_all(b"later").await.unwrap();
    assert_silent(&mut client).await;
    let counts = scene.counts();
    assert_eq!((counts.held, counts.held_bytes, counts.to_server_bytes), (1, 5, 5));
    scene.proxy.obey(Order::Heal);
    assert_eq!(heard(&mut client, 5).await, "later");
}

#[tokio::test]
async fn line_is_held_at_the_words_waited_for() {
    let scene = Scene::start().await;
    let mut client = scene.talk().await;
    scene.proxy.obey(Order::Flow(Way::ToServer, Flow::HoldAt(b"commit".to_vec())));
    assert_eq!(said(&mut client, "load com").await, "load com");
    client.write_all(b"mit").await.unwrap();
    assert_silent(&mut client).await;
    assert_eq!(scene.counts().held, 1);
    scene.proxy.obey(Order::Heal);
    assert_eq!(heard(&mut client, 3).await, "mit");
}

#[tokio::test]
async fn vanished_peer_stays_silent_also_when_the_line_is_mended() {
    let scene = Scene::start().await;
    let mut client = scene.talk().await;
    scene.proxy.obey(Order::Flow(Way::ToClient, Flow::Swallow));
    client.write_all(b"lost").await.unwrap();
    assert_silent(&mut client).await;
    assert_eq!(scene.counts().swallowed_bytes, 4);
    scene.proxy.obey(Order::Heal);
    client.write_all(b"as well").await.unwrap();
    assert_silent(&mut client).await;
    assert_eq!(said(&mut scene.connect().await, "anew").await, "anew");
}

#[tokio::test]
async fn connections_end_after_so_many_bytes() {
    let scene = Scene::start().await;
    scene.proxy.obey(Order::Flow(Way::ToClient, Flow::CutAfter(7)));
    let mut client = scene.connect().await;
    assert_eq!(said(&mut client, "1234").await, "1234");
    client.write_all(b"5678").await.unwrap();
    assert_eq!(rest(&mut client).await.0, "567");
    assert_eq!(scene.counts().cut, 1);
}

#[tokio::test]
async fn cut_and_reset_end_what_is_there_and_nothing_else() {
    let scene = Scene::start().await;
    let mut client = scene.talk().await;
    scene.proxy.obey(Order::Cut);
    assert_eq!(rest(&mut client).await.0, "");
    let mut client = scene.talk().await;
    scene.proxy.obey(Order::Reset);
    assert_eq!(rest(&mut client).await.1, Some(ErrorKind::ConnectionReset));
    scene.talk().await;
    let counts = scene.counts();
    assert_eq!((counts.accepted, counts.cut, counts.reset), (3, 1, 1));
}

#[tokio::test]
async fn closed_door_resets_and_silent_door_waits() {
    let scene = Scene::start().await;
    scene.proxy.obey(Order::Door(Door::Refuse));
    let mut client = scene.connect().await;
    assert_eq!(rest(&mut client).await.1, Some(ErrorKind::ConnectionReset));
    scene.proxy.obey(Order::Door(Door::Silent));
    let mut client = scene.connect().await;
    client.write_all(b"anybody?").await.unwrap();
    assert_silent(&mut client).await;
    scene.proxy.obey(Order::Heal);
    assert_eq!(rest(&mut client).await.1, Some(ErrorKind::ConnectionReset));
    let counts = scene.counts();
    assert_eq!((counts.refused, counts.ignored, counts.accepted), (1, 1, 0));
}

#[tokio::test]
async fn late_and_slow_lines_carry_everything() {
    let scene = Scene::start().await;
    let mut client = scene.talk().await;
    let begun = Instant::now();
    scene.proxy.obey(Order::Flow(Way::ToClient, Flow::Delay(Duration::from_millis(200))));
    assert_eq!(said(&mut client, "late").await, "late");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let begun = Instant::now();
    let rate = NonZeroU32::new(20).unwrap();
    scene.proxy.obey(Order::Flow(Way::ToServer, Flow::Drip(rate)));
    scene.proxy.obey(Order::Flow(Way::ToClient, Flow::Open));
    assert_eq!(said(&mut client, "slow").await, "slow");
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(scene.counts().delayed_bytes, 8);
}

#[tokio::test]
async fn server_that_is_not_there_is_a_reset() {
    let gone = TcpListener::bind(ANY).await.unwrap().local_addr().unwrap();
    let tasks = Tasks::new();
    let proxy = Proxy::start(ANY, gone, &tasks).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(rest(&mut client).await.1, Some(ErrorKind::ConnectionReset));
    assert_eq!(proxy.counts().unreachable, 1);
}
