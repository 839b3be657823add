//! A store that can go away.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::FutureExt as _;
use model::{ExecutionId, TaskId};
use store::{
    Answer, Beat, Claim, Commit, Committed, Create, Created, DefinitionIndex, Due, EventAccepted,
    EventRow, ExecutionFilter, ExecutionRow, Expired, Expiry, Fence, FinishedFilter, FinishedPage,
    Locked, PipelineMark, PipelinePut, PipelineRow, PipelineWritten, Removed, SharedStore, Stats,
    Store, StoreError, StoredEvent, StoredExecution, TaskClaim, TimelineRow,
};
use tokio::sync::watch;

/// A store whose calls by workers fail while it is away.
#[derive(Debug)]
pub(crate) struct Flaky {
    inner: SharedStore,
    away: AtomicBool,
}

impl Flaky {
    pub(crate) fn new(inner: SharedStore) -> Arc<Self> {
        Arc::new(Self { inner, away: AtomicBool::new(false) })
    }

    pub(crate) fn shared(self: &Arc<Self>) -> SharedStore {
        Arc::<Self>::clone(self)
    }

    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn unless_away<'a, T: Send + 'a>(&self, call: impl FnOnce() -> Answer<'a, T>) -> Answer<'a, T> {
        if self.away.load(Ordering::SeqCst) {
            let cause = "the test took it away".into();
            async { Err(StoreError::Unavailable { doing: "was asked", cause }) }.boxed()
        } else {
            call()
        }
    }
}

impl Store for Flaky {
    fn pipeline_put(&self, put: PipelinePut) -> Answer<'_, PipelineWritten> {
        self.inner.pipeline_put(put)
    }
    fn pipeline_get<'a>(&'a self, id: &'a str) -> Answer<'a, Option<PipelineRow>> {
        self.inner.pipeline_get(id)
    }
    fn pipeline_list<'a>(&'a self, application: Option<&'a str>) -> Answer<'a, Vec<PipelineRow>> {
        self.inner.pipeline_list(application)
    }
    fn pipeline_delete<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        self.inner.pipeline_delete(id)
    }
    fn pipelines_keyed<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<PipelineMark>> {
        self.inner.pipelines_keyed(keys)
    }
    fn pipelines_indexed_otherwise(
        &self,
        version: u32,
        limit: u32,
    ) -> Answer<'_, Vec<PipelineRow>> {
        self.inner.pipelines_indexed_otherwise(version, limit)
    }
    fn pipeline_index<'a>(
        &'a self,
        mark: &'a PipelineMark,
        index: DefinitionIndex,
    ) -> Answer<'a, bool> {
        self.inner.pipeline_index(mark, index)
    }
    fn event_accept(&self, event: EventRow) -> Answer<'_, EventAccepted> {
        self.inner.event_accept(event)
    }
    fn event_settle<'a>(
        &'a self,
        key: &'a str,
        outcome: &'a str,
        then: Vec<EventRow>,
    ) -> Answer<'a, ()> {
        self.inner.event_settle(key, outcome, then)
    }
    fn event_defer<'a>(
        &'a self,
        key: &'a str,
        not_before_ms: u64,
        note: &'a str,
    ) -> Answer<'a, ()> {
        self.inner.event_defer(key, not_before_ms, note)
    }
    fn event_get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<StoredEvent>> {
        self.inner.event_get(key)
    }
    fn event_list(&self, limit: u32) -> Answer<'_, Vec<StoredEvent>> {
        self.inner.event_list(limit)
    }
    fn execution_create(&self, create: Create) -> Answer<'_, Created> {
        self.inner.execution_create(create)
    }
    fn execution_load<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<StoredExecution>> {
        self.inner.execution_load(id)
    }
    fn execution_commit(&self, commit: Commit) -> Answer<'_, Committed> {
        self.inner.execution_commit(commit)
    }
    fn execution_list(&self, filter: ExecutionFilter) -> Answer<'_, Vec<ExecutionRow>> {
        self.inner.execution_list(filter)
    }
    fn execution_view<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<ExecutionRow>> {
        self.inner.execution_view(id)
    }
    fn execution_timeline<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Vec<TimelineRow>> {
        self.inner.execution_timeline(id)
    }
    fn execution_applied<'a>(&'a self, id: &'a ExecutionId, input_id: &'a str) -> Answer<'a, bool> {
        self.inner.execution_applied(id, input_id)
    }
    fn execution_rewake<'a>(
        &'a self,
        id: &'a ExecutionId,
        seen_ms: Option<u64>,
        wake_ms: u64,
    ) -> Answer<'a, ()> {
        self.inner.execution_rewake(id, seen_ms, wake_ms)
    }
    fn executions_finished(&self, filter: FinishedFilter) -> Answer<'_, FinishedPage> {
        self.inner.executions_finished(filter)
    }
    fn execution_remove<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Removed> {
        self.inner.execution_remove(id)
    }
    fn expire(&self, expiry: Expiry) -> Answer<'_, Expired> {
        self.inner.expire(expiry)
    }
    fn due(&self, limit: u32, hide_ms: u64) -> Answer<'_, Due> {
        self.inner.due(limit, hide_ms)
    }
    fn outbox_done<'a>(&'a self, message_ids: &'a [String]) -> Answer<'a, ()> {
        self.inner.outbox_done(message_ids)
    }
    fn outbox_defer<'a>(&'a self, message_ids: &'a [String], not_before_ms: u64) -> Answer<'a, ()> {
        self.inner.outbox_defer(message_ids, not_before_ms)
    }
    fn lease_claim(&self, claim: TaskClaim) -> Answer<'_, Claim> {
        self.unless_away(|| self.inner.lease_claim(claim))
    }
    fn lease_beat<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        ttl_ms: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        self.unless_away(|| self.inner.lease_beat(task, token, ttl_ms, checkpoint))
    }
    fn lease_finish<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        result: &'a str,
        notice_ms: u64,
    ) -> Answer<'a, Beat> {
        self.unless_away(|| self.inner.lease_finish(task, token, result, notice_ms))
    }
    fn lease_release<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        self.unless_away(|| self.inner.lease_release(task, token, checkpoint))
    }
    fn lock<'a>(
        &'a self,
        resource: &'a str,
        execution: &'a ExecutionId,
        owner: &'a str,
    ) -> Answer<'a, Locked> {
        self.unless_away(|| self.inner.lock(resource, execution, owner))
    }
    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str, fence: Fence) -> Answer<'a, ()> {
        self.unless_away(|| self.inner.unlock(resource, owner, fence))
    }
    fn lock_held<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        fence: Fence,
    ) -> Answer<'a, bool> {
        self.unless_away(|| self.inner.lock_held(resource, owner, fence))
    }
    fn stats(&self) -> Answer<'_, Stats> {
        self.inner.stats()
    }
    fn now_ms(&self) -> Answer<'_, u64> {
        self.unless_away(|| self.inner.now_ms())
    }
    fn bell(&self) -> watch::Receiver<u64> {
        self.inner.bell()
    }
}
