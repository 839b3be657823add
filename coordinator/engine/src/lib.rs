//! Decisions about executions. Pure: no clock, no I/O, no randomness; everything that is not in
//! the arguments does not matter.
//!
//! [`start()`] makes the document of a new execution, [`step()`] moves it along, [`view()`] shows it. The
//! engine looks at levels, not at edges: a step reads what the store says about every live task (its
//! [`Lease`], with the result once there is one), about slots and about children ([`Facts`]), and brings the
//! document up to date. So late, doubled or lost messages make no difference.

mod absorb;
mod advance;
mod begin;
mod build;
mod control;
mod document;
mod effects;
mod evaluate;
mod expressions;
mod facts;
mod index;
mod nesting;
mod on_failure;
mod overgrown;
mod restart;
mod run_plan;
mod slot;
mod stage_types;
mod start;
mod step;
mod survey;
mod trigger;
mod view;
mod window;
mod work;

pub use document::{
    Attempt, Canceled, Document, Pause, Queue, Run, SCHEMA, Stage, StageState, Synthetic, Until,
    Work,
};
pub use effects::{Dispatch, Effects, Reopen, SlotChange, TimelineEvent};
pub use facts::{ChildFact, Facts, Lease, Place, Policy, SlotFact, SlotState};
pub use overgrown::end_overgrown;
pub use run_plan::{Action, Outcome, Resolved, RunPlan, StagePlan, plan_run};
pub use start::{Origin, fail_on_startup, start};
pub use step::{Input, Rejection, next_look, step};
pub use survey::{SURVEYS, is_survey, leave_unknown, survey, survey_ends_ms, survey_of, surveyed};
pub use view::view;
pub use window::knows_time_zone;
