//! What a start would do. Whoever asks waits for it, so nothing here is waited for longer than a person
//! would.
//!
//! What only workers can see is asked of them by a survey, a short execution of its own. Until that is over
//! the event of the dry run stays due; whichever coordinator takes it then writes down the whole plan.

use engine::Origin;
use wire::{EventOutcome, ManualStart, RunPlan};

use super::{Intake, IntakeError, Outcome, PAUSE_MAX_MS, starts::Chosen};
use crate::executions::ApplyError;

/// Between two looks at a survey. Each is one read, and there are few surveys at a time.
const LOOK_EVERY_MS: u64 = 250;
/// Workers are not asked for a plan that has taken so long: whoever wanted it is gone.
const ASK_WITHIN_MS: u64 = 60_000;

impl Intake {
    /// What a start would do; nothing is started. A Jenkins that does not answer is told at once.
    pub(super) async fn plan(
        &self,
        key: &str,
        start: ManualStart,
        age_ms: u64,
        now_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        if let Some(outcome) = self.survey(key, now_ms).await? {
            return Ok(outcome);
        }
        let (row, pipeline) = match self.runnable(&start.pipeline_id).await? {
            Ok(found) => found,
            Err(rejected) => return Ok(rejected),
        };
        let trigger = match self.chosen_build(start, PAUSE_MAX_MS).await {
            Ok(trigger) => trigger,
            Err(Chosen::Later(reason) | Chosen::Failed { reason, .. }) => {
                return Ok(Outcome::settled(EventOutcome::rejected(reason)));
            }
        };
        let origin = Origin {
            event_key: key.to_owned(),
            pipeline_id: row.id,
            trigger,
            time_zone: self.time_zone.clone(),
        };
        let mut plan = engine::plan_run(&pipeline, origin, now_ms);
        if age_ms > ASK_WITHIN_MS {
            engine::leave_unknown(&mut plan, "it was too late to ask a worker");
            return Ok(planned(plan));
        }
        let Some((survey, effects)) = engine::survey(&plan, key, now_ms) else {
            return Ok(planned(plan));
        };
        match self.executions.create(&survey, effects, now_ms).await {
            Ok(()) => Ok(asking()),
            Err(ApplyError::Refused { reason, .. }) => {
                engine::leave_unknown(&mut plan, &format!("no worker could be asked: {reason}"));
                Ok(planned(plan))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the survey of a dry run has brought, if there is one.
    async fn survey(&self, key: &str, now_ms: u64) -> Result<Option<Outcome>, IntakeError> {
        let id = engine::survey_of(key);
        let Some(stored) = self.store.execution_load(&id).await? else { return Ok(None) };
        let document = engine::read(stored.schema, &stored.document).ok();
        let Some(document) = document else { return Ok(Some(lost())) };
        if !document.is_complete() && now_ms < engine::survey_ends_ms(&document) {
            return Ok(Some(asking()));
        }
        let plan = engine::surveyed(&document);
        Ok(Some(plan.map_or_else(lost, planned)))
    }
}

fn planned(plan: RunPlan) -> Outcome {
    Outcome::settled(EventOutcome::Planned { plan: Box::new(plan) })
}

fn asking() -> Outcome {
    Outcome::Soon { why: "workers are asked what they see".to_owned(), pause_ms: LOOK_EVERY_MS }
}

/// Two versions of this program disagree about a survey.
fn lost() -> Outcome {
    let reason = "the plan is in a form this coordinator cannot read: plan again";
    Outcome::settled(EventOutcome::rejected(reason))
}
