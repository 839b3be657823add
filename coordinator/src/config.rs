//! `[coordinator]` and `[retention]`.

use std::net::SocketAddr;

use runtime::Settings;
use serde::Deserialize;

use crate::retention::RetentionConfig;

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
    /// `[retention]`, a section of its own.
    #[serde(skip)]
    pub retention: RetentionConfig,
}

impl Config {
    /// Reads both sections; `None` when something is wrong, which `settings.finish()` then tells.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let config: Option<Self> = settings.section("coordinator");
        let retention = settings.section("retention");
        Some(Self { retention: retention?, ..config? })
    }
}

impl Default for Config {
    fn default() -> Self {
        // 32 results keep the store's group commit full; 1,024 due rows are a few hundred KiB.
        Self {
            admin_listen: None,
            results_prefetch: 32,
            in_hand_max: 1_024,
            retention: RetentionConfig::default(),
        }
    }
}
