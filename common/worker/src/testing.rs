//! A task for tests of operations: dispatched and claimed in a real store, with beats, and with
//! the things that happen to tasks: a cancel, a lost lease, a drain, another worker.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "an aid for tests: what fails here is a failed test"
)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use model::{ExecutionId, ExecutionStatus, Pool, StageId, TaskId, digest};
use runtime::Tasks;
use store::{Claim, Commit, Committed, Create, Created, SharedStore, TaskChange, TaskClaim};
use wire::{OperationCall, TaskOutcome};

use crate::{
    Operations, Stop, TaskContext,
    lease::{Claimed, Heed, Lease, Moment, Rhythm},
};

/// How long the lease of a test's task lives, and a live execution sleeps.
const WAKE_MS: u64 = 60_000;

/// One claimed task of an execution that has nothing else. Its lease is kept in the background
/// until it is dropped.
#[derive(Debug)]
pub struct TestTask {
    context: TaskContext,
    lease: Arc<Lease>,
    tasks: Tasks,
    store: SharedStore,
    pool: Pool,
    call: String,
    token: u64,
    canceled: Arc<AtomicBool>,
}

/// What may happen to a task in the middle of a call that it makes: whoever stands behind that call can do it
/// without waiting.
#[derive(Clone, Debug)]
pub struct Fate {
    lease: Arc<Lease>,
    canceled: Arc<AtomicBool>,
}

impl Fate {
    /// The worker is gone, as far as the task is concerned: its lease is lost.
    pub fn lose(&self) {
        self.lease.lose();
    }

    /// The task hears of a cancel; whoever takes it over does, too.
    pub fn cancel(&self) {
        self.canceled.store(true, Ordering::Relaxed);
        self.lease.hear_cancel();
    }
}

impl TestTask {
    /// Creates an execution with one dispatched task for `pool` in `store`, and claims the task.
    /// Several in one store are several executions.
    ///
    /// # Panics
    ///
    /// When the store does not do what it should.
    pub async fn new(store: SharedStore, pool: Pool, call: &str) -> Self {
        let execution: ExecutionId =
            ulid::Ulid::new().to_string().parse().expect("a ULID is an id");
        let stage = StageId::of(&execution, "1");
        Self::of(store, pool, call, &TaskId { execution, stage, attempt: 1 }).await
    }

    /// The same for a task with this id, in a store that does not have its execution yet.
    ///
    /// # Panics
    ///
    /// When the store does not do what it should.
    pub async fn of(store: SharedStore, pool: Pool, call: &str, task: &TaskId) -> Self {
        let dispatch = dispatch(task, pool, 1, call);
        let create = Create {
            id: task.execution.clone(),
            application: "test".to_owned(),
            pipeline_id: "test".to_owned(),
            event_key: format!("test/{}", task.execution),
            first: commit(&store, task, 0, dispatch).await,
            slot: store::SlotRequest { limit: None },
        };
        let created = store.execution_create(create).await.expect("the store answers");
        assert_eq!(created, Created::New, "a new execution");
        Self::claim(store, pool, call.to_owned(), task, 1).await
    }

    async fn claim(
        store: SharedStore,
        pool: Pool,
        call: String,
        task: &TaskId,
        epoch: u32,
    ) -> Self {
        let rhythm = Rhythm::default();
        let claim = TaskClaim {
            task: task.clone(),
            epoch,
            digest: digest(&call),
            holder: format!("test-worker-{epoch}"),
            ttl_ms: crate::lease::millis(rhythm.ttl),
        };
        let asked = Moment::now();
        let answer = store.lease_claim(claim).await.expect("the store answers");
        let Claim::Granted { token, checkpoint, cancel } = answer else {
            panic!("the claim of a dispatched task was answered with {answer:?}");
        };
        let store_ms = store.now_ms().await.expect("the store answers");
        let task = task.clone();
        let claimed = Claimed { task, epoch, token, checkpoint, cancel, asked, store_ms };
        let tasks = Tasks::new();
        let lease = Arc::new(Lease::new(claimed, Arc::clone(&store), tasks.clone(), rhythm));
        let kept = Arc::clone(&lease);
        let stop = tasks.stop().clone();
        tasks.spawn(async move {
            tokio::select! {
                () = kept.keep(|| 1) => {}
                () = stop.cancelled() => {}
            }
        });
        let context = TaskContext::new(Arc::clone(&lease));
        let canceled = Arc::new(AtomicBool::new(cancel));
        Self { context, lease, tasks, store, pool, call, token, canceled }
    }

    /// What the handler gets.
    pub fn context(&self) -> &TaskContext {
        &self.context
    }

