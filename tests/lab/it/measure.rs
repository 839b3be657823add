//! What the lab prints, and how long it goes on.

use std::time::Duration;

/// What to do so often or for so long: less in every run, more when `BOWLINE_SOAK` is set.
pub(crate) fn dose<T>(short: T, soak: T) -> T {
    if soaking() { soak } else { short }
}

/// Whether there is time for what takes minutes.
pub(crate) fn soaking() -> bool {
    std::env::var_os("BOWLINE_SOAK").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Whether a scenario that is much like another one is left to the soak; says so.
pub(crate) fn left_to_the_soak() -> bool {
    if !soaking() {
        println!("lab: only in `make soak`");
    }
    !soaking()
}

/// A number from the environment.
pub(crate) fn given(name: &str) -> Option<u64> {
    std::env::var_os(name)?.to_str()?.parse().ok()
}

/// A figure for people: `make soak` shows it, and it stands in `tests/README.md`.
pub(crate) fn figure(what: &str, value: impl std::fmt::Display) {
    println!("lab: {what}: {value}");
}

/// The same for times.
pub(crate) fn figure_times(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64();
    let count = times.len();
    println!("lab: {what}: p50 {:.2} s, worst {:.2} s, {count} times", at(50), at(100));
}

/// Numbers that look random and are the same for the same seed (`SplitMix64`).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed that is printed, so that a run can be repeated as far as real processes can.
    pub(crate) fn shown(what: &str) -> Self {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
        let seed = given("BOWLINE_SEED").unwrap_or_else(|| u64::from(now));
        println!("lab: {what}: BOWLINE_SEED={seed}");
        Self::new(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of so many.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(count).unwrap()).unwrap()
    }

    /// Between two times.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_millis()).unwrap();
        least + Duration::from_millis(self.next() % (span + 1))
    }
}
