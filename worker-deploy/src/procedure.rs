//! One deploy, or the destruction of what one made, from the lock of its cluster to its result; resumable
//! after every save.

mod calls;
mod create;
mod destroy;
mod errand;
mod outlook;
mod retire;
mod settle;
mod wind_up;

use std::{sync::Arc, time::Duration};

use model::Pool;
use runtime::Chain;
use serde_json::{Map, Value};
use store::{Fence, Locked};
use tracing::{Instrument, info, info_span};
use wire::{
    DeployRequest, DeployResult, DeployStrategy, DeployTask, DestroyRequest, FailureKind,
    TaskFailure, TaskOutcome,
};
use worker::{Procedure, Stop, TaskContext};

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

    /// As [`Procedure::run`], on any lease.
    pub(crate) async fn deploy<L: Lease>(
        &self,
        request: &DeployRequest,
        lease: &L,
    ) -> Result<TaskOutcome, Stop> {
        let place = Place { account: request.account.clone(), region: request.region.clone() };
        Box::pin(self.carry_out(request, place, lease)).await
    }

    /// The same for the destruction of what a failed deploy made.
    pub(crate) async fn destroy<L: Lease>(
        &self,
        request: &DestroyRequest,
        lease: &L,
    ) -> Result<TaskOutcome, Stop> {
        let place = Place { account: request.account.clone(), region: request.region.clone() };
        Box::pin(self.carry_out(request, place, lease)).await
    }

    async fn carry_out<L: Lease, E: Errand>(
        &self,
        request: &E,
        place: Place,
        lease: &L,
    ) -> Result<TaskOutcome, Stop> {
        let mut checkpoint = match lease.checkpoint::<E::Record>() {
            Ok(saved) => saved,
            Err(text) => return Ok(unreadable(lease, &text)),
        };
        let mut work =
            Work { room: self, request, lease, place, stance: Stance::Working, held: None };
        let ended = match checkpoint.as_mut().and_then(|saved| saved.ending().clone()) {
            Some(ending) => Err(ending),
            None => match Box::pin(E::forward(&mut work, &mut checkpoint)).await {
                Ok(outcome) => Ok(outcome),
                Err(Halt::Stop(Stop::Canceled)) => Err(Ending::Canceled),
                Err(Halt::Stop(stop @ (Stop::Lost | Stop::Draining))) => return Err(stop),
                Err(Halt::Failed(failure)) => Err(Ending::Failed(failure)),
            },
        };
        match ended {
            Ok(outcome) => Ok(outcome),
            Err(ending) => {
                work.stance = Stance::CleaningUp;
                Box::pin(work.wind_up(ending, checkpoint)).await
            }
        }
    }
}

impl Procedure for Deployer {
    type Request = DeployTask;

    const KIND: Pool = Pool::Deploy;

    async fn run(&self, request: DeployTask, task: &TaskContext) -> Result<TaskOutcome, Stop> {
        match request {
            DeployTask::Deploy(request) => {
                let span = info_span!(
                    "deploy",
                    execution.id = %task.task().execution,
                    account = %request.account,
                    region = %request.region,
                    application = %request.application,
                );
                Box::pin(self.deploy(&request, task)).instrument(span).await
            }
            DeployTask::Check(check) => {
                let span = info_span!(
                    "check",
                    execution.id = %task.task().execution,
                    account = %check.account,
                    cluster = %check.cluster,
                );
                let looked = check::cluster_size(self.cloud.as_ref(), &check).instrument(span);
                Ok(Box::pin(looked).await)
            }
            DeployTask::Outlook(inquiry) => {
                let span = info_span!(
                    "outlook",
                    execution.id = %task.task().execution,
                    account = %inquiry.request.account,
                    region = %inquiry.request.region,
                    application = %inquiry.request.application,
                );
                Box::pin(self.outlook(&inquiry, task)).instrument(span).await
            }
            DeployTask::Destroy(request) => {
                let span = info_span!(
                    "destroy",
                    execution.id = %task.task().execution,
                    account = %request.account,
                    region = %request.region,
                    application = %request.application,
                );
                Box::pin(self.destroy(&request, task)).instrument(span).await
            }
        }
    }
}

