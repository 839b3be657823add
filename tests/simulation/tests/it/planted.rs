//! Bugs put in on purpose: a simulator that misses them proves nothing.

use simulation::{Bug, search};

/// Seeds in which each must be caught.
const SEEDS: u64 = 1_000;

#[test]
fn every_planted_bug_is_caught() {
    assert!(Bug::ALL.len() >= 25);
    for bug in Bug::ALL {
        let findings = search(0, SEEDS, 1, Some(*bug));
        let caught = !findings.broken.is_empty();
        assert!(caught, "{} was not caught in {SEEDS} seeds: {}", bug.name(), bug.what());
    }
}
