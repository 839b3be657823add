//! The state of everything: one seam, two implementations.
//!
//! The store is the only truth. Every transition of an execution is one [`Commit`], applied
//! atomically or not at all, and the store itself refuses transitions which would break the rules
//! nobody may break: a terminal execution changes only by a person's restart, a live one always has
//! a wake, and a limit of slots is never exceeded.
//! Bodies are opaque here: what a snapshot means is the engine's business.

mod api;
pub mod audit;
mod definitions;
mod embedded;
mod error;
mod index;
mod open;
mod redis;
mod retention;
mod rows;
mod rules;
mod slots;

pub use self::redis::{Durability, RedisStore, functions_text};
pub use api::{Answer, Fence, SharedStore, Store};
pub use definitions::{DefinitionIndex, PipelineMark, PipelinePut, PipelineRow, PipelineWritten};
pub use embedded::{Clock, EmbeddedStore, Memory, Moment, system_clock};
pub use error::StoreError;
pub use open::open;
pub use retention::{Expired, Expiry, FinishedFilter, FinishedPage, Removed};
pub use rows::{
    Beat, Claim, Commit, Committed, Create, Created, Due, EventAccepted, EventRow, EventState,
    ExecutionFilter, ExecutionRow, LeaseRow, Locked, OutboxRow, Reopen, Stats, StoredEvent,
    StoredExecution, TaskChange, TaskClaim, TimelineRow,
};
pub use slots::{SlotChange, SlotEntry, SlotRequest, SlotRow, SlotState};
