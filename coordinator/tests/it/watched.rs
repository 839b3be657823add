//! The store and the bus as a coordinator sees them: watched, interrupted, and tripped on request.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use bus::{Bus, BusError, Consumer, Message, PublishError, QueueDepth, SharedBus};
use futures::{FutureExt as _, future::BoxFuture};
use model::{ExecutionId, ExecutionStatus, TaskId};
use runtime::Tasks;
use store::{
    Answer, Beat, Claim, Commit, Committed, Create, Created, DefinitionIndex, Due, EventAccepted,
    EventRow, ExecutionFilter, ExecutionRow, Expired, Expiry, Fence, FinishedFilter, FinishedPage,
    Locked, PipelineMark, PipelinePut, PipelineRow, PipelineWritten, Removed, SharedStore, Stats,
    Store, StoreError, StoredEvent, StoredExecution, TaskClaim, TimelineRow,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use wire::Queue;

use crate::trap::{Trap, Trip, Verdict};

/// Turns others get before a commit has its effect: commits wait for a disk, reads do not, so that
/// two that were computed from the same state do meet.
const TURNS_OF_A_COMMIT: usize = 8;

/// More calls than this without any time in between are a loop that would burn a processor. Under a
/// paused clock it would also never end.
const CALLS_AT_ONE_INSTANT_MAX: usize = 5_000;
/// How long a broker takes to confirm: long enough for others to ask what is due meanwhile.
const CONFIRM: Duration = Duration::from_millis(20);

/// A store whose calls are counted. Each lets others run first, as a call over a network would.
#[derive(Debug)]
pub(crate) struct WatchedStore {
    inner: SharedStore,
    trap: Arc<Trap>,
    bell: watch::Sender<u64>,
    answered: Mutex<BTreeMap<&'static str, usize>>,
    at_this_instant: Mutex<(Instant, usize)>,
    conflicts: Mutex<usize>,
    most_running: Mutex<BTreeMap<String, usize>>,
}

impl WatchedStore {
    pub(crate) fn new(inner: SharedStore, trap: Arc<Trap>, tasks: &Tasks) -> Arc<Self> {
        let bell = watch::Sender::new(0);
        let (mut from, to) = (inner.bell(), bell.clone());
        tasks.spawn(async move {
            while from.changed().await.is_ok() {
                to.send_modify(|rung| *rung += 1);
            }
        });
        Arc::new(Self {
            inner,
            trap,
            bell,
            answered: Mutex::default(),
            at_this_instant: Mutex::new((Instant::now(), 0)),
            conflicts: Mutex::default(),
            most_running: Mutex::default(),
        })
    }

    /// Rings the bell, as any change would: the clock was moved by hand.
    pub(crate) fn ring(&self) {
        self.bell.send_modify(|rung| *rung += 1);
    }

    /// How often a call was answered.
    pub(crate) fn answered(&self, name: &str) -> usize {
        self.answered.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    /// How many commits were overtaken by another.
    pub(crate) fn conflicts(&self) -> usize {
        *self.conflicts.lock().unwrap()
    }

    /// How many executions of a pipeline ran at once, at most; looked at after every commit.
    pub(crate) fn most_running(&self, pipeline_id: &str) -> usize {
        self.most_running.lock().unwrap().get(pipeline_id).copied().unwrap_or(0)
    }

    async fn count_running(&self) -> Result<(), StoreError> {
        let statuses = vec![ExecutionStatus::Running, ExecutionStatus::Paused];
        let filter = ExecutionFilter { statuses, limit: 1_000, ..ExecutionFilter::default() };
        let mut running: BTreeMap<String, usize> = BTreeMap::new();
        for row in self.inner.execution_list(filter).await? {
            *running.entry(row.pipeline_id).or_default() += 1;
        }
        let mut most = self.most_running.lock().unwrap();
        for (pipeline_id, count) in running {
            let known = most.entry(pipeline_id).or_default();
            *known = count.max(*known);
        }
        Ok(())
    }

    /// The call at which the trap tripped, if it has.
    pub(crate) fn tripped(&self) -> Option<&'static str> {
        self.trap.tripped()
    }

    fn judge(&self, call: &'static str) -> Verdict {
        let now = Instant::now();
        let count = {
            let mut calls = self.at_this_instant.lock().unwrap();
            *calls = if calls.0 == now { (now, calls.1 + 1) } else { (now, 1) };
            calls.1
        };
        assert!(count < CALLS_AT_ONE_INSTANT_MAX, "a hot loop, now at {call}");
        self.trap.next(call)
    }

    fn pass<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        call: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        async move {
            let turns = if name == "execution_commit" { TURNS_OF_A_COMMIT } else { 1 };
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            let no_answer =
                || StoreError::Unavailable { doing: name, cause: "the test tripped it".into() };
            let answer = match self.judge(name) {
                Verdict::Well => call().await,
                Verdict::Tripped(Trip::FailsAfter) => call().await.and(Err(no_answer())),
                Verdict::Tripped(Trip::FailsBefore | Trip::Refused | Trip::Unroutable) => {
                    Err(no_answer())
                }
                Verdict::Tripped(Trip::DiesAfter) => {
                    call().await?;
                    pending().await
                }
                Verdict::Tripped(Trip::DiesBefore) | Verdict::Dead => pending().await,
            };
            *self.answered.lock().unwrap().entry(name).or_default() += 1;
            answer
        }
        .boxed()
    }
}

