//! The wait stage: a pause, which a person may cut short.

use model::stages::WaitStage;
use wire::TaskFailure;

use crate::{
    stage::Stage,
    stage_types::{Plan, unreadable},
};

pub(crate) fn plan(stage: &Stage) -> Result<Plan, TaskFailure> {
    let wait = WaitStage::read(stage.config()).map_err(|problems| unreadable(&problems))?;
    Ok(Plan::Wait { time_ms: wait.wait_time.saturating_mul(1_000) })
}
