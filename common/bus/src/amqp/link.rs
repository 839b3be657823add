//! One connection, made when it is asked for, and made again when it was lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lapin::{Connection, ConnectionProperties};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tracing::{debug, info, warn};

use crate::amqp::{address::Address, backoff::Backoff, topology::Topology, trouble::Trouble};

/// A connection and how to get the next one.
#[derive(Debug)]
pub(crate) struct Link {
    address: Address,
    name: String,
    topology: Topology,
    timeout: Duration,
    /// Something of the topology is missing: declare it before the connection is used again.
    stale: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    backoff: Backoff,
    /// Until when nothing is tried, and what failed last.
    resting: Option<(Instant, Trouble)>,
}

impl Link {
    pub(crate) fn new(
        address: Address,
        name: String,
        topology: Topology,
        timeout: Duration,
    ) -> Self {
        let stale = AtomicBool::new(true);
        Self { address, name, topology, timeout, stale, state: Mutex::default() }
    }

    /// The connection, with the topology declared. One caller connects and the others wait for it;
    /// after a failure everybody gets the same answer until the next try is due.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, Trouble> {
        let mut state = self.state.lock().await;
        let live = state.connection.take().filter(|connection| connection.status().connected());
        if let Some(connection) = &live
            && !self.stale.load(Ordering::Acquire)
        {
            state.connection.clone_from(&live);
            return Ok(Arc::clone(connection));
        }
        if let Some((until, trouble)) = &state.resting
            && Instant::now() < *until
        {
            let trouble = trouble.clone();
            state.connection = live;
            return Err(trouble);
        }
        match self.make_ready(live).await {
            Ok(connection) => {
                state.backoff.reset();
                state.resting = None;
                state.connection = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(trouble) => {
                let pause = state.backoff.next();
                state.resting = Some((Instant::now() + pause, trouble.clone()));
                debug!(connection = self.name, detail = trouble.detail(), "no connection");
                Err(trouble)
            }
        }
    }

    /// Something is missing which we declare: do it again before the next use.
    pub(crate) fn declare_again(&self) {
        self.stale.store(true, Ordering::Release);
    }

    /// Gives up a connection that does not answer; a newer one stays.
    pub(crate) async fn drop_connection(&self, unsound: &Arc<Connection>) {
        let mut state = self.state.lock().await;
        let held = state.connection.as_ref();
        if held.is_some_and(|connection| Arc::ptr_eq(connection, unsound)) {
            warn!(connection = self.name, "the connection does not answer, making another");
            state.connection = None;
        }
    }

    /// Closes politely.
    pub(crate) async fn close(&self) {
        let connection = self.state.lock().await.connection.take();
        if let Some(connection) = connection {
            let closing = connection.close(200, "goodbye".into());
            match timeout(self.timeout, closing).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "the connection was closed before"),
                Err(_) => debug!("the broker did not answer the goodbye"),
            }
        }
    }

    async fn make_ready(&self, live: Option<Arc<Connection>>) -> Result<Arc<Connection>, Trouble> {
        let connection = match live {
            Some(connection) => connection,
            None => Arc::new(self.open().await?),
        };
        // Before the declaration: what goes missing during it is declared once more.
        self.stale.store(false, Ordering::Release);
        let declared = match timeout(self.timeout, self.topology.declare(&connection)).await {
            Ok(declared) => declared,
            Err(_) => Err(Trouble::Away(format!("{}: no answer in time", self.address))),
        };
        if declared.is_err() {
            self.declare_again();
        }
        declared.map(|()| connection)
    }

    async fn open(&self) -> Result<Connection, Trouble> {
        let away = |detail: String| Trouble::Away(format!("{}: {detail}", self.address));
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let opening = Connection::connect_uri(self.address.uri(), properties);
        match timeout(self.timeout, opening).await {
            Ok(Ok(connection)) => {
                info!(connection = self.name, broker = %self.address, "connected to the broker");
                Ok(connection)
            }
            Ok(Err(error)) => Err(away(error.to_string())),
            Err(_) => Err(away("no answer in time".to_owned())),
        }
    }
}
