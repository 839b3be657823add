//! `[deploy]`: how many deploys at once, how often to look, how long to wait.

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;
use worker::WorkerPace;

/// The section `[deploy]`. Missing keys have the defaults of [`DeployConfig::default`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeployConfig {
    /// `[worker]`, which is a section of its own.
    #[serde(skip)]
    pub pace: WorkerPace,
    /// Deploys at once in this process. A deploy mostly waits, so many fit.
    pub slots: u16,
    /// How often a waiting deploy looks at the cloud; all deploys of an account and region share
    /// one look.
    pub poll_interval_ms: u64,
    /// Good looks in a row before a new group counts as healthy, and bad looks in a row before it
    /// counts as failing again.
    pub healthy_polls: u32,
    /// How long a new group may take to become healthy.
    pub healthy_timeout_seconds: u64,
    /// How long it may take to drain, empty and delete one old group.
    pub destroy_timeout_seconds: u64,
    /// The least time an old group stays disabled, and thus quick to bring back, before it is
    /// scaled down. A pipeline may ask for more.
    pub disabled_seconds: u64,
    /// Where health and metrics are served, when this worker is a process of its own.
    pub admin_listen: Option<SocketAddr>,
}

impl Default for DeployConfig {
    fn default() -> Self {
        Self {
            pace: WorkerPace::default(),
            slots: 50,
            poll_interval_ms: 10_000,
            healthy_polls: 2,
            healthy_timeout_seconds: 1_800,
            destroy_timeout_seconds: 1_800,
            disabled_seconds: 60,
            admin_listen: None,
        }
    }
}

impl DeployConfig {
    /// Everything that is wrong with the values, as (key inside the section, what is allowed).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut least_one = |key, value: u64| {
            if value == 0 {
                found.push((key, "must be at least 1".to_owned()));
            }
        };
        least_one("slots", self.slots.into());
        least_one("poll_interval_ms", self.poll_interval_ms);
        least_one("healthy_polls", self.healthy_polls.into());
        least_one("healthy_timeout_seconds", self.healthy_timeout_seconds);
        least_one("destroy_timeout_seconds", self.destroy_timeout_seconds);
        let polls = self.poll_interval_ms.saturating_mul(self.healthy_polls.into());
        if polls > self.healthy_timeout_seconds.saturating_mul(1_000) {
            let text = "must be longer than healthy_polls times poll_interval_ms".to_owned();
            found.push(("healthy_timeout_seconds", text));
        }
        found
    }

    pub(crate) const fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    pub(crate) const fn healthy_timeout_ms(&self) -> u64 {
        self.healthy_timeout_seconds.saturating_mul(1_000)
    }

    pub(crate) const fn destroy_timeout_ms(&self) -> u64 {
        self.destroy_timeout_seconds.saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_order_and_all_problems_are_told_at_once() {
        assert_eq!(DeployConfig::default().problems(), []);
        let wrong = DeployConfig { slots: 0, healthy_polls: 0, ..DeployConfig::default() };
        let keys: Vec<_> = wrong.problems().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["slots", "healthy_polls"]);
        let hasty = DeployConfig { healthy_timeout_seconds: 15, ..DeployConfig::default() };
        assert_eq!(hasty.problems().len(), 1, "two looks take 20 seconds");
    }
}
