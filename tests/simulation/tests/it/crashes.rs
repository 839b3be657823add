//! One fault at every I/O point of the canonical pipeline: the same image, the same server group,
//! the same old ones destroyed, and nothing else.

use simulation::{Canonical, Fault, SHAPES, What};

fn everywhere(shape: usize) {
    let canonical = Canonical::new();
    assert_eq!(canonical.calm().violations, [""; 0]);
    let (what, points): (What, _) = (SHAPES[shape], canonical.points());
    assert!(points.len() > 120, "only {} points", points.len());
    for (face, nth) in points {
        let wrong = canonical.wrong_with(&[Fault { face, nth, what }]);
        assert_eq!(wrong, [""; 0], "{what:?} at call {nth} of {face:?}");
    }
}

#[test]
fn a_process_may_die_before_any_call() {
    everywhere(0);
}

#[test]
fn a_process_may_die_after_any_call() {
    everywhere(1);
}

#[test]
fn any_answer_may_be_lost() {
    everywhere(2);
}

#[test]
fn any_call_may_be_carried_out_twice() {
    everywhere(3);
}
