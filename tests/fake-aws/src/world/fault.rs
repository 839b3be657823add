//! Scripted and random faults: which call goes wrong, and how.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::behaviour::{Noise, Rate};

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Refused: too many calls.
    Throttle,
    /// Carried out, but the caller times out.
    ExecuteAndTimeout,
    /// Lost on its way; the caller times out.
    TimeoutOnly,
    /// Carried out, but answered with an internal error.
    ExecuteAndServerError,
    /// Not carried out, answered with an internal error.
    ServerError,
    /// Refused with this, for example `InsufficientInstanceCapacity`.
    Refuse {
        /// The error code.
        code: String,
        /// Its text.
        message: String,
    },
}

/// A fault and the calls it meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The action, `RunInstances`, or `*` for every one.
    pub call: String,
    /// So many matching calls pass first.
    #[serde(default)]
    pub skip: u64,
    /// So many are met; 1 unless given.
    #[serde(default = "once")]
    pub times: u64,
    /// What happens to them.
    pub fault: Fault,
}

const fn once() -> u64 {
    1
}

impl Script {
    /// The next call of an action goes wrong.
    pub fn next(call: &str, fault: Fault) -> Self {
        Self { call: call.to_owned(), skip: 0, times: 1, fault }
    }

    /// It happens so many times.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// So many matching calls pass first.
    #[must_use]
    pub const fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }
}

/// What decides over each call.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    scripts: Vec<Script>,
    fired: BTreeMap<String, u64>,
    noise: Option<(Noise, u64)>,
    buckets: BTreeMap<(String, String, &'static str), Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Full again at this time.
    full_at_ms: u64,
}

impl Faults {
    pub(super) fn new(noise: Option<Noise>) -> Self {
        Self { noise: noise.map(|noise| (noise, noise.seed)), ..Self::default() }
    }

    pub(super) fn set_noise(&mut self, noise: Option<Noise>) {
        self.noise = noise.map(|noise| (noise, noise.seed));
    }

    pub(super) fn add(&mut self, script: Script) {
        self.scripts.push(script);
    }

    /// How often each kind of fault happened, so that a test can say that its fault did.
    pub(super) const fn fired(&self) -> &BTreeMap<String, u64> {
        &self.fired
    }

    /// What happens to this call.
    pub(super) fn next(&mut self, call: &'static str) -> Option<Fault> {
        let fault = self.scripted(call).or_else(|| self.random())?;
        let kind = match &fault {
            Fault::Throttle => "throttle",
            Fault::ExecuteAndTimeout => "execute_and_timeout",
            Fault::TimeoutOnly => "timeout_only",
            Fault::ExecuteAndServerError => "execute_and_server_error",
            Fault::ServerError => "server_error",
            Fault::Refuse { .. } => "refuse",
        };
        *self.fired.entry(format!("{call}:{kind}")).or_default() += 1;
        Some(fault)
    }

    fn scripted(&mut self, call: &str) -> Option<Fault> {
        let mut found = None;
        for script in self.scripts.iter_mut().filter(|s| s.call == call || s.call == "*") {
            if script.skip > 0 {
                script.skip -= 1;
            } else if found.is_none() && script.times > 0 {
                script.times -= 1;
                found = Some(script.fault.clone());
            }
        }
        self.scripts.retain(|script| script.times > 0);
        found
    }

    fn random(&mut self) -> Option<Fault> {
        let (noise, state) = self.noise.as_mut()?;
        let roll = split_mix(state) % 1_000;
        let silence = noise.throttle_permille + noise.silence_permille;
        if roll < noise.throttle_permille {
            Some(Fault::Throttle)
        } else if roll < silence {
            Some(Fault::ExecuteAndTimeout)
        } else if roll < silence + noise.loss_permille {
            Some(Fault::TimeoutOnly)
        } else {
            None
        }
    }

    /// Takes one call from the bucket of an action; false when it is empty.
    pub(super) fn within_rate(
        &mut self,
        rate: Rate,
        key: (String, String, &'static str),
        now_ms: u64,
    ) -> bool {
        let bucket = self.buckets.entry(key).or_insert(Bucket { full_at_ms: now_ms });
        let full_at = bucket.full_at_ms.max(now_ms) + rate.refill_ms;
        if full_at - now_ms > rate.burst * rate.refill_ms {
            return false;
        }
        bucket.full_at_ms = full_at;
        true
    }
}

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and good enough to scatter faults.
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_meets_exactly_the_calls_it_names() {
        let mut faults = Faults::default();
        faults.add(Script::next("CreateImage", Fault::Throttle).after(1).times(2));
        let met: Vec<bool> = (0..5).map(|_| faults.next("CreateImage").is_some()).collect();
        assert_eq!(met, [false, true, true, false, false]);
        assert_eq!(faults.next("RunInstances"), None);
        assert_eq!(faults.fired().get("CreateImage:throttle"), Some(&2));
    }

    #[test]
    fn noise_is_the_same_for_the_same_seed() {
        let noise =
            Noise { seed: 7, throttle_permille: 200, silence_permille: 100, loss_permille: 50 };
        let roll = || {
            let mut faults = Faults::new(Some(noise));
            (0..200).map(|_| faults.next("DescribeImages")).collect::<Vec<_>>()
        };
        assert_eq!(roll(), roll());
        assert!(roll().iter().any(Option::is_some));
    }

    #[test]
    fn the_rate_allows_a_burst_and_then_one_call_per_refill() {
        let rate = Rate { burst: 2, refill_ms: 100 };
        let mut faults = Faults::default();
        let mut call = |now| {
            let key = ("1".to_owned(), "us-east-1".to_owned(), "DescribeImages");
            faults.within_rate(rate, key, now)
        };
        assert_eq!(
            [call(0), call(0), call(0), call(99), call(100), call(100)],
            [true, true, false, false, true, false]
        );
    }
}
