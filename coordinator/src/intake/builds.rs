//! Builds that were reported.

use std::collections::BTreeMap;

use definitions::{JenkinsTrigger, Pipeline};
use engine::{Build, Match, Origin, TriggerMiss};
use model::{ExecutionId, jenkins::JobName, limits};
use runtime::Chain;
use serde_json::json;
use store::PipelineRow;
use tracing::warn;
use wire::ReportedBuild;

use super::{Intake, IntakeError, Outcome};
use crate::{
    executions::ApplyError,
    jenkins::{Answer, JenkinsError},
};

/// How long Jenkins may be away before an event is given up: a weekend.
const UNREACHABLE_MS: u64 = 3 * 24 * 3_600_000;

impl Intake {
    /// A webhook is a hint, Jenkins is the fact.
    pub(super) async fn build_reported(
        &self,
        report: &ReportedBuild,
        age_ms: u64,
        now_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        let job = JobName::parse(&report.job);
        let answer = self.jenkins.build(&report.controller, &job, report.number).await;
        let unconfirmed =
            |why: &str| json!({ "result": "unverified", "reason": why, "started": [] });
        let patience = u64::try_from(limits::CONFIRM_TIMEOUT.as_millis()).unwrap_or(0);
        match answer {
            Ok(Answer::Finished(build)) => self.expand(&build, report.found, age_ms, now_ms).await,
            Ok(not_yet @ (Answer::NotFound | Answer::Unfinished)) => {
                let why = match not_yet {
                    Answer::NotFound => "Jenkins does not know this build",
                    Answer::Unfinished | Answer::Finished(_) => "Jenkins says it is not over yet",
                };
                if age_ms >= patience {
                    return Ok(Outcome::Settled("unverified", unconfirmed(why)));
                }
                Ok(Outcome::Later(why.to_owned()))
            }
            Err(JenkinsError::UnknownController(name)) => {
                let why = format!("no Jenkins controller `{name}` is configured");
                Ok(Outcome::Settled("unverified", unconfirmed(&why)))
            }
            Err(error) => {
                let why = Chain(&error).to_string();
                if age_ms >= UNREACHABLE_MS {
                    return Ok(Outcome::Settled("unverified", unconfirmed(&why)));
                }
                warn!(error = why, "Jenkins could not be asked, the event waits");
                Ok(Outcome::Later(why))
            }
        }
    }

    /// Every matching pipeline, each at most once for this build. One that cannot be judged yet
    /// keeps the event, and does not hold the others up.
    async fn expand(
        &self,
        build: &Build,
        found: bool,
        age_ms: u64,
        now_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        let (mut started, mut missed, mut later) = (Vec::new(), Vec::new(), None);
        for row in self.store.pipeline_list(None).await? {
            if found && build.ended_ms() < row.updated_ms {
                missed.push(json!({ "pipeline": row.name, "application": row.application,
                    "reason": "the build was over before this definition was saved" }));
                continue;
            }
            let reason = match self.expand_into(build, &row, now_ms).await {
                Ok(id) => {
                    started.push(json!({ "pipeline": row.name,
                        "application": row.application, "execution": id }));
                    continue;
                }
                Err(Refused::Later(why)) if age_ms < UNREACHABLE_MS => {
                    later = Some(why);
                    continue;
                }
                Err(Refused::Later(why) | Refused::Never(why)) => why,
                Err(Refused::Failed(error)) => return Err(error),
            };
            missed.push(json!({ "pipeline": row.name,
                "application": row.application, "reason": reason }));
        }
        if let Some(why) = later {
            return Ok(Outcome::Later(why));
        }
        let result = if started.is_empty() { "ignored" } else { "started" };
        let body = json!({ "result": result, "event": build.event_key(),
            "started": started, "missed": missed });
        Ok(Outcome::Settled(result, body))
    }

    async fn expand_into(
        &self,
        build: &Build,
        row: &PipelineRow,
        now_ms: u64,
    ) -> Result<ExecutionId, Refused> {
        let parsed = Pipeline::parse(&row.body).pipeline;
        let pipeline =
            parsed.ok_or_else(|| Refused::Never("its definition is not valid".to_owned()))?;
        let trigger = match engine::match_build(build, &pipeline) {
            Match::Trigger(trigger) => trigger,
            Match::Miss(miss) => return Err(miss.into()),
        };
        let properties = self.properties(build, trigger).await?;
        let origin = Origin {
            event_key: build.event_key(),
            pipeline_id: row.id.clone(),
            trigger: engine::trigger_of_build(build, Some(trigger), &properties),
            time_zone: self.time_zone.clone(),
        };
        self.start(&pipeline, origin, now_ms).await.map_err(|error| match error {
            ApplyError::Refused { reason, .. } => Refused::Never(reason),
            ApplyError::Store { .. } | ApplyError::Contended(_) | ApplyError::Unwritable { .. } => {
                Refused::Failed(error.into())
            }
        })
    }

    /// Reads what the trigger wants to know from the build's property file, and judges it.
    async fn properties(
        &self,
        build: &Build,
        trigger: &JenkinsTrigger,
    ) -> Result<BTreeMap<String, String>, Refused> {
        let properties = match &trigger.property_file {
            None => BTreeMap::new(),
            Some(file) => match self.jenkins.properties(build, file).await {
                Ok(Some(properties)) => properties,
                Ok(None) if trigger.payload_constraints.is_empty() => BTreeMap::new(),
                Ok(None) => {
                    return Err(Refused::from(TriggerMiss::Constraint {
                        key: "propertyFile".to_owned(),
                        pattern: file.clone(),
                        found: "the build archived no such file".to_owned(),
                    }));
                }
                Err(error) => return Err(refusal(&error)),
            },
        };
        engine::constraints_met(trigger, &properties)?;
        Ok(properties)
    }
}

/// Why a build does not start a pipeline (yet).
enum Refused {
    Never(String),
    Later(String),
    /// By no fault of the build or the pipeline.
    Failed(IntakeError),
}

impl From<TriggerMiss> for Refused {
    fn from(miss: TriggerMiss) -> Self {
        Self::Never(miss.to_string())
    }
}

/// A file that is there and cannot be read is no better in an hour.
fn refusal(error: &JenkinsError) -> Refused {
    let why = Chain(error).to_string();
    match error {
        JenkinsError::Unreadable { .. } | JenkinsError::TooLarge { .. } => Refused::Never(why),
        JenkinsError::UnknownController(_)
        | JenkinsError::Unreachable { .. }
        | JenkinsError::Status { .. } => Refused::Later(why),
    }
}