impl Store for WatchedStore {
    fn pipeline_put(&self, put: PipelinePut) -> Answer<'_, PipelineWritten> {
        self.pass("pipeline_put", || self.inner.pipeline_put(put))
    }
    fn pipeline_get<'a>(&'a self, id: &'a str) -> Answer<'a, Option<PipelineRow>> {
        self.pass("pipeline_get", || self.inner.pipeline_get(id))
    }
    fn pipeline_list<'a>(&'a self, application: Option<&'a str>) -> Answer<'a, Vec<PipelineRow>> {
        self.pass("pipeline_list", move || self.inner.pipeline_list(application))
    }
    fn pipeline_delete<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        self.pass("pipeline_delete", || self.inner.pipeline_delete(id))
    }
    fn pipelines_keyed<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<PipelineMark>> {
        self.pass("pipelines_keyed", move || self.inner.pipelines_keyed(keys))
    }
    fn pipelines_indexed_otherwise(
        &self,
        version: u32,
        limit: u32,
    ) -> Answer<'_, Vec<PipelineRow>> {
        self.pass("pipelines_indexed_otherwise", move || {
            self.inner.pipelines_indexed_otherwise(version, limit)
        })
    }
    fn pipeline_index<'a>(
        &'a self,
        mark: &'a PipelineMark,
        index: DefinitionIndex,
    ) -> Answer<'a, bool> {
        self.pass("pipeline_index", || self.inner.pipeline_index(mark, index))
    }
    fn event_accept(&self, event: EventRow) -> Answer<'_, EventAccepted> {
        self.pass("event_accept", || self.inner.event_accept(event))
    }
    fn event_settle<'a>(
        &'a self,
        key: &'a str,
        outcome: &'a str,
        then: Vec<EventRow>,
    ) -> Answer<'a, ()> {
        self.pass("event_settle", || self.inner.event_settle(key, outcome, then))
    }
    fn event_defer<'a>(
        &'a self,
        key: &'a str,
        not_before_ms: u64,
        note: &'a str,
    ) -> Answer<'a, ()> {
        self.pass("event_defer", move || self.inner.event_defer(key, not_before_ms, note))
    }
    fn event_get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<StoredEvent>> {
        self.pass("event_get", || self.inner.event_get(key))
    }
    fn event_list(&self, limit: u32) -> Answer<'_, Vec<StoredEvent>> {
        self.pass("event_list", move || self.inner.event_list(limit))
    }
    fn execution_create(&self, create: Create) -> Answer<'_, Created> {
        self.pass("execution_create", || {
            async {
                let created = self.inner.execution_create(create).await?;
                self.count_running().await?;
                Ok(created)
            }
            .boxed()
        })
    }
    fn execution_load<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<StoredExecution>> {
        self.pass("execution_load", || self.inner.execution_load(id))
    }
    fn execution_commit(&self, commit: Commit) -> Answer<'_, Committed> {
        self.pass("execution_commit", || {
            async {
                let committed = self.inner.execution_commit(commit).await?;
                if matches!(committed, Committed::Conflict { .. }) {
                    *self.conflicts.lock().unwrap() += 1;
                }
                self.count_running().await?;
                Ok(committed)
            }
            .boxed()
        })
    }
    fn execution_list(&self, filter: ExecutionFilter) -> Answer<'_, Vec<ExecutionRow>> {
        self.pass("execution_list", || self.inner.execution_list(filter))
    }
    fn execution_view<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<ExecutionRow>> {
        self.pass("execution_view", || self.inner.execution_view(id))
    }
    fn execution_timeline<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Vec<TimelineRow>> {
        self.pass("execution_timeline", || self.inner.execution_timeline(id))
    }
    fn execution_applied<'a>(&'a self, id: &'a ExecutionId, input_id: &'a str) -> Answer<'a, bool> {
        self.pass("execution_applied", || self.inner.execution_applied(id, input_id))
    }
    fn execution_rewake<'a>(
        &'a self,
        id: &'a ExecutionId,
        seen_ms: Option<u64>,
        wake_ms: u64,
    ) -> Answer<'a, ()> {
        self.pass("execution_rewake", move || self.inner.execution_rewake(id, seen_ms, wake_ms))
    }
    fn executions_finished(&self, filter: FinishedFilter) -> Answer<'_, FinishedPage> {
        self.pass("executions_finished", move || self.inner.executions_finished(filter))
    }
    fn execution_remove<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Removed> {
        self.pass("execution_remove", || self.inner.execution_remove(id))
    }
    fn expire(&self, expiry: Expiry) -> Answer<'_, Expired> {
        self.pass("expire", move || self.inner.expire(expiry))
    }
    fn due(&self, limit: u32, hide_ms: u64) -> Answer<'_, Due> {
        self.pass("due", move || self.inner.due(limit, hide_ms))
    }
    fn outbox_done<'a>(&'a self, message_ids: &'a [String]) -> Answer<'a, ()> {
        self.pass("outbox_done", || self.inner.outbox_done(message_ids))
    }
    fn outbox_defer<'a>(&'a self, message_ids: &'a [String], not_before_ms: u64) -> Answer<'a, ()> {
        self.pass("outbox_defer", move || self.inner.outbox_defer(message_ids, not_before_ms))
    }
    fn lease_claim(&self, claim: TaskClaim) -> Answer<'_, Claim> {
        self.pass("lease_claim", || self.inner.lease_claim(claim))
    }
    fn lease_beat<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        ttl_ms: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        self.pass("lease_beat", move || self.inner.lease_beat(task, token, ttl_ms, checkpoint))
    }
    fn lease_finish<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        result: &'a str,
        notice_ms: u64,
    ) -> Answer<'a, Beat> {
        self.pass("lease_finish", move || self.inner.lease_finish(task, token, result, notice_ms))
    }
    fn lease_release<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        self.pass("lease_release", move || self.inner.lease_release(task, token, checkpoint))
    }
    fn lock<'a>(
        &'a self,
        resource: &'a str,
        execution: &'a ExecutionId,
        owner: &'a str,
    ) -> Answer<'a, Locked> {
        self.pass("lock", move || self.inner.lock(resource, execution, owner))
    }
    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str, fence: Fence) -> Answer<'a, ()> {
        self.pass("unlock", move || self.inner.unlock(resource, owner, fence))
    }
    fn lock_held<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        fence: Fence,
    ) -> Answer<'a, bool> {
        self.pass("lock_held", move || self.inner.lock_held(resource, owner, fence))
    }
    fn stats(&self) -> Answer<'_, Stats> {
        self.pass("stats", || self.inner.stats())
    }
    fn now_ms(&self) -> Answer<'_, u64> {
        self.pass("now_ms", || self.inner.now_ms())
    }
    fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }
}

