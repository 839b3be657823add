#![doc = include_str!("../README.md")]

mod bus_port;
mod coverage;
mod crashes;
mod crew;
mod fault;
mod feature;
mod ground;
mod group_port;
mod history;
mod image_port;
mod jenkins_port;
mod label;
mod moments;
mod oracle;
mod outcome;
mod person;
mod plant;
mod process;
mod rest;
mod rng;
mod run;
mod scene;
mod search;
mod setting;
mod store_port;
mod stranger;

pub use crashes::{Canonical, SHAPES};
pub use fault::{Face, Fault, Link, What, schedule};
pub use feature::{Choice, Decision, Feature, Skip, Waiting};
pub use ground::Trace;
pub use plant::Bug;
pub use rng::Rng;
pub use run::{Report, run};
pub use search::{Findings, of_seed, on_threads, run_seed, search, smallest};
pub use setting::{BuildPlan, Crew, Health, Setting};
pub use stranger::Stranger;
