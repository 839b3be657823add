//! The store on Redis: every call is one Function call, applied atomically by the server.
//!
//! The rules live in `functions/*.lua`, loaded once under a name with a version. The connection is
//! shared and multiplexed, so concurrent commits share an fsync of the server; it reconnects by
//! itself, and no call waits longer than [`CALL_TIMEOUT`].

mod audit;
mod bell;
mod decode;
mod encode;
mod gate;
mod line;
mod seam;

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ::redis::{Client, RedisError, Value};
use model::limits;

pub(crate) use self::audit::RedisAudit;
use self::{bell::Bell, encode::Call, line::Line};
use crate::{StoreError, rules};

/// How long a call may take, reconnecting included; then its outcome is unknown.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// All keys carry this hash tag, so they are in one slot and one call can change any of them.
const HASH_TAG: &str = "{bowline}";

/// The form of the data on a server. Data of another form is refused.
const FORMAT: &str = "4";

/// Whether the server's own durability settings are checked at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Refuse a server that could lose an acknowledged write.
    Checked,
    /// Take it as it is: for caches of tests and servers whose settings cannot be read. Said
    /// loudly in the log.
    Unchecked,
}

/// The store on a Redis server, 7.0 or later.
pub struct RedisStore {
    line: Line,
    durability: Durability,
    prefix: String,
    bell: Bell,
    /// The most writes a reply told of.
    seen: AtomicU64,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The text of the Function library, for whoever loads it with an administrator's rights:
/// `redis-cli -x FUNCTION LOAD < file`.
pub fn functions_text() -> String {
    const SOURCES: &str = concat!(
        include_str!("redis/functions/base.lua"),
        include_str!("redis/functions/slots.lua"),
        include_str!("redis/functions/intake.lua"),
        include_str!("redis/functions/definitions.lua"),
        include_str!("redis/functions/executions.lua"),
        include_str!("redis/functions/retention.lua"),
        include_str!("redis/functions/due.lua"),
        include_str!("redis/functions/leases.lua"),
        include_str!("redis/functions/whole.lua"),
    );
    let text = SOURCES
        .replace("@WAKE_MAX_MS@", &rules::wake_max_ms().to_string())
        .replace("@DOCUMENT_BYTES_MAX@", &limits::DOCUMENT_BYTES_MAX.to_string())
        .replace("@OVERDUE_MS@", &rules::OVERDUE_MS.to_string())
        .replace("@QUIET_MS@", &rules::QUIET_MS.to_string())
        .replace("@TOKENS_PER_MS@", &rules::TOKENS_PER_MS.to_string())
        .replace("@FORMAT@", FORMAT)
        .replace("@AFTER_ROLLBACK@", rules::AFTER_ROLLBACK);
    let fingerprint = model::digest(&text);
    text.replace("@FINGERPRINT@", &fingerprint)
}

impl RedisStore {
    /// Connects, checks that the server is fit, and loads the Functions if they are missing.
    ///
    /// `url` is what the `redis` crate understands; `world` sets apart several stores on one
    /// server (empty: the one of production).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when there is no server, [`StoreError::Unfit`] when it is not
    /// one we can trust.
    pub async fn connect(
        url: &str,
        world: &str,
        durability: Durability,
    ) -> Result<Self, StoreError> {
        let client = Client::open(url).map_err(|cause| StoreError::Unfit {
            detail: format!("`{}` is not an address of a Redis server: {cause}", redacted(url)),
        })?;
        let line =
            Line::connect(client.clone()).await.map_err(|cause| StoreError::Unavailable {
                doing: "connected to Redis",
                cause: format!(
                    "{}: {cause}; start the server there, or correct the store's url",
                    redacted(url)
                )
                .into(),
            })?;
        gate::check_durability(&line, durability).await?;
        gate::check_functions(&line).await?;
        let prefix =
            if world.is_empty() { format!("{HASH_TAG}:") } else { format!("{HASH_TAG}:{world}:") };
        gate::check_format(&line, &prefix).await?;
        let bell = Bell::listen(client, format!("{prefix}bell"));
        Ok(Self { line, durability, prefix, bell, seen: AtomicU64::new(0) })
    }

    /// A call of one of our functions.
    fn function(&self, doing: &'static str, name: &str) -> Call {
        Call::new(doing, name, &self.prefix, self.seen.load(Ordering::Relaxed))
    }

    async fn answer(&self, call: Call) -> Result<(&'static str, Value), StoreError> {
        let (doing, command) = call.into_parts();
        let reply = match self.line.ask(&command).await {
            // Refused before anything was done, so it may be asked again.
            Err(Fault::Redis(cause)) if gate::is_missing_function(&cause) => {
                tracing::warn!("the server has lost its Functions (was it flushed?)");
                gate::check_durability(&self.line, self.durability).await?;
                gate::check_functions(&self.line).await?;
                self.line.ask(&command).await
            }
            reply => reply,
        };
        let told = decode::told(reply.map_err(|fault| fault.while_it(doing))?)
            .map_err(|detail| StoreError::Unreadable { doing, detail })?;
        self.seen.fetch_max(told.history, Ordering::Relaxed);
        if let Some(lost) = told.lost {
            rules::tell_of_rollback(lost);
        }
        Ok((doing, told.reply))
    }
}

/// Why a command has no usable reply.
#[derive(Debug)]
enum Fault {
    /// Neither reply nor error within [`CALL_TIMEOUT`].
    Silence,
    /// The connection or the server.
    Redis(RedisError),
}

impl Fault {
    fn while_it(self, doing: &'static str) -> StoreError {
        match self {
            Self::Silence => {
                let cause = format!("no reply within {} seconds", CALL_TIMEOUT.as_secs()).into();
                StoreError::Unavailable { doing, cause }
            }
            Self::Redis(cause) if gate::is_missing_function(&cause) => StoreError::Unfit {
                detail: "the server loses its Functions as soon as they are loaded: another \
                         program flushes it"
                    .to_owned(),
            },
            Self::Redis(cause) => StoreError::Unavailable { doing, cause: Box::new(cause) },
        }
    }
}

/// A url without its password.
pub(crate) fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "(no url)".to_owned();
    };
    // The last `@` before the path: a password may hold one itself.
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{host}")
        }
        None => format!("{scheme}://{authority}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_however_odd_it_is() {
        assert_eq!(redacted("redis://u:s3cr3t@h:6379/0"), "redis://u:***@h:6379/0");
        assert_eq!(redacted("redis://:p/w?d@x@h:1"), "redis://:***@h:1");
        assert_eq!(redacted("redis://127.0.0.1:6379?world=x"), "redis://127.0.0.1:6379");
        assert_eq!(redacted("secret"), "(no url)");
    }

    #[test]
    fn the_library_has_no_open_places() {
        let text = functions_text();
        assert!(text.starts_with("#!lua name=bowline_v4\n"), "the first line names the library");
        let open = text.split('@').nth(1);
        assert_eq!(open, None, "`@{}@` was not filled in", open.unwrap_or_default());
    }
}
