//! What Auto Scaling does by itself: brings a group to its desired size, replaces what is
//! unhealthy, registers and drains.

use std::collections::BTreeMap;

use super::{
    Site, World,
    error::ApiError,
    group::{Conduct, ConductRule, Group, Lifecycle, Member, MemberHealth, TagReach},
    instance::{InstanceState, OnShutdown, RunInstances},
    network::Subnet,
    timer::Timer,
};
use crate::rules::Rule;

impl World {
    /// Decides how the instances of some groups behave, from now on.
    pub fn set_conduct(&mut self, rule: ConductRule) {
        let prefix = rule.group.clone();
        self.conducts.push(rule);
        // Balancers look again at once: a verdict may be another one now.
        let mut looks = Vec::new();
        for (site, region) in &self.sites {
            for (balancer, held) in &region.balancers {
                for id in held.registrations.keys() {
                    let group = region.instances.get(id).and_then(|i| i.group.as_deref());
                    if group.is_some_and(|group| group.starts_with(&prefix)) {
                        looks.push((site.clone(), Timer::Check(balancer.clone(), id.clone())));
                    }
                }
            }
        }
        for (site, look) in looks {
            self.after(&site, 0, look);
        }
    }

    /// An instance dies now.
    pub fn kill_instance(&mut self, site: &Site, id: &str) {
        self.after(site, 0, Timer::Dies(id.to_owned()));
    }

    pub(super) fn conduct_of(&self, group: &str) -> Conduct {
        let rule = self.conducts.iter().rev().find(|rule| group.starts_with(&rule.group));
        rule.map_or(Conduct::Normal, |rule| rule.conduct)
    }

    /// Auto Scaling notices a change of a group, a little later.
    pub(super) fn look_at(&mut self, site: &Site, group: &str) {
        self.after(site, self.behaviour.lags.scaling, Timer::Scale(group.to_owned()));
    }

    fn group_mut(&mut self, site: &Site, name: &str) -> Option<&mut Group> {
        self.sites.get_mut(site).and_then(|region| region.groups.get_mut(name))
    }

    pub(super) fn scale(&mut self, site: &Site, name: &str) {
        self.drop_the_gone(site, name);
        let Some(group) = self.sites.get(site).and_then(|region| region.groups.get(name)) else {
            return;
        };
        if group.deleting {
            return;
        }
        let active = |member: &Member| member.lifecycle != Lifecycle::Terminating;
        let ill: Vec<String> = group
            .members
            .iter()
            .filter(|(_, member)| active(member) && member.health == MemberHealth::Unhealthy)
            .map(|(id, _)| id.clone())
            .collect();
        let well = group.members.values().filter(|m| active(m)).count() - ill.len();
        let desired = usize::try_from(group.spec.desired).unwrap_or(usize::MAX);
        let launches = group.does("Launch");
        let terminates = group.does("Terminate");
        let replaces = group.does("ReplaceUnhealthy") && group.does("HealthCheck");
        if terminates && replaces {
            for id in &ill {
                self.end_member(site, name, id);
            }
        }
        if well > desired && terminates {
            for id in self.oldest(site, name, well - desired) {
                self.end_member(site, name, &id);
            }
        }
        if well < desired && launches {
            for _ in well..desired {
                if let Err(error) = self.launch_member(site, name) {
                    // Auto Scaling tries again, less and less often.
                    let pause = self.behaviour.lags.scaling.max(1) * 20;
                    self.after(site, pause, Timer::Scale(name.to_owned()));
                    if let Some(group) = self.group_mut(site, name) {
                        group.last_failure = Some(error.to_string());
                    }
                    break;
                }
            }
        }
    }

    /// Members whose instance does not run any more are ill; those whose instance is gone are out.
    fn drop_the_gone(&mut self, site: &Site, name: &str) {
        let Some(region) = self.sites.get_mut(site) else { return };
        let Some(group) = region.groups.get_mut(name) else { return };
        let state = |id: &String| region.instances.get(id).map(|instance| instance.state);
        group.members.retain(|id, member| match state(id) {
            None | Some(InstanceState::Terminated) => false,
            Some(InstanceState::Pending | InstanceState::Running) => true,
            Some(InstanceState::Stopping | InstanceState::Stopped) => {
                member.health = MemberHealth::Unhealthy;
                true
            }
            Some(InstanceState::ShuttingDown) => {
                member.lifecycle = Lifecycle::Terminating;
                true
            }
        });
    }

    fn oldest(&self, site: &Site, name: &str, count: usize) -> Vec<String> {
        let Some(region) = self.sites.get(site) else { return Vec::new() };
        let Some(group) = region.groups.get(name) else { return Vec::new() };
        let mut members: Vec<(u64, &String)> = group
            .members
            .iter()
            .filter(|(_, member)| {
                member.lifecycle != Lifecycle::Terminating && member.health == MemberHealth::Healthy
            })
            .map(|(id, _)| (region.instances.get(id).map_or(0, |i| i.launched_ms), id))
            .collect();
        members.sort();
        members.into_iter().take(count).map(|(_, id)| id.clone()).collect()
    }

