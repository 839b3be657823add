//! Waiting until the new server group is healthy, and what is done to it then.

use tokio::time::Instant;
use tracing::{debug, info};
use wire::{DeployRequest, FailureKind};
use worker::{End, Freshness, Seen};

use super::{Work, calls::Changed};
use crate::{
    checkpoint::{Checkpoint, Progress},
    plan::{
        Identity, Plan,
        health::{self, Streak, Verdict},
    },
    ports::ServerGroup,
};

/// One look at the new group.
#[derive(Debug)]
pub(super) enum Look {
    /// It is there.
    There(Verdict),
    /// It is not, or another group has its name.
    Missing,
}

impl Look {
    /// Why the group cannot take over; `None` when it can.
    pub(super) fn unfit(&self) -> Option<String> {
        match self {
            Self::There(verdict) if verdict.can_take_over() => None,
            Self::There(verdict) => Some(verdict.to_string()),
            Self::Missing => Some("it is not there".to_owned()),
        }
    }
}

impl Work<'_> {
    /// Waits for health and applies what the request wants of the finished group.
    pub(super) async fn settle(
        &self,
        request: &DeployRequest,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), End> {
        if let Progress::Starting { plan, began_ms, new } = &checkpoint.progress {
            self.await_health(plan, *began_ms, new).await?;
            info!(server_group.name = %plan.group.name, "server group is healthy");
            checkpoint.is_healthy(self.task.now_ms());
            self.save(checkpoint).await?;
        }
        self.suspend_as_asked(request, checkpoint.plan()?).await
    }

    async fn await_health(&self, plan: &Plan, began_ms: u64, new: &Identity) -> Result<(), End> {
        let mut streak = Streak::default();
        let mut counted: Option<Instant> = None;
        loop {
            let seen = self.look_at_new(plan, new, Freshness::Shared).await?;
            let (first, last) = seen.taken;
            // A look that others took may be the one that was counted already.
            if counted.is_none_or(|before| first > before) {
                counted = Some(last);
                match &seen.what {
                    Look::There(verdict) if verdict.is_good() => {
                        if streak.good() >= self.deployer.config.healthy_polls {
                            return Ok(());
                        }
                    }
                    Look::There(_) | Look::Missing => _ = streak.bad(),
                }
            }
            debug!(look = ?seen.what, "waiting for health");
            let waited_ms = self.task.now_ms().saturating_sub(began_ms);
            if waited_ms >= self.deployer.config.healthy_timeout_ms() {
                return Err(not_healthy(plan, &seen.what, waited_ms));
            }
            self.pause(self.deployer.config.poll_interval()).await?;
        }
    }

    /// Judges the new group by a look of the wanted freshness.
    async fn look_at_new(
        &self,
        plan: &Plan,
        new: &Identity,
        freshness: Freshness,
    ) -> Result<Seen<Look>, End> {
        let name = plan.group.name.clone();
        let names = [name.clone()];
        let watch = &self.deployer.watch;
        let groups = self
            .read("looking at the new server group", || {
                Box::pin(watch.groups(&self.place, &names, freshness))
            })
            .await?;
        let found = groups.what.get(&name).cloned();
        let Some(group) = found.filter(|group| new.is(group)) else {
            return Ok(Seen { what: Look::Missing, taken: groups.taken });
        };
        self.judge_new(plan, groups, &group, freshness).await
    }

    pub(super) async fn judge_new<T>(
        &self,
        plan: &Plan,
        seen: Seen<T>,
        group: &ServerGroup,
        freshness: Freshness,
    ) -> Result<Seen<Look>, End> {
        let watch = &self.deployer.watch;
        let sources = self
            .read("looking at the new instances' health", || {
                Box::pin(watch.sources(&self.place, &plan.judge, group, freshness))
            })
            .await?;
        let percent = self.job.healthy_percent();
        let judged = |_, sources| Look::There(health::judge(group, &plan.judge, &sources, percent));
        Ok(seen.and(sources, judged))
    }

    /// Suspends the scaling processes which the request wants suspended once the group is up.
    async fn suspend_as_asked(&self, request: &DeployRequest, plan: &Plan) -> Result<(), End> {
        let name = &plan.group.name;
        let names = [name.clone()];
        let cloud = &self.deployer.cloud;
        while !request.suspended_processes.is_empty() {
            let groups =
                self.read("looking at the new group", || cloud.groups(&self.place, &names)).await?;
            let suspended = groups.first().map(|group| &group.suspended);
            let is_running = |process: &&String| suspended.is_some_and(|s| !s.contains(*process));
            let running: Vec<String> =
                request.suspended_processes.iter().filter(is_running).cloned().collect();
            if running.is_empty() {
                return Ok(());
            }
            let call = || cloud.suspend(&self.place, name, &running);
            match self.change("suspending scaling processes", call).await? {
                Changed::Done(()) => return Ok(()),
                Changed::Taken | Changed::Look => {}
            }
        }
        Ok(())
    }
}

pub(super) fn is(identity: Option<&Identity>, group: &ServerGroup) -> bool {
    identity.is_some_and(|identity| identity.is(group))
}

fn not_healthy(plan: &Plan, look: &Look, waited_ms: u64) -> End {
    let state = match look {
        Look::There(verdict) => verdict.to_string(),
        Look::Missing => "it is not there any more".to_owned(),
    };
    let message = format!(
        "server group `{}` did not become healthy within {} s: {state}; no older group was touched",
        plan.group.name,
        waited_ms / 1_000
    );
    let hint = if plan.judge == health::Judge::Platform {
        "look at the instances' console output and at the group's activity history"
    } else {
        "look at the balancer's health check (path, port, codes), the security groups between \
         balancer and instances, and at the instances' console output"
    };
    End::failed(FailureKind::Timeout, message).with_hint(hint)
}
