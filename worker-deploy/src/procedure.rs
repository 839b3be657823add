//! One deploy, or the destruction of what one made, from the lock of its cluster to its result; resumable
//! after every save.

mod calls;
mod create;
mod destroy;
mod errand;
mod preview;
mod retire;
mod settle;
mod wind_up;

use std::{sync::Arc, time::Duration};

use runtime::Chain;
use store::{Fence, Locked};
use tracing::{Instrument, info, info_span};
use wire::{
    ClusterCheck, ClusterCount, CountGroups, CreateGroup, CreateGroupPreview, DeployRequest,
    DeployResult, DeployStrategy, DestroyCreated, DestroyRequest, DestroyResult, FailureKind,
};
use worker::{End, Handler, Stop, TaskContext};

use self::errand::Errand;
use crate::{
    check,
    checkpoint::{Checkpoint, Ending, Record as _},
    config::DeployConfig,
    lease::Lease,
    plan::{self, retire::VictimState},
    ports::{Place, ServerGroup, ServerGroupCloud},
    watch::Watch,
};

/// Deploys server groups: the work behind the queue of deploy tasks.
#[derive(Debug)]
pub struct Deployer {
    cloud: Arc<dyn ServerGroupCloud>,
    watch: Watch,
    config: DeployConfig,
}

impl Deployer {
    /// A deployer to this cloud. All its deploys share their looks at it.
    pub fn new(config: DeployConfig, cloud: Arc<dyn ServerGroupCloud>) -> Self {
        let watch = Watch::new(Arc::clone(&cloud), config.poll_interval());
        Self { cloud, watch, config }
    }

    /// Makes a server group, on any lease.
    pub(crate) async fn deploy<L: Lease>(
        &self,
        request: &DeployRequest,
        lease: &L,
    ) -> Result<DeployResult, End> {
        let place = Place { account: request.account.clone(), region: request.region.clone() };
        Box::pin(self.carry_out(request, place, lease)).await
    }

    /// Destroys what a failed deploy made, on any lease.
    pub(crate) async fn destroy<L: Lease>(
        &self,
        request: &DestroyRequest,
        lease: &L,
    ) -> Result<DestroyResult, End> {
        let place = Place { account: request.account.clone(), region: request.region.clone() };
        Box::pin(self.carry_out(request, place, lease)).await
    }

    async fn carry_out<L: Lease, E: Errand>(
        &self,
        request: &E,
        place: Place,
        lease: &L,
    ) -> Result<E::Result, End> {
        let mut checkpoint = match lease.checkpoint::<E::Record>() {
            Ok(saved) => saved,
            Err(text) => return Err(unreadable(lease, &text)),
        };
        let mut work =
            Work { room: self, request, lease, place, stance: Stance::Working, held: None };
        let ending = match checkpoint.as_mut().and_then(|saved| saved.ending().clone()) {
            Some(ending) => ending,
            None => match Box::pin(E::forward(&mut work, &mut checkpoint)).await {
                Ok(result) => return Ok(result),
                Err(End::Stopped(Stop::Canceled)) => Ending::Canceled,
                Err(End::Failed(failure)) => Ending::Failed(*failure),
                Err(end @ (End::Stopped(Stop::Lost | Stop::Draining) | End::Canceled(_))) => {
                    return Err(end);
                }
            },
        };
        work.stance = Stance::CleaningUp;
        Box::pin(work.wind_up(ending, checkpoint)).await
    }
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

/// What the run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stance {
    /// Going forward; a cancel stops it.
    Working,
    /// Ending early and putting back what was taken apart; a cancel does not stop that.
    CleaningUp,
}

/// One errand in hand.
struct Work<'a, L, E = DeployRequest> {
    room: &'a Deployer,
    request: &'a E,
    lease: &'a L,
    place: Place,
    stance: Stance,
    /// The lock this run took.
    held: Option<Fence>,
}

