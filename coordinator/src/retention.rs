//! What is old goes: finished executions (archived first, if so configured), settled events, and in
//! the end the memory of what was removed. Never a live execution: the store itself sees to that. The
//! questions of dry runs go as soon as they are answered: what came of them stands in the plan.
//!
//! Every coordinator does it; side by side they only do some of it twice.

mod archive;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use metrics::counter;
use model::ExecutionId;
use runtime::Chain;
use serde::Deserialize;
use store::{ExecutionFilter, Expiry, FinishedFilter, Removed, SharedStore, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::archive::{Archive, ArchiveError};

/// Executions or events in one call: few enough that nobody waits for it.
const BATCH: u32 = 50;
/// Between two batches, so that a long list of old executions does not get in anybody's way.
const BETWEEN_BATCHES: Duration = Duration::from_millis(200);
/// Before the first round: a process that starts has better things to do.
const FIRST: Duration = Duration::from_mins(10);
/// Between two rounds.
const ROUND: Duration = Duration::from_hours(1);
/// How long a removed execution is remembered, so that a build told again does not run again. Longer
/// than any Jenkins keeps a build that somebody may send once more: a year and a month.
const TOMBSTONE_DAYS: u64 = 400;
const DAY_MS: u64 = 24 * 3_600_000;
/// A survey stays so long after it was created: its answers are read within seconds, or, should every
/// coordinator be away, by the first one that is back.
const SURVEY_MS: u64 = 10 * 60_000;

/// `[retention]`: how long finished work is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Whether anything is removed at all.
    pub enabled: bool,
    /// Finished executions are removed so many days after they were created, but not before as many
    /// days after they ended.
    pub age_days: NonZeroU32,
    /// So many executions of each pipeline, the newest, stay however old they are.
    pub keep_per_pipeline: u32,
    /// Settled events are removed so many days after they came in.
    pub events_days: NonZeroU32,
    /// Where executions are written before they are removed, one line of JSON each, in the file
    /// `executions.jsonl`; nowhere when absent.
    pub archive_dir: Option<PathBuf>,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        // The figures of Spinnaker's `old-pipeline-cleanup` (there off by default).
        let month = NonZeroU32::MIN.saturating_add(29);
        Self {
            enabled: true,
            age_days: month,
            keep_per_pipeline: 5,
            events_days: month,
            archive_dir: None,
        }
    }
}

