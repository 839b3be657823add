//! Events to executions. What an event came to is written down for people, also when nothing did.

use std::collections::BTreeMap;

use engine::{Build, Input, Match, Origin, Rejection, TriggerMiss};
use futures::stream::{FuturesUnordered, StreamExt as _};
use metrics::counter;
use model::{
    ExecutionId,
    jenkins::JobName,
    limits,
    pipeline::{JenkinsTrigger, Pipeline},
};
use runtime::Chain;
use serde_json::{Map, Value, json};
use store::{PipelineRow, SharedStore, StoreError, StoredEvent};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, instrument, warn};
use wire::{Event, ManualStart, ReportedBuild};

use crate::{
    executions::{Applied, ApplyError, Executions, Unchanged},
    jenkins::{Answer, Jenkins, JenkinsError},
};

/// Events worked on side by side; each asks Jenkins once or twice.
const EVENTS_AT_ONCE: usize = 16;
/// How long Jenkins may be away before an event is given up: a weekend.
const UNREACHABLE_MS: u64 = 3 * 24 * 3_600_000;
/// Longest pause between two tries of one event.
const PAUSE_MAX_MS: u64 = 60_000;

/// Takes events to their end.
#[derive(Debug)]
pub(crate) struct Intake {
    store: SharedStore,
    jenkins: Jenkins,
    executions: Executions,
}

/// What came of an event.
enum Outcome {
    /// It is done; this is what people see.
    Settled(&'static str, Value),
    /// Not yet; why.
    Later(String),
}

/// An event could not be worked on now.
#[derive(Debug, thiserror::Error)]
enum IntakeError {
    #[error("could not read or write definitions and events")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl Intake {
    pub(crate) fn new(store: SharedStore, jenkins: Jenkins, executions: Executions) -> Self {
        Self { store, jenkins, executions }
    }

