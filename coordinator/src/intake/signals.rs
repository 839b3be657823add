//! Signals: what happened is confirmed where that is needed, then judged against each trigger that waits for it.

use engine::Origin;
use model::{ExecutionId, jenkins::JobName, limits};
use runtime::Chain;
use store::EventRow;
use tracing::warn;
use triggers::{
    Confirm, File, Files, Match, Moment, Need, Occurrence, TABLE, Trigger,
    jenkins::{self, Build, ReportedBuild},
};
use wire::{EventOutcome, Judgement, Signal, StartedExecution, TriggerDecision, Unmet, Verdict};

use super::{Intake, IntakeError, Outcome, Seen};
use crate::{
    definition_cache::{Content, Definition, Unusable},
    executions::ApplyError,
    jenkins::{Answer, JenkinsError},
};

/// How long Jenkins may be away before an event is given up: a weekend.
const UNREACHABLE_MS: u64 = 3 * 24 * 3_600_000;

/// Something that happened, confirmed.
struct Confirmed {
    occurrence: Occurrence,
    /// Definitions that were saved later than this are not started by it.
    until_ms: Option<u64>,
}

impl Confirmed {
    fn build(&self) -> Option<&Build> {
        self.occurrence.event_of::<jenkins::Jenkins>()
    }
}

/// What became of the attempt to confirm a signal.
enum Confirmation {
    Given(Box<Confirmed>),
    Outcome(Outcome),
}

/// One definition, judged.
enum Judged {
    /// Its decisions are in the judgement.
    Decided,
    /// Something must be known first that cannot be had now; why.
    Later(String),
}

/// What a trigger came to.
enum Trial {
    Fits(serde_json::Map<String, serde_json::Value>),
    Unmet(Unmet),
    /// It does not wait for what happened.
    Silent,
    Later(String),
}

impl Intake {
    pub(super) async fn signal(&self, signal: &Signal, seen: Seen) -> Result<Outcome, IntakeError> {
        let confirmed = match self.confirm(signal, seen).await {
            Confirmation::Given(confirmed) => confirmed,
            Confirmation::Outcome(outcome) => return Ok(outcome),
        };
        let candidates = match &signal.only {
            Some(id) => self.definitions.one(id).await?.into_iter().collect(),
            None => self.definitions.keyed(&confirmed.occurrence.keys).await?,
        };
        let mut judgement =
            Judgement { event: Some(confirmed.occurrence.key.clone()), ..Judgement::default() };
        let (mut files, mut later) = (Files::new(), None);
        // One that cannot be judged yet keeps the event, and does not hold the others up.
        for definition in &candidates {
            match self.judge(&confirmed, definition, (&mut files, &mut judgement), seen).await? {
                Judged::Decided => {}
                Judged::Later(why) => later = Some(why),
            }
        }
        if let Some(why) = later {
            return Ok(Outcome::Later(why));
        }
        let then = match &signal.only {
            Some(_) => self.next_runs_after(signal, candidates.first(), seen.now_ms),
            None => Vec::new(),
        };
        Ok(Outcome::Settled(EventOutcome::judged(judgement), then))
    }

    async fn confirm(&self, signal: &Signal, seen: Seen) -> Confirmation {
        let row = TABLE.iter().find(|row| row.name == signal.source);
        match row.map(|row| row.confirm) {
            Some(Confirm::JenkinsBuild) => match ReportedBuild::of(signal) {
                Ok(report) => self.confirm_build(&report, seen).await,
                Err(cause) => Confirmation::unreadable(cause.to_string()),
            },
            Some(Confirm::Nothing) | None => match Occurrence::of(signal) {
                Ok(occurrence) => Confirmation::given(Confirmed { occurrence, until_ms: None }),
                Err(reason) => Confirmation::unreadable(reason),
            },
        }
    }

