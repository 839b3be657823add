//! Bakes one image: finds it, joins whoever began it, or makes it.
//!
//! What is decided is saved before it is acted upon, and every step looks before it acts, so a
//! worker that continues from a checkpoint joins what its predecessor began: same client token,
//! same builder; same name, same image.

mod builder;
mod calls;
mod cleanup;
mod image;
mod plan;
mod preview;
mod progress;

use wire::{BakeImage, BakePreview, BakeRequest, BakeResult, FailureKind};
use worker::{End, Handler, HeldLock, Phase, Stop, TaskContext};

use self::progress::Progress;
use crate::{config::BakeConfig, identity, order::Order, ports::SharedCloud, watcher::Watchers};

/// Carries out [`BakeImage`].
#[derive(Debug)]
pub struct Bake {
    config: BakeConfig,
    cloud: SharedCloud,
    watchers: Watchers,
}

/// One bake.
struct Run<'a> {
    bake: &'a Bake,
    task: &'a TaskContext,
    order: Order,
    progress: Progress,
    lock: Option<HeldLock>,
}

impl Bake {
    /// Bakes with this configuration in this cloud. Looks of waiting bakes are shared by all runs
    /// of one value.
    pub fn new(config: BakeConfig, cloud: SharedCloud, tasks: &runtime::Tasks) -> Self {
        let watchers =
            Watchers::new(SharedCloud::clone(&cloud), config.poll_interval(), tasks.clone());
        Self { config, cloud, watchers }
    }

    async fn bake(&self, request: BakeRequest, task: &TaskContext) -> Result<BakeResult, End> {
        let order = Order::check(request)?;
        let progress = match task.checkpoint::<Progress>() {
            Ok(progress) => progress.unwrap_or_default(),
            Err(text) => {
                let hint = "a builder may be left; look for its tag `bowline:task`";
                return Err(End::failed(FailureKind::Bug, text).with_hint(hint));
            }
        };
        let mut run = Run { bake: self, task, order, progress, lock: None };
        match Box::pin(run.finish()).await {
            Err(End::Stopped(Stop::Canceled)) => run.cancel().await,
            Err(End::Failed(failure)) => run.fail(*failure).await,
            ended @ (Ok(_) | Err(End::Stopped(Stop::Lost | Stop::Draining) | End::Canceled(_))) => {
                ended
            }
        }
    }
}

impl Handler<BakeImage> for Bake {
    async fn run(&self, request: BakeRequest, task: &TaskContext) -> Result<BakeResult, End> {
        Box::pin(self.bake(request, task)).await
    }

    async fn preview(
        &self,
        request: BakeRequest,
        _to_come: Vec<String>,
        task: &TaskContext,
    ) -> Result<BakePreview, End> {
        Box::pin(self.look(request, task)).await
    }
}

impl Run<'_> {
    /// The eight steps; each finds out what is done already.
    async fn finish(&mut self) -> Result<BakeResult, End> {
        if let Progress::Done { result, .. } = &self.progress {
            let result = result.clone();
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
        self.take_lock(&key).await?;
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
        self.progress.done(result.clone());
        self.save().await?;
        self.leave_no_builder().await?;
        self.free_lock().await?;
        Ok(result)
    }

    /// Waits until no other execution bakes this key. Most often that one makes the image wanted
    /// here, and afterwards there is nothing left to do.
    async fn take_lock(&mut self, key: &str) -> Result<(), End> {
        let name = identity::lock_name(&self.order, key);
        let pause = self.bake.config.poll_interval();
        self.lock = Some(self.task.lock_when_free(name, pause, Phase::Working).await?);
        Ok(())
    }

    async fn free_lock(&mut self) -> Result<(), Stop> {
        match self.lock.take() {
            Some(lock) => self.task.free(lock).await,
            None => Ok(()),
        }
    }

    async fn save(&self) -> Result<(), Stop> {
        self.task.save(&self.progress).await
    }
}
