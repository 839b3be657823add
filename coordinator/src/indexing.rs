//! Keeps the index of definitions whole: those that were saved by a program with other rules are indexed anew, and
//! every time trigger has its next run planned.
//!
//! Every coordinator does it, in small pages. What two of them do side by side is the same, and is done once.

use std::time::Duration;

use runtime::Chain;
use store::{DefinitionIndex, PipelineMark, SharedStore, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use triggers::{BY_TIME, INDEX_VERSION, index_keys};

use crate::{
    definition_cache::{Definition, Definitions},
    schedule::Schedule,
};

/// Definitions indexed in one go.
const PAGE: u32 = 100;
/// Between two looks for definitions that are indexed by other rules: each is one small read.
const PAUSE: Duration = Duration::from_mins(1);
/// Before a round that failed is tried again: until it succeeds, runs of time triggers may have nobody who plans them.
const RETRY: Duration = Duration::from_secs(5);

/// Indexes what must be, until told to stop: at once, so that an upgrade or a restored backup misses nothing for
/// long, and again every minute, for what older programs save meanwhile.
pub(crate) async fn run(
    store: SharedStore,
    definitions: Definitions,
    schedule: Schedule,
    stop: CancellationToken,
) {
    let indexing = Indexing { store, definitions, schedule };
    let rounds = async {
        let mut planned = false;
        loop {
            let pause = match indexing.round(planned).await {
                Ok(()) => {
                    planned = true;
                    PAUSE
                }
                Err(error) => {
                    warn!(error = %Chain(&error), "definitions could not be indexed, which is tried again soon");
                    RETRY
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    // Each call is whole, and a round begins anew: it can be left at any point.
    _ = stop.run_until_cancelled(rounds).await;
}

struct Indexing {
    store: SharedStore,
    definitions: Definitions,
    schedule: Schedule,
}

impl Indexing {
    async fn round(&self, planned: bool) -> Result<(), StoreError> {
        loop {
            let rows = self.store.pipelines_indexed_otherwise(INDEX_VERSION, PAGE).await?;
            let mut indexed = 0_usize;
            for row in &rows {
                let definition = self.definitions.read(row);
                if self.store.pipeline_index(&PipelineMark::of(row), index_of(&definition)).await? {
                    indexed += 1;
                    self.plan(&definition).await?;
                }
            }
            if indexed > 0 {
                info!(indexed, "definitions were indexed anew");
            }
            // A page of which none could be indexed was changed by others, who index it.
            if indexed == 0 {
                break;
            }
        }
        if planned {
            return Ok(());
        }
        for definition in self.definitions.keyed(&[BY_TIME.to_owned()]).await? {
            self.plan(&definition).await?;
        }
        Ok(())
    }

    /// Plans the next runs of a definition; those that are planned already stay as they are.
    async fn plan(&self, definition: &Definition) -> Result<(), StoreError> {
        let now_ms = self.store.now_ms().await?;
        let (_, events) = self.schedule.plan(Some(definition), now_ms);
        for event in events {
            self.store.event_accept(event).await?;
        }
        Ok(())
    }
}

fn index_of(definition: &Definition) -> DefinitionIndex {
    let triggers = definition.content.as_ref().map(|content| content.triggers.as_slice());
    DefinitionIndex { version: INDEX_VERSION, keys: index_keys(triggers.unwrap_or_default()) }
}
