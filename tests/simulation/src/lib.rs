#![doc = include_str!("../README.md")]

mod bus_port;
mod crew;
mod fault;
mod ground;
mod group_port;
mod image_port;
mod jenkins_port;
mod label;
mod oracle;
mod process;
mod rest;
mod rng;
mod run;
mod scene;
mod setting;
mod store_port;

pub use fault::{Face, Fault, Link, What, schedule};
pub use ground::Trace;
pub use rng::Rng;
pub use run::{Report, run};
pub use setting::{BuildPlan, Crew, Health, Setting};
