//! Stores that do not answer.

use std::sync::Arc;

use model::{ExecutionId, TaskId};
use store::{
    Beat, Claim, Commit, Committed, Create, Created, DefinitionIndex, Due, EventAccepted, EventRow,
    ExecutionFilter, ExecutionRow, Expired, Expiry, Fence, FinishedFilter, FinishedPage, Locked,
    PipelineMark, PipelinePut, PipelineRow, PipelineWritten, Removed, SharedStore, Stats, Store,
    StoreError, StoredEvent, StoredExecution, TaskClaim, TimelineRow,
};
use tokio::sync::watch;

/// Says at once that it cannot be reached.
pub(crate) fn refusing() -> SharedStore {
    Arc::new(Away { silent: false })
}

/// Says nothing, ever.
pub(crate) fn silent() -> SharedStore {
    Arc::new(Away { silent: true })
}

#[derive(Debug)]
struct Away {
    silent: bool,
}

macro_rules! away {
    ($($name:ident($($argument:ty),*) -> $answer:ty;)*) => {$(
        fn $name<'a>(&'a self, $(_: $argument),*) -> futures::future::BoxFuture<'a, Result<$answer, StoreError>> {
            let silent = self.silent;
            Box::pin(async move {
                if silent {
                    std::future::pending::<()>().await;
                }
                Err(StoreError::Unavailable { doing: stringify!($name), cause: "cable cut".into() })
            })
        }
    )*};
}

#[expect(clippy::elidable_lifetime_names, reason = "one form for every method of the macro")]
impl Store for Away {
    away! {
        pipeline_put(PipelinePut) -> PipelineWritten;
        pipeline_get(&'a str) -> Option<PipelineRow>;
        pipeline_list(Option<&'a str>) -> Vec<PipelineRow>;
        pipeline_delete(&'a str) -> bool;
        pipelines_keyed(&'a [String]) -> Vec<PipelineMark>;
        pipelines_indexed_otherwise(u32, u32) -> Vec<PipelineRow>;
        pipeline_index(&'a PipelineMark, DefinitionIndex) -> bool;
        event_accept(EventRow) -> EventAccepted;
        event_settle(&'a str, &'a str, Vec<EventRow>) -> ();
        event_defer(&'a str, u64, &'a str) -> ();
        event_get(&'a str) -> Option<StoredEvent>;
        event_list(u32) -> Vec<StoredEvent>;
        execution_create(Create) -> Created;
        execution_load(&'a ExecutionId) -> Option<StoredExecution>;
        execution_commit(Commit) -> Committed;
        execution_list(ExecutionFilter) -> Vec<ExecutionRow>;
        execution_view(&'a ExecutionId) -> Option<ExecutionRow>;
        execution_timeline(&'a ExecutionId) -> Vec<TimelineRow>;
        execution_applied(&'a ExecutionId, &'a str) -> bool;
        execution_rewake(&'a ExecutionId, Option<u64>, u64) -> ();
        executions_finished(FinishedFilter) -> FinishedPage;
        execution_remove(&'a ExecutionId) -> Removed;
        expire(Expiry) -> Expired;
        due(u32, u64) -> Due;
        outbox_done(&'a [String]) -> ();
        outbox_defer(&'a [String], u64) -> ();
        lease_claim(TaskClaim) -> Claim;
        lease_beat(&'a TaskId, u64, u64, Option<&'a str>) -> Beat;
        lease_finish(&'a TaskId, u64, &'a str, u64) -> Beat;
        lease_release(&'a TaskId, u64, Option<&'a str>) -> Beat;
        lock(&'a str, &'a ExecutionId, &'a str) -> Locked;
        unlock(&'a str, &'a str, Fence) -> ();
        lock_held(&'a str, &'a str, Fence) -> bool;
        stats() -> Stats;
        now_ms() -> u64;
    }

    fn bell(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}
