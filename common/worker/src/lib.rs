#![doc = include_str!("../README.md")]

pub mod aws;
mod claim;
mod context;
mod lease;
mod lock;
mod looks;
mod metrics;
mod operations;
mod pace;
mod pauses;
pub mod process;
mod run;
mod running;
mod serve;
pub mod testing;
mod worker;

pub use context::{Stop, TaskContext};
pub use lock::{HeldLock, Phase};
pub use looks::{Freshness, Seen, SharedLooks};
pub use operations::{End, Handler, Operations};
pub use pace::WorkerPace;
pub use pauses::Pauses;
pub use serve::{ServeError, WorkerConfig, serve};
