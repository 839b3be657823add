//! The store as one process reaches it.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use model::{ExecutionId, TaskId};
use store::{
    Answer, Beat, Claim, Commit, Committed, Create, Created, DefinitionIndex, Due, EventAccepted,
    EventRow, ExecutionFilter, ExecutionRow, Expired, Expiry, Fence, FinishedFilter, FinishedPage,
    Locked, PipelineMark, PipelinePut, PipelineRow, PipelineWritten, Removed, Stats, Store,
    StoreError, StoredEvent, StoredExecution, TaskClaim, TimelineRow,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    fault::{Face, What},
    plant,
    process::{Call, Lossy, Process},
};

/// A process's connection to the store.
#[derive(Clone, Debug)]
pub(crate) struct StorePort(pub(crate) Arc<Process>);

impl Lossy for StoreError {
    fn no_answer(call: &'static str) -> Self {
        Self::Unavailable { doing: call, cause: "the connection broke".into() }
    }

    fn refusal(_: &'static str, _: What) -> Option<Self> {
        None
    }
}

const fn call(face: Face, name: &'static str) -> Call {
    Call { face, name }
}

/// A call that is passed on as it is.
macro_rules! passed {
    ($port:ident, $face:ident, $name:ident ( $($arg:ident),* )) => {
        async move {
            let store = $port.0.ground.store();
            $port.0.point(call(Face::$face, stringify!($name)), || store.$name($($arg.clone()),*)).await
        }
        .boxed()
    };
}

