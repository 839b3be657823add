//! The safety net under webhooks: asks Jenkins for the builds of every job that a pipeline waits for, and reports
//! those that made no execution. A report is an event like any other, so that nothing is started twice.
//!
//! Every coordinator does it; side by side they only ask Jenkins some of it twice. What is in memory saves
//! questions and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use definitions::Pipeline;
use engine::watch::{self, Listed, Memory, Watchers};
use metrics::{counter, gauge, histogram};
use model::jenkins::JobName;
use runtime::Chain;
use store::{EventAccepted, EventRow, SharedStore, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wire::{Event, ReportedBuild};

use crate::jenkins::{Jenkins, JenkinsError};

/// Builds asked for at once; a job has seldom more new ones.
const PAGE: usize = 100;
/// Most pages of one job in a round, so that one long list does not hold up all the others.
const PAGES_MAX: usize = 10;

/// The jobs of one controller, with who waits for them.
type Jobs = BTreeMap<JobName, Watchers>;

/// A round could not be finished; the next one begins anew.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error("could not read definitions and executions, or report a build")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Jenkins(#[from] JenkinsError),
    #[error("a report could not be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Polls until told to stop: at once, so that what was missed while nobody was there is found, and then so long
/// after each round.
pub(crate) async fn run(
    store: SharedStore,
    jenkins: Jenkins,
    pause: Duration,
    stop: CancellationToken,
) {
    let mut poller = Poller {
        store,
        jenkins,
        definitions: BTreeMap::new(),
        jobs: BTreeMap::new(),
        down: BTreeSet::new(),
    };
    let rounds = async {
        loop {
            if let Err(error) = poller.round().await {
                warn!(error = %Chain(&error), "Jenkins is asked for builds again in the next round");
            }
            tokio::time::sleep(pause).await;
        }
    };
    // Each call is whole, and a round begins anew: it can be left at any point.
    _ = stop.run_until_cancelled(rounds).await;
}

#[derive(Debug)]
struct Poller {
    store: SharedStore,
    jenkins: Jenkins,
    /// The jobs each definition waits for, by id, as of when it was saved.
    definitions: BTreeMap<String, (u64, Vec<(String, JobName)>)>,
    /// What is known of each job's list, by controller and job.
    jobs: BTreeMap<(String, JobName), Known>,
    /// Controllers that did not answer the last time; told when it changes.
    down: BTreeSet<String>,
}

/// What is known of a job.
#[derive(Debug, Default)]
struct Known {
    memory: Memory,
    /// Why its list could not be read the last time; told when it changes.
    trouble: Option<String>,
}

impl Poller {
    async fn round(&mut self) -> Result<(), PollError> {
        let watched = self.watched().await?;
        // Of the beginning for all: who is read later is judged a little younger, and comes next time.
        let now_ms = self.store.now_ms().await?;
        self.jobs.retain(|(controller, job), _| {
            watched.get(controller).is_some_and(|jobs| jobs.contains_key(job))
        });
        for (controller, jobs) in watched {
            let begun = Instant::now();
            let polled = self.controller(&controller, jobs, now_ms).await;
            let took = begun.elapsed().as_secs_f64();
            histogram!("bowline_jenkins_poll_duration_seconds", "controller" => controller.clone())
                .record(took);
            let up = gauge!("bowline_jenkins_up", "controller" => controller.clone());
            match polled {
                Ok(()) => {
                    up.set(1.0);
                    if self.down.remove(&controller) {
                        info!(controller, "Jenkins answers again");
                    }
                }
                // The others may well answer.
                Err(PollError::Jenkins(error)) => {
                    up.set(0.0);
                    if self.down.insert(controller.clone()) {
                        let error = Chain(&error).to_string();
                        warn!(
                            controller,
                            error, "builds nobody told of are not found until Jenkins answers"
                        );
                    }
                }
                Err(error @ (PollError::Store(_) | PollError::Json(_))) => return Err(error),
            }
        }
        Ok(())
    }

    /// Who waits for which jobs of the configured controllers.
    async fn watched(&mut self) -> Result<BTreeMap<String, Jobs>, PollError> {
        let rows = self.store.pipeline_list(None).await?;
        let mut watched: BTreeMap<String, Jobs> = BTreeMap::new();
        let mut definitions = BTreeMap::new();
        for row in rows {
            let known = self.definitions.remove(&row.id);
            // Not by version: a definition that is deleted and saved again begins with the first.
            let (saved_ms, jobs) = known
                .filter(|(saved_ms, _)| *saved_ms == row.updated_ms)
                .unwrap_or_else(|| (row.updated_ms, jobs_of(&row.body)));
            for (controller, job) in &jobs {
                if self.jenkins.knows(controller) {
                    let jobs = watched.entry(controller.clone()).or_default();
                    let watchers = jobs.entry(job.clone()).or_default();
                    watchers.insert(row.id.clone(), row.updated_ms);
                }
            }
            definitions.insert(row.id, (saved_ms, jobs));
        }
        self.definitions = definitions;
        Ok(watched)
    }

    /// Polls the jobs of one controller; stops at the first that it does not answer at all.
    async fn controller(
        &mut self,
        controller: &str,
        jobs: Jobs,
        now_ms: u64,
    ) -> Result<(), PollError> {
        for (job, watchers) in jobs {
            let known = self.jobs.entry((controller.to_owned(), job.clone())).or_default();
            let read = list(&self.jenkins, controller, &job, (&known.memory, now_ms)).await;
            let (builds, trouble) = match read {
                Ok(Some(builds)) => (builds, None),
                Ok(None) => (Vec::new(), Some("Jenkins does not show such a job".to_owned())),
                Err(error @ JenkinsError::Unreachable { .. }) => return Err(error.into()),
                Err(error) => (Vec::new(), Some(Chain(&error).to_string())),
            };
            if trouble != known.trouble {
                if let Some(why) = &trouble {
                    warn!(controller, %job, why, "builds nobody told of are not found");
                }
                known.trouble = trouble;
            }
            if known.trouble.is_some() {
                continue;
            }
            // The oldest first: that is the order in which they would have come.
            for build in builds.iter().rev().filter(|build| !known.memory.knows(build)) {
                let missing = missing(&self.store, (controller, &job), build, &watchers, now_ms);
                if missing.await? {
                    report(&self.store, (controller, &job), build, now_ms).await?;
                }
            }
            known.memory.keep(&builds, now_ms);
        }
        Ok(())
    }
}

fn jobs_of(body: &str) -> Vec<(String, JobName)> {
    let pipeline = Pipeline::parse(body).pipeline;
    pipeline
        .map(|pipeline| watch::watched_jobs(&pipeline))
        .unwrap_or_default()
        .into_iter()
        .collect()
}

/// A job's builds, the newest first, as far back as need be; `None` when there is no such job.
async fn list(
    jenkins: &Jenkins,
    controller: &str,
    job: &JobName,
    (memory, now_ms): (&Memory, u64),
) -> Result<Option<Vec<Listed>>, JenkinsError> {
    let mut builds = Vec::new();
    for page in 0..PAGES_MAX {
        let found = jenkins.builds(controller, job, (page * PAGE, PAGE)).await?;
        let Some(found) = found else { return Ok(None) };
        let more = found.len() == PAGE && memory.reads_on(&found, now_ms);
        builds.extend(found);
        if !more {
            break;
        }
    }
    Ok(Some(builds))
}

/// Whether an execution that the build should have made is not there.
async fn missing(
    store: &SharedStore,
    (controller, job): (&str, &JobName),
    build: &Listed,
    watchers: &Watchers,
    now_ms: u64,
) -> Result<bool, StoreError> {
    for id in build.due((controller, job), watchers, now_ms) {
        if store.execution_view(&id).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn report(
    store: &SharedStore,
    (controller, job): (&str, &JobName),
    build: &Listed,
    now_ms: u64,
) -> Result<(), PollError> {
    let report = ReportedBuild {
        controller: controller.to_owned(),
        job: job.to_string(),
        number: build.number,
        started_ms: Some(build.started_ms),
        reported_ms: now_ms,
        found: true,
    };
    let key = report.key();
    let body = serde_json::to_string(&Event::BuildReported(report))?;
    let accepted = store.event_accept(EventRow { key, body }).await?;
    if accepted == EventAccepted::New {
        counter!("bowline_jenkins_untold_builds_total", "controller" => controller.to_owned())
            .increment(1);
        info!(controller, %job, number = build.number, "found a build nobody told of");
    }
    Ok(())
}