/// A bus that remembers what reached it.
#[derive(Debug)]
pub(crate) struct WatchedBus {
    inner: SharedBus,
    trap: Arc<Trap>,
    reached: Mutex<Vec<String>>,
}

impl WatchedBus {
    pub(crate) fn new(inner: SharedBus, trap: Arc<Trap>) -> Arc<Self> {
        Arc::new(Self { inner, trap, reached: Mutex::default() })
    }

    /// Ids of the messages that reached the broker, oldest first.
    pub(crate) fn reached(&self) -> Vec<String> {
        self.reached.lock().unwrap().clone()
    }

    async fn deliver(&self, message: Message) -> Result<(), PublishError> {
        self.reached.lock().unwrap().push(message.id.clone());
        self.inner.publish(message).await
    }
}

impl Bus for WatchedBus {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        async move {
            tokio::time::sleep(CONFIRM).await;
            let route = message.route;
            let unknown =
                PublishError::Unavailable { route, detail: "the test tripped it".to_owned() };
            match self.trap.next("publish") {
                Verdict::Well => self.deliver(message).await,
                Verdict::Tripped(Trip::FailsBefore) => Err(unknown),
                Verdict::Tripped(Trip::FailsAfter) => self.deliver(message).await.and(Err(unknown)),
                Verdict::Tripped(Trip::Refused) => Err(PublishError::Refused { route }),
                Verdict::Tripped(Trip::Unroutable) => Err(PublishError::Unroutable { route }),
                Verdict::Tripped(Trip::DiesAfter) => {
                    self.deliver(message).await?;
                    pending().await
                }
                Verdict::Tripped(Trip::DiesBefore) | Verdict::Dead => pending().await,
            }
        }
        .boxed()
    }

    fn consume(&self, queue: Queue, prefetch: u16) -> BoxFuture<'_, Result<Consumer, BusError>> {
        self.inner.consume(queue, prefetch)
    }

    fn hints(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Vec<u8>>, BusError>> {
        self.inner.hints()
    }

    fn depth(&self, queue: Queue) -> BoxFuture<'_, Result<QueueDepth, BusError>> {
        self.inner.depth(queue)
    }

    fn healthy(&self) -> bool {
        self.inner.healthy()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}
