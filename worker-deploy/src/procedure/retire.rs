//! Taking server groups away, each step decided by [`plan::retire::next`] on a world read
//! immediately before.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info};
use wire::{DeployRequest, DeployStrategy, FailureKind};
use worker::{End, Freshness};

use super::{Work, calls::Changed, job::Sighting, settle};
use crate::{
    checkpoint::{Checkpoint, Progress},
    plan::{
        self,
        health::{Fitness, Streak},
        retire::{Action, Next, Rules, Victim, VictimState, World},
    },
    ports::Reply,
    tags,
};

/// What was seen longer ago is looked at again before anything is taken away because of it. A look is
/// some describing calls, a second or two when nothing is wrong.
const LOOK_AGE_MAX: Duration = Duration::from_secs(5);

/// How what stays has looked lately.
#[derive(Debug, Default)]
pub(super) struct Trust {
    streak: Streak,
    counted: Option<Instant>,
}

impl Work<'_> {
    /// Waits as asked, then takes the victims away, oldest first, one after the other.
    pub(super) async fn retire_all(
        &self,
        request: &DeployRequest,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), End> {
        match request.strategy {
            DeployStrategy::None => return Ok(()),
            DeployStrategy::Highlander => {}
        }
        // Nothing is taken away for a group that was never healthy.
        let Progress::Replacing { plan, healthy_ms, .. } = &checkpoint.progress else {
            return Ok(());
        };
        if plan.victims.is_empty() {
            return Ok(());
        }
        let delay_ms = u64::from(request.delay_before_disable_seconds) * 1_000;
        let due_ms = healthy_ms.saturating_add(delay_ms);
        let remaining_ms = due_ms.saturating_sub(self.task.now_ms());
        self.pause(Duration::from_millis(remaining_ms)).await?;
        self.say_that_it_takes_over(request, checkpoint).await?;
        let mut trust = Trust::default();
        for index in 0..checkpoint.victims().len() {
            self.retire(checkpoint, index, &mut trust).await?;
        }
        Ok(())
    }

    /// Says on the new group that it takes over, before any older one is touched: from then on it is not
    /// destroyed because this deploy failed.
    async fn say_that_it_takes_over(
        &self,
        request: &DeployRequest,
        checkpoint: &Checkpoint,
    ) -> Result<(), End> {
        if !request.destroy_if_failed {
            return Ok(());
        }
        let name = &checkpoint.plan()?.group.name;
        let cloud = &self.deployer.cloud;
        loop {
            let new = self.find(name).await?;
            let Some(new) = new.filter(|new| settle::is(checkpoint.new_group(), new)) else {
                let message = format!("the new server group `{name}` is not there any more");
                return Err(End::failed(FailureKind::User, message));
            };
            if new.tags.get(tags::TAKES_OVER).is_some_and(|says| says == tags::YES) {
                return Ok(());
            }
            let call = || cloud.tag(&self.place, name, tags::TAKES_OVER, tags::YES);
            match self.change("tagging the new server group", call).await? {
                Changed::Done(()) => return Ok(()),
                Changed::Taken | Changed::Look => {}
            }
        }
    }

    /// Drives one victim until it is finished with, forward or back.
    pub(super) async fn retire(
        &self,
        checkpoint: &mut Checkpoint,
        index: usize,
        trust: &mut Trust,
    ) -> Result<(), End> {
        let Some(rules) = self.rules(checkpoint) else { return Ok(()) };
        let deadline_ms = self.deadline_ms(checkpoint, index, &rules);
        let mut freshness = Freshness::Now;
        let mut done: Option<Action> = None;
        while let Some(victim) = checkpoint.victims().get(index).cloned() {
            let looked = Instant::now();
            let world = self.world(checkpoint, &victim, trust, freshness).await?;
            match plan::retire::next(&victim, &rules, &world) {
                Next::Finished => return Ok(()),
                Next::Save(state) => {
                    self.enter(checkpoint, index, state).await?;
                    freshness = Freshness::Now;
                }
                // An older look may say "wait"; only a look of now may say "do".
                Next::Do(_) if freshness == Freshness::Shared => freshness = Freshness::Now,
                Next::Do(action) => {
                    self.check_retire_time(&victim, "it takes too long", deadline_ms)?;
                    if done.take().as_ref() == Some(&action) {
                        // Done, and not to be seen yet: no use in doing it again at once.
                        self.pause(self.deployer.config.poll_interval()).await?;
                        continue;
                    }
                    debug!(server_group.name = %victim.name, ?action, "retiring");
                    let outcome = self.act(&victim, &action, &rules, looked).await?;
                    done = matches!(outcome, Changed::Done(())).then_some(action);
                }
                Next::Wait(why) => {
                    self.check_retire_time(&victim, &why, deadline_ms)?;
                    self.pause(self.deployer.config.poll_interval()).await?;
                    freshness = Freshness::Shared;
                }
                Next::Retreat(why) => {
                    let message = format!("stopped taking away `{}`: {why}", victim.name);
                    return Err(End::failed(FailureKind::User, message)
                        .with_hint("it is put back into traffic"));
                }
                Next::Abort(why) => {
                    let left = VictimState::Spared { why: why.clone() };
                    self.enter(checkpoint, index, left).await?;
                    let message = format!("stopped taking away `{}`: {why}", victim.name);
                    return Err(End::failed(FailureKind::User, message));
                }
            }
        }
        Ok(())
    }

    /// Until when a victim must be finished with; counted from its first touch, whoever did that.
    fn deadline_ms(&self, checkpoint: &Checkpoint, index: usize, rules: &Rules) -> u64 {
        let victim = checkpoint.victims().get(index);
        let since_ms = match victim.map(|victim| &victim.state) {
            Some(
                VictimState::Disabling { before }
                | VictimState::Disabled { before, .. }
                | VictimState::Emptying { before },
            ) => before.since_ms,
            Some(
                VictimState::Untouched
                | VictimState::Deleting
                | VictimState::Gone
                | VictimState::Spared { .. }
                | VictimState::Undoing { .. }
                | VictimState::Restored,
            )
            | None => self.task.now_ms(),
        };
        since_ms
            .saturating_add(rules.disabled_for_ms)
            .saturating_add(self.deployer.config.destroy_timeout_ms())
    }

    fn check_retire_time(&self, victim: &Victim, why: &str, deadline_ms: u64) -> Result<(), End> {
        if self.task.now_ms() < deadline_ms {
            return Ok(());
        }
        let message = format!("could not take away `{}` in time: {why}", victim.name);
        Err(End::failed(FailureKind::Timeout, message).with_hint(
            "instances protected from scale-in, life-cycle hooks and long draining keep a group from \
             emptying",
        ))
    }

    /// Reads everything a step is decided on.
    async fn world(
        &self,
        checkpoint: &Checkpoint,
        victim: &Victim,
        trust: &mut Trust,
        freshness: Freshness,
    ) -> Result<World, End> {
        let Sighting { victim, needed, taken } = self.look(checkpoint, victim, freshness).await?;
        let watch = &self.deployer.watch;
        let balancers = match &victim {
            Some(group) => {
                let of = group.balancers();
                let call =
                    || -> Reply<'_, _> { Box::pin(watch.balancers(&self.place, &of, freshness)) };
                self.read("looking at the group's balancers", call).await?.what
            }
            None => std::collections::BTreeMap::new(),
        };
        let fitness = trust.judge(needed, taken, self.deployer.config.healthy_polls);
        Ok(World { now_ms: self.task.now_ms(), fitness, victim, balancers })
    }

    /// Commits a victim's next state; what belongs to one that is gone goes first.
    async fn enter(
        &self,
        checkpoint: &mut Checkpoint,
        index: usize,
        state: VictimState,
    ) -> Result<(), End> {
        let Some(victim) = checkpoint.victims().get(index).cloned() else { return Ok(()) };
        if state == VictimState::Gone && victim.state == VictimState::Deleting {
            self.remove_template(&victim).await?;
            info!(server_group.name = %victim.name, "server group deleted");
        }
        if let Some(victim) = checkpoint.victims_mut().get_mut(index) {
            victim.state = state;
        }
        Ok(self.save(checkpoint).await?)
    }

    /// Deletes the launch template of a group that is gone, if it was made for that group alone.
    async fn remove_template(&self, victim: &Victim) -> Result<(), End> {
        let Some(template) = &victim.template else { return Ok(()) };
        let cloud = &self.deployer.cloud;
        let call = || cloud.launch_template(&self.place, &template.name);
        let found = self.read("looking at the group's launch template", call).await?;
        let Some(found) = found.filter(|found| found.id == template.id) else { return Ok(()) };
        let stamp = found.name.strip_prefix(&format!("{}-", victim.name));
        let named_for_it = stamp.is_some_and(|stamp| {
            !stamp.is_empty() && stamp.bytes().all(|byte| byte.is_ascii_digit())
        });
        let ours = found.tags.get(tags::MANAGED_BY).is_some_and(|by| by == tags::BOWLINE);
        let used = || async {
            let cluster = self.cluster().await?;
            let uses = |group: &crate::ports::ServerGroup| {
                group.launch_template.as_ref().is_some_and(|used| used.id == template.id)
            };
            Ok::<_, End>(cluster.iter().any(uses))
        };
        if (named_for_it || ours) && !used().await? {
            self.delete_template(&found.id).await?;
        }
        Ok(())
    }

    async fn act(
        &self,
        victim: &Victim,
        action: &Action,
        rules: &Rules,
        looked: Instant,
    ) -> Result<Changed<()>, End> {
        let (cloud, place, name) = (&self.deployer.cloud, &self.place, victim.name.as_str());
        let zero = wire::Capacity { min: 0, desired: 0, max: 0 };
        let call = || -> Reply<'_, ()> {
            match action {
                Action::Suspend(processes) => cloud.suspend(place, name, processes),
                Action::Resume(processes) => cloud.resume(place, name, processes),
                Action::Deregister(balancer, ids) => cloud.deregister(place, balancer, ids),
                Action::Register(balancer, ids) => cloud.register(place, balancer, ids),
                Action::MarkDoomed => cloud.tag(place, name, tags::DOOMED, &rules.doomed),
                Action::Unmark => cloud.untag(place, name, tags::DOOMED),
                Action::ScaleToZero => cloud.set_capacity(place, name, zero),
                Action::Delete => cloud.delete_group(place, name),
            }
        };
        let doing = format!("{} `{name}`", doing(action));
        self.guard_lock(&doing).await?;
        // The world was read before the lock was looked at, and either may have taken its time.
        if looked.elapsed() > LOOK_AGE_MAX {
            return Ok(Changed::Look);
        }
        self.change_guarded(&doing, call).await
    }
}

impl Trust {
    /// Counts a look, unless it is one that was counted before.
    fn judge(&mut self, needed: Option<String>, taken: (Instant, Instant), polls: u32) -> Fitness {
        let fresh = self.counted.is_none_or(|before| taken.0 > before);
        if fresh {
            self.counted = Some(taken.1);
        }
        let Some(why) = needed else {
            if fresh {
                self.streak.good();
            }
            return Fitness::Good;
        };
        if fresh {
            self.streak.bad();
        }
        if self.streak.bad_so_far() >= polls {
            Fitness::Failing(why)
        } else {
            Fitness::Wobbling(why)
        }
    }
}

const fn doing(action: &Action) -> &'static str {
    match action {
        Action::Suspend(_) => "suspending scaling processes of",
        Action::Resume(_) => "resuming scaling processes of",
        Action::Deregister(..) => "deregistering instances of",
        Action::Register(..) => "registering instances of",
        Action::MarkDoomed => "tagging",
        Action::Unmark => "removing our tag of",
        Action::ScaleToZero => "scaling down",
        Action::Delete => "deleting",
    }
}
