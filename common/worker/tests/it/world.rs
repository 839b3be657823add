//! A store, a bus, and a coordinator's few moves.

use std::{future::Future, sync::Arc, time::Duration};

use bus::{Message, SharedBus};
use model::{ExecutionId, ExecutionStatus, Pool, StageId, TaskId, digest};
use runtime::{Drained, Tasks};
use store::{Commit, Committed, Create, Created, LeaseRow, TaskChange};
use tokio::task::JoinHandle;
use wire::{Queue, Route, TaskMessage};
use worker::{ServeError, WorkerConfig, serve};

use crate::{
    flaky::Flaky,
    probe::{Order, Probe, call, operations},
};

pub(crate) const TASKS: Queue = Queue::Task(Pool::Bake);

/// What a worker works with.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: Arc<Flaky>,
    pub(crate) bus: SharedBus,
    pub(crate) probe: Arc<Probe>,
}

/// A worker at work.
#[derive(Debug)]
pub(crate) struct Serving {
    tasks: Tasks,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Serving {
    /// Tells it to stop, and waits until it has.
    pub(crate) async fn drain(self) {
        assert_eq!(self.tasks.shut_down(Duration::from_mins(1)).await, Drained::Cleanly);
        self.served.await.unwrap().unwrap();
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let store = Flaky::new(store::open("memory:").await.unwrap());
        Self { store, bus: bus::in_process(), probe: Arc::default() }
    }

    pub(crate) fn serve(&self, slots: usize) -> Serving {
        let tasks = Tasks::new();
        let (store, bus) = (self.store.shared(), Arc::clone(&self.bus));
        let config = WorkerConfig::new("test", slots);
        let served = tasks.spawn(serve(operations(&self.probe), config, store, bus, tasks.clone()));
        Serving { tasks, served }
    }

    /// An execution with one dispatched task, and the message that would tell of it.
    pub(crate) async fn dispatch(&self, name: &str, order: Order) -> TaskMessage {
        self.dispatch_text(name, call(order)).await
    }

    /// The same with any text for a call.
    pub(crate) async fn dispatch_text(&self, name: &str, call: String) -> TaskMessage {
        let execution: ExecutionId = name.parse().unwrap();
        let stage = StageId::of(&execution, "1");
        let task = TaskId { execution, stage, attempt: 1 };
        let message =
            TaskMessage { v: TaskMessage::VERSION, task, pool: Pool::Bake, epoch: 1, call };
        let create = Create {
            id: message.task.execution.clone(),
            application: "shop".to_owned(),
            pipeline_id: "p1".to_owned(),
            event_key: name.to_owned(),
            first: self.commit_of(&message.task, 0, dispatched(&message)).await,
            slot: store::SlotRequest { limit: None },
        };
        assert_eq!(self.store.shared().execution_create(create).await.unwrap(), Created::New);
        message
    }

    /// The same task again, in the next epoch.
    pub(crate) async fn dispatch_again(&self, message: &TaskMessage) -> TaskMessage {
        let next = TaskMessage { epoch: message.epoch + 1, ..message.clone() };
        self.change(&next.task, dispatched(&next)).await;
        next
    }

    pub(crate) async fn cancel(&self, message: &TaskMessage) {
        self.change(&message.task, TaskChange::Cancel { task: message.task.clone() }).await;
    }

    pub(crate) async fn send(&self, message: &TaskMessage) {
        self.send_raw(&message.message_id(), serde_json::to_vec(message).unwrap()).await;
    }

    pub(crate) async fn send_raw(&self, id: &str, body: Vec<u8>) {
        let route = Route::Task(Pool::Bake);
        let message = Message { route, id: id.to_owned(), body, park: None };
        self.bus.publish(message).await.unwrap();
    }

    pub(crate) async fn lease(&self, message: &TaskMessage) -> LeaseRow {
        let stored =
            self.store.shared().execution_load(&message.task.execution).await.unwrap().unwrap();
        stored.leases[&message.task].clone()
    }

    /// The stored result of a task, once it has one.
    pub(crate) async fn result(&self, message: &TaskMessage) -> serde_json::Value {
        until("a result", async || self.lease(message).await.result.is_some()).await;
        let result = self.lease(message).await.result.unwrap();
        serde_json::from_str(&result).unwrap()
    }

    /// Nothing waits, nobody holds anything.
    pub(crate) async fn queue_is_empty(&self) {
        until("an empty queue", async || self.bus.depth(TASKS).await.unwrap().ready == 0).await;
        let mut consumer = self.bus.consume(TASKS, 1).await.unwrap();
        assert!(consumer.deliveries.try_recv().is_err(), "a message came back");
    }

    async fn change(&self, task: &TaskId, change: TaskChange) {
        let stored = self.store.shared().execution_load(&task.execution).await.unwrap().unwrap();
        let commit = self.commit_of(task, stored.version, change).await;
        let committed = self.store.shared().execution_commit(commit).await.unwrap();
        assert!(matches!(committed, Committed::Applied { .. }), "{committed:?}");
    }

    async fn commit_of(&self, task: &TaskId, version: u64, change: TaskChange) -> Commit {
        let now_ms = self.store.shared().now_ms().await.unwrap();
        Commit {
            id: task.execution.clone(),
            expect_version: version,
            input_id: format!("input-{version}"),
            document: "{}".to_owned(),
            schema: 1,
            view: "{}".to_owned(),
            status: ExecutionStatus::Running,
            timeline: Vec::new(),
            outbox: Vec::new(),
            tasks: vec![change],
            unlock_owners: Vec::new(),
            wake_ms: Some(now_ms + 60_000),
            slot: None,
            events: Vec::new(),
            notify: Vec::new(),
            reopen: store::Reopen::Never,
        }
    }
}

fn dispatched(message: &TaskMessage) -> TaskChange {
    TaskChange::Dispatch {
        task: message.task.clone(),
        kind: message.pool,
        epoch: message.epoch,
        digest: digest(&message.call),
    }
}

/// Waits for something that must come. Time is paused: this takes as long as it must, and no longer.
pub(crate) async fn soon<T>(what: &str, awaited: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(Duration::from_mins(1), awaited).await;
    answer.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Asks again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
