//! Seeds that once broke something, each with what it was.

use simulation::{Trace, run_seed};

#[test]
fn a_bake_canceled_right_after_its_builder_started_leaves_no_builder() {
    passes(56);
}

/// The worker stood still with `RunInstances` on its lips until its bake was canceled and over.
#[test]
fn a_builder_started_by_a_worker_that_was_given_up_is_ended() {
    passes(5909);
}

/// The cloud was out of reach for longer than the bake tried to clean up.
#[test]
fn a_builder_that_could_not_be_reached_is_ended_later() {
    passes(3557);
}

/// The answer to the parking of a message was lost just before everything else was over.
#[test]
fn a_message_is_parked_in_the_end() {
    passes(8315);
}

/// The answers to repeated claims came in while the work under the first of them ended, and it was begun
/// once more.
#[test]
fn a_process_works_once_under_a_token() {
    passes(2612);
}

/// The store forgot an execution, which was then created again under the same id and canceled.
#[test]
fn a_forgotten_builder_of_a_known_execution_is_ended() {
    passes(1220);
}

/// Two coordinators had news of a child: one looked for it just before the other created it, and then found
/// its start acted on.
#[test]
fn a_child_that_begins_between_two_looks_is_there() {
    passes(3541);
    passes(3307);
}

/// A deploy was stopped right after it had made its group, which could not be seen yet when the next one
/// made its plan.
#[test]
fn a_group_of_ours_that_could_not_be_seen_yet_is_retired_as_well() {
    passes(1216);
}

/// The look at the new group was older than its health when the old one was taken out of traffic: the
/// question for the lock in between took its time.
#[test]
fn an_old_look_takes_nothing_away() {
    passes(21_327);
}

/// The first run of a time trigger could not be planned, because the store did not answer, and was planned only a
/// minute later.
#[test]
fn a_run_that_could_not_be_planned_is_planned_soon() {
    passes(7893);
}

fn passes(seed: u64) {
    let report = run_seed(seed, None, Trace::Dropped);
    assert_eq!(report.violations, [""; 0], "bowline-sim --seed {seed} --trace");
}