/// Why work does not go on.
#[derive(Debug)]
enum Halt {
    /// The lease says so.
    Stop(Stop),
    /// It failed.
    Failed(TaskFailure),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Halt {
    fn failed(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::Failed(TaskFailure { kind, message: message.into(), detail: None, hint: None })
    }

    fn hinting(self, text: &str) -> Self {
        match self {
            Self::Failed(failure) => {
                Self::Failed(TaskFailure { hint: Some(text.to_owned()), ..failure })
            }
            Self::Stop(stop) => Self::Stop(stop),
        }
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
    async fn take_up(&self, saved: &mut E::Record, fence: Fence) -> Result<(), Halt> {
        // A save counts as progress: taking over alone is none.
        if *saved.fence() != fence {
            *saved.fence() = fence;
            self.save(saved).await?;
        }
        Ok(())
    }

    /// Takes the cluster's lock, waiting for whoever has it.
    async fn lock(&mut self) -> Result<Fence, Halt> {
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
                Locked::Gone => return Err(Halt::Stop(Stop::Lost)),
            }
        }
    }

    async fn unlock(&mut self) -> Result<(), Stop> {
        if let (Some(fence), Ok(resource)) = (self.held.take(), self.resource()) {
            self.lease.unlock(&resource, fence).await?;
        }
        Ok(())
    }

    fn resource(&self) -> Result<String, Halt> {
        let moniker = self.request.moniker().map_err(|error| {
            Halt::failed(FailureKind::User, format!("the cluster has no valid name: {error}"))
        })?;
        Ok(format!("cluster/{}/{}", self.place, moniker.cluster()))
    }

    async fn save(&self, record: &E::Record) -> Result<(), Stop> {
        self.lease.save(record).await
    }

    /// Every server group of the cluster.
    async fn cluster(&self) -> Result<Vec<ServerGroup>, Halt> {
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
    async fn forward(&mut self, saved: &mut Option<Checkpoint>) -> Result<TaskOutcome, Halt> {
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
        Ok(TaskOutcome::Succeeded { result: self.result(checkpoint) })
    }

    fn result(&self, checkpoint: &Checkpoint) -> Map<String, Value> {
        let plan = &checkpoint.plan;
        let names = |wanted: fn(&VictimState) -> bool| {
            let victims = plan.victims.iter().filter(|victim| wanted(&victim.state));
            victims.map(|victim| victim.name.clone()).collect()
        };
        let result = DeployResult {
            region: self.place.region.clone(),
            account: self.place.account.clone(),
            server_group: plan.group.name.clone(),
            image_id: plan.template.image_id.clone(),
            capacity: plan.group.capacity,
            destroyed: names(|state| matches!(state, VictimState::Gone)),
            disabled: Vec::new(),
        };
        let mut map = match serde_json::to_value(result) {
            Ok(Value::Object(map)) => map,
            // A struct of texts and numbers is always an object.
            Ok(_) | Err(_) => Map::new(),
        };
        let spared = plan.victims.iter().filter(|v| matches!(v.state, VictimState::Spared { .. }));
        let notes: Vec<String> =
            plan.notes.iter().cloned().chain(spared.map(plan::retire::describe)).collect();
        if !notes.is_empty() {
            map.insert("notes".to_owned(), notes.into());
        }
        map
    }

    fn is_highlander(&self) -> bool {
        match self.request.strategy {
            DeployStrategy::None => false,
            DeployStrategy::Highlander => true,
        }
    }
}

fn unreadable<L: Lease>(lease: &L, text: &str) -> TaskOutcome {
    let failure = TaskFailure {
        kind: FailureKind::Bug,
        message: format!("could not continue: {text}"),
        detail: None,
        hint: Some(format!(
            "look for server groups with the tag {}={} and for disabled older ones in the cluster",
            crate::tags::TASK,
            lease.task()
        )),
    };
    TaskOutcome::Failed { failure }
}

fn plan_failure(error: &plan::PlanError) -> Halt {
    Halt::failed(FailureKind::User, format!("could not plan the deploy: {}", Chain(error)))
}

#[cfg(test)]
mod tests;
