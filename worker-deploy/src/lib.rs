#![doc = include_str!("../README.md")]

mod checkpoint;
mod config;
mod lease;
mod plan;
pub mod ports;
mod procedure;
pub mod tags;
mod user_data;
mod watch;

pub use config::Config;
pub use procedure::Deployer;
