//! Pools of workers: who does a task.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A pool of workers. Each operation names the pool that carries it out; queues, exchanges, gauges and
/// settings follow from [`Pool::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pool {
    /// Bake workers: they make images.
    Bake,
    /// Deploy workers: they make, look at and destroy server groups.
    Deploy,
}

impl Pool {
    /// Every pool.
    pub const ALL: [Self; 2] = [Self::Bake, Self::Deploy];

    /// Its name in queue names, metrics and keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bake => "bake",
            Self::Deploy => "deploy",
        }
    }
}

/// A word that names no pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a pool of workers; bake and deploy are")]
pub struct PoolError(String);

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Pool {
    type Err = PoolError;
    fn from_str(text: &str) -> Result<Self, PoolError> {
        let found = Self::ALL.into_iter().find(|pool| pool.as_str() == text);
        found.ok_or_else(|| PoolError(text.to_owned()))
    }
}
