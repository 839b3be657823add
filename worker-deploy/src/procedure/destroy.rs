//! Destroying what a failed deploy made: exactly that, and only while it is not what carries the traffic.

use model::moniker::{Moniker, NameError};
use store::Fence;
use tokio::time::Instant;
use tracing::info;
use wire::{DestroyRequest, DestroyResult, FailureKind};
use worker::{End, Stop};

use super::{
    Work,
    errand::{Errand, Sight},
    retire::Trust,
};
use crate::{
    checkpoint::Destruction,
    lease::Lease,
    plan::{
        self,
        health::{self, Judge, Verdict},
        retire::{self, Rules, Stays, Victim, VictimState},
    },
    ports::{GroupLifecycle, ServerGroup},
    tags,
    watch::Freshness,
};

/// Another group stands in for a victim when all it should have is healthy.
const ALL_PERCENT: u32 = 100;

impl Errand for DestroyRequest {
    type Record = Destruction;
    type Result = DestroyResult;

    fn moniker(&self) -> Result<Moniker, NameError> {
        Moniker::new(&self.application, &self.stack, &self.detail)
    }

    async fn forward<L: Lease>(
        work: &mut Work<'_, L, Self>,
        saved: &mut Option<Destruction>,
    ) -> Result<DestroyResult, End> {
        let fence = work.lock().await?;
        let record = if let Some(record) = saved {
            work.take_up(record, fence).await?;
            record
        } else {
            let planned = Box::pin(work.find_made(fence)).await?;
            work.save(&planned).await?;
            saved.insert(planned)
        };
        for index in 0..record.victims.len() {
            Box::pin(work.retire(record, index, &mut Trust::default())).await?;
        }
        work.unlock().await?;
        work.result(record)
    }

    fn rules<L: Lease>(work: &Work<'_, L, Self>, record: &Destruction) -> Option<Rules> {
        Some(work.rules_with(Stays::Rest, record.fence, 0))
    }

    async fn look<L: Lease>(
        work: &Work<'_, L, Self>,
        _: &Destruction,
        victim: &Victim,
        freshness: Freshness,
    ) -> Result<Sight, End> {
        let first = Instant::now();
        let cluster = work.cluster().await?;
        let found = cluster.iter().find(|group| group.name == victim.name);
        let needed = match found.filter(|group| victim.identity.is(group)) {
            Some(group) => Box::pin(work.needed(group, &cluster, freshness)).await?,
            None => None,
        };
        Ok(Sight { victim: found.cloned(), needed, taken: (first, Instant::now()) })
    }

    async fn preface<L: Lease>(
        _: &Work<'_, L, Self>,
        record: &Destruction,
    ) -> Result<String, Stop> {
        Ok(match record.victims.len() {
            0 => "the failed deploy left no server group".to_owned(),
            1 => "the failed deploy left one server group".to_owned(),
            more => format!("the failed deploy left {more} server groups"),
        })
    }
}

impl<L: Lease> Work<'_, L, DestroyRequest> {
    /// The groups that carry the tag of one of the tries. None is believed only after several looks: what was
    /// made a moment ago may not be seen yet.
    async fn find_made(&self, fence: Fence) -> Result<Destruction, End> {
        let mut looks = 0;
        loop {
            let mut made = self.cluster().await?;
            made.retain(|group| self.made(group));
            looks += 1;
            if made.is_empty() && looks < self.room.config.healthy_polls.max(2) {
                self.pause(self.room.config.poll_interval()).await?;
                continue;
            }
            made.sort_by(|a, b| (a.created_ms, &a.name).cmp(&(b.created_ms, &b.name)));
            info!(server_groups = made.len(), "looked for what the failed deploy made");
            let victims = made.iter().map(Victim::of).collect();
            return Ok(Destruction { fence, victims, ending: None });
        }
    }

    fn made(&self, group: &ServerGroup) -> bool {
        self.request.tries.iter().any(|task| plan::is_made_by(group, task))
    }

    /// Why a group is not to go: it may be what carries the traffic. `None` when it may go.
    async fn needed(
        &self,
        group: &ServerGroup,
        cluster: &[ServerGroup],
        freshness: Freshness,
    ) -> Result<Option<String>, End> {
        if !self.made(group) {
            return Ok(Some("it does not carry the tag of the failed deploy any more".to_owned()));
        }
        match group.tags.get(tags::TAKES_OVER).map(String::as_str) {
            Some(tags::NOT_YET) => {}
            Some(_) => {
                let why = "it was healthy and had begun to take over from older server groups, so it \
                           may be what carries the traffic";
                return Ok(Some(why.to_owned()));
            }
            None => {
                let why = format!(
                    "it has no tag `{}`, so it may have taken over from older server groups",
                    tags::TAKES_OVER
                );
                return Ok(Some(why));
            }
        }
        let healthy = self.verdict(group, freshness).await?.healthy;
        if healthy == 0 {
            return Ok(None);
        }
        for other in cluster.iter().filter(|other| self.may_stand_in(other)) {
            if self.verdict(other, freshness).await?.can_take_over() {
                return Ok(None);
            }
        }
        Ok(Some(format!(
            "{healthy} of its instances are healthy, and no other server group of the cluster is"
        )))
    }

    fn may_stand_in(&self, other: &ServerGroup) -> bool {
        let there = match other.lifecycle {
            GroupLifecycle::Active => true,
            GroupLifecycle::Deleting => false,
        };
        there && !retire::is_disabled(other) && !self.made(other)
    }

    async fn verdict(&self, group: &ServerGroup, freshness: Freshness) -> Result<Verdict, End> {
        let balancers = group.balancers();
        let judge = if self.request.platform_health_only || balancers.is_empty() {
            Judge::Platform
        } else {
            Judge::Balancers(balancers)
        };
        let watch = &self.room.watch;
        let sources = self
            .read("looking at the health of instances", || {
                Box::pin(watch.sources(&self.place, &judge, group, freshness))
            })
            .await?;
        Ok(health::judge(group, &judge, &sources.what, ALL_PERCENT))
    }

    /// A success when nothing is left of what the deploy made.
    fn result(&self, record: &Destruction) -> Result<DestroyResult, End> {
        let (gone, left): (Vec<&Victim>, Vec<&Victim>) =
            record.victims.iter().partition(|victim| victim.state == VictimState::Gone);
        if left.is_empty() {
            return Ok(DestroyResult {
                account: self.place.account.clone(),
                region: self.place.region.clone(),
                destroyed_server_groups: gone.iter().map(|victim| victim.name.clone()).collect(),
            });
        }
        let left: Vec<String> = left.iter().copied().map(retire::describe).collect();
        let hint = "destroy it by hand once you know that nothing needs it";
        Err(End::failed(FailureKind::User, left.join("; ")).with_hint(hint))
    }
}
