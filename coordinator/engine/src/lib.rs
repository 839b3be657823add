//! Decisions about executions. Pure: no clock, no I/O, no randomness; everything that is not in
//! the arguments does not matter.
//!
//! [`start()`] makes the document of a new execution, [`step()`] moves it along, [`view()`] shows it. The
//! engine looks at levels, not at edges: a step reads what the store says about every live task (its
//! [`Lease`], with the result once there is one), about slots and about children ([`Facts`]), and brings the
//! document up to date. So late, doubled or lost messages make no difference.

mod absorb;
mod advance;
mod arena;
mod begin;
mod build;
mod children;
mod closing;
mod context;
mod control;
mod document;
mod effects;
mod ending;
mod evaluate;
mod execution;
mod facts;
mod graph;
mod input;
mod nesting;
mod operations;
mod orders;
mod overgrown;
mod parts;
mod rejection;
mod restart;
mod run_plan;
mod slot;
mod stage;
mod start;
mod state;
mod step;
mod stop;
mod stored;
mod survey;
mod transitions;
mod trigger;
mod view;
mod wakes;
pub mod watch;
mod window;

pub use arena::{StageIndex, Stages};
pub use build::{
    Build, BuildArtifact, Match, TriggerMiss, constraints_met, match_build, trigger_of_build,
};
pub use document::{Canceled, Document, Pause, Purpose, Queue, SCHEMA};
pub use effects::{Dispatch, Effects, Reopen, SlotChange, TimelineEvent};
pub use facts::{ChildFact, Facts, Lease, Place, Policy, SlotFact, SlotState};
pub use input::{Input, step};
pub use overgrown::end_overgrown;
pub use rejection::Rejection;
pub use run_plan::{Action, Outcome, Resolved, RunPlan, StagePlan, plan_run};
pub use stage::{Attempt, PartOf, PastRun, Run, RunLimits, Stage, Synthetic};
pub use start::{Origin, fail_on_startup, start};
pub use state::{Await, ChildRun, ChildStop, Operation, StageState, Work};
pub use stored::{UnreadableDocument, read};
pub use survey::{SURVEYS, leave_unknown, survey, survey_ends_ms, survey_of, surveyed};
pub use transitions::State;
pub use view::view;
pub use wakes::next_look;
pub use window::knows_time_zone;
