//! Load, step, commit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use engine::{Document, Effects, Facts, Input, Purpose, Rejection};
use futures::stream::{FuturesUnordered, StreamExt as _};
use metrics::counter;
use model::{ExecutionId, limits};
use runtime::Chain;
use store::{
    Commit, Committed, Create, Created, SharedStore, SlotRequest, StoreError, StoredExecution,
};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, instrument, warn};

use crate::{
    definition_cache::Definitions,
    facts,
    hands::Taken,
    transition::{Basis, commit_of},
};

/// Tries to commit before it is left to the next wake.
const CONFLICTS_MAX: u32 = 8;
/// Wakes looked at side by side; the store groups their commits.
const LOOKS_AT_ONCE: usize = 32;
/// When an execution whose step failed by our own fault is looked at again.
const AFTER_BUG_MS: u64 = 60_000;

/// The one place where executions change.
#[derive(Clone, Debug)]
pub(crate) struct Executions {
    store: SharedStore,
    definitions: Definitions,
    nudge: Arc<Notify>,
}

/// An input could not be applied now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error("could not {doing} execution `{id}`")]
    Store {
        doing: &'static str,
        id: ExecutionId,
        #[source]
        cause: StoreError,
    },
    #[error("execution `{0}` is changed by others all the time")]
    Contended(ExecutionId),
    #[error("the store refused execution `{id}`: {reason}")]
    Refused { id: ExecutionId, reason: String },
    #[error("could not write execution `{id}` as JSON")]
    Unwritable {
        id: ExecutionId,
        #[source]
        cause: serde_json::Error,
    },
}

/// What came of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The execution is another one now.
    Changed,
    /// Everything is as it was; why.
    Unchanged(Unchanged),
}

/// Why an input changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unchanged {
    #[error("no such execution")]
    Unknown,
    #[error(transparent)]
    Rejected(Rejection),
    #[error("it was applied before")]
    Repeated,
    #[error("the execution cannot be moved by this version, the coordinator's log says why")]
    Stuck,
}

impl Executions {
    pub(crate) fn new(store: SharedStore, definitions: Definitions, nudge: Arc<Notify>) -> Self {
        Self { store, definitions, nudge }
    }

