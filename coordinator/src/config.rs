//! `[coordinator]`.

use std::net::SocketAddr;

use serde::Deserialize;

/// Settings of a coordinator; every key has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where health and metrics are served; nowhere when absent. Only in a process of its own.
    pub admin_listen: Option<SocketAddr>,
    /// Results in hand at once, per kind of worker.
    pub results_prefetch: u16,
    /// Due events, messages and wakes in hand at once, each; what does not fit stays in the store
    /// and comes again.
    pub in_hand_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        // 32 results keep the store's group commit full; 1,024 due rows are a few hundred KiB.
        Self { admin_listen: None, results_prefetch: 32, in_hand_max: 1_024 }
    }
}