impl<L: Lease, E: Errand> Work<'_, L, E> {
    /// Goes on from what was saved, under the lock that is held now.
    async fn take_up(&self, saved: &mut E::Record, fence: Fence) -> Result<(), End> {
        // A save counts as progress: taking over alone is none.
        if *saved.fence() != fence {
            *saved.fence() = fence;
            self.save(saved).await?;
        }
        Ok(())
    }

    /// Takes the cluster's lock, waiting for whoever has it.
    async fn lock(&mut self) -> Result<Fence, End> {
        let resource = self.resource()?;
        let mut told = None;
        loop {
            match self.lease.lock(&resource).await? {
                Locked::Granted { fence } => {
                    self.held = Some(fence);
                    return Ok(fence);
                }
                Locked::Busy { owner } => {
                    if told.as_ref() != Some(&owner) {
                        info!(%resource, %owner, "waiting for another deploy of this cluster");
                        told = Some(owner);
                    }
                    self.pause(self.room.config.poll_interval()).await?;
                }
                // The execution is over: nobody waits for a result, and nothing may be touched.
                Locked::Gone => return Err(End::Stopped(Stop::Lost)),
            }
        }
    }

    async fn unlock(&mut self) -> Result<(), Stop> {
        if let (Some(fence), Ok(resource)) = (self.held.take(), self.resource()) {
            self.lease.unlock(&resource, fence).await?;
        }
        Ok(())
    }

    fn resource(&self) -> Result<String, End> {
        let moniker = self.request.moniker().map_err(|error| {
            End::failed(FailureKind::User, format!("the cluster has no valid name: {error}"))
        })?;
        Ok(format!("cluster/{}/{}", self.place, moniker.cluster()))
    }

    async fn save(&self, record: &E::Record) -> Result<(), Stop> {
        self.lease.save(record).await
    }

    /// Every server group of the cluster.
    async fn cluster(&self) -> Result<Vec<ServerGroup>, End> {
        let moniker =
            self.request.moniker().map_err(|error| plan_failure(&plan::PlanError::Name(error)))?;
        let name = moniker.cluster();
        let cloud = &self.room.cloud;
        self.read("reading the cluster", || cloud.cluster(&self.place, &name)).await
    }

    async fn pause(&self, time: Duration) -> Result<(), Stop> {
        match self.stance {
            Stance::Working => self.lease.sleep(time).await,
            Stance::CleaningUp => self.lease.sleep_cleaning_up(time).await,
        }
    }
}

impl<L: Lease> Work<'_, L> {
    async fn forward(&mut self, saved: &mut Option<Checkpoint>) -> Result<DeployResult, End> {
        let fence = self.lock().await?;
        let checkpoint = if let Some(checkpoint) = saved {
            self.take_up(checkpoint, fence).await?;
            checkpoint
        } else {
            let planned = Box::pin(self.plan(fence)).await?;
            self.save(&planned).await?;
            saved.insert(planned)
        };
        Box::pin(self.create(checkpoint)).await?;
        Box::pin(self.settle(checkpoint)).await?;
        Box::pin(self.retire_all(checkpoint)).await?;
        self.unlock().await?;
        info!(server_group.name = %checkpoint.plan.group.name, "deploy finished");
        Ok(self.result(checkpoint))
    }

    fn result(&self, checkpoint: &Checkpoint) -> DeployResult {
        let plan = &checkpoint.plan;
        let names = |wanted: fn(&VictimState) -> bool| {
            let victims = plan.victims.iter().filter(|victim| wanted(&victim.state));
            victims.map(|victim| victim.name.clone()).collect()
        };
        let spared = plan.victims.iter().filter(|v| matches!(v.state, VictimState::Spared { .. }));
        DeployResult {
            region: self.place.region.clone(),
            account: self.place.account.clone(),
            server_group: plan.group.name.clone(),
            image_id: plan.template.image_id.clone(),
            capacity: plan.group.capacity,
            destroyed: names(|state| matches!(state, VictimState::Gone)),
            disabled: Vec::new(),
            notes: plan.notes.iter().cloned().chain(spared.map(plan::retire::describe)).collect(),
        }
    }

    fn is_highlander(&self) -> bool {
        match self.request.strategy {
            DeployStrategy::None => false,
            DeployStrategy::Highlander => true,
        }
    }
}

fn unreadable<L: Lease>(lease: &L, text: &str) -> End {
    let hint = format!(
        "look for server groups with the tag {}={} and for disabled older ones in the cluster",
        crate::tags::TASK,
        lease.task()
    );
    End::failed(FailureKind::Bug, format!("could not continue: {text}")).with_hint(&hint)
}

fn plan_failure(error: &plan::PlanError) -> End {
    End::failed(FailureKind::User, format!("could not plan the deploy: {}", Chain(error)))
}

#[cfg(test)]
mod tests;
