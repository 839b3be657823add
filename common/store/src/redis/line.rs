//! The connection to the server: shared, multiplexed, reconnecting, and given up when it is silent.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ::redis::{
    Client, Cmd, RedisError, Value,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::{CALL_TIMEOUT, CONNECT_TIMEOUT, Fault};

/// Between the first two attempts to reconnect; grows with each.
const RECONNECT_MIN: Duration = Duration::from_millis(50);
/// Between later attempts: a server that is back is found within this time.
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// Calls on their way at once; more wait at the door.
const PIPELINE_MAX: usize = 512;

/// The connection, and how to get the next one.
///
/// The library reconnects when a connection breaks, and keeps one whose peer has vanished without a
/// goodbye: nothing is ever heard on it again. So a silent one is replaced here.
pub(super) struct Line {
    client: Client,
    held: Mutex<Held>,
}

struct Held {
    connection: ConnectionManager,
    /// Which connection this is: many calls fall silent together, and one of them replaces it.
    serial: u64,
}

impl Line {
    /// Connects.
    pub(super) async fn connect(client: Client) -> Result<Self, RedisError> {
        let connection = ConnectionManager::new_with_config(client.clone(), config()).await?;
        Ok(Self { client, held: Mutex::new(Held { connection, serial: 0 }) })
    }

    /// Sends a command and waits a bounded time for its reply.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Fault> {
        let (mut connection, serial) = {
            let held = self.held();
            (held.connection.clone(), held.serial)
        };
        let reply = connection.send_packed_command(command);
        match tokio::time::timeout(CALL_TIMEOUT, reply).await {
            Ok(Ok(Value::ServerError(cause))) => Err(Fault::Redis(cause.into())),
            Ok(reply) => reply.map_err(Fault::Redis),
            Err(_) => Err(self.silence(serial)),
        }
    }

    /// Puts a new connection, made at its first use, in the place of a silent one.
    fn silence(&self, serial: u64) -> Fault {
        let mut held = self.held();
        if held.serial == serial {
            // It fails only for a configuration which the first connection did not have either.
            match ConnectionManager::new_lazy_with_config(self.client.clone(), config()) {
                Ok(connection) => *held = Held { connection, serial: serial + 1 },
                Err(cause) => return Fault::Redis(cause),
            }
            tracing::warn!("Redis does not answer on this connection, making another");
        }
        Fault::Silence
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
