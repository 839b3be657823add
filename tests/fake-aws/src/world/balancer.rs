//! Classic load balancers and target groups: what is registered with them, and their verdicts.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{
    Caller, Region, Site, World,
    error::{ApiError, CallError},
    group::{Conduct, MemberHealth},
    instance::InstanceState,
    ledger::Effect,
    timer::Timer,
};
use crate::rules::Rule;

/// Which balancer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BalancerRef {
    /// A classic load balancer, by name.
    Classic(String),
    /// A target group, by ARN.
    TargetGroup(String),
}

impl BalancerRef {
    /// Its name or ARN.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Classic(text) | Self::TargetGroup(text) => text,
        }
    }
}

impl Serialize for BalancerRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balancer {
    /// Its name.
    pub name: String,
    /// Its VPC.
    pub vpc: String,
    /// Where it listens.
    pub port: u16,
    /// Registered instances.
    pub registrations: BTreeMap<String, Registration>,
}

/// An instance at a balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// The balancer's verdict.
    pub verdict: Verdict,
    /// Since when it is registered, epoch milliseconds.
    pub since_ms: u64,
}

/// What a balancer says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// No verdict yet.
    Initial,
    /// Gets traffic.
    Healthy,
    /// Checks fail.
    Unhealthy,
    /// Being taken out.
    Draining,
    /// Registered, but does not run.
    Unused,
}

impl Region {
    /// A balancer that exists.
    pub(super) fn balancer(&self, id: &BalancerRef) -> Result<&Balancer, ApiError> {
        self.balancers.get(id).ok_or_else(|| match id {
            BalancerRef::Classic(name) => ApiError::new(
                Rule::LoadBalancerUnknown,
                format!("There is no ACTIVE Load Balancer named '{name}'"),
            ),
            BalancerRef::TargetGroup(arn) => {
                let text = format!("Target groups '{arn}' not found");
                ApiError::new(Rule::TargetGroupUnknown, text)
            }
        })
    }

    fn check_target(&self, balancer: &BalancerRef, id: &str) -> Result<(), ApiError> {
        let vpc = &self.balancer(balancer)?.vpc;
        let good = self.instances.get(id).is_some_and(|instance| match balancer {
            BalancerRef::Classic(_) => instance.state.is_alive(),
            BalancerRef::TargetGroup(_) => {
                instance.state == InstanceState::Running && instance.vpc == *vpc
            }
        });
        match balancer {
            _ if good => Ok(()),
            BalancerRef::Classic(_) => Err(ApiError::new(
                Rule::LoadBalancerInstance,
                format!("Could not find EC2 instance {id}."),
            )),
            BalancerRef::TargetGroup(_) => Err(ApiError::new(
                Rule::TargetInvalid,
                format!("The following targets are not in a running state: '{id}'"),
            )),
        }
    }
}

impl World {
    /// ELB `DescribeLoadBalancers`: all, or those named.
    ///
    /// # Errors
    ///
    /// One that is named does not exist.
    pub fn describe_load_balancers(
        &mut self,
        caller: &Caller,
        names: &[String],
    ) -> Result<Vec<Balancer>, CallError> {
        self.read(caller, "DescribeLoadBalancers", |_, region| {
            for name in names {
                region.balancer(&BalancerRef::Classic(name.clone()))?;
            }
            let wanted = |(id, balancer): (&BalancerRef, &Balancer)| match id {
                BalancerRef::Classic(name) => {
                    (names.is_empty() || names.contains(name)).then(|| balancer.clone())
                }
                BalancerRef::TargetGroup(_) => None,
            };
            Ok(region.balancers.iter().filter_map(wanted).collect())
        })
    }

    /// `ELBv2` `DescribeTargetGroups`: ARNs and target groups; all, or those with these names or ARNs.
    ///
    /// # Errors
    ///
    /// One that is named does not exist.
    pub fn describe_target_groups(
        &mut self,
        caller: &Caller,
        names: &[String],
        arns: &[String],
    ) -> Result<Vec<(String, Balancer)>, CallError> {
        self.read(caller, "DescribeTargetGroups", |_, region| {
            let all: Vec<(String, Balancer)> = region
                .balancers
                .iter()
                .filter_map(|(id, balancer)| match id {
                    BalancerRef::Classic(_) => None,
                    BalancerRef::TargetGroup(arn) => Some((arn.clone(), balancer.clone())),
                })
                .collect();
            for name in names {
                if !all.iter().any(|(_, group)| group.name == *name) {
                    region.balancer(&BalancerRef::TargetGroup(name.clone()))?;
                }
            }
            for arn in arns {
                region.balancer(&BalancerRef::TargetGroup(arn.clone()))?;
            }
            let everything = names.is_empty() && arns.is_empty();
            let wanted = |(arn, group): &(String, Balancer)| {
                everything || names.contains(&group.name) || arns.contains(arn)
            };
            Ok(all.into_iter().filter(wanted).collect())
        })
    }

