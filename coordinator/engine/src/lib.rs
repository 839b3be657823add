//! Decisions about executions. Pure: no clock, no I/O, no randomness; everything that is not in
//! the arguments does not matter.
//!
//! [`start()`] makes the document of a new execution, [`step()`] moves it along, [`view()`] shows it. The
//! engine looks at levels, not at edges: a step reads what the store says about every live task
//! (its [`Lease`], with the result once there is one) and brings the document up to date. So late,
//! doubled or lost messages make no difference.

mod advance;
mod bake;
mod build;
mod deploy;
mod document;
mod effects;
mod start;
mod step;
mod view;
mod work;

pub use build::{
    Build, BuildArtifact, Match, TriggerMiss, constraints_met, match_build, trigger_of_build,
};
pub use document::{Attempt, Canceled, Document, SCHEMA, Stage, StageState, Work};
pub use effects::{Dispatch, Effects, TimelineEvent};
pub use start::{Origin, fail_on_startup, start};
pub use step::{Input, Lease, Rejection, next_look, step};
pub use view::view;
