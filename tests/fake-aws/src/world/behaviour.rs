//! How slow and how unreliable a world is. Nothing here is random unless a seed says so.

use serde::{Deserialize, Serialize};

/// Delays of a world, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lags {
    /// From a creation until reads show it.
    pub visible: u64,
    /// pending → running.
    pub boot: u64,
    /// How long a builder installs.
    pub install: u64,
    /// stopping → stopped.
    pub stop: u64,
    /// shutting-down → terminated.
    pub terminate: u64,
    /// From text on the console until it can be read.
    pub console: u64,
    /// pending → available of an image.
    pub image: u64,
    /// From a change of a group until Auto Scaling acts on it.
    pub scaling: u64,
    /// Running → `InService` of a group's instance.
    pub in_service: u64,
    /// From a registration until a balancer has a verdict.
    pub health_check: u64,
    /// draining → gone from a balancer.
    pub drain: u64,
    /// `Delete in progress` → gone.
    pub delete_group: u64,
}

impl Lags {
    /// A demonstration takes seconds.
    pub const FAST: Self = Self {
        visible: 0,
        boot: 150,
        install: 250,
        stop: 100,
        terminate: 100,
        console: 0,
        image: 300,
        scaling: 50,
        in_service: 50,
        health_check: 150,
        drain: 150,
        delete_group: 100,
    };

    /// About what us-east-1 does on an ordinary day.
    pub const REALISTIC: Self = Self {
        visible: 2_000,
        boot: 20_000,
        install: 45_000,
        stop: 15_000,
        terminate: 30_000,
        console: 10_000,
        image: 120_000,
        scaling: 5_000,
        in_service: 15_000,
        health_check: 20_000,
        drain: 60_000,
        delete_group: 10_000,
    };
}

impl Default for Lags {
    fn default() -> Self {
        Self::FAST
    }
}

/// How a world behaves, beyond the fixed rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Its delays.
    pub lags: Lags,
    /// Most instances alive per account and region.
    pub instance_quota: usize,
    /// Calls allowed per account, region and action; `None` is no limit.
    pub rate: Option<Rate>,
    /// Random faults, reproducible by their seed.
    pub noise: Option<Noise>,
    /// Percent of a group's desired size that must be healthy before another may go.
    pub healthy_percent: u64,
    /// A caller cannot read and act in one call. A group that was healthy so many milliseconds ago
    /// still counts as healthy when the safety of a call is judged.
    pub read_to_act: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            lags: Lags::FAST,
            instance_quota: 5_000,
            rate: None,
            noise: None,
            healthy_percent: 100,
            read_to_act: 500,
        }
    }
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls at once.
    pub burst: u64,
    /// Milliseconds per call after that.
    pub refill_ms: u64,
}

/// Random faults on every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// Where the random numbers begin.
    pub seed: u64,
    /// Of 1,000 calls so many are throttled.
    #[serde(default)]
    pub throttle_permille: u64,
    /// Of 1,000 calls so many are carried out without an answer.
    #[serde(default)]
    pub silence_permille: u64,
    /// Of 1,000 calls so many are lost before they arrive.
    #[serde(default)]
    pub loss_permille: u64,
}