    /// ELB `DescribeInstanceHealth` or `ELBv2` `DescribeTargetHealth`: all that are registered, or
    /// those named; `None` for one that is not registered.
    ///
    /// # Errors
    ///
    /// The balancer does not exist.
    pub fn describe_health(
        &mut self,
        caller: &Caller,
        balancer: &BalancerRef,
        ids: &[String],
    ) -> Result<Vec<(String, Option<Verdict>)>, CallError> {
        let call = match balancer {
            BalancerRef::Classic(_) => "DescribeInstanceHealth",
            BalancerRef::TargetGroup(_) => "DescribeTargetHealth",
        };
        self.read(caller, call, |_, region| {
            let registrations = &region.balancer(balancer)?.registrations;
            if ids.is_empty() {
                let all = registrations.iter().map(|(id, held)| (id.clone(), Some(held.verdict)));
                return Ok(all.collect());
            }
            let one = |id: &String| (id.clone(), registrations.get(id).map(|held| held.verdict));
            Ok(ids.iter().map(one).collect())
        })
    }

    /// ELB `RegisterInstancesWithLoadBalancer` or `ELBv2` `RegisterTargets`.
    ///
    /// # Errors
    ///
    /// The balancer or an instance is not there, or an instance does not run; then none is
    /// registered.
    pub fn register(
        &mut self,
        caller: &Caller,
        balancer: &BalancerRef,
        ids: &[String],
    ) -> Result<(), CallError> {
        let call = match balancer {
            BalancerRef::Classic(_) => "RegisterInstancesWithLoadBalancer",
            BalancerRef::TargetGroup(_) => "RegisterTargets",
        };
        let summary = format!("{} {}", balancer.as_str(), ids.join(","));
        self.write(caller, call, summary, |world, site| {
            let region = world.region(site)?;
            region.balancer(balancer)?;
            for id in ids {
                region.check_target(balancer, id)?;
            }
            let mut effect = Effect::NoEffect;
            for id in ids {
                if world.add_registration(site, balancer, id) == Effect::Changed {
                    effect = Effect::Changed;
                }
            }
            Ok(((), effect))
        })
    }

    /// ELB `DeregisterInstancesFromLoadBalancer` or `ELBv2` `DeregisterTargets`.
    ///
    /// # Errors
    ///
    /// The balancer does not exist.
    pub fn deregister(
        &mut self,
        caller: &Caller,
        balancer: &BalancerRef,
        ids: &[String],
    ) -> Result<(), CallError> {
        let call = match balancer {
            BalancerRef::Classic(_) => "DeregisterInstancesFromLoadBalancer",
            BalancerRef::TargetGroup(_) => "DeregisterTargets",
        };
        let summary = format!("{} {}", balancer.as_str(), ids.join(","));
        self.write(caller, call, summary, |world, site| {
            let held = &world.region(site)?.balancer(balancer)?.registrations;
            let there =
                |id: &&String| held.get(*id).is_some_and(|held| held.verdict != Verdict::Draining);
            let leaving: Vec<String> = ids.iter().filter(there).cloned().collect();
            world.judge_deregistration(site, &leaving);
            for id in &leaving {
                world.drain(site, balancer, id);
            }
            let effect = if leaving.is_empty() { Effect::NoEffect } else { Effect::Changed };
            Ok(((), effect))
        })
    }

    pub(super) fn add_registration(
        &mut self,
        site: &Site,
        balancer: &BalancerRef,
        id: &str,
    ) -> Effect {
        let since_ms = self.now_ms;
        let Some(held) = self.registrations_mut(site, balancer) else { return Effect::NoEffect };
        if held.get(id).is_some_and(|held| held.verdict != Verdict::Draining) {
            return Effect::NoEffect;
        }
        held.insert(id.to_owned(), Registration { verdict: Verdict::Initial, since_ms });
        let check = Timer::Check(balancer.clone(), id.to_owned());
        self.after(site, self.behaviour.lags.health_check, check);
        Effect::Changed
    }

