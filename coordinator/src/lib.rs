//! The coordinator: brings inputs to the engine, commits what it decides, publishes what was
//! committed, wakes what is due. Any number of coordinators work side by side; nothing in memory
//! matters.

pub mod audit;
mod config;
mod definition_cache;
mod executions;
mod facts;
mod hands;
mod indexing;
mod intake;
mod jenkins;
mod poller;
mod pulse;
mod relay;
mod results;
mod retention;
mod schedule;
mod transition;

use std::sync::Arc;

use bus::SharedBus;
use model::Pool;
use runtime::{JenkinsConfig, Tasks};
use store::SharedStore;
use tokio::sync::Notify;

pub use config::Config;
pub use jenkins::{Credentials, Fetch, FetchError, Fetched, Jenkins};
pub use retention::RetentionConfig;

use crate::{
    definition_cache::Definitions, executions::Executions, intake::Intake, relay::Relay,
    schedule::Schedule,
};

/// A coordinator could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The HTTP client for Jenkins could not be made.
    #[error("could not prepare the HTTP client for Jenkins")]
    HttpClient(#[source] reqwest::Error),
    /// The result queues could not be consumed.
    #[error("could not consume results")]
    Results(#[source] bus::BusError),
}

/// Starts a coordinator in the background; it ends when `tasks` is told to stop.
///
/// # Errors
///
/// Fails when the result queues cannot be consumed or no HTTP client can be made; nothing runs then.
pub async fn run(
    config: Config,
    jenkins: JenkinsConfig,
    store: SharedStore,
    bus: SharedBus,
    tasks: Tasks,
) -> Result<(), StartError> {
    let jenkins = Jenkins::over_http(jenkins).map_err(StartError::HttpClient)?;
    run_asking(config, jenkins, store, bus, tasks).await
}

/// As [`run`], asking Jenkins in another way than over HTTP.
///
/// # Errors
///
/// Fails when the result queues cannot be consumed; nothing runs then.
pub async fn run_asking(
    config: Config,
    jenkins: Jenkins,
    store: SharedStore,
    bus: SharedBus,
    tasks: Tasks,
) -> Result<(), StartError> {
    let nudge = Arc::new(Notify::new());
    let definitions = Definitions::new(Arc::clone(&store));
    let executions = Executions::new(Arc::clone(&store), definitions.clone(), Arc::clone(&nudge));
    for kind in Pool::ALL {
        results::start(kind, config.results_prefetch, &bus, &executions, &tasks)
            .await
            .map_err(StartError::Results)?;
    }
    let (events, due_events) = pulse::Line::new(config.in_hand_max);
    let (messages, due_messages) = pulse::Line::new(config.in_hand_max);
    let (wakes, due_wakes) = pulse::Line::new(config.in_hand_max);
    if let Some(pause) = config.poll_pause().filter(|_| jenkins.is_configured()) {
        let polls = poller::run(
            Arc::clone(&store),
            definitions.clone(),
            jenkins.clone(),
            (pause, tasks.stop().clone()),
        );
        tasks.spawn(polls);
    }
    let schedule = Schedule::new(config.time_zone.as_deref());
    let index =
        indexing::run(Arc::clone(&store), definitions.clone(), schedule, tasks.stop().clone());
    tasks.spawn(index);
    let zone = config.time_zone;
    let intake = Intake::new(Arc::clone(&store), jenkins, executions.clone(), definitions, zone);
    tasks.spawn(intake.run(due_events, tasks.stop().clone()));
    tasks.spawn(Relay::new(Arc::clone(&store), bus).run(due_messages, tasks.stop().clone()));
    tasks.spawn(executions.clone().run(due_wakes, tasks.stop().clone()));
    let old = retention::run(Arc::clone(&store), config.retention, tasks.stop().clone());
    tasks.spawn(old);
    let due = pulse::Due { events, messages, wakes };
    tasks.spawn(pulse::run(store, nudge, due, tasks.stop().clone()));
    Ok(())
}
