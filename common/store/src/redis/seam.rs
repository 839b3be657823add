//! [`Store`] in terms of function calls: each names what it does, its arguments, its decoder.

use ::redis::Value;
use futures::{FutureExt as _, future};
use model::{ExecutionId, ExecutionStatus, Pool, TaskId};
use tokio::sync::watch;

use super::{RedisStore, decode, encode::Call};
use crate::{
    Beat, Claim, Commit, Committed, Create, Created, DefinitionIndex, Due, EventAccepted, EventRow,
    ExecutionFilter, ExecutionRow, Expired, Expiry, Fence, FinishedFilter, FinishedPage, Locked,
    PipelineMark, PipelinePut, PipelineRow, PipelineWritten, Removed, Stats, Store, StoreError,
    StoredEvent, StoredExecution, TaskClaim, TimelineRow,
    api::Answer,
    rules::{self, Refusal},
};

impl RedisStore {
    /// Sends a call and decodes its reply.
    fn ask<T: Send + 'static>(
        &self,
        call: Call,
        decode: impl FnOnce(Value) -> Result<T, String> + Send + 'static,
    ) -> Answer<'_, T> {
        async move {
            let (doing, value) = self.answer(call).await?;
            decode(value).map_err(|detail| StoreError::Unreadable { doing, detail })
        }
        .boxed()
    }
}