    pub(super) fn drain(&mut self, site: &Site, balancer: &BalancerRef, id: &str) {
        let Some(held) = self.registrations_mut(site, balancer) else { return };
        let Some(held) = held.get_mut(id).filter(|held| held.verdict != Verdict::Draining) else {
            return;
        };
        held.verdict = Verdict::Draining;
        let drained = Timer::Drained(balancer.clone(), id.to_owned());
        self.after(site, self.behaviour.lags.drain, drained);
    }

    pub(super) fn drained(&mut self, site: &Site, balancer: &BalancerRef, id: &str) {
        if let Some(held) = self.registrations_mut(site, balancer)
            && held.get(id).is_some_and(|held| held.verdict == Verdict::Draining)
        {
            held.remove(id);
        }
    }

    fn registrations_mut(
        &mut self,
        site: &Site,
        balancer: &BalancerRef,
    ) -> Option<&mut BTreeMap<String, Registration>> {
        let region = self.sites.get_mut(site)?;
        region.balancers.get_mut(balancer).map(|balancer| &mut balancer.registrations)
    }

    /// A balancer looks at an instance, and plans its next look if the verdict is going to change.
    pub(super) fn check(&mut self, site: &Site, balancer: &BalancerRef, id: &str) {
        let Some(region) = self.sites.get(site) else { return };
        let Some(instance) = region.instances.get(id) else { return };
        let held = region.balancers.get(balancer).and_then(|b| b.registrations.get(id));
        if held.is_none_or(|held| held.verdict == Verdict::Draining) {
            return;
        }
        let group = instance.group.clone();
        let conduct = group.as_deref().map_or(Conduct::Normal, |name| self.conduct_of(name));
        let age = self.now_ms.saturating_sub(instance.launched_ms);
        let (verdict, again) = match (instance.state, conduct) {
            (InstanceState::Pending, _) => (Verdict::Initial, None),
            (InstanceState::Running, Conduct::Never) => (Verdict::Unhealthy, None),
            (InstanceState::Running, Conduct::Slow { ms }) if age < ms => {
                (Verdict::Initial, Some(ms - age))
            }
            (InstanceState::Running, Conduct::Flapping { period_ms }) => {
                let period = period_ms.max(1);
                let up = (age / period).is_multiple_of(2);
                let verdict = if up { Verdict::Healthy } else { Verdict::Unhealthy };
                (verdict, Some(period - age % period))
            }
            (
                InstanceState::Running,
                Conduct::Normal
                | Conduct::Slow { .. }
                | Conduct::LaunchFails
                | Conduct::DiesAfter { .. },
            ) => (Verdict::Healthy, None),
            (
                InstanceState::Stopping
                | InstanceState::Stopped
                | InstanceState::ShuttingDown
                | InstanceState::Terminated,
                _,
            ) => (Verdict::Unused, None),
        };
        if let Some(held) = self.registrations_mut(site, balancer).and_then(|h| h.get_mut(id)) {
            held.verdict = verdict;
        }
        if let Some(again) = again {
            self.after(site, again, Timer::Check(balancer.clone(), id.to_owned()));
        }
        if let (Verdict::Unhealthy, Some(group)) = (verdict, group) {
            self.unhealthy_member(site, &group, balancer, id);
        }
    }

    /// A group that trusts its balancers replaces what they call unhealthy, once grace is over.
    fn unhealthy_member(&mut self, site: &Site, name: &str, balancer: &BalancerRef, id: &str) {
        let now_ms = self.now_ms;
        let Some(region) = self.sites.get_mut(site) else { return };
        let Some(group) = region.groups.get_mut(name) else { return };
        if group.spec.health_check_type != "ELB" {
            return;
        }
        let grace_ms = u64::from(group.spec.grace_seconds) * 1_000;
        let Some(member) = group.members.get_mut(id) else { return };
        let over_ms = member.since_ms + grace_ms;
        if now_ms < over_ms {
            self.at(site, over_ms, Timer::Check(balancer.clone(), id.to_owned()));
        } else if member.health == MemberHealth::Healthy {
            member.health = MemberHealth::Unhealthy;
            self.look_at(site, name);
        }
    }

    /// An instance does not run any more: no balancer sends it traffic.
    pub(super) fn instance_left(&mut self, site: &Site, id: &str) {
        let Some(region) = self.sites.get_mut(site) else { return };
        for balancer in region.balancers.values_mut() {
            if let Some(held) = balancer.registrations.get_mut(id)
                && held.verdict != Verdict::Draining
            {
                held.verdict = Verdict::Unused;
            }
        }
        let group = region.instances.get(id).and_then(|instance| instance.group.clone());
        if let Some(group) = group {
            self.look_at(site, &group);
        }
    }
}
