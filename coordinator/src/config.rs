//! `[coordinator]` and `[retention]`.

use std::{net::SocketAddr, time::Duration};

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
    /// Between two rounds in which Jenkins is asked for builds that nobody told of, in milliseconds; 0 turns it
    /// off.
    pub poll_interval_ms: u64,
    /// The zone of the hours in which stages may run, an IANA name such as `Europe/Berlin`; Spinnaker's
    /// `America/Los_Angeles` when absent.
    pub time_zone: Option<String>,
    /// `[retention]`, a section of its own.
    #[serde(skip)]
    pub retention: RetentionConfig,
}

impl Config {
    /// Reads both sections; `None` when something is wrong, which `settings.finish()` then tells.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let config: Option<Self> = settings.section("coordinator");
        let retention = settings.section("retention");
        let zone = config.as_ref().and_then(|config| config.time_zone.as_deref());
        if let Some(zone) = zone.filter(|zone| !engine::knows_time_zone(zone)) {
            let text = format!("`{zone}` is no time zone; IANA names such as `Europe/Berlin` are");
            settings.problem("coordinator.time_zone", text);
        }
        Some(Self { retention: retention?, ..config? })
    }
}

impl Config {
    /// Between two rounds of polling; `None` when there are none.
    pub(crate) fn poll_pause(&self) -> Option<Duration> {
        (self.poll_interval_ms > 0).then(|| Duration::from_millis(self.poll_interval_ms))
    }
}

impl Default for Config {
    fn default() -> Self {
        // Half a minute of grace and half a minute between rounds: an untold build is found within a minute.
        // 32 results keep the store's group commit full; 1,024 due rows are a few hundred KiB.
        Self {
            admin_listen: None,
            results_prefetch: 32,
            in_hand_max: 1_024,
            poll_interval_ms: 30_000,
            time_zone: None,
            retention: RetentionConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_zone_nobody_knows_is_refused() {
        let read = |zone: &str| {
            let text = format!("[coordinator]\ntime_zone = \"{zone}\"");
            let mut settings = Settings::from_toml(&text).unwrap();
            let config = Config::read(&mut settings).unwrap();
            settings.finish().map(|()| config.time_zone)
        };
        assert_eq!(read("Europe/Berlin").unwrap().as_deref(), Some("Europe/Berlin"));
        let error = read("Europe/Bielefeld").unwrap_err().to_string();
        assert!(
            error.contains("coordinator.time_zone: `Europe/Bielefeld` is no time zone"),
            "{error}"
        );
    }
}
