//! Tasks that can be cut off anywhere, canceled anywhere, and handed to another worker.

use std::sync::{Arc, Mutex};

use model::{Pool, TaskId};
use store::{Fence, Locked, SharedStore};
use worker::testing::TestTask;

use crate::plan::tests::task;

/// The lock of the cluster that these tests are about.
const CLUSTER: &str = "cluster/staging/us-east-1/shop-staging-web";

/// What outlives a worker: a store with one task.
#[derive(Debug)]
pub(super) struct Durable {
    store: SharedStore,
    task: TaskId,
    last: Arc<Mutex<Option<Arc<TestTask>>>>,
}

impl Durable {
    /// With the task that makes a group.
    pub(super) async fn new() -> Self {
        Self::of(task()).await
    }

    /// With the task that destroys what that one made: of the same execution, for a stage of its own.
    pub(super) async fn after() -> Self {
        Self::of(format!("{}/after/1", task().execution).parse().unwrap()).await
    }

    async fn of(task: TaskId) -> Self {
        Self { store: store::open("memory:").await.unwrap(), task, last: Arc::default() }
    }

    /// The task, claimed by another worker each time.
    pub(super) async fn lease(&self) -> Arc<TestTask> {
        let last = self.last.lock().unwrap().take();
        let next = match last {
            Some(last) => last.taken_over().await,
            None => TestTask::of(Arc::clone(&self.store), Pool::Deploy, "{}", &self.task).await,
        };
        let next = Arc::new(next);
        *self.last.lock().unwrap() = Some(Arc::clone(&next));
        next
    }

    /// The same; the worker is gone right after this many saves.
    pub(super) async fn lease_until(&self, saves: usize) -> Arc<TestTask> {
        let lease = self.lease().await;
        lease.lose_after_saves(u32::try_from(saves).unwrap());
        lease
    }

    /// Cancels the execution: whoever has the task then hears of it.
    pub(super) fn cancel(&self) -> impl Fn() + Send + Sync + 'static {
        let last = Arc::clone(&self.last);
        move || last.lock().unwrap().as_ref().unwrap().fate().cancel()
    }

    /// The last checkpoint.
    pub(super) fn checkpoint(&self) -> Option<String> {
        self.last.lock().unwrap().as_ref()?.checkpoint()
    }

    /// Another execution takes the lock of the cluster, if it is free.
    pub(super) async fn other_locks(&self) -> Option<OtherLock> {
        let task = TestTask::new(Arc::clone(&self.store), Pool::Deploy, "{}").await;
        match task.context().lock(CLUSTER).await.unwrap() {
            Locked::Granted { fence } => Some(OtherLock { task, fence }),
            Locked::Busy { .. } => None,
            Locked::Gone => panic!("the execution is there"),
        }
    }

    /// The lock is taken away from whoever of us has it, and given to another execution.
    pub(super) async fn lock_is_stolen(&self) -> OtherLock {
        let last = self.last.lock().unwrap().clone().unwrap();
        let Ok(Locked::Granted { fence }) = last.context().lock(CLUSTER).await else {
            panic!("it is ours")
        };
        last.context().unlock(CLUSTER, fence).await.unwrap();
        self.other_locks().await.unwrap()
    }

    /// Whether nobody has the lock of the cluster.
    pub(super) async fn lock_is_free(&self) -> bool {
        match self.other_locks().await {
            Some(lock) => {
                lock.free().await;
                true
            }
            None => false,
        }
    }
}

/// The lock of the cluster in another execution.
#[derive(Debug)]
pub(super) struct OtherLock {
    task: TestTask,
    fence: Fence,
}

impl OtherLock {
    pub(super) async fn free(self) {
        self.task.context().unlock(CLUSTER, self.fence).await.unwrap();
    }
}
