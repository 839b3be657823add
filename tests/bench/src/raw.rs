//! The limits everything else is a part of: what the store and the broker do on their own.

use std::{sync::Arc, time::Instant};

use bus::{Message, SharedBus};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::{ExecutionId, ExecutionStatus, Pool};
use store::{Commit, Create, Created, SharedStore};
use wire::{Queue, Route};

use crate::Failure;

const EXECUTIONS: usize = 64;
const COMMITS_EACH: u64 = 50;
const MESSAGES: usize = 5_000;
const WINDOW: usize = 128;

/// Bare commits per second: 64 executions side by side, a document of 4 KiB each time.
pub(crate) async fn commits(store: &SharedStore) -> Result<f64, Failure> {
    let start = Instant::now();
    let executions = (0..EXECUTIONS).map(|number| one_execution(Arc::clone(store), number));
    stream::iter(executions).buffer_unordered(EXECUTIONS).try_collect::<Vec<()>>().await?;
    let count = EXECUTIONS * usize::try_from(COMMITS_EACH)?;
    Ok(per_second(count, start))
}

async fn one_execution(store: SharedStore, number: usize) -> Result<(), Failure> {
    let key = format!("bench/raw/{number}");
    let id = ExecutionId::of_event(&key, "raw");
    let document = "x".repeat(4_096);
    let now_ms = store.now_ms().await?;
    let commit = |version: u64, status, wake_ms| Commit {
        id: id.clone(),
        expect_version: version,
        input_id: format!("input/{version}"),
        document: document.clone(),
        schema: 1,
        view: "{}".to_owned(),
        status,
        timeline: vec!["{}".to_owned()],
        outbox: Vec::new(),
        tasks: Vec::new(),
        unlock_owners: Vec::new(),
        wake_ms,
        slot: None,
        events: Vec::new(),
        notify: Vec::new(),
        reopen: store::Reopen::Never,
    };
    let wake_ms = Some(now_ms + 250_000);
    let create = Create {
        id: id.clone(),
        application: "bench".to_owned(),
        pipeline_id: "raw".to_owned(),
        event_key: key,
        first: commit(0, ExecutionStatus::Running, wake_ms),
        slot: store::SlotRequest { limit: None },
    };
    if store.execution_create(create).await? != Created::New {
        return Err("the store is not empty: the figures would be of something else".into());
    }
    for version in 1..COMMITS_EACH {
        store.execution_commit(commit(version, ExecutionStatus::Running, wake_ms)).await?;
    }
    let last = commit(COMMITS_EACH, ExecutionStatus::Succeeded, None);
    store.execution_commit(last).await?;
    Ok(())
}

/// Messages per second through a task queue, there and settled.
pub(crate) async fn messages(bus: &SharedBus) -> Result<f64, Failure> {
    let mut consumer = bus.consume(Queue::Task(Pool::Bake), u16::try_from(WINDOW)?).await?;
    let start = Instant::now();
    let publish = stream::iter(0..MESSAGES).map(|number| {
        bus.publish(Message {
            route: Route::Task(Pool::Bake),
            id: format!("raw/{number}"),
            body: vec![b'x'; 2_048],
            park: None,
        })
    });
    let publish = publish.buffer_unordered(WINDOW).try_collect::<Vec<()>>();
    let settle = async {
        for _ in 0..MESSAGES {
            let delivery = consumer.deliveries.recv().await.ok_or("the consumer ended")?;
            delivery.settle.ack().await;
        }
        Ok::<(), Failure>(())
    };
    let (published, settled) = tokio::join!(publish, settle);
    published?;
    settled?;
    Ok(per_second(MESSAGES, start))
}

pub(crate) fn per_second(count: usize, since: Instant) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    f64::from(count) / since.elapsed().as_secs_f64()
}
