//! A seed is a run: a second run of it is the same, byte for byte.

use simulation::{Trace, run_seed};

#[test]
fn two_runs_of_a_seed_are_the_same_to_the_byte() {
    let mut steps = 0;
    for seed in 0..50 {
        let (first, second) =
            (run_seed(seed, None, Trace::Kept), run_seed(seed, None, Trace::Kept));
        let differs = first.trace.lines().zip(second.trace.lines()).find(|(a, b)| a != b);
        assert_eq!(differs, None, "seed {seed}");
        assert!(first == second, "seed {seed}: not in its steps, but in what it came to");
        steps += first.trace.lines().count();
    }
    assert!(steps > 50 * 200, "only {steps} steps were compared");
}

#[test]
fn keeping_the_trace_changes_nothing() {
    let kept = run_seed(3, None, Trace::Kept);
    let dropped = run_seed(3, None, Trace::Dropped);
    assert_eq!((kept.story, kept.virtual_ms), (dropped.story, dropped.virtual_ms));
    assert_eq!(kept.calls, dropped.calls);
}
