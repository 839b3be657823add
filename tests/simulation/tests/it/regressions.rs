//! Seeds that once broke something, each with what it was.

use simulation::{Trace, run_seed};

#[test]
fn a_bake_canceled_right_after_its_builder_started_leaves_no_builder() {
    passes(56);
}

fn passes(seed: u64) {
    let report = run_seed(seed, None, Trace::Dropped);
    assert_eq!(report.violations, [""; 0], "bowline-sim --seed {seed} --trace");
}
