//! Starts by people and scripts.

use definitions::{Pipeline, Severity};
use engine::Origin;
use model::{ExecutionId, jenkins::JobName};
use runtime::Chain;
use serde_json::{Map, Value};
use store::PipelineRow;
use triggers::{Properties, jenkins::trigger_of_build};
use wire::{EventOutcome, ManualStart, StartedExecution};

use super::{Intake, IntakeError, Outcome, PAUSE_MAX_MS};
use crate::{
    definition_cache::Unusable,
    executions::ApplyError,
    jenkins::{Answer, JenkinsError},
};

impl Intake {
    pub(super) async fn manual_start(
        &self,
        key: &str,
        start: ManualStart,
        age_ms: u64,
        now_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        let (row, pipeline) = match self.runnable(&start.pipeline_id).await? {
            Ok(found) => found,
            Err(rejected) => return Ok(rejected),
        };
        let origin = |trigger| Origin {
            event_key: key.to_owned(),
            pipeline_id: row.id.clone(),
            trigger,
            time_zone: self.time_zone.clone(),
        };
        let made = |execution: ExecutionId| StartedExecution {
            pipeline: row.name.clone(),
            application: row.application.clone(),
            execution,
        };
        let created = match self.chosen_build(start, age_ms).await {
            Err(Chosen::Later(why)) => return Ok(Outcome::Later(why)),
            Err(Chosen::Failed { trigger, reason }) => {
                let (document, effects) =
                    engine::fail_on_startup(&pipeline, origin(trigger), &reason, now_ms);
                let created = self.executions.create(&document, effects, now_ms).await;
                created.map(|()| EventOutcome::FailedOnStartup {
                    reason,
                    started: vec![made(document.id)],
                })
            }
            Ok(trigger) => {
                let started = self.start(&pipeline, origin(trigger), now_ms).await;
                started.map(|id| EventOutcome::started(made(id)))
            }
        };
        match created {
            Ok(outcome) => Ok(Outcome::settled(outcome)),
            Err(ApplyError::Refused { reason, .. }) => {
                Ok(Outcome::settled(EventOutcome::rejected(reason)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A definition that can be run, or what its absence comes to.
    pub(super) async fn runnable(
        &self,
        id: &str,
    ) -> Result<Result<(PipelineRow, Pipeline), Outcome>, IntakeError> {
        let rejected = match self.definitions.whole(id).await? {
            Ok(found) => return Ok(Ok(found)),
            Err(Unusable::Missing) => EventOutcome::rejected("no such pipeline"),
            Err(Unusable::Invalid(problems)) => EventOutcome::Rejected {
                reason: "its definition is not valid".to_owned(),
                problems: problems
                    .iter()
                    .filter(|problem| problem.severity == Severity::Error)
                    .map(|problem| format!("{}: {}", problem.pointer, problem.message))
                    .collect(),
            },
        };
        Ok(Err(Outcome::settled(rejected)))
    }

    /// Fills in what Jenkins knows about the build a person picked, if they picked one.
    pub(super) async fn chosen_build(
        &self,
        start: ManualStart,
        age_ms: u64,
    ) -> Result<Map<String, Value>, Chosen> {
        let mut trigger = start.trigger;
        trigger.entry("type").or_insert_with(|| "manual".into());
        trigger.insert("user".to_owned(), start.user.into());
        let text = |key: &str| trigger.get(key).and_then(Value::as_str).map(str::to_owned);
        let number = trigger.get("buildNumber").and_then(|number| {
            number.as_u64().or_else(|| number.as_str().and_then(|text| text.parse().ok()))
        });
        let (Some(controller), Some(job), Some(number)) = (text("master"), text("job"), number)
        else {
            return Ok(trigger);
        };
        let job = JobName::parse(&job);
        let reason = match self.jenkins.build(&controller, &job, number).await {
            Ok(Answer::Finished(build)) => {
                let found = trigger_of_build(&build, None, &Properties::new());
                for (key, value) in found {
                    // What the person said stays; who and what kind are theirs.
                    if !matches!(key.as_str(), "type" | "user" | "parameters" | "artifacts") {
                        trigger.insert(key, value);
                    }
                }
                return Ok(trigger);
            }
            Ok(Answer::NotFound) => format!("build {number} of {controller}/{job} not found"),
            Ok(Answer::Unfinished) => {
                format!("build {number} of {controller}/{job} is not over yet")
            }
            Err(error) => {
                let why = Chain(&error).to_string();
                // A person waits for this: a minute of patience, then the reason.
                if age_ms < PAUSE_MAX_MS && !matches!(error, JenkinsError::UnknownController(_)) {
                    return Err(Chosen::Later(why));
                }
                why
            }
        };
        Err(Chosen::Failed { trigger, reason })
    }
}

/// Why a picked build does not start a pipeline (yet).
pub(super) enum Chosen {
    Later(String),
    Failed { trigger: Map<String, Value>, reason: String },
}
