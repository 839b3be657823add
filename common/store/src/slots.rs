//! Slots: which executions of a pipeline may run.
//!
//! Every live execution of a pipeline either holds a slot or waits for one. The store counts and
//! keeps the order; how many may hold at once, and what becomes of the others, is the caller's.

use model::ExecutionId;

#[cfg(doc)]
use crate::{Commit, Create};

/// What a new execution needs before it may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRequest {
    /// How many of its pipeline may hold a slot at once; `None`: any number. It gets one if fewer
    /// do and nobody waits; otherwise it waits.
    pub limit: Option<u32>,
}

/// A change to an execution's own slot, part of a [`Commit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotChange {
    /// It must hold one from now on, or the whole transition is not applied
    /// ([`crate::Committed::NoSlot`]). One that holds keeps it; a waiter keeps its place in the
    /// order.
    Take {
        /// How many may hold one at once, this one included; `None`: any number.
        limit: Option<u32>,
    },
    /// It waits from now on, behind everybody else. One that holds or waits already stays as it is.
    Wait,
}

/// The slots of a pipeline, as one of its executions sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotRow {
    /// How this execution stands.
    pub own: SlotState,
    /// Who holds one, in the order of [`SlotEntry::number`]. One that holds one sees only itself: the
    /// others do not matter to it, and a pipeline without a limit may have thousands.
    pub holders: Vec<SlotEntry>,
    /// Who waits, in the order of [`SlotEntry::number`]. One that holds a slot sees nobody.
    pub waiting: Vec<SlotEntry>,
}

/// How an execution stands to the slots of its pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotState {
    /// Neither: it is complete.
    #[default]
    None,
    /// It may run.
    Holds,
    /// It waits.
    Waits,
}

/// One that holds a slot or waits for one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotEntry {
    /// Grows with every execution that is created or opened again: who came later has the larger
    /// one.
    pub number: u64,
    /// Which execution.
    pub execution: ExecutionId,
}