    fn launch_member(&mut self, site: &Site, name: &str) -> Result<(), ApiError> {
        if self.conduct_of(name) == Conduct::LaunchFails {
            let text = "We currently do not have sufficient capacity in the zone you requested";
            return Err(ApiError {
                rule: None,
                code: "InsufficientInstanceCapacity".to_owned(),
                status: 400,
                message: text.to_owned(),
            });
        }
        let (order, subnet) = self.member_order(site, name)?;
        self.check_launch(site, &order)?;
        let instance = self.start_instance(site, &order, &subnet, Some(name.to_owned()));
        let since_ms = self.now_ms;
        if let Some(group) = self.group_mut(site, name) {
            group.last_failure = None;
            let member =
                Member { lifecycle: Lifecycle::Pending, health: MemberHealth::Healthy, since_ms };
            group.members.insert(instance.id, member);
        }
        Ok(())
    }

    fn member_order(&self, site: &Site, name: &str) -> Result<(RunInstances, Subnet), ApiError> {
        let region = self.region(site)?;
        let group = region.known_group(name)?;
        let template = region.templates.get(&group.template_id).ok_or_else(|| {
            let text = "The launch template of the group does not exist any more";
            ApiError::new(Rule::GroupTemplate, text)
        })?;
        // The zone with the fewest instances gets the next one.
        let load = |subnet: &&String| {
            let here = |id: &String| {
                region.instances.get(id).is_some_and(|instance| instance.subnet == **subnet)
            };
            group.members.keys().filter(|id| here(id)).count()
        };
        let subnet = group.spec.subnets.iter().min_by_key(load).ok_or_else(|| {
            ApiError::new(Rule::GroupSubnets, "The group has no subnet to launch in")
        })?;
        let mut tags: BTreeMap<String, String> = group
            .spec
            .tags
            .iter()
            .filter(|(_, tag)| tag.reach == TagReach::GroupAndInstances)
            .map(|(key, tag)| (key.clone(), tag.value.clone()))
            .collect();
        // AWS sets the `aws:` tag itself; callers may not, so it is not checked with theirs.
        tags.retain(|key, _| !key.starts_with("aws:"));
        let order = RunInstances {
            client_token: None,
            image_id: template.data.image_id.clone(),
            instance_type: template.data.instance_type.clone(),
            subnet_id: Some(subnet.clone()),
            security_groups: template.data.security_groups.clone(),
            key_name: template.data.key_name.clone(),
            instance_profile: template.data.instance_profile.clone(),
            user_data: template.data.decoded_user_data()?,
            on_shutdown: OnShutdown::Terminate,
            tags,
        };
        Ok((order, region.subnet(subnet)?.clone()))
    }

    /// An instance of a group is up: it comes into service, and gets traffic if that is wanted.
    pub(super) fn in_service(&mut self, site: &Site, id: &str) {
        let now_ms = self.now_ms;
        let Some(instance) = self.instance_mut(site, id) else { return };
        let Some(name) = instance.group.clone() else { return };
        if instance.state != InstanceState::Running {
            return;
        }
        let Some(group) = self.group_mut(site, &name) else { return };
        let Some(member) = group.members.get_mut(id) else { return };
        if member.lifecycle != Lifecycle::Pending {
            return;
        }
        member.lifecycle = Lifecycle::InService;
        member.since_ms = now_ms;
        if group.does("AddToLoadBalancer") {
            for balancer in group.balancers() {
                self.add_registration(site, &balancer, id);
            }
        }
        if let Conduct::DiesAfter { ms } = self.conduct_of(&name) {
            self.after(site, ms, Timer::Dies(id.to_owned()));
        }
    }

    /// A member goes: it drains first, if it gets traffic.
    fn end_member(&mut self, site: &Site, name: &str, id: &str) {
        let Some(group) = self.group_mut(site, name) else { return };
        let Some(member) = group.members.get_mut(id) else { return };
        member.lifecycle = Lifecycle::Terminating;
        let mut pause = 0;
        for balancer in group.balancers() {
            let registered = self
                .sites
                .get(site)
                .and_then(|region| region.balancers.get(&balancer))
                .is_some_and(|held| held.registrations.contains_key(id));
            if registered {
                self.drain(site, &balancer, id);
                pause = self.behaviour.lags.drain;
            }
        }
        self.after(site, pause, Timer::ShutDown(id.to_owned()));
    }

    /// shutting-down → terminated: the instance leaves its group and its balancers.
    pub(super) fn instance_terminated(&mut self, site: &Site, id: &str) {
        let Some(region) = self.sites.get_mut(site) else { return };
        let Some(instance) = region.instances.get_mut(id) else { return };
        instance.state = InstanceState::Terminated;
        for balancer in region.balancers.values_mut() {
            balancer.registrations.remove(id);
        }
        if let Some(name) = instance.group.clone() {
            if let Some(group) = region.groups.get_mut(&name) {
                group.members.remove(id);
            }
            self.look_at(site, &name);
        }
    }
}
