#![doc = include_str!("../README.md")]

#[cfg(feature = "aws")]
pub mod aws;
mod config;
mod console;
mod grammar;
mod identity;
mod janitor;
mod order;
pub mod ports;
mod procedure;
pub mod user_data;
mod watcher;

use std::sync::Arc;

use bus::SharedBus;
use model::Pool;
use runtime::{Chain, Tasks};
use store::SharedStore;
use wire::BakeImage;
use worker::{Operations, WorkerConfig};

use crate::ports::SharedCloud;
pub use crate::{
    config::{BakeConfig, BaseImageConfig, PackageType},
    janitor::Janitor,
    procedure::Bake,
};

/// Who holds the leases, for people.
const NAME: &str = "bake";

/// Why the worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("invalid configuration of the bake worker: {}", .problems.join("; "))]
    Config {
        /// All of it.
        problems: Vec<String>,
    },
}

/// What bake workers do.
pub fn operations(bake: &Arc<Bake>) -> Operations {
    Operations::new(Pool::Bake).with::<BakeImage>(bake)
}

/// Starts to serve bake tasks, and to look after builders, in the background until `tasks` is told to stop.
///
/// If serving ends before that, it stops the whole group: a process that only seems to work helps nobody.
///
/// # Errors
///
/// Names every problem of the configuration.
#[expect(clippy::unused_async, reason = "every room starts the same way")]
pub async fn run(
    config: BakeConfig,
    cloud: SharedCloud,
    store: SharedStore,
    bus: SharedBus,
    tasks: Tasks,
) -> Result<(), StartError> {
    let problems = config.problems();
    if !problems.is_empty() {
        let problems = problems.into_iter().map(|(path, text)| format!("bake.{path}: {text}"));
        return Err(StartError::Config { problems: problems.collect() });
    }
    let worker = WorkerConfig::new(NAME, config.slots).paced(config.pace);
    let janitor = Janitor::new(&config, SharedCloud::clone(&cloud), SharedStore::clone(&store));
    drop(tasks.spawn(janitor.run(tasks.stop().clone())));
    let operations = operations(&Arc::new(Bake::new(config, cloud, &tasks)));
    let group = tasks.clone();
    drop(tasks.spawn(async move {
        if let Err(error) = worker::serve(operations, worker, store, bus, group.clone()).await {
            tracing::error!(error = %Chain(&error), "bake worker ended, stopping the process");
            group.stop().cancel();
        }
    }));
    Ok(())
}
