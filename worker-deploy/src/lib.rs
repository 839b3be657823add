#![doc = include_str!("../README.md")]

#[cfg(feature = "aws")]
pub mod aws;
mod check;
mod checkpoint;
mod config;
mod find_image;
mod find_image_by_tags;
mod plan;
pub mod ports;
mod procedure;
pub mod tags;
mod user_data;
mod watch;

use std::sync::Arc;

use bus::SharedBus;
use model::Pool;
use runtime::{Chain, Tasks};
use store::SharedStore;
use wire::{CountGroups, CreateGroup, DestroyCreated, FindImage, FindImageByTags};
use worker::{Operations, WorkerConfig};

use crate::ports::ServerGroupCloud;
pub use crate::{config::DeployConfig, procedure::Deployer};

/// Who holds the leases, for people.
const NAME: &str = "deploy";

/// Why the worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("invalid configuration of the deploy worker: {}", .problems.join("; "))]
    Config {
        /// All of it.
        problems: Vec<String>,
    },
}

/// What deploy workers do.
pub fn operations(deployer: &Arc<Deployer>) -> Operations {
    Operations::new(Pool::Deploy)
        .with::<CreateGroup>(deployer)
        .with::<CountGroups>(deployer)
        .with::<DestroyCreated>(deployer)
        .with::<FindImage>(deployer)
        .with::<FindImageByTags>(deployer)
}

/// Starts to serve deploy tasks in the background, until `tasks` is told to stop. If serving ends
/// before that, it stops the whole group: a process that only seems to work helps nobody.
///
/// # Errors
///
/// Names every problem of the configuration.
#[expect(clippy::unused_async, reason = "every room starts the same way")]
pub async fn run(
    config: DeployConfig,
    cloud: Arc<dyn ServerGroupCloud>,
    store: SharedStore,
    bus: SharedBus,
    tasks: Tasks,
) -> Result<(), StartError> {
    let problems = config.problems();
    if !problems.is_empty() {
        let problems = problems.into_iter().map(|(path, text)| format!("deploy.{path}: {text}"));
        return Err(StartError::Config { problems: problems.collect() });
    }
    let worker = WorkerConfig::new(NAME, config.slots.into()).paced(config.pace);
    let operations = operations(&Arc::new(Deployer::new(config, cloud)));
    let group = tasks.clone();
    drop(tasks.spawn(async move {
        if let Err(error) = worker::serve(operations, worker, store, bus, group.clone()).await {
            tracing::error!(error = %Chain(&error), "deploy worker ended, stopping the process");
            group.stop().cancel();
        }
    }));
    Ok(())
}
