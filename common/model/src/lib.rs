//! The vocabulary of Bowline: ids, statuses, names, pipeline definitions, limits. Pure.

mod ids;
pub mod limits;
pub mod moniker;
mod status;

pub use ids::{ExecutionId, IdError, StageId, TaskId, derived_id, digest};
pub use status::{ExecutionStatus, StatusError, TaskKind};
