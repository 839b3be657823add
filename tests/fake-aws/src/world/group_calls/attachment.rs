//! Groups and their balancers: attaching registers what is in service, detaching drains it.

use crate::world::{
    Caller, World,
    balancer::BalancerRef,
    error::CallError,
    group::{Lifecycle, Member},
    ledger::Effect,
    safety::Harm,
};

impl World {
    /// Auto Scaling `AttachLoadBalancers` or `AttachLoadBalancerTargetGroups`: registers the
    /// group's instances too.
    ///
    /// # Errors
    ///
    /// The group or a balancer is not there.
    pub fn attach(
        &mut self,
        caller: &Caller,
        name: &str,
        balancers: &[BalancerRef],
    ) -> Result<(), CallError> {
        let call = match balancers.first() {
            Some(BalancerRef::Classic(_)) => "AttachLoadBalancers",
            Some(BalancerRef::TargetGroup(_)) | None => "AttachLoadBalancerTargetGroups",
        };
        self.write(caller, call, summary(name, balancers), |world, site| {
            let region = world.region_mut(site)?;
            region.check_balancers(balancers.iter().cloned())?;
            let group = region.changeable_group(name)?;
            let mut new = Vec::new();
            for balancer in balancers {
                let (list, text) = match balancer {
                    BalancerRef::Classic(name) => (&mut group.spec.load_balancers, name),
                    BalancerRef::TargetGroup(arn) => (&mut group.spec.target_groups, arn),
                };
                if !list.contains(text) {
                    list.push(text.clone());
                    new.push(balancer.clone());
                }
            }
            let working = |m: &Member| m.lifecycle == Lifecycle::InService;
            let members: Vec<String> = group
                .members
                .iter()
                .filter(|(_, m)| working(m))
                .map(|(id, _)| id.clone())
                .collect();
            for balancer in &new {
                for id in &members {
                    world.add_registration(site, balancer, id);
                }
            }
            Ok(((), if new.is_empty() { Effect::NoEffect } else { Effect::Changed }))
        })
    }

    /// Auto Scaling `DetachLoadBalancers` or `DetachLoadBalancerTargetGroups`: the group's
    /// instances drain.
    ///
    /// # Errors
    ///
    /// The group or a balancer is not there.
    pub fn detach(
        &mut self,
        caller: &Caller,
        name: &str,
        balancers: &[BalancerRef],
    ) -> Result<(), CallError> {
        let call = match balancers.first() {
            Some(BalancerRef::Classic(_)) => "DetachLoadBalancers",
            Some(BalancerRef::TargetGroup(_)) | None => "DetachLoadBalancerTargetGroups",
        };
        self.write(caller, call, summary(name, balancers), |world, site| {
            let region = world.region_mut(site)?;
            region.check_balancers(balancers.iter().cloned())?;
            let held = region.changeable_group(name)?.balancers();
            let gone: Vec<&BalancerRef> = balancers.iter().filter(|b| held.contains(b)).collect();
            if gone.is_empty() {
                return Ok(((), Effect::NoEffect));
            }
            world.judge_harm(site, name, Harm::Deregister);
            let group = world.region_mut(site)?.changeable_group(name)?;
            let classic = |name: &String| gone.contains(&&BalancerRef::Classic(name.clone()));
            group.spec.load_balancers.retain(|name| !classic(name));
            let target = |arn: &String| gone.contains(&&BalancerRef::TargetGroup(arn.clone()));
            group.spec.target_groups.retain(|arn| !target(arn));
            let members: Vec<String> = group.members.keys().cloned().collect();
            for balancer in gone {
                for id in &members {
                    world.drain(site, balancer, id);
                }
            }
            Ok(((), Effect::Changed))
        })
    }
}

fn summary(name: &str, balancers: &[BalancerRef]) -> String {
    let texts: Vec<&str> = balancers.iter().map(BalancerRef::as_str).collect();
    format!("{name} {}", texts.join(","))
}
