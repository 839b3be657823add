//! The vocabulary of Bowline: ids, statuses, names, limits, and the reader of fields that people write. Pure.

pub mod artifacts;
mod comparison;
pub mod fields;
pub mod graph;
mod ids;
pub mod jenkins;
pub mod limits;
pub mod moniker;
mod on_failure;
pub mod package;
pub mod parameters;
mod part;
pub mod pattern;
mod pool;
pub mod problem;
mod sections;
mod status;

pub use comparison::Comparison;
pub use ids::{ExecutionId, IdError, StageId, TaskId, derived_id, digest};
pub use on_failure::OnFailure;
pub use part::PartKey;
pub use pool::{Pool, PoolError};
pub use sections::sections;
pub use status::{ExecutionStatus, StatusError};