    /// A webhook is a hint, Jenkins is the fact.
    async fn confirm_build(&self, report: &ReportedBuild, seen: Seen) -> Confirmation {
        let job = JobName::parse(&report.job);
        let answer = self.jenkins.build(&report.controller, &job, report.number).await;
        let patience = u64::try_from(limits::CONFIRM_TIMEOUT.as_millis()).unwrap_or(0);
        match answer {
            Ok(Answer::Finished(build)) => {
                let until_ms = report.found.then(|| build.ended_ms());
                Confirmation::given(Confirmed { occurrence: jenkins::occurrence(*build), until_ms })
            }
            Ok(not_yet @ (Answer::NotFound | Answer::Unfinished)) => {
                let why = match not_yet {
                    Answer::NotFound => "Jenkins does not know this build",
                    Answer::Unfinished | Answer::Finished(_) => "Jenkins says it is not over yet",
                };
                Confirmation::unless(seen.age_ms >= patience, why.to_owned())
            }
            Err(JenkinsError::UnknownController(name)) => {
                Confirmation::unless(true, format!("no Jenkins controller `{name}` is configured"))
            }
            Err(error) => {
                let why = Chain(&error).to_string();
                let given_up = seen.age_ms >= UNREACHABLE_MS;
                if !given_up {
                    warn!(error = why, "Jenkins could not be asked, the event waits");
                }
                Confirmation::unless(given_up, why)
            }
        }
    }

    /// Judges every trigger of a definition, and starts it by the first that fits: once, whatever number of them
    /// do.
    async fn judge(
        &self,
        confirmed: &Confirmed,
        definition: &Definition,
        (files, judgement): (&mut Files, &mut Judgement),
        seen: Seen,
    ) -> Result<Judged, IntakeError> {
        let content = match usable(confirmed, definition) {
            Ok(content) => content,
            Err(unmet) => {
                judgement.decide(decision(definition, None, Verdict::NotStarted(unmet)));
                return Ok(Judged::Decided);
            }
        };
        let (mut fits, mut unmet) = (Vec::new(), Vec::new());
        for trigger in &content.triggers {
            match self.try_trigger(confirmed, trigger, files, seen).await {
                Trial::Silent => {}
                Trial::Unmet(why) => unmet.push((trigger.place, why)),
                Trial::Fits(carried) => fits.push((trigger.place, carried)),
                // By which trigger it starts must not depend on when Jenkins answers.
                Trial::Later(why) if fits.is_empty() => return Ok(Judged::Later(why)),
                Trial::Later(why) => unmet.push((trigger.place, Unmet::new("propertyFile", why))),
            }
        }
        let mut verdicts: Vec<(usize, Verdict)> =
            unmet.into_iter().map(|(place, unmet)| (place, Verdict::NotStarted(unmet))).collect();
        let mut fits = fits.into_iter();
        if let Some((place, carried)) = fits.next() {
            let key = &confirmed.occurrence.key;
            match self.start_by(key, definition, carried, seen.now_ms).await? {
                Ok(execution) => {
                    judgement.start(StartedExecution {
                        pipeline: definition.name.clone(),
                        application: definition.application.clone(),
                        execution: execution.clone(),
                    });
                    let too = fits.map(|(place, _)| (place, execution.clone()));
                    verdicts.extend(
                        too.map(|(place, execution)| (place, Verdict::FitsToo { execution })),
                    );
                    verdicts.push((place, Verdict::Started { execution }));
                }
                Err(unmet) => verdicts.push((place, Verdict::NotStarted(unmet))),
            }
        }
        verdicts.sort_by_key(|(place, _)| *place);
        for (place, verdict) in verdicts {
            judgement.decide(decision(definition, Some(place), verdict));
        }
        Ok(Judged::Decided)
    }

    /// Judges one trigger, and reads what it needs to know for that.
    async fn try_trigger(
        &self,
        confirmed: &Confirmed,
        trigger: &Trigger,
        files: &mut Files,
        seen: Seen,
    ) -> Trial {
        loop {
            let moment = Moment { now_ms: seen.now_ms, zone: self.zone() };
            let name = match trigger.judge(&confirmed.occurrence, files, moment) {
                None => return Trial::Silent,
                Some(Match::Start(carried)) => return Trial::Fits(carried),
                Some(Match::Unmet(unmet)) => return Trial::Unmet(unmet),
                Some(Match::Needs(Need::File(name))) => name,
            };
            match self.file(confirmed, &name).await {
                Ok(file) => {
                    files.insert(name, file);
                }
                Err(why) if seen.age_ms < UNREACHABLE_MS => return Trial::Later(why),
                Err(why) => {
                    files.insert(name, File::Unreadable(why));
                }
            }
        }
    }