    /// Carries out the call.
    ///
    /// # Panics
    ///
    /// When the text of the call cannot be read.
    pub async fn run(&self, operations: &Operations) -> Result<TaskOutcome, Stop> {
        let call = OperationCall::parse(&self.call).expect("the text of a call");
        operations.carry_out(&call, &self.context).await
    }

    /// What may happen to it in the middle of a call.
    pub fn fate(&self) -> Fate {
        Fate { lease: Arc::clone(&self.lease), canceled: Arc::clone(&self.canceled) }
    }

    /// The lease is lost right after this many more saves.
    pub fn lose_after_saves(&self, saves: u32) {
        self.context.lose_after_saves(saves);
    }

    /// The text of the last checkpoint.
    pub fn checkpoint(&self) -> Option<String> {
        self.lease.checkpoint()
    }

    /// The execution is told to stop; returns when the context knows.
    ///
    /// # Panics
    ///
    /// When the store does not do what it should.
    pub async fn cancel(&self) {
        let task = self.context.task().clone();
        self.canceled.store(true, Ordering::Relaxed);
        self.commit(TaskChange::Cancel { task }).await;
        self.lease.beat().await.expect("the store answers");
        assert_eq!(self.lease.stop(Heed::Everything), Err(Stop::Canceled));
    }

    /// The lease is taken away: it runs out, and the task is dispatched again in the next epoch.
    /// Returns when the context knows.
    ///
    /// # Panics
    ///
    /// When the store does not do what it should.
    pub async fn expire(&self) {
        self.dispatch_again().await;
        self.lease.beat().await.expect("the store answers");
        assert_eq!(self.lease.stop(Heed::Everything), Err(Stop::Lost));
    }

    /// This worker is told to shut down.
    pub fn drain(&self) {
        self.tasks.stop().cancel();
    }

    /// Another worker takes the task over, in the next epoch, with the checkpoint of this one. The
    /// work may or may not know that its lease is lost.
    ///
    /// # Panics
    ///
    /// When the store does not do what it should.
    pub async fn taken_over(&self) -> Self {
        let epoch = self.dispatch_again().await;
        if self.canceled.load(Ordering::Relaxed) {
            let task = self.context.task().clone();
            self.commit(TaskChange::Cancel { task }).await;
        }
        let store = Arc::clone(&self.store);
        Self::claim(store, self.pool, self.call.clone(), self.context.task(), epoch).await
    }

    /// Ends the lease in the store, whatever its holder knows, dispatches the epoch after the stored
    /// one, and says which that is.
    async fn dispatch_again(&self) -> u32 {
        let task = self.context.task();
        // Stands for the time in which nothing was heard of the holder; one who gave it back, or
        // lost it before, has nothing to end.
        let ended = self.store.lease_release(task, self.token, None).await;
        ended.expect("the store answers");
        let stored = self.store.execution_load(&task.execution).await.expect("the store answers");
        let stored = stored.expect("the execution is there");
        let epoch = stored.leases.get(task).expect("the task has a lease row").epoch;
        // Given up by its holder at the latest when another has it: this epoch was never claimed.
        let epoch =
            if stored.leases.get(task).is_some_and(|row| row.claimed) { epoch + 1 } else { epoch };
        self.commit(dispatch(task, self.pool, epoch, &self.call)).await;
        epoch
    }

    async fn commit(&self, change: TaskChange) {
        let task = self.context.task();
        let stored = self.store.execution_load(&task.execution).await.expect("the store answers");
        let version = stored.expect("the execution is there").version;
        let commit = commit(&self.store, task, version, change).await;
        let committed = self.store.execution_commit(commit).await.expect("the store answers");
        assert!(matches!(committed, Committed::Applied { .. }), "{committed:?}");
    }
}

impl Drop for TestTask {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

fn dispatch(task: &TaskId, pool: Pool, epoch: u32, call: &str) -> TaskChange {
    TaskChange::Dispatch { task: task.clone(), kind: pool, epoch, digest: digest(call) }
}

async fn commit(store: &SharedStore, task: &TaskId, version: u64, change: TaskChange) -> Commit {
    let now_ms = store.now_ms().await.expect("the store answers");
    Commit {
        id: task.execution.clone(),
        expect_version: version,
        input_id: ulid::Ulid::new().to_string(),
        document: "{}".to_owned(),
        schema: 1,
        view: "{}".to_owned(),
        status: ExecutionStatus::Running,
        timeline: Vec::new(),
        outbox: Vec::new(),
        tasks: vec![change],
        unlock_owners: Vec::new(),
        wake_ms: Some(now_ms + WAKE_MS),
        slot: None,
        events: Vec::new(),
        notify: Vec::new(),
        reopen: store::Reopen::Never,
    }
}
