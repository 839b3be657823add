//! The safety net under webhooks: asks Jenkins for the builds of every job that a pipeline waits for, and reports
//! those that made no execution. A report is an event like any other, so that nothing is started twice.
//!
//! Every coordinator does it; side by side they only ask Jenkins some of it twice. What is in memory saves
//! questions and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use metrics::{counter, gauge, histogram};
use model::jenkins::JobName;
use runtime::Chain;
use store::{EventAccepted, SharedStore, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use triggers::jenkins::{
    ReportedBuild, controller_key,
    watch::{self, Listed, Memory, Watchers},
};

use crate::{
    definition_cache::Definitions,
    jenkins::{Jenkins, JenkinsError},
    schedule,
};

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
}

/// Polls until told to stop: at once, so that what was missed while nobody was there is found, and then so long
/// after each round.
pub(crate) async fn run(
    store: SharedStore,
    definitions: Definitions,
    jenkins: Jenkins,
    (pause, stop): (Duration, CancellationToken),
) {
    let mut poller =
        Poller { store, jenkins, definitions, jobs: BTreeMap::new(), down: BTreeSet::new() };
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
    definitions: Definitions,
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
        // One reading of the clock for the whole round: a build near its end may look too young, and is taken in
        // the next round.
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
                Err(error @ PollError::Store(_)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Who waits for which jobs of the configured controllers.
    async fn watched(&self) -> Result<BTreeMap<String, Jobs>, PollError> {
        let mut watched: BTreeMap<String, Jobs> = BTreeMap::new();
        let keys: Vec<String> = self.jenkins.controllers().map(controller_key).collect();
        for definition in self.definitions.keyed(&keys).await? {
            let Some(content) = definition.content.as_ref().filter(|content| !content.disabled)
            else {
                continue;
            };
            for (controller, job) in watch::watched_jobs(&content.triggers) {
                if self.jenkins.knows(&controller) {
                    let watchers = watched.entry(controller).or_default().entry(job).or_default();
                    watchers.insert(definition.mark.id.clone(), definition.mark.updated_ms);
                }
            }
        }
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
    let accepted = store.event_accept(schedule::event(report.signal())).await?;
    if accepted == EventAccepted::New {
        counter!("bowline_jenkins_untold_builds_total", "controller" => controller.to_owned())
            .increment(1);
        info!(controller, %job, number = build.number, "found a build nobody told of");
    }
    Ok(())
}