/// A round could not be finished; the next one goes on.
#[derive(Debug, thiserror::Error)]
enum RetentionError {
    #[error("could not look for old executions and events")]
    Look(#[source] StoreError),
    #[error("could not read execution `{id}` for the archive")]
    Read {
        id: ExecutionId,
        #[source]
        cause: StoreError,
    },
    #[error("nothing is removed while the archive cannot be written")]
    Archive(#[from] ArchiveError),
    #[error("could not remove execution `{id}`")]
    Remove {
        id: ExecutionId,
        #[source]
        cause: StoreError,
    },
}

/// Removes what is old, now and then, until told to stop.
pub(crate) async fn run(store: SharedStore, config: RetentionConfig, stop: CancellationToken) {
    if !config.enabled {
        return;
    }
    let keeper = Keeper { archive: config.archive_dir.clone().map(Archive::new), store, config };
    let rounds = async {
        tokio::time::sleep(FIRST).await;
        loop {
            if let Err(error) = keeper.round().await {
                warn!(error = %Chain(&error), "old executions and events are kept until the next round");
            }
            tokio::time::sleep(ROUND).await;
        }
    };
    // Whatever it is doing can be left at any point: each call is whole, and a round begins anew.
    _ = stop.run_until_cancelled(rounds).await;
}

#[derive(Debug)]
struct Keeper {
    store: SharedStore,
    config: RetentionConfig,
    archive: Option<Archive>,
}

impl Keeper {
    async fn round(&self) -> Result<(), RetentionError> {
        let now_ms = self.store.now_ms().await.map_err(RetentionError::Look)?;
        let before = |days: u64| now_ms.saturating_sub(days.saturating_mul(DAY_MS));
        self.surveys(now_ms.saturating_sub(SURVEY_MS)).await?;
        let retired = self.executions(before(u64::from(self.config.age_days.get()))).await?;
        let events = before(u64::from(self.config.events_days.get()));
        let expired = self.events(events, before(TOMBSTONE_DAYS)).await?;
        if retired + expired > 0 {
            info!(executions = retired, events = expired, "removed what is old");
        }
        Ok(())
    }

    /// Removes old executions; how many.
    async fn executions(&self, before_ms: u64) -> Result<u64, RetentionError> {
        let (mut skip, mut retired) = (0_u32, 0_u64);
        loop {
            let filter = FinishedFilter {
                before_ms,
                keep_per_pipeline: self.config.keep_per_pipeline,
                skip,
                limit: BATCH,
            };
            let page =
                self.store.executions_finished(filter).await.map_err(RetentionError::Look)?;
            if let Some(archive) = &self.archive {
                archive.append(self.lines(&page.ids).await?).await?;
            }
            let mut gone = 0_u32;
            for id in page.ids {
                let removed = self.store.execution_remove(&id).await;
                match removed.map_err(|cause| RetentionError::Remove { id, cause })? {
                    Removed::Done => {
                        counter!("bowline_executions_retired_total").increment(1);
                        retired += 1;
                        gone += 1;
                    }
                    // Somebody else did it.
                    Removed::Gone => gone += 1,
                    // Somebody has restarted it in this moment.
                    Removed::Live => {}
                }
            }
            if page.looked_at < BATCH {
                return Ok(retired);
            }
            skip += page.looked_at.saturating_sub(gone);
            tokio::time::sleep(BETWEEN_BATCHES).await;
        }
    }

    /// Removes surveys that are over and were created before that. They are not archived: they are no
    /// runs of a pipeline.
    async fn surveys(&self, before_ms: u64) -> Result<(), RetentionError> {
        loop {
            let filter = ExecutionFilter {
                application: Some(engine::SURVEYS.to_owned()),
                limit: BATCH,
                ..ExecutionFilter::default()
            };
            let rows = self.store.execution_list(filter).await.map_err(RetentionError::Look)?;
            let mut gone = 0_u32;
            for row in rows {
                if row.created_ms >= before_ms || !row.status.is_complete() {
                    continue;
                }
                let id = row.id;
                let removed = self.store.execution_remove(&id).await;
                match removed.map_err(|cause| RetentionError::Remove { id, cause })? {
                    Removed::Done => gone += 1,
                    Removed::Gone | Removed::Live => {}
                }
            }
            if gone == 0 {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_BATCHES).await;
        }
    }

    async fn lines(&self, ids: &[ExecutionId]) -> Result<Vec<String>, RetentionError> {
        let mut lines = Vec::new();
        for id in ids {
            let failed = |cause| RetentionError::Read { id: id.clone(), cause };
            if let Some(row) = self.store.execution_view(id).await.map_err(failed)? {
                let timeline = self.store.execution_timeline(id).await.map_err(failed)?;
                lines.push(archive::line(&row, &timeline));
            }
        }
        Ok(lines)
    }

    /// Forgets old events and removed executions; how many events.
    async fn events(&self, events_ms: u64, tombstones_ms: u64) -> Result<u64, RetentionError> {
        let expiry = Expiry {
            events_before_ms: events_ms,
            tombstones_before_ms: tombstones_ms,
            limit: BATCH,
        };
        let mut forgotten = 0_u64;
        loop {
            let expired = self.store.expire(expiry).await.map_err(RetentionError::Look)?;
            forgotten += u64::from(expired.events);
            if expired.events < BATCH && expired.tombstones < BATCH {
                return Ok(forgotten);
            }
            tokio::time::sleep(BETWEEN_BATCHES).await;
        }
    }
}
