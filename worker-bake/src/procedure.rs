//! Bakes one image: finds it, joins whoever began it, or makes it.
//!
//! What is decided is saved before it is acted upon, and every step looks before it acts, so a
//! worker that continues from a checkpoint joins what its predecessor began: same client token,
//! same builder; same name, same image.

mod builder;
mod calls;
mod cleanup;
mod image;
mod outlook;
mod plan;
mod progress;

use model::Pool;
use serde_json::{Map, Value};
use store::{Fence, Locked};
use wire::{BakeRequest, BakeResult, BakeTask, FailureKind, TaskFailure, TaskOutcome};
use worker::{Procedure, Stop, TaskContext};

use self::progress::Progress;
use crate::{config::BakeConfig, identity, order::Order, ports::SharedCloud, watcher::Watchers};

/// The work of `bake` tasks.
#[derive(Debug)]
pub struct Bake {
    config: BakeConfig,
    cloud: SharedCloud,
    watchers: Watchers,
}

/// Why a bake ends before its image is there.
#[derive(Debug)]
enum End {
    /// Without a result, or canceled.
    Stop(Stop),
    /// With this result.
    Fail(Box<TaskFailure>),
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<TaskFailure> for End {
    fn from(failure: TaskFailure) -> Self {
        Self::Fail(Box::new(failure))
    }
}

/// One bake in hand.
struct Run<'a> {
    bake: &'a Bake,
    task: &'a TaskContext,
    order: Order,
    progress: Progress,
    lock: Option<(String, Fence)>,
}

impl Bake {
    /// Bakes with this configuration in this cloud. Looks of waiting bakes are shared by all runs
    /// of one value.
    pub fn new(config: BakeConfig, cloud: SharedCloud, tasks: &runtime::Tasks) -> Self {
        let watchers =
            Watchers::new(SharedCloud::clone(&cloud), config.poll_interval(), tasks.clone());
        Self { config, cloud, watchers }
    }

    async fn bake(&self, request: BakeRequest, task: &TaskContext) -> Result<TaskOutcome, Stop> {
        let order = match Order::check(request) {
            Ok(order) => order,
            Err(failure) => return Ok(TaskOutcome::Failed { failure }),
        };
        let progress = match task.checkpoint::<Progress>() {
            Ok(progress) => progress.unwrap_or_default(),
            Err(text) => {
                let failure = TaskFailure {
                    kind: FailureKind::Bug,
                    message: text,
                    detail: None,
                    hint: Some("a builder may be left; look for its tag `bowline:task`".to_owned()),
                };
                return Ok(TaskOutcome::Failed { failure });
            }
        };
        let mut run = Run { bake: self, task, order, progress, lock: None };
        match Box::pin(run.finish()).await {
            Ok(result) => Ok(succeeded(&result)),
            Err(End::Stop(Stop::Canceled)) => run.cancel().await,
            Err(End::Stop(stop @ (Stop::Lost | Stop::Draining))) => Err(stop),
            Err(End::Fail(failure)) => run.fail(*failure).await,
        }
    }
}

impl Procedure for Bake {
    type Request = BakeTask;

    const KIND: Pool = Pool::Bake;

    async fn run(&self, request: BakeTask, task: &TaskContext) -> Result<TaskOutcome, Stop> {
        match request {
            BakeTask::Bake(request) => Box::pin(self.bake(*request, task)).await,
            BakeTask::Outlook(request) => Box::pin(self.outlook(*request, task)).await,
        }
    }
}

fn succeeded(result: &BakeResult) -> TaskOutcome {
    match serde_json::to_value(result) {
        Ok(Value::Object(result)) => TaskOutcome::Succeeded { result },
        // A struct of texts and numbers is always an object.
        Ok(_) | Err(_) => TaskOutcome::Succeeded { result: Map::new() },
    }
}

impl Run<'_> {
    /// The eight steps; each finds out what is done already.
    async fn finish(&mut self) -> Result<BakeResult, End> {
        if let Some(result) = self.progress.result.clone() {
            self.leave_no_builder().await?;
            return Ok(result);
        }
        let base = self.base().await?;
        let key = identity::bake_key(
            &self.order,
            &base.image_id,
            &self.bake.config.repositories,
            self.task.task(),
        );
        self.lock(&key).await?;
        let plan = self.plan(&base, &key).await?;
        let id = match &plan.existing {
            Some(id) => id.clone(),
            None => self.make_image(&plan).await?,
        };
        let image = self.available_image(&plan, &id).await?;
        let result = BakeResult {
            region: self.order.place.region.clone(),
            image_id: image.id,
            image_name: image.name,
            base_image_id: plan.base_image_id,
            reused: plan.existing.is_some(),
            bake_key: plan.key,
            generation: plan.generation,
        };
        self.progress.result = Some(result.clone());
        self.save().await?;
        self.leave_no_builder().await?;
        self.unlock().await?;
        Ok(result)
    }

    /// Waits until no other execution bakes this key. Most often that one makes the image wanted
    /// here, and afterwards there is nothing left to do.
    async fn lock(&mut self, key: &str) -> Result<(), End> {
        let name = identity::lock_name(&self.order, key);
        let mut waiting = false;
        loop {
            match self.task.lock(&name).await? {
                Locked::Granted { fence } => {
                    self.lock = Some((name, fence));
                    return Ok(());
                }
                Locked::Busy { owner } => {
                    if !waiting {
                        tracing::info!(%owner, "bake waits for another of the same key");
                        waiting = true;
                    }
                    self.task.sleep(self.bake.config.poll_interval()).await?;
                }
                Locked::Gone => return Err(Stop::Lost.into()),
            }
        }
    }

    async fn unlock(&mut self) -> Result<(), Stop> {
        match self.lock.take() {
            Some((name, fence)) => self.task.unlock(&name, fence).await,
            None => Ok(()),
        }
    }

    async fn save(&self) -> Result<(), Stop> {
        self.task.save(&self.progress).await
    }
}
