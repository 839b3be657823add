//! Workers that do nothing but say that they did.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use model::{Pool, digest, limits};
use runtime::Tasks;
use serde_json::json;
use store::{Beat, Claim, SharedStore, TaskClaim};
use wire::{
    CallMode, OperationCall, Queue, ResultMessage, Route, TaskFailure, TaskMessage, TaskOutcome,
};

use crate::world::{World, until};

/// Whether workers tell of results, beyond storing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    /// As it should be.
    Tells,
    /// Every message of theirs is lost.
    Silent,
}

/// A delivered task message, and what the store said when it was claimed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    /// `execution/stage/attempt/epoch`.
    pub(crate) id: String,
    pub(crate) granted: bool,
}

/// One worker of each kind.
pub(crate) struct Crew {
    jobs: Arc<Mutex<Vec<Job>>>,
    tasks: Tasks,
}

impl Crew {
    pub(crate) async fn start(world: &World, manners: Manners) -> Self {
        let crew = Self { jobs: Arc::default(), tasks: Tasks::new() };
        for kind in Pool::ALL {
            let mut consumer = world.bus.consume(Queue::Task(kind), 4).await.unwrap();
            let (store, bus) = (Arc::clone(&world.store), Arc::clone(&world.bus));
            let (jobs, stop) = (Arc::clone(&crew.jobs), crew.tasks.stop().clone());
            crew.tasks.spawn(async move {
                loop {
                    let next = tokio::select! {
                        next = consumer.deliveries.recv() => next,
                        () = stop.cancelled() => None,
                    };
                    let Some(delivery) = next else { return };
                    let message = TaskMessage::decode(&delivery.body).unwrap();
                    assert_eq!(delivery.id, message.message_id());
                    let done = work(&store, &message).await;
                    let job = Job { id: message.message_id(), granted: done.is_some() };
                    jobs.lock().unwrap().push(job);
                    assert!(delivery.settle.ack().await);
                    if let Some(result) = done.filter(|_| manners == Manners::Tells) {
                        bus.publish(told(kind, &result)).await.unwrap();
                    }
                }
            });
        }
        crew
    }

    /// Every delivered message so far.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.jobs.lock().unwrap().clone()
    }

    pub(crate) async fn stop(self) {
        self.tasks.shut_down(Duration::from_secs(5)).await;
    }
}

async fn work(store: &SharedStore, message: &TaskMessage) -> Option<ResultMessage> {
    let token = claim(store, message, "crew").await?;
    finish(store, message, token, &success(message)).await;
    let task = message.task.clone();
    Some(ResultMessage { v: ResultMessage::VERSION, task, epoch: message.epoch })
}

/// The token, when the task is ours.
pub(crate) async fn claim(store: &SharedStore, message: &TaskMessage, holder: &str) -> Option<u64> {
    let claim = TaskClaim {
        task: message.task.clone(),
        epoch: message.epoch,
        digest: digest(&message.call),
        holder: holder.to_owned(),
        ttl_ms: u64::try_from(limits::LEASE_TTL.as_millis()).unwrap(),
    };
    match store.lease_claim(claim).await.unwrap() {
        Claim::Granted { token, .. } => Some(token),
        Claim::Busy { .. } | Claim::Stale { .. } | Claim::Finished | Claim::Gone => None,
    }
}

/// Stores a result; true when the store took it.
pub(crate) async fn finish(
    store: &SharedStore,
    message: &TaskMessage,
    token: u64,
    outcome: &TaskOutcome,
) -> bool {
    let notice_ms = u64::try_from(limits::RESULT_NOTICE.as_millis()).unwrap();
    let text = serde_json::to_string(outcome).unwrap();
    let beat = store.lease_finish(&message.task, token, &text, notice_ms).await.unwrap();
    matches!(beat, Beat::Held { .. })
}

/// The message that tells of a result.
pub(crate) fn told(kind: Pool, result: &ResultMessage) -> bus::Message {
    bus::Message {
        route: Route::Result(kind),
        id: result.message_id(),
        body: serde_json::to_vec(result).unwrap(),
        park: None,
    }
}

/// What a good worker answers.
pub(crate) fn success(message: &TaskMessage) -> TaskOutcome {
    let OperationCall { mode, request, .. } = OperationCall::parse(&message.call).unwrap();
    if mode != CallMode::Run {
        return seen(message.pool);
    }
    let region = request["region"].as_str().unwrap();
    let result = match message.pool {
        Pool::Bake => json!({
            "region": region, "image_id": format!("ami-{region}"), "image_name": "shop-web-1",
            "base_image_id": "ami-base", "reused": false, "bake_key": "k", "generation": 1,
        }),
        Pool::Deploy => json!({
            "region": region, "account": "test", "server_group": "shop-v001",
            "image_id": request["image"], "capacity": { "min": 1, "desired": 1, "max": 1 },
        }),
    };
    TaskOutcome::Succeeded { result: result.as_object().unwrap().clone() }
}

/// What a good worker answers to a question of a dry run.
fn seen(kind: Pool) -> TaskOutcome {
    let result = match kind {
        Pool::Bake => json!({ "image": "reused", "imageId": "ami-7", "imageName": "shop-web-1",
            "baseImageId": "ami-base" }),
        Pool::Deploy => json!({ "serverGroup": "shop-v002",
            "capacity": { "min": 1, "desired": 1, "max": 1 },
            "destroys": [{ "name": "shop-v001", "instances": 1, "enabled": true }], "notes": [] }),
    };
    TaskOutcome::Succeeded { result: result.as_object().unwrap().clone() }
}

pub(crate) fn failure(kind: wire::FailureKind) -> TaskOutcome {
    let failure = TaskFailure { kind, message: "it broke".to_owned(), detail: None, hint: None };
    TaskOutcome::Failed { failure }
}

/// Takes the next task message off the queue; whoever takes it may well lose it.
pub(crate) async fn take(world: &World, kind: Pool) -> TaskMessage {
    let mut consumer = world.bus.consume(Queue::Task(kind), 1).await.unwrap();
    let what = format!("a {kind} task");
    let delivery = until(&what, async || consumer.deliveries.try_recv().ok()).await;
    let message = TaskMessage::decode(&delivery.body).unwrap();
    assert!(delivery.settle.ack().await);
    message
}
