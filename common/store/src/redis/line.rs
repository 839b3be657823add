//! The connection to the server: shared, multiplexed, reconnecting, and given up when it is silent.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ::redis::{
    Client, Cmd, RedisError, Value,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::{Instant, timeout};

use super::{CALL_TIMEOUT, CONNECT_TIMEOUT, Fault};

/// Between the first two attempts to reconnect; grows with each.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
/// Between later attempts: a server that is back is found within this time.
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// Calls on their way at once; more wait at the door.
const PIPELINE_MAX: usize = 512;
/// A connection on which nothing was heard for so long, although something was asked, gets no
/// further calls. One that was only slow still answers those it has.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The connection, and how to get the next one.
///
/// The library reconnects when a connection breaks, and keeps one whose peer has vanished without a
/// goodbye: nothing is ever heard on it again. So a silent one is replaced here. It is judged when
/// the next call begins, as callers may give up sooner than a call does.
pub(super) struct Line {
    client: Client,
    held: Mutex<Held>,
}

struct Held {
    connection: ConnectionManager,
    /// Which connection this is.
    serial: u64,
    /// Since when a call waits and nothing was heard.
    waiting: Option<Instant>,
}

impl Line {
    /// Connects.
    pub(super) async fn connect(client: Client) -> Result<Self, RedisError> {
        let connection = ConnectionManager::new_with_config(client.clone(), config()).await?;
        Ok(Self { client, held: Mutex::new(Held { connection, serial: 0, waiting: None }) })
    }

    /// Sends a command and waits a bounded time for its reply.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Fault> {
        let (mut connection, serial) = self.connection().map_err(Fault::Redis)?;
        let Ok(reply) = timeout(CALL_TIMEOUT, connection.send_packed_command(command)).await else {
            return Err(Fault::Silence);
        };
        self.heard(serial);
        match reply {
            Ok(Value::ServerError(cause)) => Err(Fault::Redis(cause.into())),
            reply => reply.map_err(Fault::Redis),
        }
    }

    /// The connection for a call that begins now; a new one, made at its first use, in the place of
    /// one that is silent.
    fn connection(&self) -> Result<(ConnectionManager, u64), RedisError> {
        let mut held = self.held();
        let now = Instant::now();
        let silent = held.waiting.is_some_and(|since| now - since > SILENCE_MAX);
        if silent {
            tracing::warn!("Redis does not answer on this connection, making another");
            let connection =
                ConnectionManager::new_lazy_with_config(self.client.clone(), config())?;
            *held = Held { connection, serial: held.serial + 1, waiting: None };
        }
        held.waiting.get_or_insert(now);
        Ok((held.connection.clone(), held.serial))
    }

    fn heard(&self, serial: u64) {
        let mut held = self.held();
        if held.serial == serial {
            held.waiting = None;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        // The library's own limit is off: ours bounds the whole call, reconnecting included.
        .set_response_timeout(None)
        .set_min_delay(RECONNECT_MIN)
        .set_max_delay(RECONNECT_MAX)
        .set_pipeline_buffer_size(PIPELINE_MAX)
}
