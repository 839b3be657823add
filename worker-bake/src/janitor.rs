//! Ends builders that nobody works on any more.
//!
//! A bake ends its builder itself, and whoever takes a bake over ends what was left. Two cases stay: a
//! worker that stood still, lease gone and bake given up, sends the call it had begun; and the cloud
//! could not be reached for as long as cleaning up was tried. Both leave a machine that costs money,
//! with the tags that say for which execution it was started.

use std::{collections::BTreeSet, time::Duration};

use model::ExecutionId;
use runtime::Chain;
use store::{SharedStore, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{
    BakeConfig,
    ports::{Builder, CloudError, Place, SharedCloud, tag},
};

/// How often every place is looked at.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// Younger builders are left alone, whoever started them, unless a bake may take even longer.
const AGE_LEAST: Duration = Duration::from_hours(2);

/// Looks after builders, beside the bakes of one worker. Any number of janitors may look at once:
/// ending a builder twice is ending it.
#[derive(Debug)]
pub struct Janitor {
    cloud: SharedCloud,
    store: SharedStore,
    /// Where to look when the cloud names no places: where base images are.
    regions: BTreeSet<String>,
    age: Duration,
}

/// Why a place was not looked at to the end.
#[derive(Debug, thiserror::Error)]
enum Unseen {
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Janitor {
    /// For the builders of this configuration.
    pub fn new(config: &BakeConfig, cloud: SharedCloud, store: SharedStore) -> Self {
        let regions = config.base_images.iter().flat_map(|row| row.images.keys().cloned());
        let age = config.builder_life().max(AGE_LEAST);
        Self { cloud, store, regions: regions.collect(), age }
    }

    /// Looks every ten minutes until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.look().await;
        }
    }

    /// Looks at every place once, and ends what is left there.
    pub async fn look(&self) {
        for place in self.places() {
            if let Err(error) = self.look_at(&place).await {
                tracing::warn!(%place, error = %Chain(&error), "builders that may be left were not all looked at, they will be again");
            }
        }
    }

    fn places(&self) -> Vec<Place> {
        let named = self.cloud.places();
        if !named.is_empty() {
            return named;
        }
        self.regions.iter().map(|region| Place { account: None, region: region.clone() }).collect()
    }

    async fn look_at(&self, place: &Place) -> Result<(), Unseen> {
        let builders = self.cloud.all_builders(place).await?;
        if builders.is_empty() {
            return Ok(());
        }
        let now_ms = self.store.now_ms().await?;
        let old = |builder: &&Builder| {
            u128::from(now_ms.saturating_sub(builder.started_ms)) >= self.age.as_millis()
        };
        for builder in builders.iter().filter(old) {
            if self.is_left(builder).await? {
                tracing::warn!(%place, builder.id = %builder.id, "a builder was left by an execution that is over, it is terminated");
                self.cloud.terminate_builder(place, &builder.id).await?;
                metrics::counter!("bowline_builders_left_total").increment(1);
            }
        }
        Ok(())
    }

    /// Whether the execution it was started for is over. One this store does not know may be of
    /// another installation in the same account.
    async fn is_left(&self, builder: &Builder) -> Result<bool, StoreError> {
        let id = builder.tags.get(tag::EXECUTION).and_then(|text| text.parse::<ExecutionId>().ok());
        let Some(id) = id else { return Ok(false) };
        let execution = self.store.execution_view(&id).await?;
        Ok(execution.is_some_and(|row| row.status.is_complete()))
    }
}
