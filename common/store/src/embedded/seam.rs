//! [`Store`] in terms of transactions: every call owns its arguments and names what it does.

use futures::FutureExt as _;
use model::{ExecutionId, TaskId};
use tokio::sync::watch;

use super::{EmbeddedStore, definitions, due, executions, intake, leases, retention, tables};
use crate::{
    Beat, Claim, Commit, Committed, Create, Created, DefinitionIndex, Due, EventAccepted, EventRow,
    ExecutionFilter, ExecutionRow, Expired, Expiry, Fence, FinishedFilter, FinishedPage, Locked,
    PipelineMark, PipelinePut, PipelineRow, PipelineWritten, Removed, Stats, Store, StoredEvent,
    StoredExecution, TaskClaim, TimelineRow, api::Answer, rules,
};

impl Store for EmbeddedStore {
    fn pipeline_put(&self, put: PipelinePut) -> Answer<'_, PipelineWritten> {
        self.write("wrote a pipeline", move |tables| definitions::pipeline_put(tables, &put))
    }

    fn pipeline_get<'a>(&'a self, id: &'a str) -> Answer<'a, Option<PipelineRow>> {
        let id = id.to_owned();
        self.read("read a pipeline", move |transaction, _| {
            definitions::pipeline_get(transaction, &id)
        })
    }

    fn pipeline_list<'a>(&'a self, application: Option<&'a str>) -> Answer<'a, Vec<PipelineRow>> {
        let application = application.map(str::to_owned);
        self.read("listed pipelines", move |transaction, _| {
            definitions::pipeline_list(transaction, application.as_deref())
        })
    }

    fn pipeline_delete<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        let id = id.to_owned();
        self.write("deleted a pipeline", move |tables| definitions::pipeline_delete(tables, &id))
    }

    fn pipelines_keyed<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<PipelineMark>> {
        let keys = keys.to_vec();
        self.read("looked up pipelines", move |transaction, _| {
            definitions::keyed(transaction, &keys)
        })
    }

    fn pipelines_indexed_otherwise(
        &self,
        version: u32,
        limit: u32,
    ) -> Answer<'_, Vec<PipelineRow>> {
        self.read("looked for pipelines to index", move |transaction, _| {
            definitions::indexed_otherwise(transaction, version, limit)
        })
    }

    fn pipeline_index<'a>(
        &'a self,
        mark: &'a PipelineMark,
        index: DefinitionIndex,
    ) -> Answer<'a, bool> {
        let mark = mark.clone();
        self.write("indexed a pipeline", move |tables| definitions::index(tables, &mark, &index))
    }

    fn event_accept(&self, event: EventRow) -> Answer<'_, EventAccepted> {
        self.write("accepted an event", move |tables| intake::event_accept(tables, &event))
    }

    fn event_settle<'a>(
        &'a self,
        key: &'a str,
        outcome: &'a str,
        then: Vec<EventRow>,
    ) -> Answer<'a, ()> {
        let (key, outcome) = (key.to_owned(), outcome.to_owned());
        self.write("settled an event", move |tables| {
            intake::event_settle(tables, &key, &outcome, &then)
        })
    }

    fn event_defer<'a>(
        &'a self,
        key: &'a str,
        not_before_ms: u64,
        note: &'a str,
    ) -> Answer<'a, ()> {
        let (key, note) = (key.to_owned(), note.to_owned());
        let at_ms = rules::instant(not_before_ms);
        self.write("deferred an event", move |tables| {
            intake::event_defer(tables, &key, at_ms, &note)
        })
    }

    fn event_get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<StoredEvent>> {
        let key = key.to_owned();
        self.read("read an event", move |transaction, _| intake::event_get(transaction, &key))
    }

    fn event_list(&self, limit: u32) -> Answer<'_, Vec<StoredEvent>> {
        self.read("listed events", move |transaction, _| intake::event_list(transaction, limit))
    }

    fn execution_create(&self, create: Create) -> Answer<'_, Created> {
        let create = Create { first: bounded(create.first), ..create };
        self.write("created an execution", move |tables| executions::create(tables, &create))
    }

    fn execution_load<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<StoredExecution>> {
        let id = id.clone();
        self.read("loaded an execution", move |transaction, now_ms| {
            executions::load(transaction, &id, now_ms)
        })
    }

    fn execution_commit(&self, commit: Commit) -> Answer<'_, Committed> {
        let commit = bounded(commit);
        self.write("committed a transition", move |tables| executions::commit(tables, &commit))
    }

    fn execution_list(&self, filter: ExecutionFilter) -> Answer<'_, Vec<ExecutionRow>> {
        self.read("listed executions", move |transaction, _| executions::list(transaction, &filter))
    }

    fn execution_view<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<ExecutionRow>> {
        let id = id.clone();
        self.read("read a view", move |transaction, _| executions::view(transaction, &id))
    }

    fn execution_timeline<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Vec<TimelineRow>> {
        let id = id.clone();
        self.read("read a timeline", move |transaction, _| executions::timeline(transaction, &id))
    }

    fn execution_applied<'a>(&'a self, id: &'a ExecutionId, input_id: &'a str) -> Answer<'a, bool> {
        let (id, input_id) = (id.clone(), input_id.to_owned());
        self.read("looked for an input", move |transaction, _| {
            executions::applied(transaction, &id, &input_id)
        })
    }

    fn execution_rewake<'a>(
        &'a self,
        id: &'a ExecutionId,
        seen_ms: Option<u64>,
        wake_ms: u64,
    ) -> Answer<'a, ()> {
        let id = id.clone();
        let wake_ms = rules::instant(wake_ms);
        self.write("moved a wake", move |tables| executions::rewake(tables, &id, seen_ms, wake_ms))
    }

    fn executions_finished(&self, filter: FinishedFilter) -> Answer<'_, FinishedPage> {
        self.read("looked for old executions", move |transaction, _| {
            retention::finished(transaction, filter)
        })
    }

    fn execution_remove<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Removed> {
        let id = id.clone();
        self.write("removed an execution", move |tables| retention::remove(tables, id.as_str()))
    }

    fn expire(&self, expiry: Expiry) -> Answer<'_, Expired> {
        self.write("forgot old events", move |tables| retention::expire(tables, expiry))
    }

    fn due(&self, limit: u32, hide_ms: u64) -> Answer<'_, Due> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let hide_ms = rules::hide(hide_ms);
        let idle = self.read("asked what is due", due::idle);
        let take = self.write("took due work", move |tables| due::due(tables, limit, hide_ms));
        async move {
            match idle.await? {
                Some(nothing) => Ok(nothing),
                None => take.await,
            }
        }
        .boxed()
    }

    fn outbox_done<'a>(&'a self, message_ids: &'a [String]) -> Answer<'a, ()> {
        let ids = message_ids.to_vec();
        self.write("deleted published messages", move |tables| {
            ids.iter().try_for_each(|id| due::forget_message(tables, id))
        })
    }

    fn outbox_defer<'a>(&'a self, message_ids: &'a [String], not_before_ms: u64) -> Answer<'a, ()> {
        let ids = message_ids.to_vec();
        let at_ms = rules::instant(not_before_ms);
        self.write("deferred messages", move |tables| {
            ids.iter().try_for_each(|id| due::defer_message(tables, id, at_ms))
        })
    }

    fn lease_claim(&self, claim: TaskClaim) -> Answer<'_, Claim> {
        let claim = TaskClaim { ttl_ms: rules::span(claim.ttl_ms), ..claim };
        self.write("claimed a lease", move |tables| leases::claim(tables, &claim))
    }

    fn lease_beat<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        ttl_ms: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        let (key, checkpoint) = (task.to_string(), checkpoint.map(str::to_owned));
        let ttl_ms = rules::span(ttl_ms);
        self.write("extended a lease", move |tables| {
            leases::beat(tables, &key, token, ttl_ms, checkpoint.as_deref())
        })
    }

    fn lease_finish<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        result: &'a str,
        notice_ms: u64,
    ) -> Answer<'a, Beat> {
        let (task, result) = (task.clone(), result.to_owned());
        let notice_ms = rules::span(notice_ms);
        self.write("stored a result", move |tables| {
            leases::finish(tables, &task, token, &result, notice_ms)
        })
    }

    fn lease_release<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        let (task, checkpoint) = (task.clone(), checkpoint.map(str::to_owned));
        self.write("released a lease", move |tables| {
            leases::release(tables, &task, token, checkpoint.as_deref())
        })
    }

    fn lock<'a>(
        &'a self,
        resource: &'a str,
        execution: &'a ExecutionId,
        owner: &'a str,
    ) -> Answer<'a, Locked> {
        let (resource, execution) = (resource.to_owned(), execution.clone());
        let owner = owner.to_owned();
        self.write("took a lock", move |tables| leases::lock(tables, &resource, &execution, &owner))
    }

    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str, fence: Fence) -> Answer<'a, ()> {
        let (resource, owner) = (resource.to_owned(), owner.to_owned());
        self.write("freed a lock", move |tables| leases::unlock(tables, &resource, &owner, fence))
    }

    fn lock_held<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        fence: Fence,
    ) -> Answer<'a, bool> {
        let (resource, owner) = (resource.to_owned(), owner.to_owned());
        self.read("looked at a lock", move |transaction, _| {
            let locks = transaction.open_table(tables::LOCKS)?;
            let held: Option<tables::LockRecord> = tables::row(&locks, &resource)?;
            Ok(held.is_some_and(|held| held.owner == owner && held.fence == fence))
        })
    }

    fn stats(&self) -> Answer<'_, Stats> {
        self.read("counted", due::stats)
    }

    fn now_ms(&self) -> Answer<'_, u64> {
        self.read("told the time", |_, now_ms| Ok(now_ms))
    }

    fn bell(&self) -> watch::Receiver<u64> {
        self.core.bell()
    }
}

fn bounded(commit: Commit) -> Commit {
    Commit { wake_ms: commit.wake_ms.map(rules::instant), ..commit }
}