    pub(crate) async fn run(self, mut due: mpsc::Receiver<StoredEvent>, stop: CancellationToken) {
        let mut in_hand = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = in_hand.next() => {}
                Some(event) = due.recv(), if in_hand.len() < EVENTS_AT_ONCE && !stop.is_cancelled() => {
                    in_hand.push(self.handle(event));
                }
                () = stop.cancelled(), if in_hand.is_empty() => return,
                else => return,
            }
        }
    }

    #[instrument(skip_all, fields(event.key = stored.key))]
    async fn handle(&self, stored: StoredEvent) {
        let now_ms = match self.store.now_ms().await {
            Ok(now_ms) => now_ms,
            Err(error) => {
                warn!(error = %Chain(&error), "event left for later");
                return;
            }
        };
        let outcome = match self.act(&stored, now_ms).await {
            Ok(outcome) => outcome,
            // It stays hidden for a while and is due again then.
            Err(error) => {
                warn!(error = %Chain(&error), "event left for later");
                return;
            }
        };
        let written = match outcome {
            Outcome::Settled(result, body) => {
                counter!("bowline_trigger_outcomes_total", "result" => result).increment(1);
                info!(outcome = result, "event settled");
                self.store.event_settle(&stored.key, &body.to_string()).await
            }
            Outcome::Later(why) => {
                let pause = pause_ms(stored.tries);
                self.store.event_defer(&stored.key, now_ms + pause, &why).await
            }
        };
        if let Err(error) = written {
            warn!(error = %Chain(&error), "what came of an event is not written, it is worked on again");
        }
    }

    async fn act(&self, stored: &StoredEvent, now_ms: u64) -> Result<Outcome, IntakeError> {
        let event: Event = match serde_json::from_str(&stored.body) {
            Ok(event) => event,
            Err(cause) => {
                let body = json!({ "result": "unreadable", "reason": cause.to_string() });
                return Ok(Outcome::Settled("invalid", body));
            }
        };
        let age_ms = now_ms.saturating_sub(stored.accepted_ms);
        match event {
            Event::BuildReported(report) => self.build_reported(&report, age_ms, now_ms).await,
            Event::ManualStart(start) => {
                self.manual_start(&stored.key, start, age_ms, now_ms).await
            }
            Event::Cancel { execution, user, reason } => {
                let input = Input::Cancel { user, reason };
                let applied = self.executions.apply(&execution, &input, Some(&stored.key)).await?;
                Ok(canceled(&execution, &applied))
            }
            Event::Control { .. } | Event::StartChild(_) => {
                let body = json!({ "result": "rejected", "reason": "not known to this version" });
                Ok(Outcome::Settled("rejected", body))
            }
        }
    }

    /// A webhook is a hint, Jenkins is the fact.
    async fn build_reported(
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
            Ok(Answer::Finished(build)) => self.expand(&build, age_ms, now_ms).await,
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
        age_ms: u64,
        now_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        let (mut started, mut missed, mut later) = (Vec::new(), Vec::new(), None);
        for row in self.store.pipeline_list(None).await? {
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
            time_zone: None,
        };
        self.start(&pipeline, origin, now_ms).await.map_err(|error| match error {
            ApplyError::Refused { reason, .. } => Refused::Never(reason),
            ApplyError::Store { .. } | ApplyError::Contended(_) => Refused::Failed(error.into()),
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

    async fn manual_start(
        &self,
        key: &str,
        start: ManualStart,
        age_ms: u64,
        now_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        let Some(row) = self.store.pipeline_get(&start.pipeline_id).await? else {
            let body = json!({ "result": "rejected", "reason": "no such pipeline", "started": [] });
            return Ok(Outcome::Settled("rejected", body));
        };
        let parsed = Pipeline::parse(&row.body);
        let Some(pipeline) = parsed.pipeline else {
            let body = json!({ "result": "rejected", "reason": "its definition is not valid",
                "problems": parsed.problems, "started": [] });
            return Ok(Outcome::Settled("rejected", body));
        };
        let origin = |trigger| Origin {
            event_key: key.to_owned(),
            pipeline_id: row.id.clone(),
            trigger,
            time_zone: None,
        };
        let created = match self.chosen_build(start, age_ms).await {
            Err(Chosen::Later(why)) => return Ok(Outcome::Later(why)),
            Err(Chosen::Failed { trigger, reason }) => {
                let (document, effects) =
                    engine::fail_on_startup(&pipeline, origin(trigger), &reason, now_ms);
                let made = self.executions.create(&document, effects, now_ms).await;
                made.map(|()| ("rejected", "failed_on_startup", document.id, Some(reason)))
            }
            Ok(trigger) => {
                let made = self.start(&pipeline, origin(trigger), now_ms).await;
                made.map(|id| ("started", "started", id, None))
            }
        };
        match created {
            Ok((label, result, id, reason)) => {
                let mut body = json!({ "result": result, "started": [{ "pipeline": row.name,
                    "application": row.application, "execution": id }] });
                if let (Some(reason), Some(body)) = (reason, body.as_object_mut()) {
                    body.insert("reason".to_owned(), reason.into());
                }
                Ok(Outcome::Settled(label, body))
            }
            Err(ApplyError::Refused { reason, .. }) => {
                let body = json!({ "result": "rejected", "reason": reason, "started": [] });
                Ok(Outcome::Settled("rejected", body))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Fills in what Jenkins knows about the build a person picked, if they picked one.
    async fn chosen_build(
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
                let found = engine::trigger_of_build(&build, None, &BTreeMap::new());
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

    async fn start(
        &self,
        pipeline: &Pipeline,
        origin: Origin,
        now_ms: u64,
    ) -> Result<ExecutionId, ApplyError> {
        let (document, effects) = engine::start(pipeline, origin, now_ms);
        self.executions.create(&document, effects, now_ms).await?;
        Ok(document.id)
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

/// What came of a cancel. One that finds the execution canceled has what it wanted.
fn canceled(execution: &ExecutionId, applied: &Applied) -> Outcome {
    let (result, why) = match applied {
        Applied::Changed | Applied::Unchanged(Unchanged::Repeated) => ("canceled", None),
        Applied::Unchanged(why @ Unchanged::Rejected(Rejection::AlreadyCanceled)) => {
            ("canceled", Some(why))
        }
        Applied::Unchanged(
            why @ (Unchanged::Unknown
            | Unchanged::Stuck
            | Unchanged::Rejected(
                Rejection::AlreadyComplete | Rejection::NothingToDo | Rejection::Unfit(_),
            )),
        ) => ("ignored", Some(why)),
    };
    let mut body = json!({ "result": result, "execution": execution });
    if let (Some(why), Some(body)) = (why, body.as_object_mut()) {
        body.insert("reason".to_owned(), why.to_string().into());
    }
    Outcome::Settled(result, body)
}

/// Why a picked build does not start a pipeline (yet).
enum Chosen {
    Later(String),
    Failed { trigger: Map<String, Value>, reason: String },
}

/// 1, 2, 4 … seconds, at most a minute.
fn pause_ms(tries: u32) -> u64 {
    1_000_u64.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(PAUSE_MAX_MS)
}