impl Store for StorePort {
    fn pipeline_put(&self, put: PipelinePut) -> Answer<'_, PipelineWritten> {
        passed!(self, Look, pipeline_put(put))
    }

    fn pipeline_get<'a>(&'a self, id: &'a str) -> Answer<'a, Option<PipelineRow>> {
        passed!(self, Look, pipeline_get(id))
    }

    fn pipeline_list<'a>(&'a self, application: Option<&'a str>) -> Answer<'a, Vec<PipelineRow>> {
        passed!(self, Look, pipeline_list(application))
    }

    fn pipeline_delete<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        passed!(self, Look, pipeline_delete(id))
    }

    fn pipelines_keyed<'a>(&'a self, keys: &'a [String]) -> Answer<'a, Vec<PipelineMark>> {
        passed!(self, Look, pipelines_keyed(keys))
    }
    fn pipelines_indexed_otherwise(
        &self,
        version: u32,
        limit: u32,
    ) -> Answer<'_, Vec<PipelineRow>> {
        passed!(self, Look, pipelines_indexed_otherwise(version, limit))
    }
    fn pipeline_index<'a>(
        &'a self,
        mark: &'a PipelineMark,
        index: DefinitionIndex,
    ) -> Answer<'a, bool> {
        async move {
            let store = self.0.ground.store();
            let act = || store.pipeline_index(mark, index.clone());
            self.0.point(call(Face::Intake, "pipeline_index"), act).await
        }
        .boxed()
    }
    fn event_accept(&self, event: EventRow) -> Answer<'_, EventAccepted> {
        async move {
            let event = self.0.planted_key(event);
            if self.0.known_by_number(&event.key) {
                return Ok(EventAccepted::Duplicate);
            }
            if self.0.accepts_in_memory() {
                let port = self.clone();
                // A crash forgets it.
                drop(self.0.tasks.spawn(async move {
                    sleep(Duration::from_secs(2)).await;
                    port.store_event(event).await.ok();
                }));
                return Ok(EventAccepted::New);
            }
            self.store_event(event).await
        }
        .boxed()
    }

    fn event_settle<'a>(
        &'a self,
        key: &'a str,
        outcome: &'a str,
        then: Vec<EventRow>,
    ) -> Answer<'a, ()> {
        let then = self.0.planted_then(then);
        passed!(self, Intake, event_settle(key, outcome, then))
    }

    fn event_defer<'a>(
        &'a self,
        key: &'a str,
        not_before_ms: u64,
        note: &'a str,
    ) -> Answer<'a, ()> {
        passed!(self, Intake, event_defer(key, not_before_ms, note))
    }

    fn event_get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<StoredEvent>> {
        passed!(self, Look, event_get(key))
    }

    fn event_list(&self, limit: u32) -> Answer<'_, Vec<StoredEvent>> {
        passed!(self, Look, event_list(limit))
    }

    fn execution_create(&self, create: Create) -> Answer<'_, Created> {
        let ground = &self.0.ground;
        async move {
            let create = self.0.planted_create(create);
            let act = || {
                async {
                    if self.0.creates_nothing() {
                        return Ok(Created::New);
                    }
                    let answer = ground.store().execution_create(create.clone()).await?;
                    let after = ground.store().execution_load(&create.id).await?;
                    ground.judge(|oracle| oracle.created(&create, &answer, after.as_ref()));
                    Ok(answer)
                }
                .boxed()
            };
            self.0.point(call(Face::Commit, "execution_create"), act).await
        }
        .boxed()
    }

    fn execution_load<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<StoredExecution>> {
        async move {
            let store = self.0.ground.store();
            let act = || store.execution_load(id);
            let stored = self.0.point(call(Face::Look, "execution_load"), act).await?;
            Ok(stored.map(|stored| self.0.planted_load(id, stored)))
        }
        .boxed()
    }

    fn execution_commit(&self, commit: Commit) -> Answer<'_, Committed> {
        let ground = &self.0.ground;
        async move {
            let version = commit.expect_version.saturating_add(1);
            let Some(commit) = self.0.planted_commit(commit) else {
                return Ok(Committed::Applied { version });
            };
            let act = || {
                async {
                    let answer = ground.store().execution_commit(commit.clone()).await?;
                    let after = ground.store().execution_load(&commit.id).await?;
                    ground.judge(|oracle| oracle.committed(&commit, &answer, after.as_ref()));
                    match answer {
                        Committed::Conflict { .. } | Committed::Duplicate
                            if self.0.overwrites_newer() =>
                        {
                            plant::overwrite(&self.0, &commit).await
                        }
                        answer @ (Committed::Applied { .. }
                        | Committed::Duplicate
                        | Committed::Conflict { .. }
                        | Committed::Gone
                        | Committed::NoSlot
                        | Committed::Refused { .. }) => Ok(answer),
                    }
                }
                .boxed()
            };
            self.0.point(call(Face::Commit, "execution_commit"), act).await
        }
        .boxed()
    }

    fn execution_list(&self, filter: ExecutionFilter) -> Answer<'_, Vec<ExecutionRow>> {
        passed!(self, Look, execution_list(filter))
    }

    fn execution_view<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Option<ExecutionRow>> {
        async move {
            let store = self.0.ground.store();
            self.0.point(call(Face::Look, "execution_view"), || store.execution_view(id)).await
        }
        .boxed()
    }

    fn execution_timeline<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Vec<TimelineRow>> {
        async move {
            let store = self.0.ground.store();
            self.0
                .point(call(Face::Look, "execution_timeline"), || store.execution_timeline(id))
                .await
        }
        .boxed()
    }

    fn execution_applied<'a>(&'a self, id: &'a ExecutionId, input_id: &'a str) -> Answer<'a, bool> {
        async move {
            let store = self.0.ground.store();
            let act = || store.execution_applied(id, input_id);
            self.0.point(call(Face::Look, "execution_applied"), act).await
        }
        .boxed()
    }

    fn executions_finished(&self, filter: FinishedFilter) -> Answer<'_, FinishedPage> {
        passed!(self, Look, executions_finished(filter))
    }

    fn execution_remove<'a>(&'a self, id: &'a ExecutionId) -> Answer<'a, Removed> {
        async move {
            let store = self.0.ground.store();
            self.0
                .point(call(Face::Commit, "execution_remove"), || store.execution_remove(id))
                .await
        }
        .boxed()
    }

    fn expire(&self, expiry: Expiry) -> Answer<'_, Expired> {
        passed!(self, Look, expire(expiry))
    }

    fn execution_rewake<'a>(
        &'a self,
        id: &'a ExecutionId,
        seen_ms: Option<u64>,
        wake_ms: u64,
    ) -> Answer<'a, ()> {
        let ground = &self.0.ground;
        async move {
            let act = || {
                async {
                    ground.store().execution_rewake(id, seen_ms, wake_ms).await?;
                    let after = ground.store().execution_load(id).await?;
                    ground.judge(|oracle| oracle.looked_at(id, after.as_ref()));
                    Ok(())
                }
                .boxed()
            };
            self.0.point(call(Face::Commit, "execution_rewake"), act).await
        }
        .boxed()
    }

    fn due(&self, limit: u32, hide_ms: u64) -> Answer<'_, Due> {
        async move {
            let store = self.0.ground.store();
            self.0.point(call(Face::Pulse, "due"), || store.due(limit, hide_ms)).await
        }
        .boxed()
    }

    fn outbox_done<'a>(&'a self, message_ids: &'a [String]) -> Answer<'a, ()> {
        let ground = &self.0.ground;
        async move {
            let act = || {
                ground.judge(|oracle| oracle.deletes_messages(message_ids));
                ground.store().outbox_done(message_ids)
            };
            self.0.point(call(Face::Outbox, "outbox_done"), act).await
        }
        .boxed()
    }

    fn outbox_defer<'a>(&'a self, message_ids: &'a [String], not_before_ms: u64) -> Answer<'a, ()> {
        async move {
            let store = self.0.ground.store();
            let act = || store.outbox_defer(message_ids, not_before_ms);
            self.0.point(call(Face::Outbox, "outbox_defer"), act).await
        }
        .boxed()
    }

    fn lease_claim(&self, claim: TaskClaim) -> Answer<'_, Claim> {
        let ground = &self.0.ground;
        async move {
            let ttl_ms = self.0.planted_ttl_ms(claim.ttl_ms);
            let claim = TaskClaim { ttl_ms, ..claim };
            let task = claim.task.clone();
            let sent = Instant::now();
            let act = || {
                async {
                    let answer = ground.store().lease_claim(claim.clone()).await?;
                    let now_ms = ground.store().now_ms().await?;
                    ground.judge(|oracle| oracle.claimed(&claim, &answer, now_ms));
                    Ok(answer)
                }
                .boxed()
            };
            let answer = self.0.point(call(Face::Lease, "lease_claim"), act).await?;
            if let Claim::Granted { token, .. } = &answer {
                ground.judge(|oracle| oracle.heard_held(&self.0.name, &task, *token, sent));
            }
            Ok(self.0.planted_claim(answer))
        }
        .boxed()
    }

    fn lease_beat<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        ttl_ms: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        let ground = &self.0.ground;
        async move {
            let sent = Instant::now();
            let ttl_ms = self.0.planted_ttl_ms(ttl_ms);
            let checkpoint = self.0.planted_checkpoint(checkpoint);
            let checkpoint = checkpoint.as_deref();
            let act = || {
                async {
                    let answer = ground.store().lease_beat(task, token, ttl_ms, checkpoint).await?;
                    let now_ms = ground.store().now_ms().await?;
                    let until_ms = now_ms.saturating_add(ttl_ms);
                    ground.judge(|oracle| oracle.beaten(task, token, answer, until_ms));
                    Ok(answer)
                }
                .boxed()
            };
            let name = if checkpoint.is_some() { "checkpoint" } else { "lease_beat" };
            let answer = self.0.point(call(Face::Lease, name), act).await;
            if let Ok(answer) = &answer {
                self.heard(task, token, *answer, sent);
            }
            let held = Beat::Held { cancel: false };
            self.0.planted_silence(answer, held).map(|answer| self.0.planted_beat(answer))
        }
        .boxed()
    }

    fn lease_finish<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        result: &'a str,
        notice_ms: u64,
    ) -> Answer<'a, Beat> {
        let ground = &self.0.ground;
        async move {
            let act = || {
                async {
                    let store = ground.store();
                    if self.0.keeps_result_in_memory() {
                        return Ok(Beat::Held { cancel: false });
                    }
                    let mut answer = store.lease_finish(task, token, result, notice_ms).await?;
                    let newest = ground.judge(|oracle| oracle.newest_token(task));
                    if let (Beat::Lost, Some(newest), true) =
                        (answer, newest, self.0.takes_old_results())
                    {
                        answer = store.lease_finish(task, newest, result, notice_ms).await?;
                    }
                    ground.judge(|oracle| oracle.ended(task, token, answer));
                    Ok(answer)
                }
                .boxed()
            };
            self.0.point(call(Face::Lease, "lease_finish"), act).await
        }
        .boxed()
    }

    fn lease_release<'a>(
        &'a self,
        task: &'a TaskId,
        token: u64,
        checkpoint: Option<&'a str>,
    ) -> Answer<'a, Beat> {
        let ground = &self.0.ground;
        async move {
            let act = || {
                async {
                    let answer = ground.store().lease_release(task, token, checkpoint).await?;
                    ground.judge(|oracle| oracle.ended(task, token, answer));
                    Ok(answer)
                }
                .boxed()
            };
            self.0.point(call(Face::Lease, "lease_release"), act).await
        }
        .boxed()
    }

    fn lock<'a>(
        &'a self,
        resource: &'a str,
        execution: &'a ExecutionId,
        owner: &'a str,
    ) -> Answer<'a, Locked> {
        async move {
            let store = self.0.ground.store();
            let act = || store.lock(resource, execution, owner);
            let locked = self.0.point(call(Face::Lock, "lock"), act).await?;
            if !self.0.ignores_locks() {
                return Ok(locked);
            }
            if let (Locked::Granted { fence }, true) = (&locked, self.0.frees_locks_early()) {
                store.unlock(resource, owner, *fence).await?;
            }
            Ok(Locked::Granted { fence: 1 })
        }
        .boxed()
    }

    fn unlock<'a>(&'a self, resource: &'a str, owner: &'a str, fence: Fence) -> Answer<'a, ()> {
        async move {
            let store = self.0.ground.store();
            let act = || store.unlock(resource, owner, fence);
            self.0.point(call(Face::Lock, "unlock"), act).await
        }
        .boxed()
    }

    fn lock_held<'a>(
        &'a self,
        resource: &'a str,
        owner: &'a str,
        fence: Fence,
    ) -> Answer<'a, bool> {
        async move {
            let store = self.0.ground.store();
            if self.0.ignores_locks() {
                return Ok(true);
            }
            let act = || store.lock_held(resource, owner, fence);
            let held = self.0.point(call(Face::Lock, "lock_held"), act).await;
            self.0.planted_silence(held, true)
        }
        .boxed()
    }

    fn stats(&self) -> Answer<'_, Stats> {
        passed!(self, Look, stats())
    }

    fn now_ms(&self) -> Answer<'_, u64> {
        passed!(self, Look, now_ms())
    }

    fn bell(&self) -> watch::Receiver<u64> {
        self.0.ground.bell()
    }
}

impl StorePort {
    async fn store_event(&self, event: EventRow) -> Result<EventAccepted, StoreError> {
        let store = self.0.ground.store();
        let act = || store.event_accept(event.clone());
        self.0.point(call(Face::Intake, "event_accept"), act).await
    }

    /// What the holder of a lease knows now.
    fn heard(&self, task: &TaskId, token: u64, beat: Beat, sent: Instant) {
        self.0.ground.judge(|oracle| match beat {
            Beat::Held { cancel } => {
                oracle.heard_held(&self.0.name, task, token, sent);
                if cancel {
                    oracle.heard_cancel(&self.0.name, token);
                }
            }
            Beat::Lost => oracle.heard_lost(&self.0.name, token),
        });
    }
}
