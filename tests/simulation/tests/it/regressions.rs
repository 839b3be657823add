//! Seeds that once broke something, each with what it was.

use simulation::{Trace, run_seed};

#[test]
fn seeds_that_once_failed_pass() {
    for (seed, what) in [(
        56,
        "a bake canceled right after its builder started left the builder, not yet visible, running",
    )] {
        let report = run_seed(seed, None, Trace::Dropped);
        assert_eq!(report.violations, [""; 0], "seed {seed}: {what}");
    }
}
