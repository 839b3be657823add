//! One deploy, or the destruction of what one made, from the lock of its cluster to its result; resumable
//! after every save.

mod calls;
mod create;
mod destroy;
mod job;
mod preview;
mod retire;
mod settle;
mod wind_up;

use std::{sync::Arc, time::Duration};

use runtime::Chain;
use store::Fence;
use tracing::{Instrument, info, info_span};
use wire::{
    ClusterCheck, ClusterCount, CountGroups, CreateGroup, CreateGroupPreview, DeployRequest,
    DeployResult, DestroyCreated, DestroyRequest, DestroyResult, FailureKind,
};
use worker::{End, Handler, HeldLock, Phase, Stop, TaskContext};

use self::job::Job;
use crate::{
    check,
    checkpoint::{Checkpoint, Ending},
    config::DeployConfig,
    plan::{self, Plan, retire::VictimState},
    ports::{Place, ServerGroup, ServerGroupCloud},
    watch::Watch,
};

/// Carries out the operations of deploy workers.
#[derive(Debug)]
pub struct Deployer {
    pub(crate) cloud: Arc<dyn ServerGroupCloud>,
    watch: Watch,
    config: DeployConfig,
}

impl Deployer {
    /// A deployer to this cloud. All its runs share their looks at it.
    pub fn new(config: DeployConfig, cloud: Arc<dyn ServerGroupCloud>) -> Self {
        let watch = Watch::new(Arc::clone(&cloud), config.poll_interval());
        Self { cloud, watch, config }
    }

    /// Makes a server group, or goes on with it.
    pub(crate) async fn deploy(
        &self,
        request: &DeployRequest,
        task: &TaskContext,
    ) -> Result<DeployResult, End> {
        let place = Place { account: request.account.clone(), region: request.region.clone() };
        let mut work = Work::new(self, Job::Create(request), place, task);
        let mut saved = work.saved()?;
        let ended = match early_end(saved.as_ref()) {
            Some(end) => Err(end),
            None => Box::pin(work.replace(request, &mut saved)).await,
        };
        Box::pin(work.ended(ended, saved)).await
    }

    /// Destroys what a failed deploy made, or goes on with it.
    pub(crate) async fn destroy(
        &self,
        request: &DestroyRequest,
        task: &TaskContext,
    ) -> Result<DestroyResult, End> {
        let place = Place { account: request.account.clone(), region: request.region.clone() };
        let mut work = Work::new(self, Job::Destroy(request), place, task);
        let mut saved = work.saved()?;
        let ended = match early_end(saved.as_ref()) {
            Some(end) => Err(end),
            None => Box::pin(work.destroy_created(request, &mut saved)).await,
        };
        Box::pin(work.ended(ended, saved)).await
    }
}

/// How a run ends that was being ended early when it was saved.
fn early_end(saved: Option<&Checkpoint>) -> Option<End> {
    Some(match saved?.ending()? {
        Ending::Canceled => End::Stopped(Stop::Canceled),
        Ending::Failed(failure) => failure.clone().into(),
    })
}

impl Handler<CreateGroup> for Deployer {
    async fn run(&self, request: DeployRequest, task: &TaskContext) -> Result<DeployResult, End> {
        let span = info_span!(
            "create group",
            execution.id = %task.task().execution,
            account = %request.account,
            region = %request.region,
            application = %request.application,
        );
        Box::pin(self.deploy(&request, task)).instrument(span).await
    }

    async fn preview(
        &self,
        request: DeployRequest,
        to_come: Vec<String>,
        task: &TaskContext,
    ) -> Result<CreateGroupPreview, End> {
        let span = info_span!(
            "preview of create group",
            execution.id = %task.task().execution,
            account = %request.account,
            region = %request.region,
            application = %request.application,
        );
        Box::pin(self.preview(&request, &to_come, task)).instrument(span).await
    }
}

impl Handler<CountGroups> for Deployer {
    async fn run(&self, request: ClusterCheck, task: &TaskContext) -> Result<ClusterCount, End> {
        let span = info_span!(
            "count groups",
            execution.id = %task.task().execution,
            account = %request.account,
            cluster = %request.cluster,
        );
        let counted = check::cluster_size(self.cloud.as_ref(), &request).instrument(span);
        Box::pin(counted).await
    }

    async fn preview(
        &self,
        request: ClusterCheck,
        _to_come: Vec<String>,
        _task: &TaskContext,
    ) -> Result<ClusterCount, End> {
        Box::pin(check::count(self.cloud.as_ref(), &request)).await
    }
}

impl Handler<DestroyCreated> for Deployer {
    async fn run(&self, request: DestroyRequest, task: &TaskContext) -> Result<DestroyResult, End> {
        let span = info_span!(
            "destroy created",
            execution.id = %task.task().execution,
            account = %request.account,
            region = %request.region,
            application = %request.application,
        );
        Box::pin(self.destroy(&request, task)).instrument(span).await
    }
}

/// One run on one cluster.
struct Work<'a> {
    deployer: &'a Deployer,
    job: Job<'a>,
    task: &'a TaskContext,
    place: Place,
    phase: Phase,
    /// The lock of the cluster, once this run has taken it.
    lock: Option<HeldLock>,
}