    /// Reads a property file of the build; why it cannot be read now.
    async fn file(&self, confirmed: &Confirmed, name: &str) -> Result<File, String> {
        let Some(build) = confirmed.build() else { return Ok(File::Missing) };
        match self.jenkins.properties(build, name).await {
            Ok(Some(properties)) => Ok(File::Read(properties)),
            Ok(None) => Ok(File::Missing),
            Err(error) => {
                let why = Chain(&error).to_string();
                match error {
                    // It is no better in an hour.
                    JenkinsError::Unreadable { .. } | JenkinsError::TooLarge { .. } => {
                        Ok(File::Unreadable(why))
                    }
                    JenkinsError::UnknownController(_)
                    | JenkinsError::Unreachable { .. }
                    | JenkinsError::Status { .. } => Err(why),
                }
            }
        }
    }

    async fn start_by(
        &self,
        event_key: &str,
        definition: &Definition,
        trigger: serde_json::Map<String, serde_json::Value>,
        now_ms: u64,
    ) -> Result<Result<ExecutionId, Unmet>, IntakeError> {
        let pipeline = match self.definitions.whole(&definition.mark.id).await? {
            Ok((_, pipeline)) => pipeline,
            Err(Unusable::Missing) => return Ok(Err(gone())),
            Err(Unusable::Invalid(_)) => return Ok(Err(invalid())),
        };
        let origin = Origin {
            event_key: event_key.to_owned(),
            pipeline_id: definition.mark.id.clone(),
            trigger,
            time_zone: self.time_zone.clone(),
        };
        match self.start(&pipeline, origin, now_ms).await {
            Ok(execution) => Ok(Ok(execution)),
            Err(ApplyError::Refused { reason, .. }) => Ok(Err(Unmet::new("execution", reason))),
            Err(
                error @ (ApplyError::Store { .. }
                | ApplyError::Contended(_)
                | ApplyError::Unwritable { .. }),
            ) => Err(error.into()),
        }
    }

    /// The next runs of the time triggers of a definition that was saved are planned.
    pub(super) async fn plan_runs(
        &self,
        pipeline_id: &str,
        now_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        let definition = self.definitions.one(pipeline_id).await?;
        let (runs, then) = self.schedule.plan(definition.as_deref(), now_ms);
        Ok(Outcome::Settled(EventOutcome::Scheduled { runs }, then))
    }

    /// The run after the one that a time signal was for.
    fn next_runs_after(
        &self,
        signal: &Signal,
        definition: Option<&std::sync::Arc<Definition>>,
        now_ms: u64,
    ) -> Vec<EventRow> {
        self.schedule.after(signal, definition.map(AsRef::as_ref), now_ms)
    }
}

impl Confirmation {
    fn given(confirmed: Confirmed) -> Self {
        Self::Given(Box::new(confirmed))
    }

    fn unreadable(reason: String) -> Self {
        let outcome = EventOutcome::Unreadable { reason };
        Self::Outcome(Outcome::Settled(outcome, Vec::new()))
    }

    /// Not confirmed: for good, or for now.
    fn unless(given_up: bool, why: String) -> Self {
        Self::Outcome(if given_up {
            Outcome::Settled(EventOutcome::Unverified { reason: why }, Vec::new())
        } else {
            Outcome::Later(why)
        })
    }
}

/// A definition whose triggers are worth judging.
fn usable<'a>(confirmed: &Confirmed, definition: &'a Definition) -> Result<&'a Content, Unmet> {
    let content = definition.content.as_ref().ok_or_else(invalid)?;
    if confirmed.until_ms.is_some_and(|until_ms| until_ms < definition.mark.updated_ms) {
        let reason = "the build was over before this definition was saved";
        return Err(Unmet::new("saved", reason));
    }
    if content.disabled {
        return Err(Unmet::new("disabled", "the pipeline is disabled").because("false", "true"));
    }
    Ok(content)
}

fn invalid() -> Unmet {
    Unmet::new("definition", "its definition is not valid")
}

fn gone() -> Unmet {
    Unmet::new("definition", "the pipeline was deleted")
}

fn decision(definition: &Definition, trigger: Option<usize>, verdict: Verdict) -> TriggerDecision {
    TriggerDecision {
        pipeline_id: definition.mark.id.clone(),
        pipeline: definition.name.clone(),
        application: definition.application.clone(),
        trigger,
        verdict,
    }
}
