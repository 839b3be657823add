//! The wait stage: a pause.

use serde_json::{Map, Value};

use super::runnable;
use crate::{
    fields::Fields,
    limits,
    problem::{FieldProblem, Findings},
};

/// A wait stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitStage {
    /// How long, in seconds.
    pub wait_time: u64,
}

impl WaitStage {
    /// Reads a stage that is to run.
    ///
    /// # Errors
    /// Everything that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Self, Vec<FieldProblem>> {
        runnable(Self::inspect(config))
    }

    /// Reads as much as can be read, and tells everything that is odd.
    pub fn inspect(config: &Map<String, Value>) -> (Option<Self>, Vec<FieldProblem>) {
        let mut found = Findings::default();
        let mut fields = Fields::new(String::new(), config, &mut found);
        // Source: the default of Spinnaker's form.
        let wait_time = fields.large_number("waitTime", limits::WAIT_SECONDS_MAX).unwrap_or(30);
        drop(fields.text("skipWaitText"));
        (Some(Self { wait_time }), found.into_list())
    }
}
