//! The wait stage: a pause, which a person may cut short.

use wire::TaskFailure;

use crate::{
    begin::number,
    document::{Stage, user_failure},
    stage_types::Plan,
};

/// The pause of a stage that does not say how long. Source: Deck's default for a new wait stage.
const DEFAULT_SECONDS: u64 = 30;

pub(crate) fn plan(stage: &Stage) -> Result<Plan, TaskFailure> {
    let seconds = match stage.config().get("waitTime") {
        None | Some(serde_json::Value::Null) => DEFAULT_SECONDS,
        Some(value) => number(stage.config(), "waitTime").ok_or_else(|| {
            user_failure(
                format!("`waitTime` is {value}, not a number of seconds"),
                Some("write a whole number, like 30".to_owned()),
            )
        })?,
    };
    Ok(Plan::Wait { time_ms: seconds.saturating_mul(1_000) })
}
