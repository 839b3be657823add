//! Destroying what a failed deploy made: exactly that, and only while it is not what carries the traffic.

use store::Fence;
use tokio::time::Instant;
use tracing::info;
use wire::{DestroyRequest, DestroyResult, FailureKind};
use worker::{End, Freshness};

use super::{Work, job::Sighting, retire::Trust};
use crate::{
    checkpoint::{Checkpoint, Progress},
    plan::{
        self,
        health::{self, Judge, Verdict},
        retire::{self, Victim, VictimState},
    },
    ports::{GroupLifecycle, ServerGroup},
    tags,
};

impl Work<'_> {
    /// Takes away what the failed deploy made, one group after the other.
    pub(super) async fn destroy_created(
        &mut self,
        request: &DestroyRequest,
        saved: &mut Option<Checkpoint>,
    ) -> Result<DestroyResult, End> {
        let fence = self.take_lock().await?;
        let checkpoint = if let Some(checkpoint) = saved {
            self.take_up(checkpoint, fence).await?;
            checkpoint
        } else {
            let planned = Box::pin(self.find_made(request, fence)).await?;
            self.save(&planned).await?;
            saved.insert(planned)
        };
        for index in 0..checkpoint.victims().len() {
            Box::pin(self.retire(checkpoint, index, &mut Trust::default())).await?;
        }
        self.free_lock().await?;
        self.destroyed(checkpoint.victims())
    }

    pub(super) async fn look_at_created(
        &self,
        request: &DestroyRequest,
        victim: &Victim,
        freshness: Freshness,
    ) -> Result<Sighting, End> {
        let first = Instant::now();
        let cluster = self.cluster().await?;
        let found = cluster.iter().find(|group| group.name == victim.name);
        let needed = match found.filter(|group| victim.identity.is(group)) {
            Some(group) => Box::pin(self.needed(request, group, &cluster, freshness)).await?,
            None => None,
        };
        Ok(Sighting { victim: found.cloned(), needed, taken: (first, Instant::now()) })
    }

    /// The groups that carry the tag of one of the tries. None is believed only after several looks: what was
    /// made a moment ago may not be seen yet.
    async fn find_made(&self, request: &DestroyRequest, fence: Fence) -> Result<Checkpoint, End> {
        let mut looks = 0;
        loop {
            let mut made = self.cluster().await?;
            made.retain(|group| is_made(request, group));
            looks += 1;
            if made.is_empty() && looks < self.deployer.config.healthy_polls.max(2) {
                self.pause(self.deployer.config.poll_interval()).await?;
                continue;
            }
            made.sort_by(|a, b| (a.created_ms, &a.name).cmp(&(b.created_ms, &b.name)));
            info!(server_groups = made.len(), "looked for what the failed deploy made");
            let victims = made.iter().map(Victim::of).collect();
            return Ok(Checkpoint::new(fence, Progress::Destroying { victims }));
        }
    }

    /// Why a group is not to go: it may be what carries the traffic. `None` when it may go.
    async fn needed(
        &self,
        request: &DestroyRequest,
        group: &ServerGroup,
        cluster: &[ServerGroup],
        freshness: Freshness,
    ) -> Result<Option<String>, End> {
        if !is_made(request, group) {
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
        let healthy = self.verdict(request, group, freshness).await?.healthy;
        if healthy == 0 {
            return Ok(None);
        }
        for other in cluster.iter().filter(|other| may_stand_in(request, other)) {
            if self.verdict(request, other, freshness).await?.can_take_over() {
                return Ok(None);
            }
        }
        Ok(Some(format!(
            "{healthy} of its instances are healthy, and no other server group of the cluster is"
        )))
    }

    async fn verdict(
        &self,
        request: &DestroyRequest,
        group: &ServerGroup,
        freshness: Freshness,
    ) -> Result<Verdict, End> {
        let balancers = group.balancers();
        let judge = if request.platform_health_only || balancers.is_empty() {
            Judge::Platform
        } else {
            Judge::Balancers(balancers)
        };
        let watch = &self.deployer.watch;
        let sources = self
            .read("looking at the health of instances", || {
                Box::pin(watch.sources(&self.place, &judge, group, freshness))
            })
            .await?;
        Ok(health::judge(group, &judge, &sources.what, self.job.healthy_percent()))
    }

    /// A success when nothing is left of what the deploy made.
    fn destroyed(&self, victims: &[Victim]) -> Result<DestroyResult, End> {
        let (gone, left): (Vec<&Victim>, Vec<&Victim>) =
            victims.iter().partition(|victim| victim.state == VictimState::Gone);
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

/// Whether one of the attempts made the group.
fn is_made(request: &DestroyRequest, group: &ServerGroup) -> bool {
    request.tries.iter().any(|task| plan::is_made_by(group, task))
}

/// Whether another group could carry the traffic instead.
fn may_stand_in(request: &DestroyRequest, other: &ServerGroup) -> bool {
    let there = match other.lifecycle {
        GroupLifecycle::Active => true,
        GroupLifecycle::Deleting => false,
    };
    there && !retire::is_disabled(other) && !is_made(request, other)
}