impl Store for RedisStore {
    fn pipeline_put(&self, put: PipelinePut) -> Answer<'_, PipelineWritten> {
        let call = self
            .function("wrote a pipeline", "pipeline_put")
            .text(&put.id)
            .text(&put.application)
            .text(&put.name)
            .text(&put.body)
            .maybe_number(put.expected_version)
            .index(&put.index)
            .list(&put.events, Call::event);
        self.ask(call, decode::pipeline_written)
    }

    fn pipeline_get<'a>(&'a self, id: &'a str) -> Answer<'a, Option<PipelineRow>> {
        let call = self.function("read a pipeline", "pipeline_get").text(id);
        self.ask(call, |value| decode::maybe(value, decode::pipeline))
    }

    fn pipeline_list<'a>(&'a self, application: Option<&'a str>) -> Answer<'a, Vec<PipelineRow>> {
        let call = self.function("listed pipelines", "pipeline_list").maybe(application);
        self.ask(call, |value| {
            let mut rows = decode::rows(value, decode::pipeline)?;
            rules::pipeline_order(&mut rows);
            Ok(rows)
        })
    }

    fn pipeline_delete<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        self.ask(self.function("deleted a pipeline", "pipeline_delete").text(id), decode::flag)
    }

    fn pipelines_keyed<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<PipelineMark>> {
        let call = self.function("looked up pipelines", "pipelines_keyed");
        self.ask(keys.iter().fold(call, |call, key| call.text(key)), |value| {
            let mut marks = decode::rows(value, decode::mark)?;
            marks.sort_unstable();
            Ok(marks)
        })
    }

    fn pipelines_indexed_otherwise(
        &self,
        version: u32,
        limit: u32,
    ) -> Answer<'_, Vec<PipelineRow>> {
        let call = self
            .function("looked for pipelines to index", "pipelines_indexed_otherwise")
            .number(u64::from(version))
            .count(rules::list_limit(limit));
        self.ask(call, |value| decode::rows(value, decode::pipeline))
    }

    fn pipeline_index<'a>(
        &'a self,
        mark: &'a PipelineMark,
        index: DefinitionIndex,
    ) -> Answer<'a, bool> {
        let call = self
            .function("indexed a pipeline", "pipeline_index")
            .text(&mark.id)
            .number(mark.version)
            .number(mark.updated_ms)
            .index(&index);
        self.ask(call, decode::flag)
    }

    fn event_accept(&self, event: EventRow) -> Answer<'_, EventAccepted> {
        let call = self.function("accepted an event", "event_accept");
        self.ask(call.event(&event), decode::event_accepted)
    }

    fn event_settle<'a>(
        &'a self,
        key: &'a str,
        outcome: &'a str,
        then: Vec<EventRow>,
    ) -> Answer<'a, ()> {
        let call = self.function("settled an event", "event_settle").text(key).text(outcome);
        self.ask(call.list(&then, Call::event), decode::done)
    }

    fn event_defer<'a>(
        &'a self,
        key: &'a str,
        not_before_ms: u64,
        note: &'a str,
    ) -> Answer<'a, ()> {
        let call = self
            .function("deferred an event", "event_defer")
            .text(key)
            .number(rules::instant(not_before_ms))
            .text(note);
        self.ask(call, decode::done)
    }

    fn event_get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<StoredEvent>> {
        let call = self.function("read an event", "event_get").text(key);
        self.ask(call, |value| decode::maybe(value, decode::event))
    }

    fn event_list(&self, limit: u32) -> Answer<'_, Vec<StoredEvent>> {
        let call = self.function("listed events", "event_list").count(rules::list_limit(limit));
        self.ask(call, |value| decode::rows(value, decode::event))
    }

    fn execution_create(&self, create: Create) -> Answer<'_, Created> {
        // The function takes one id, so this rule is kept on this side.
        let other_id = create.first.id != create.id;
        let call = self
            .function("created an execution", "execution_create")
            .text(create.id.as_str())
            .text(&create.application)
            .text(&create.pipeline_id)
            .text(&create.event_key)
            .slot_request(create.slot)
            .transition(&create.first);
        if other_id {
            let reason = Refusal::OtherId.reason();
            return future::ready(Ok(Created::Refused { reason })).boxed();
        }
        self.ask(call, decode::created)
    }

    fn execution_load<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<StoredExecution>> {
        let call = self.function("loaded an execution", "execution_load").text(id.as_str());
        self.ask(call, |value| decode::maybe(value, decode::execution))
    }

    fn execution_commit(&self, commit: Commit) -> Answer<'_, Committed> {
        let call = self
            .function("committed a transition", "execution_commit")
            .text(commit.id.as_str())
            .number(commit.expect_version)
            .text(&commit.input_id)
            .transition(&commit);
        self.ask(call, decode::committed)
    }

    fn execution_list(&self, filter: ExecutionFilter) -> Answer<'_, Vec<ExecutionRow>> {
        let call = self.function("listed executions", "execution_list").filter(&filter);
        self.ask(call, |value| decode::rows(value, decode::view))
    }

    fn execution_view<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<ExecutionRow>> {
        let call = self.function("read a view", "execution_view").text(id.as_str());
        self.ask(call, |value| decode::maybe(value, decode::view))
    }

    fn execution_timeline<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Vec<TimelineRow>> {
        let call = self.function("read a timeline", "execution_timeline").text(id.as_str());
        self.ask(call, decode::timeline)
    }

    fn execution_applied<'a>(&'a self, id: &'a ExecutionId, input_id: &'a str) -> Answer<'a, bool> {
        let call = self.function("looked for an input", "execution_applied");
        self.ask(call.text(id.as_str()).text(input_id), decode::flag)
    }

    fn execution_rewake<'a>(
        &'a self,
        id: &'a ExecutionId,
        seen_ms: Option<u64>,
        wake_ms: u64,
    ) -> Answer<'a, ()> {
        let call = self
            .function("moved a wake", "execution_rewake")
            .text(id.as_str())
            .maybe_number(seen_ms)
            .number(rules::instant(wake_ms));
        self.ask(call, decode::done)
    }

    fn executions_finished(&self, filter: FinishedFilter) -> Answer<'_, FinishedPage> {
        let call = self
            .function("looked for old executions", "executions_finished")
            .number(rules::instant(filter.before_ms))
            .number(u64::from(filter.keep_per_pipeline))
            .number(u64::from(filter.skip))
            .number(u64::from(filter.limit));
        self.ask(call, decode::finished)
    }

    fn execution_remove<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Removed> {
        let call = self.function("removed an execution", "execution_remove").text(id.as_str());
        self.ask(call, decode::removed)
    }

    fn expire(&self, expiry: Expiry) -> Answer<'_, Expired> {
        let call = self
            .function("forgot old events", "expire")
            .number(rules::instant(expiry.events_before_ms))
            .number(rules::instant(expiry.tombstones_before_ms))
            .number(u64::from(expiry.limit));
        self.ask(call, decode::expired)
    }

    fn due(&self, limit: u32, hide_ms: u64) -> Answer<'_, Due> {
        let call = self
            .function("took due work", "due")
            .number(u64::from(limit))
            .number(rules::hide(hide_ms));
        self.ask(call, decode::due)
    }

    fn outbox_done<'a>(&'a self, message_ids: &'a [String]) -> Answer<'a, ()> {
        let call = self.function("deleted published messages", "outbox_done");
        let call = message_ids.iter().fold(call, |call, id| call.text(id));
        self.ask(call, decode::done)
    }

    fn outbox_defer<'a>(&'a self, message_ids: &'a [String], not_before_ms: u64) -> Answer<'a, ()> {
        let call = self.function("deferred messages", "outbox_defer");
        let call = call.number(rules::instant(not_before_ms));
        let call = message_ids.iter().fold(call, |call, id| call.text(id));
        self.ask(call, decode::done)
    }

    fn lease_claim(&self, claim: TaskClaim) -> Answer<'_, Claim> {
        let call = self
            .function("claimed a lease", "lease_claim")
            .text(&claim.task.to_string())
            .number(u64::from(claim.epoch))
            .text(&claim.digest)
            .text(&claim.holder)
            .number(rules::span(claim.ttl_ms));
        self.ask(call, decode::claim)
    }

    fn lease_beat<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        ttl_ms: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        let call = self
            .function("extended a lease", "lease_beat")
            .text(&task.to_string())
            .number(token)
            .number(rules::span(ttl_ms))
            .maybe(checkpoint);
        self.ask(call, decode::beat)
    }

    fn lease_finish<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        result: &'a str,
        notice_ms: u64,
    ) -> Answer<'a, Beat> {
        let call = self
            .function("stored a result", "lease_finish")
            .text(&task.to_string())
            .number(token)
            .text(result)
            .number(rules::span(notice_ms));
        self.ask(call, decode::beat)
    }

    fn lease_release<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        let call = self
            .function("released a lease", "lease_release")
            .text(&task.to_string())
            .number(token)
            .maybe(checkpoint);
        self.ask(call, decode::beat)
    }

    fn lock<'a>(
        &'a self,
        resource: &'a str,
        execution: &'a ExecutionId,
        owner: &'a str,
    ) -> Answer<'a, Locked> {
        let call = self.function("took a lock", "lock").text(resource);
        self.ask(call.text(execution.as_str()).text(owner), decode::locked)
    }

    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str, fence: Fence) -> Answer<'a, ()> {
        let call = self.function("freed a lock", "unlock");
        self.ask(call.text(resource).text(owner).number(fence), decode::done)
    }

    fn lock_held<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        fence: Fence,
    ) -> Answer<'a, bool> {
        let call = self.function("looked at a lock", "lock_held");
        self.ask(call.text(resource).text(owner).number(fence), decode::flag)
    }

    fn stats(&self) -> Answer<'_, Stats> {
        let call = self
            .function("counted", "stats")
            .list(&Pool::ALL, |call, kind| call.text(kind.as_str()))
            .list(&ExecutionStatus::ALL, |call, status| call.text(status.as_str()));
        self.ask(call, decode::stats)
    }

    fn now_ms(&self) -> Answer<'_, u64> {
        self.ask(self.function("told the time", "now_ms"), decode::number)
    }

    fn bell(&self) -> watch::Receiver<u64> {
        self.bell.receiver()
    }
}
