//! One world per test and implementation, with a clock that only the test moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use store::{Durability, EmbeddedStore, Memory, Moment, RedisStore, SharedStore};
use tempfile::TempDir;

use crate::server::Server;

/// Where every world's clock begins: so far ahead that no real clock catches up with it.
pub(crate) const START: u64 = 4_000_000_000_000;

/// A machine that builds and tests for many at once takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) store: SharedStore,
    clock: TestClock,
    embedded: Option<Arc<EmbeddedStore>>,
    _kept: Kept,
}

/// A state of a world that can be restored.
pub(crate) enum Past {
    Embedded(Moment),
    /// Every key and what it held.
    Redis(Vec<(Vec<u8>, Vec<u8>)>),
}

/// What lives as long as its world.
enum Kept {
    Nothing,
    Directory { _alive: TempDir },
    Server { _alive: Server },
}

enum TestClock {
    Ours(Arc<AtomicU64>),
    /// The stored clock of Redis wins over the real one while it is ahead.
    Stored {
        connection: MultiplexedConnection,
        key: String,
    },
}

impl World {
    pub(crate) fn memory() -> Self {
        let (ours, clock) = clock();
        let store = Arc::new(EmbeddedStore::in_memory(clock).unwrap());
        Self::embedded(store, ours, Kept::Nothing)
    }

    fn embedded(store: Arc<EmbeddedStore>, ours: Arc<AtomicU64>, kept: Kept) -> Self {
        let embedded = Some(Arc::clone(&store));
        Self { store, clock: TestClock::Ours(ours), embedded, _kept: kept }
    }

    pub(crate) fn file() -> Self {
        let (ours, clock) = clock();
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(directory.path(), clock).unwrap());
        let kept = Kept::Directory { _alive: directory };
        Self::embedded(store, ours, kept)
    }

    pub(crate) async fn redis() -> Self {
        let server = Server::start().await;
        let world = Self::on(&server, "t").await;
        Self { _kept: Kept::Server { _alive: server }, ..world }
    }

    /// A world of this name on a server that the test keeps.
    pub(crate) async fn on(server: &Server, name: &str) -> Self {
        let store = RedisStore::connect(&server.url(), name, Durability::Checked).await.unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection = client.get_multiplexed_async_connection_with_config(&patient).await;
        let clock = TestClock::Stored {
            connection: connection.unwrap(),
            key: format!("{{bowline}}:{name}:clock"),
        };
        let world = Self { store: Arc::new(store), clock, embedded: None, _kept: Kept::Nothing };
        world.set_clock(START).await;
        world
    }

    /// The present, to come back to.
    pub(crate) async fn present(&self) -> Past {
        match (&self.clock, &self.embedded) {
            (_, Some(store)) => Past::Embedded(store.present().unwrap()),
            (TestClock::Ours(_), None) => unreachable!("only a file has such a clock"),
            (TestClock::Stored { connection, .. }, None) => {
                let mut connection = connection.clone();
                let mut held = Vec::new();
                for key in Self::keys(&mut connection).await {
                    let mut dump = redis::cmd("DUMP");
                    let value = dump.arg(&key).query_async(&mut connection).await.unwrap();
                    held.push((key, value));
                }
                Past::Redis(held)
            }
        }
    }

    /// Everything since is gone, as after a restored backup; the clock goes on.
    pub(crate) async fn go_back(&self, past: &Past) {
        let now = self.store.now_ms().await.unwrap();
        match (past, &self.clock, &self.embedded) {
            (Past::Embedded(moment), _, Some(store)) => {
                store.go_back(moment, Memory::Kept).unwrap();
            }
            (Past::Redis(held), TestClock::Stored { connection, .. }, _) => {
                let mut connection = connection.clone();
                for key in Self::keys(&mut connection).await {
                    redis::cmd("DEL").arg(key).query_async::<()>(&mut connection).await.unwrap();
                }
                for (key, value) in held {
                    let mut restore = redis::cmd("RESTORE");
                    restore.arg(key).arg(0).arg(value);
                    restore.query_async::<()>(&mut connection).await.unwrap();
                }
            }
            _ => unreachable!("a past of another world"),
        }
        self.set_clock(now).await;
    }

    async fn keys(connection: &mut MultiplexedConnection) -> Vec<Vec<u8>> {
        redis::cmd("KEYS").arg("*").query_async(connection).await.unwrap()
    }

    pub(crate) async fn advance(&self, ms: u64) {
        let now = self.store.now_ms().await.unwrap();
        self.set_clock(now + ms).await;
    }

    pub(crate) async fn set_clock(&self, ms: u64) {
        match &self.clock {
            TestClock::Ours(ours) => ours.store(ms, Ordering::SeqCst),
            TestClock::Stored { connection, key } => {
                let mut connection = connection.clone();
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
