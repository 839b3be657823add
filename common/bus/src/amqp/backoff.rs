//! Growing, capped, jittered pauses between tries.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let whole = pause_after(self.failures);
        self.failures = self.failures.saturating_add(1);
        // Half of it is random, so that a hundred processes do not come back as one.
        let random = RandomState::new().build_hasher().finish() % 1_000;
        let random = u32::try_from(random).unwrap_or(0);
        whole / 2 + whole / 2 * random / 1_000
    }
}

fn pause_after(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_begin_again_after_a_success() {
        let mut backoff = Backoff::default();
        for failures in 0..40 {
            let pause = backoff.next();
            assert!(pause <= LONGEST, "{failures}: {pause:?}");
            assert!(pause >= pause_after(failures) / 2, "{failures}: {pause:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
