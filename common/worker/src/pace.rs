//! The section `[worker]`: how long leases live and how often they are renewed.

use std::time::Duration;

use model::limits;
use runtime::Settings;
use serde::Deserialize;

use crate::WorkerConfig;

/// The same for every kind of worker. Shorter leases are taken over sooner and cost more beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerPace {
    /// Silence after which another worker takes a task over. Mutating calls stop at two thirds of it.
    pub lease_ttl_ms: u64,
    /// Time between two signs of life.
    pub beat_interval_ms: u64,
}

impl Default for WorkerPace {
    fn default() -> Self {
        Self {
            lease_ttl_ms: millis(limits::LEASE_TTL),
            beat_interval_ms: millis(limits::BEAT_INTERVAL),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl WorkerPace {
    /// Reads the section; `None` when something is wrong, which `settings.finish()` then tells.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let pace: Option<Self> = settings.section("worker");
        let problems = pace.as_ref().map(Self::problems).unwrap_or_default();
        for (path, text) in &problems {
            settings.problem(format!("worker.{path}"), text.as_str());
        }
        pace.filter(|_| problems.is_empty())
    }

    /// Everything that is wrong, as paths inside the section and texts.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.beat_interval_ms == 0 || self.beat_interval_ms.saturating_mul(3) > self.lease_ttl_ms
        {
            let text = format!(
                "{} must be above 0 and at most a third of `lease_ttl_ms` ({}): a lost beat must not lose the lease",
                self.beat_interval_ms, self.lease_ttl_ms
            );
            problems.push(("beat_interval_ms".to_owned(), text));
        }
        // The store's own notice of a result and a coordinator's look take part of a second each.
        if !(1_000..=millis(limits::LEASE_TTL)).contains(&self.lease_ttl_ms) {
            let most = millis(limits::LEASE_TTL);
            let text = format!("{} is not between 1000 and {most}", self.lease_ttl_ms);
            problems.push(("lease_ttl_ms".to_owned(), text));
        }
        problems
    }
}

impl WorkerConfig {
    /// With another pace than the product's.
    #[must_use]
    pub fn paced(mut self, pace: WorkerPace) -> Self {
        self.ttl = Duration::from_millis(pace.lease_ttl_ms);
        self.beat = Duration::from_millis(pace.beat_interval_ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_that_would_lose_leases_is_refused() {
        assert_eq!(WorkerPace::default().problems(), []);
        let hasty = WorkerPace { lease_ttl_ms: 3_000, beat_interval_ms: 1_500 };
        assert_eq!(hasty.problems().len(), 1);
        let still = WorkerPace { lease_ttl_ms: 500, beat_interval_ms: 0 };
        assert_eq!(still.problems().len(), 2);
        let config = WorkerConfig::new("w", 1)
            .paced(WorkerPace { lease_ttl_ms: 3_000, beat_interval_ms: 500 });
        assert_eq!(config.ttl, Duration::from_secs(3));
    }
}
