//! The vocabulary of Bowline: ids, statuses, names, pipeline definitions, limits. Pure.

pub mod artifacts;
pub mod fields;
pub mod graph;
mod ids;
pub mod jenkins;
pub mod limits;
pub mod moniker;
pub mod package;
pub mod parameters;
pub mod pipeline;
mod pool;
mod position;
pub mod problem;
pub mod stages;
mod status;

pub use ids::{ExecutionId, IdError, StageId, TaskId, derived_id, digest};
pub use pool::{Pool, PoolError};
pub use status::{ExecutionStatus, StatusError};
