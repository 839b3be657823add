#![doc = include_str!("../README.md")]

pub mod aws;
mod claim;
mod context;
mod lease;
mod metrics;
mod operations;
mod pace;
pub mod process;
mod run;
mod running;
mod serve;
pub mod testing;
mod worker;

pub use context::{Stop, TaskContext};
pub use operations::{End, Handler, Operations};
pub use pace::WorkerPace;
pub use serve::{ServeError, WorkerConfig, serve};
