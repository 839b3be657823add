//! What people tell executions to do.

use engine::{Input, Rejection};
use model::ExecutionId;
use serde_json::json;

use super::{Intake, IntakeError, Outcome};
use crate::executions::{Applied, Unchanged};

/// How long a cancel waits for its execution to be made: the start of a child and its cancel are two
/// events, and the cancel may be the quicker one.
const UNKNOWN_MS: u64 = 60_000;

impl Intake {
    /// Stops an execution. One that is canceled already has what was wanted.
    pub(super) async fn cancel(
        &self,
        key: &str,
        execution: &ExecutionId,
        input: &Input,
        age_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        let (result, why) = match self.executions.apply(execution, input, Some(key)).await? {
            Applied::Changed | Applied::Unchanged(Unchanged::Repeated) => ("canceled", None),
            Applied::Unchanged(why @ Unchanged::Rejected(Rejection::AlreadyCanceled)) => {
                ("canceled", Some(why))
            }
            Applied::Unchanged(Unchanged::Unknown) if age_ms < UNKNOWN_MS => {
                return Ok(Outcome::Later(Unchanged::Unknown.to_string()));
            }
            Applied::Unchanged(
                why @ (Unchanged::Unknown
                | Unchanged::Stuck
                | Unchanged::Rejected(
                    Rejection::AlreadyComplete | Rejection::NothingToDo | Rejection::Unfit(_),
                )),
            ) => ("ignored", Some(why)),
        };
        Ok(settled(result, execution, why.as_ref()))
    }

    /// Passes any other order on. One that does not fit changes nothing, and whoever gave it reads why.
    pub(super) async fn control(
        &self,
        key: &str,
        execution: &ExecutionId,
        input: &Input,
    ) -> Result<Outcome, IntakeError> {
        Ok(match self.executions.apply(execution, input, Some(key)).await? {
            Applied::Changed | Applied::Unchanged(Unchanged::Repeated) => {
                settled("applied", execution, None)
            }
            Applied::Unchanged(
                why @ (Unchanged::Unknown | Unchanged::Stuck | Unchanged::Rejected(_)),
            ) => settled("refused", execution, Some(&why)),
        })
    }
}

fn settled(result: &'static str, execution: &ExecutionId, why: Option<&Unchanged>) -> Outcome {
    let mut body = json!({ "result": result, "execution": execution });
    if let (Some(why), Some(body)) = (why, body.as_object_mut()) {
        body.insert("reason".to_owned(), why.to_string().into());
    }
    Outcome::Settled(result, body)
}
