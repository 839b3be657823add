//! What people tell executions to do.

use engine::{Input, Rejection};
use model::ExecutionId;
use wire::EventOutcome;

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
        let canceled = |why: Option<Unchanged>| EventOutcome::Canceled {
            execution: execution.clone(),
            reason: why.map(|why| why.to_string()),
        };
        Ok(Outcome::settled(match self.executions.apply(execution, input, Some(key)).await? {
            Applied::Changed | Applied::Unchanged(Unchanged::Repeated) => canceled(None),
            Applied::Unchanged(why @ Unchanged::Rejected(Rejection::AlreadyCanceled)) => {
                canceled(Some(why))
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
            ) => refused(execution, &why),
        }))
    }

    /// Passes any other order on. One that does not fit changes nothing, and whoever gave it reads why.
    pub(super) async fn control(
        &self,
        key: &str,
        execution: &ExecutionId,
        input: &Input,
    ) -> Result<Outcome, IntakeError> {
        Ok(Outcome::settled(match self.executions.apply(execution, input, Some(key)).await? {
            Applied::Changed | Applied::Unchanged(Unchanged::Repeated) => {
                EventOutcome::Applied { execution: execution.clone() }
            }
            Applied::Unchanged(
                why @ (Unchanged::Unknown | Unchanged::Stuck | Unchanged::Rejected(_)),
            ) => refused(execution, &why),
        }))
    }
}

fn refused(execution: &ExecutionId, why: &Unchanged) -> EventOutcome {
    EventOutcome::Refused { execution: execution.clone(), reason: why.to_string() }
}
