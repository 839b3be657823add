//! What a run is about. There are two: a deploy, and the destruction of what one made. They share the lock of
//! the cluster, the calls, the way in which a server group is taken away, and how a run ends early.

use std::future::Future;

use model::moniker::{Moniker, NameError};
use tokio::time::Instant;
use wire::{DeployRequest, DeployResult};
use worker::{End, Stop};

use super::{Work, settle};
use crate::{
    checkpoint::{Checkpoint, Record},
    lease::Lease,
    plan::{
        self,
        retire::{Rules, Stays, Victim},
    },
    ports::ServerGroup,
    watch::Freshness,
};

/// One look at a victim, and at what stays when it is gone.
#[derive(Debug)]
pub(super) struct Sight {
    /// The group that has the victim's name.
    pub(super) victim: Option<ServerGroup>,
    /// Why the victim is still needed; `None` when what stays can do without it.
    pub(super) needed: Option<String>,
    /// Time of the oldest and of the newest part.
    pub(super) taken: (Instant, Instant),
}

/// A thing to do to one cluster, under its lock.
pub(super) trait Errand: Sync + Sized {
    /// How far it is.
    type Record: Record;
    /// What it brings.
    type Result;

    /// The cluster.
    fn moniker(&self) -> Result<Moniker, NameError>;

    /// Does it, from what was saved.
    fn forward<L: Lease>(
        work: &mut Work<'_, L, Self>,
        saved: &mut Option<Self::Record>,
    ) -> impl Future<Output = Result<Self::Result, End>> + Send;

    /// What taking victims away goes by; `None` while there can be none.
    fn rules<L: Lease>(work: &Work<'_, L, Self>, record: &Self::Record) -> Option<Rules>;

    /// Looks before a step.
    fn look<L: Lease>(
        work: &Work<'_, L, Self>,
        record: &Self::Record,
        victim: &Victim,
        freshness: Freshness,
    ) -> impl Future<Output = Result<Sight, End>> + Send;

    /// What a report of an early end says before it comes to the victims.
    fn preface<L: Lease>(
        work: &Work<'_, L, Self>,
        record: &Self::Record,
    ) -> impl Future<Output = Result<String, Stop>> + Send;
}

impl Errand for DeployRequest {
    type Record = Checkpoint;
    type Result = DeployResult;

    fn moniker(&self) -> Result<Moniker, NameError> {
        plan::moniker(self)
    }

    async fn forward<L: Lease>(
        work: &mut Work<'_, L, Self>,
        saved: &mut Option<Checkpoint>,
    ) -> Result<DeployResult, End> {
        work.forward(saved).await
    }

    fn rules<L: Lease>(work: &Work<'_, L, Self>, record: &Checkpoint) -> Option<Rules> {
        let asked_ms = u64::from(work.request.delay_before_scale_down_seconds) * 1_000;
        let stays = Stays::New(record.created.clone()?);
        Some(work.rules_with(stays, record.fence, asked_ms))
    }

    async fn look<L: Lease>(
        work: &Work<'_, L, Self>,
        record: &Checkpoint,
        victim: &Victim,
        freshness: Freshness,
    ) -> Result<Sight, End> {
        let plan = &record.plan;
        let names = [plan.group.name.clone(), victim.name.clone()];
        let watch = &work.room.watch;
        let mut groups = work
            .read("looking at the server groups", || {
                Box::pin(watch.groups(&work.place, &names, freshness))
            })
            .await?;
        let victim = groups.what.remove(&victim.name);
        let new = groups.what.remove(&plan.group.name);
        let (needed, taken) = match new.filter(|new| settle::is(record.created.as_ref(), new)) {
            Some(new) => {
                let look = work.judge_new(plan, groups, &new, freshness).await?;
                (look.what.unfit(), look.taken)
            }
            None => (settle::Look::Missing.unfit(), groups.taken),
        };
        Ok(Sight { victim, needed, taken })
    }

    async fn preface<L: Lease>(
        work: &Work<'_, L, Self>,
        record: &Checkpoint,
    ) -> Result<String, Stop> {
        work.new_group(record).await
    }
}