impl<'a> Work<'a> {
    fn new(deployer: &'a Deployer, job: Job<'a>, place: Place, task: &'a TaskContext) -> Self {
        Self { deployer, job, task, place, phase: Phase::Working, lock: None }
    }

    /// What was saved of this run.
    fn saved(&self) -> Result<Option<Checkpoint>, End> {
        self.task.checkpoint().map_err(|text| unreadable(self.task, &text))
    }

    /// The end of the run: after a cancel or a failure that is what is left once it has cleaned up.
    async fn ended<T>(
        mut self,
        ended: Result<T, End>,
        saved: Option<Checkpoint>,
    ) -> Result<T, End> {
        let ending = match ended {
            Err(End::Stopped(Stop::Canceled)) => Ending::Canceled,
            Err(End::Failed(failure)) => Ending::Failed(*failure),
            done @ (Ok(_) | Err(End::Stopped(Stop::Lost | Stop::Draining) | End::Canceled(_))) => {
                return done;
            }
        };
        self.phase = Phase::CleaningUp;
        Err(Box::pin(self.wind_up(ending, saved)).await)
    }

    /// Goes on from what was saved, under the lock that is held now.
    async fn take_up(&self, saved: &mut Checkpoint, fence: Fence) -> Result<(), End> {
        // A save counts as progress: taking over alone is none.
        if saved.fence != fence {
            saved.fence = fence;
            self.save(saved).await?;
        }
        Ok(())
    }

    /// Takes the cluster's lock, waiting for whoever has it.
    async fn take_lock(&mut self) -> Result<Fence, End> {
        let moniker = self.job.moniker().map_err(|error| {
            End::failed(FailureKind::User, format!("the cluster has no valid name: {error}"))
        })?;
        let resource = format!("cluster/{}/{}", self.place, moniker.cluster());
        let pause = self.deployer.config.poll_interval();
        let lock = self.task.lock_when_free(resource, pause, self.phase).await?;
        Ok(self.lock.insert(lock).fence())
    }

    async fn free_lock(&mut self) -> Result<(), Stop> {
        match self.lock.take() {
            Some(lock) => self.task.free(lock).await,
            None => Ok(()),
        }
    }

    async fn save(&self, checkpoint: &Checkpoint) -> Result<(), Stop> {
        self.task.save(checkpoint).await
    }

    /// Every server group of the cluster.
    async fn cluster(&self) -> Result<Vec<ServerGroup>, End> {
        let moniker =
            self.job.moniker().map_err(|error| plan_failure(&plan::PlanError::Name(error)))?;
        let name = moniker.cluster();
        let cloud = &self.deployer.cloud;
        self.read("reading the cluster", || cloud.cluster(&self.place, &name)).await
    }

    async fn pause(&self, time: Duration) -> Result<(), Stop> {
        self.task.pause(time, self.phase).await
    }

    /// Makes the new group, waits until it is healthy, and takes the older ones away if the strategy says so.
    async fn replace(
        &mut self,
        request: &DeployRequest,
        saved: &mut Option<Checkpoint>,
    ) -> Result<DeployResult, End> {
        let fence = self.take_lock().await?;
        let checkpoint = if let Some(checkpoint) = saved {
            self.take_up(checkpoint, fence).await?;
            checkpoint
        } else {
            let planned = Box::pin(self.plan(request, fence)).await?;
            self.save(&planned).await?;
            saved.insert(planned)
        };
        Box::pin(self.create(request, checkpoint)).await?;
        Box::pin(self.settle(request, checkpoint)).await?;
        Box::pin(self.retire_all(request, checkpoint)).await?;
        self.free_lock().await?;
        let plan = checkpoint.plan()?;
        info!(server_group.name = %plan.group.name, "deploy finished");
        Ok(self.result(plan))
    }

    fn result(&self, plan: &Plan) -> DeployResult {
        let gone = plan.victims.iter().filter(|victim| victim.state == VictimState::Gone);
        let spared = plan.victims.iter().filter(|v| matches!(v.state, VictimState::Spared { .. }));
        DeployResult {
            region: self.place.region.clone(),
            account: self.place.account.clone(),
            server_group: plan.group.name.clone(),
            image_id: plan.template.image_id.clone(),
            capacity: plan.group.capacity,
            destroyed: gone.map(|victim| victim.name.clone()).collect(),
            disabled: Vec::new(),
            notes: plan.notes.iter().cloned().chain(spared.map(plan::retire::describe)).collect(),
        }
    }
}

fn unreadable(task: &TaskContext, text: &str) -> End {
    let hint = format!(
        "look for server groups with the tag {}={} and for disabled older ones in the cluster",
        crate::tags::TASK,
        task.task()
    );
    End::failed(FailureKind::Bug, format!("could not continue: {text}")).with_hint(&hint)
}

fn plan_failure(error: &plan::PlanError) -> End {
    End::failed(FailureKind::User, format!("could not plan the deploy: {}", Chain(error)))
}

#[cfg(test)]
mod tests;
