//! The state of everything: one seam, two implementations.
//!
//! The store is the only truth. Every transition of an execution is one [`Commit`], applied
//! atomically or not at all, and the store itself refuses transitions which would break the two
//! rules nobody may break: a terminal execution never changes, and a live one always has a wake.
//! Bodies are opaque here: what a snapshot means is the engine's business.

mod api;
mod embedded;
mod error;
mod index;
mod open;
mod redis;
mod rows;
mod rules;

pub use self::redis::{Durability, RedisStore, functions_text};
pub use api::{Answer, Fence, SharedStore, Store};
pub use embedded::{Clock, EmbeddedStore, system_clock};
pub use error::StoreError;
pub use open::open;
pub use rows::{
    Beat, Claim, Commit, Committed, Create, Created, Due, EventAccepted, EventRow, EventState,
    ExecutionFilter, ExecutionRow, LeaseRow, Locked, OutboxRow, PipelinePut, PipelineRow,
    PipelineWritten, Stats, StoredEvent, StoredExecution, TaskChange, TaskClaim, TimelineRow,
};