    /// Looks at executions whose wake is due.
    pub(crate) async fn run(
        self,
        mut due: mpsc::Receiver<Taken<ExecutionId>>,
        stop: CancellationToken,
    ) {
        let mut in_hand = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = in_hand.next() => {}
                Some(due) = due.recv(), if in_hand.len() < LOOKS_AT_ONCE && !stop.is_cancelled() => {
                    in_hand.push(self.wake(due));
                }
                () = stop.cancelled(), if in_hand.is_empty() => return,
                else => return,
            }
        }
    }

    async fn wake(&self, due: Taken<ExecutionId>) {
        let Taken { what: id, grip } = due;
        if let Err(error) = self.look(&id).await {
            warn!(error = %Chain(&error), "wake not handled, it is due again soon");
        }
        drop(grip);
    }

    /// Creates an execution; an existing one is left as it is.
    pub(crate) async fn create(
        &self,
        document: &Document,
        effects: Effects,
        now_ms: u64,
    ) -> Result<(), ApplyError> {
        let none = Facts::default();
        let basis = Basis { version: 0, input_id: "create".to_owned(), facts: &none, now_ms };
        let first = commit_of(document, effects, basis)
            .map_err(|cause| ApplyError::Unwritable { id: document.id.clone(), cause })?;
        let create = Create {
            id: document.id.clone(),
            application: document.application.clone(),
            pipeline_id: document.pipeline_id.clone(),
            event_key: document.event_key.clone(),
            first,
            // One that has begun cannot wait any more.
            slot: SlotRequest {
                limit: document.policy.limit.filter(|_| document.started_ms.is_none()),
            },
        };
        let failed = |cause| ApplyError::Store { doing: "create", id: document.id.clone(), cause };
        match self.store.execution_create(create).await.map_err(failed)? {
            Created::New => {
                info!(execution.id = %document.id, pipeline.name = document.pipeline_name, "execution created");
                if document.purpose == Purpose::Run {
                    counter!("bowline_executions_started_total").increment(1);
                }
                self.nudge.notify_one();
                Ok(())
            }
            Created::Exists => Ok(()),
            Created::Refused { reason } => {
                error!(execution.id = %document.id, reason, "the store refused a new execution");
                Err(ApplyError::Refused { id: document.id.clone(), reason })
            }
        }
    }

    /// Brings an execution up to date with what the store knows.
    pub(crate) async fn look(&self, id: &ExecutionId) -> Result<(), ApplyError> {
        self.apply(id, &Input::Look, None).await.map(drop)
    }

    /// Applies one input. Late, doubled and senseless inputs succeed and change nothing.
    #[instrument(skip_all, fields(execution.id = %id))]
    pub(crate) async fn apply(
        &self,
        id: &ExecutionId,
        input: &Input,
        input_id: Option<&str>,
    ) -> Result<Applied, ApplyError> {
        let applied = self.take(id, input, input_id).await?;
        // An order that was carried out does not fit a second time. Whoever gave it is not to be told
        // that it was refused because somebody died, or was slow, between the write and the word.
        if let (Applied::Unchanged(Unchanged::Rejected(_)), Some(input_id)) = (&applied, input_id) {
            let failed = |cause| ApplyError::Store { doing: "read", id: id.clone(), cause };
            if self.store.execution_applied(id, input_id).await.map_err(failed)? {
                return Ok(Applied::Unchanged(Unchanged::Repeated));
            }
        }
        Ok(applied)
    }

    async fn take(
        &self,
        id: &ExecutionId,
        input: &Input,
        input_id: Option<&str>,
    ) -> Result<Applied, ApplyError> {
        let unchanged = |why| Ok(Applied::Unchanged(why));
        for _ in 0..CONFLICTS_MAX {
            let failed = |cause| ApplyError::Store { doing: "load", id: id.clone(), cause };
            let Some(stored) = self.store.execution_load(id).await.map_err(failed)? else {
                debug!("no such execution");
                return unchanged(Unchanged::Unknown);
            };
            if stored.status.is_complete() && !may_open_again(input) {
                return unchanged(Unchanged::Rejected(Rejection::AlreadyComplete));
            }
            let Some(mut document) = document_of(&stored) else {
                self.rewake(id, &stored, stored.now_ms + AFTER_BUG_MS).await?;
                return unchanged(Unchanged::Stuck);
            };
            let failed =
                |cause| ApplyError::Store { doing: "read what is around", id: id.clone(), cause };
            let facts = facts::read((&self.store, &self.definitions), &stored, &document, input)
                .await
                .map_err(failed)?;
            let Some(decision) = decide(&mut document, input, &facts, stored.now_ms) else {
                self.rewake(id, &stored, stored.now_ms + AFTER_BUG_MS).await?;
                return unchanged(Unchanged::Stuck);
            };
            let effects = match decision {
                Ok(effects) => effects,
                Err(rejection) => {
                    debug!(%rejection, "input changes nothing");
                    self.rest(id, &stored, &document, &facts).await?;
                    return unchanged(Unchanged::Rejected(rejection));
                }
            };
            let commit = match fitting(&stored, &mut document, effects, &facts, input_id) {
                Ok(commit) => commit,
                Err(cause) => {
                    error!(%cause, "a transition cannot be written as JSON: this is a bug");
                    self.rewake(id, &stored, stored.now_ms + AFTER_BUG_MS).await?;
                    return unchanged(Unchanged::Stuck);
                }
            };
            let failed = |cause| ApplyError::Store { doing: "commit", id: id.clone(), cause };
            let reply = self.store.execution_commit(commit).await.map_err(failed)?;
            match reply {
                Committed::Applied { .. } => {
                    if document.is_complete() {
                        completed(&document);
                    }
                    self.nudge.notify_one();
                    return Ok(Applied::Changed);
                }
                Committed::Gone => return unchanged(Unchanged::Unknown),
                Committed::Duplicate if input_id.is_some() => {
                    return unchanged(Unchanged::Repeated);
                }
                // Another look at the same version was quicker. It may have been taken before the
                // result came in for whose sake we look: so look again, at the newer version. Or
                // another execution took the slot: what is known now says which.
                Committed::Duplicate | Committed::NoSlot => {}
                Committed::Conflict { .. } => {
                    counter!("bowline_commit_conflicts_total").increment(1);
                }
                Committed::Refused { reason } => {
                    error!(reason, "the store refused a transition: this is a bug in the engine");
                    self.rewake(id, &stored, stored.now_ms + AFTER_BUG_MS).await?;
                    return unchanged(Unchanged::Stuck);
                }
            }
        }
        Err(ApplyError::Contended(id.clone()))
    }

    /// Nothing to commit: only says when to look again, if that moved.
    async fn rest(
        &self,
        id: &ExecutionId,
        stored: &StoredExecution,
        document: &Document,
        facts: &Facts,
    ) -> Result<(), ApplyError> {
        match engine::next_look(document, facts, stored.now_ms) {
            Some(wake_ms) if stored.wake_ms != Some(wake_ms) => {
                self.rewake(id, stored, wake_ms).await
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn rewake(
        &self,
        id: &ExecutionId,
        seen: &StoredExecution,
        wake_ms: u64,
    ) -> Result<(), ApplyError> {
        let failed = |cause| ApplyError::Store { doing: "rewake", id: id.clone(), cause };
        self.store.execution_rewake(id, seen.wake_ms, wake_ms).await.map_err(failed)
    }
}

/// Says that an execution is over. The questions of a dry run are no run of a pipeline.
fn completed(document: &Document) {
    info!(outcome = %document.status, "execution completed");
    if document.purpose == Purpose::Run {
        counter!("bowline_executions_completed_total", "status" => document.status.as_str())
            .increment(1);
    }
}

/// Only a person's order can make something of an execution that is over.
fn may_open_again(input: &Input) -> bool {
    match input {
        Input::Control { .. } => true,
        Input::Look | Input::Cancel { .. } => false,
    }
}

/// Reads the stored form; `None` when that is impossible by our own fault.
fn document_of(stored: &StoredExecution) -> Option<Document> {
    match engine::read(stored.schema, &stored.document) {
        Ok(document) => Some(document),
        Err(cause) => {
            error!(error = %Chain(&cause), "stored document is unreadable, left as it is");
            None
        }
    }
}

/// Takes a step; `None` when that is impossible by our own fault.
fn decide(
    document: &mut Document,
    input: &Input,
    facts: &Facts,
    now_ms: u64,
) -> Option<Result<Effects, Rejection>> {
    let step = AssertUnwindSafe(|| engine::step(document, input, facts, now_ms));
    let decision = catch_unwind(step);
    if decision.is_err() {
        error!(
            ?input,
            "a step panicked: this is a bug in the engine; nothing is stored, the execution is left as it was"
        );
    }
    decision.ok()
}

/// The write of a transition. One that no store would take because the document has grown too large becomes
/// the end of the execution: otherwise it could never change again.
fn fitting(
    stored: &StoredExecution,
    document: &mut Document,
    effects: Effects,
    facts: &Facts,
    input_id: Option<&str>,
) -> Result<Commit, serde_json::Error> {
    // A look is told by the version it started from.
    let own = || format!("look/{}", stored.version);
    let basis = || Basis {
        version: stored.version,
        input_id: input_id.map_or_else(own, str::to_owned),
        facts,
        now_ms: stored.now_ms,
    };
    let commit = commit_of(document, effects, basis())?;
    let sizes = (commit.document.len(), limits::DOCUMENT_BYTES_MAX);
    if sizes.0 <= sizes.1 {
        return Ok(commit);
    }
    let Some(mut before) = document_of(stored) else { return Ok(commit) };
    match engine::end_overgrown(&mut before, facts, sizes, stored.now_ms) {
        Ok(effects) => {
            warn!(
                bytes = sizes.0,
                allowed = sizes.1,
                "the execution's record is too large, it ends"
            );
            *document = before;
            commit_of(document, effects, basis())
        }
        Err(_) => Ok(commit),
    }
}
