//! What is removed when it is old. The store removes nothing by itself.

use model::ExecutionId;

#[cfg(doc)]
use crate::Store;

/// Which executions are old enough to go; a page of [`Store::executions_finished`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinishedFilter {
    /// Created and ended before this.
    pub before_ms: u64,
    /// So many of each pipeline, the newest by creation, stay however old they are.
    pub keep_per_pipeline: u32,
    /// Executions to pass over, counted from the oldest: those which earlier pages looked at and
    /// which are still there.
    pub skip: u32,
    /// Executions to look at.
    pub limit: u32,
}

/// Answer to [`Store::executions_finished`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinishedPage {
    /// How many were looked at; fewer than the limit: there are no more.
    pub looked_at: u32,
    /// Those to remove, the oldest first.
    pub ids: Vec<ExecutionId>,
}

/// Answer to [`Store::execution_remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Removed now.
    Done,
    /// It is live and was left as it is.
    Live,
    /// It is not there (any more).
    Gone,
}

/// What [`Store::expire`] may forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Settled events accepted before this.
    pub events_before_ms: u64,
    /// Ids of executions which were removed before this.
    pub tombstones_before_ms: u64,
    /// At most so many of each.
    pub limit: u32,
}

/// Answer to [`Store::expire`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Events forgotten.
    pub events: u32,
    /// Removed executions forgotten.
    pub tombstones: u32,
}
