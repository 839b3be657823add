//! Random schedules of faults.

use simulation::{Findings, Trace, run_seed};

/// How many seeds a test tries; `bowline-sim --seeds 10000` tries more.
const SEEDS: u64 = 400;

fn try_all(from: u64) {
    let mut findings = Findings::default();
    for seed in from..from + SEEDS {
        let report = run_seed(seed, None, Trace::Dropped);
        assert_eq!(report.violations, [""; 0], "bowline-sim --seed {seed} --trace");
        findings.take(seed, report);
    }
    // A run in which nothing goes wrong proves nothing.
    let missing = findings.missing(1);
    assert!(missing.len() < 12, "never seen: {missing:#?}");
    let crashes = findings.faults("crash_before") + findings.faults("crash_after");
    assert!(crashes > 50, "only {crashes} crashes");
}

#[test]
fn every_invariant_holds_under_the_first_seeds() {
    try_all(0);
}

#[test]
fn every_invariant_holds_under_further_seeds() {
    try_all(100_000);
}
