//! From a url in a configuration to a store that is only looked at.

use std::{path::Path, sync::Arc};

use super::Audit;
use crate::{EmbeddedStore, StoreError, open::options, redis::RedisAudit, system_clock};

/// A store to be looked at; cheap to clone.
pub type SharedAudit = Arc<dyn Audit>;

/// Opens the store that a url names, in the form [`crate::open()`] knows, to look at it.
///
/// Nothing is created: a file or a world that is not there is an error. A file that was not closed
/// well is repaired by opening it, as by any other start.
///
/// # Errors
///
/// [`StoreError::Unavailable`] when it is not there now, [`StoreError::Unfit`] when it is in use by
/// another process (a file), not ours, or of another build.
pub async fn open_for_audit(url: &str) -> Result<SharedAudit, StoreError> {
    if let Some(directory) = url.strip_prefix("embedded:") {
        let directory = Path::new(directory).to_owned();
        let opened = tokio::task::spawn_blocking(move || {
            EmbeddedStore::open_existing(&directory, system_clock())
        });
        let store = opened.await.map_err(|cause| StoreError::Unavailable {
            doing: "opened the data file",
            cause: Box::new(cause),
        })??;
        return Ok(Arc::new(store));
    }
    if url.starts_with("redis://") || url.starts_with("rediss://") {
        let (server, options) = options(url)?;
        return Ok(Arc::new(
            RedisAudit::connect(&server, &options.world, options.durability).await?,
        ));
    }
    Err(StoreError::Unfit {
        detail: "only a store that others can see is worth a check: its url begins with \
                 `redis://` or `embedded:`"
            .to_owned(),
    })
}
