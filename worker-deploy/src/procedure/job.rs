//! What a run is asked for. There are two jobs: to make a server group, and to destroy what a failed deploy made.
//! They share the lock of the cluster, the calls, the way in which a server group is taken away, and how a run ends
//! early; where they differ, it is said here.

use model::moniker::{Moniker, NameError};
use tokio::time::Instant;
use wire::{DeployRequest, DestroyRequest};
use worker::{End, Freshness, Stop};

use super::{Work, settle};
use crate::{
    checkpoint::{Checkpoint, Progress},
    plan::{
        self,
        retire::{Rules, Stays, Victim},
    },
    ports::ServerGroup,
};

/// Another group stands in for one that is destroyed when all it should have is healthy.
const ALL_PERCENT: u32 = 100;

/// What a run does to a cluster, under its lock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job<'a> {
    /// A new group is made.
    Create(&'a DeployRequest),
    /// What a failed deploy made is destroyed.
    Destroy(&'a DestroyRequest),
}

/// One look at a victim, and at what stays when it is gone.
#[derive(Debug)]
pub(super) struct Sighting {
    /// The group that has the victim's name.
    pub(super) victim: Option<ServerGroup>,
    /// Why the victim is still needed; `None` when what stays can do without it.
    pub(super) needed: Option<String>,
    /// Time of the oldest and of the newest part.
    pub(super) taken: (Instant, Instant),
}

impl Job<'_> {
    /// The cluster.
    pub(super) fn moniker(self) -> Result<Moniker, NameError> {
        match self {
            Self::Create(request) => plan::moniker(request),
            Self::Destroy(request) => {
                Moniker::new(&request.application, &request.stack, &request.detail)
            }
        }
    }

    /// Percent of a group's desired capacity that must be healthy for it to carry the traffic.
    pub(super) fn healthy_percent(self) -> u32 {
        match self {
            Self::Create(request) => request.target_healthy_percent,
            Self::Destroy(_) => ALL_PERCENT,
        }
    }

    /// How long a group is left disabled at least before it is scaled down, as far as the job says.
    fn disabled_for_ms(self) -> u64 {
        match self {
            Self::Create(request) => u64::from(request.delay_before_scale_down_seconds) * 1_000,
            Self::Destroy(_) => 0,
        }
    }
}

impl Work<'_> {
    /// By which rules victims are taken away; `None` while there is nothing that could replace them.
    pub(super) fn rules(&self, checkpoint: &Checkpoint) -> Option<Rules> {
        let stays = match &checkpoint.progress {
            Progress::Creating { .. } => return None,
            Progress::Starting { new, .. } | Progress::Replacing { new, .. } => {
                Stays::New(new.clone())
            }
            Progress::Destroying { .. } => Stays::Rest,
        };
        let least_ms = self.deployer.config.disabled_seconds.saturating_mul(1_000);
        Some(Rules {
            stays,
            doomed: format!("{}/{}", self.task.task().execution, checkpoint.fence),
            disabled_for_ms: self.job.disabled_for_ms().max(least_ms),
        })
    }

    /// Looks before a step.
    pub(super) async fn look(
        &self,
        checkpoint: &Checkpoint,
        victim: &Victim,
        freshness: Freshness,
    ) -> Result<Sighting, End> {
        match self.job {
            Job::Create(_) => self.look_beside_new(checkpoint, victim, freshness).await,
            Job::Destroy(request) => self.look_at_created(request, victim, freshness).await,
        }
    }

    async fn look_beside_new(
        &self,
        checkpoint: &Checkpoint,
        victim: &Victim,
        freshness: Freshness,
    ) -> Result<Sighting, End> {
        let plan = checkpoint.plan()?;
        let names = [plan.group.name.clone(), victim.name.clone()];
        let watch = &self.deployer.watch;
        let mut groups = self
            .read("looking at the server groups", || {
                Box::pin(watch.groups(&self.place, &names, freshness))
            })
            .await?;
        let victim = groups.what.remove(&victim.name);
        let new = groups.what.remove(&plan.group.name);
        let (needed, taken) = match new.filter(|new| settle::is(checkpoint.new_group(), new)) {
            Some(new) => {
                let look = self.judge_new(plan, groups, &new, freshness).await?;
                (look.what.unfit(), look.taken)
            }
            None => (settle::Look::Missing.unfit(), groups.taken),
        };
        Ok(Sighting { victim, needed, taken })
    }

    /// What a report of an early end says before it comes to the victims.
    pub(super) async fn preface(&self, checkpoint: &Checkpoint) -> Result<String, Stop> {
        let (plan, state) = match &checkpoint.progress {
            Progress::Destroying { victims } => return Ok(made(victims.len())),
            Progress::Replacing { plan, .. } => (plan, "was healthy and stays"),
            Progress::Starting { plan, .. } => (plan, "was created and stays as it is"),
            Progress::Creating { plan, .. } => (plan, self.state_of_planned(plan).await?),
        };
        Ok(format!("the new group `{}` {state}", plan.group.name))
    }

    /// How a new group stands which this run has not seen.
    async fn state_of_planned(&self, plan: &plan::Plan) -> Result<&'static str, Stop> {
        let names = [plan.group.name.clone()];
        let cloud = &self.deployer.cloud;
        let found =
            self.read("looking for the new group", || cloud.groups(&self.place, &names)).await;
        match found {
            Ok(groups) => {
                let ours = |group: &ServerGroup| plan::is_made_by(group, self.task.task());
                Ok(if groups.iter().any(ours) {
                    "was created and stays as it is"
                } else {
                    "was planned and is not there"
                })
            }
            Err(End::Stopped(stop)) => Err(stop),
            Err(End::Failed(_) | End::Canceled(_)) => {
                Ok("may have been created; the cloud does not answer")
            }
        }
    }
}

fn made(groups: usize) -> String {
    match groups {
        0 => "the failed deploy left no server group".to_owned(),
        1 => "the failed deploy left one server group".to_owned(),
        more => format!("the failed deploy left {more} server groups"),
    }
}
