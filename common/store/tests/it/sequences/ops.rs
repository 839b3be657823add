//! What may happen in a sequence, and how often.

use proptest::prelude::*;
use store::SlotChange;

/// One call, or a step of the clock. Small numbers pick among few names, so that calls meet.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Advance(u64),
    Create { execution: u8, limit: Option<u32> },
    Commit(Transition),
    Lease(LeaseOp),
    Lock { resource: u8, execution: u8, stage: u8 },
    Unlock { resource: u8, execution: u8, stage: u8, fence: u64 },
    Rewake { execution: u8, stale: bool, ahead: u64 },
    Load(u8),
    Queue(QueueOp),
    Old(OldOp),
}

/// One transition, in small numbers.
#[derive(Clone, Debug)]
pub(super) struct Transition {
    pub(super) execution: u8,
    pub(super) stale: bool,
    pub(super) input: u8,
    pub(super) change: u8,
    pub(super) ahead: u32,
    pub(super) shape: u8,
    pub(super) wake: u64,
    pub(super) slot: Option<SlotChange>,
    pub(super) told: u8,
}

/// One call about what is over.
#[derive(Clone, Debug)]
pub(super) enum OldOp {
    Finished { age: u64, keep: u32, skip: u32, limit: u32 },
    Remove(u8),
    Expire { events_age: u64, tombstones_age: u64, limit: u32 },
}

/// One call of a worker.
#[derive(Clone, Debug)]
pub(super) enum LeaseOp {
    Claim { execution: u8, ahead: u32, holder: u8, forged: bool },
    Beat { execution: u8, behind: u64, checkpoint: Option<u8> },
    Finish { execution: u8, behind: u64 },
    Release { execution: u8, behind: u64, checkpoint: Option<u8> },
}

/// One call about events, messages and what is due.
#[derive(Clone, Debug)]
pub(super) enum QueueOp {
    Accept(u8),
    Settle(u8),
    Defer(u8, u64),
    Due { limit: u32, hide: u64 },
    OutboxDone(u8),
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let flag = prop::bool::weighted(0.1);
    prop_oneof![
        3 => (0_u64..4_000).prop_map(Op::Advance),
        4 => (0_u8..5, prop::option::weighted(0.8, 1_u32..3))
            .prop_map(|(execution, limit)| Op::Create { execution, limit }),
        10 => transition_op().prop_map(Op::Commit),
        15 => lease_op().prop_map(Op::Lease),
        3 => (0_u8..2, 0_u8..3, 0_u8..2)
            .prop_map(|(resource, execution, stage)| Op::Lock { resource, execution, stage }),
        2 => (0_u8..2, 0_u8..3, 0_u8..2, 1_u64..4).prop_map(|(resource, execution, stage, fence)| {
            Op::Unlock { resource, execution, stage, fence }
        }),
        2 => (0_u8..3, flag, 0_u64..400_000)
            .prop_map(|(execution, stale, ahead)| Op::Rewake { execution, stale, ahead }),
        10 => queue_op().prop_map(Op::Queue),
        4 => old_op().prop_map(Op::Old),
        3 => (0_u8..5).prop_map(Op::Load),
    ]
}

fn transition_op() -> impl Strategy<Value = Transition> {
    let flag = prop::bool::weighted(0.1);
    let slot = prop_oneof![
        4 => Just(None),
        4 => prop::option::weighted(0.8, 1_u32..3).prop_map(|limit| Some(SlotChange::Take { limit })),
        1 => Just(Some(SlotChange::Wait)),
    ];
    // The first two are worked on, the others mostly stand in line.
    let execution = prop_oneof![3 => 0_u8..2, 1 => 2_u8..5];
    let numbers = (execution, flag, 0_u8..40, 0_u8..6, ahead(), 0_u8..32, 0_u64..320_000);
    (numbers, slot, 0_u8..16).prop_map(|(numbers, slot, told)| {
        let (execution, stale, input, change, ahead, shape, wake) = numbers;
        Transition { execution, stale, input, change, ahead, shape, wake, slot, told }
    })
}

fn old_op() -> impl Strategy<Value = OldOp> {
    prop_oneof![
        2 => (0_u64..40_000, 0_u32..3, 0_u32..3, 0_u32..4)
            .prop_map(|(age, keep, skip, limit)| OldOp::Finished { age, keep, skip, limit }),
        4 => (0_u8..5).prop_map(OldOp::Remove),
        1 => (0_u64..20_000, 0_u64..20_000, 0_u32..3).prop_map(
            |(events_age, tombstones_age, limit)| OldOp::Expire { events_age, tombstones_age, limit }
        ),
    ]
}

fn lease_op() -> impl Strategy<Value = LeaseOp> {
    let one = 0_u8..2;
    let forged = prop::bool::weighted(0.1);
    let checkpoint = || prop::option::of(0_u8..3);
    prop_oneof![
        6 => (one.clone(), ahead(), 0_u8..2, forged).prop_map(|(execution, ahead, holder, forged)| {
            LeaseOp::Claim { execution, ahead, holder, forged }
        }),
        4 => (one.clone(), behind(), checkpoint())
            .prop_map(|(execution, behind, checkpoint)| LeaseOp::Beat { execution, behind, checkpoint }),
        3 => (one.clone(), behind()).prop_map(|(execution, behind)| LeaseOp::Finish { execution, behind }),
        2 => (one.clone(), behind(), checkpoint())
            .prop_map(|(execution, behind, checkpoint)| LeaseOp::Release { execution, behind, checkpoint }),
    ]
}

/// Added to the epoch before the task's own: 1 is the current one.
fn ahead() -> impl Strategy<Value = u32> {
    prop_oneof![2 => Just(0), 6 => Just(1), 3 => Just(2)]
}

/// Taken from the task's current token.
fn behind() -> impl Strategy<Value = u64> {
    prop_oneof![6 => Just(0), 1 => Just(1)]
}

fn queue_op() -> impl Strategy<Value = QueueOp> {
    prop_oneof![
        2 => (0_u8..4).prop_map(QueueOp::Accept),
        1 => (0_u8..4).prop_map(QueueOp::Settle),
        1 => (0_u8..4, 0_u64..5_000).prop_map(|(key, ahead)| QueueOp::Defer(key, ahead)),
        5 => (0_u32..4, 0_u64..3_000).prop_map(|(limit, hide)| QueueOp::Due { limit, hide }),
        1 => (0_u8..8).prop_map(QueueOp::OutboxDone),
    ]
}
