//! One world per test and implementation, with a clock that only the test moves.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use store::{Durability, EmbeddedStore, RedisStore, SharedStore};
use tempfile::TempDir;

use crate::server::Server;

/// Where every world's clock begins: so far ahead that no real clock catches up with it.
pub(crate) const START: u64 = 4_000_000_000_000;

pub(crate) struct World {
    pub(crate) store: SharedStore,
    clock: TestClock,
    _directory: Option<TempDir>,
    _server: Option<Server>,
}

enum TestClock {
    Ours(Arc<AtomicU64>),
    /// The stored clock of Redis wins over the real one while it is ahead.
    Stored { client: redis::Client, key: String },
}

impl World {
    pub(crate) async fn memory() -> Self {
        let (ours, clock) = clock();
        let store = Arc::new(EmbeddedStore::in_memory(clock).unwrap());
        Self { store, clock: TestClock::Ours(ours), _directory: None, _server: None }
    }

    pub(crate) async fn file() -> Self {
        let (ours, clock) = clock();
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(directory.path(), clock).unwrap());
        Self { store, clock: TestClock::Ours(ours), _directory: Some(directory), _server: None }
    }

    pub(crate) async fn redis() -> Self {
        let server = Server::start().await;
        let mut world = Self::on(&server, "t").await;
        world._server = Some(server);
        world
    }

    /// A world of this name on a server that the test keeps.
    pub(crate) async fn on(server: &Server, name: &str) -> Self {
        let store = RedisStore::connect(&server.url(), name, Durability::Checked).await.unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let clock = TestClock::Stored { client, key: format!("{{bowline}}:{name}:clock") };
        let world = Self { store: Arc::new(store), clock, _directory: None, _server: None };
        world.set_clock(START).await;
        world
    }

    pub(crate) async fn advance(&self, ms: u64) {
        let now = self.store.now_ms().await.unwrap();
        self.set_clock(now + ms).await;
    }

    pub(crate) async fn set_clock(&self, ms: u64) {
        match &self.clock {
            TestClock::Ours(ours) => ours.store(ms, Ordering::SeqCst),
            TestClock::Stored { client, key } => {
                let mut connection = client.get_multiplexed_async_connection().await.unwrap();
                let mut set = redis::cmd("SET");
                set.arg(key).arg(ms).query_async::<()>(&mut connection).await.unwrap();
            }
        }
    }
}

fn clock() -> (Arc<AtomicU64>, store::Clock) {
    let ours = Arc::new(AtomicU64::new(START));
    let read = Arc::clone(&ours);
    (ours, Arc::new(move || read.load(Ordering::SeqCst)))
}
