//! The calls about Auto Scaling groups.

mod attachment;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Caller, Region, Site, World,
    balancer::BalancerRef,
    error::{ApiError, CallError},
    group::{Group, GroupSpec, GroupTag, PROCESSES},
    ledger::Effect,
    safety::Harm,
    tags,
    template::TemplateRef,
    timer::Timer,
};
use crate::rules::Rule;

/// Sizes to set; what is `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Least instances.
    pub min: Option<u32>,
    /// Instances now.
    pub desired: Option<u32>,
    /// Most instances.
    pub max: Option<u32>,
}

/// Whether a deletion asks for force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It does not.
    OfEmpty,
    /// It does: a violation.
    Forced,
}

impl Region {
    /// A group that exists, visible or not.
    pub(super) fn known_group(&self, name: &str) -> Result<&Group, ApiError> {
        self.groups.get(name).ok_or_else(|| unknown(name))
    }

    fn changeable_group(&mut self, name: &str) -> Result<&mut Group, ApiError> {
        let group = self.groups.get_mut(name).ok_or_else(|| unknown(name))?;
        if group.deleting {
            let text = format!("AutoScalingGroup '{name}' is pending delete");
            return Err(ApiError::new(Rule::GroupDeleting, text));
        }
        Ok(group)
    }

    fn check_group(&self, spec: &GroupSpec, template: &TemplateRef) -> Result<String, ApiError> {
        check_sizes(spec)?;
        let found = match template {
            TemplateRef::Id(id) => self.templates.get(id),
            TemplateRef::Name(name) => self.templates.values().find(|t| t.name == *name),
        };
        let found = found.ok_or_else(|| {
            let text = "You must use a valid fully-formed launch template. \
                        The specified launch template does not exist.";
            ApiError::new(Rule::GroupTemplate, text)
        })?;
        if !self.images.contains_key(&found.data.image_id) {
            let text = format!(
                "You must use a valid fully-formed launch template. The image id '[{}]' does not \
                 exist",
                found.data.image_id
            );
            return Err(ApiError::new(Rule::GroupTemplate, text));
        }
        if spec.subnets.is_empty() || spec.subnets.iter().any(|id| self.subnet(id).is_err()) {
            let text = format!("The subnet ID '{}' does not exist", spec.subnets.join(","));
            return Err(ApiError::new(Rule::GroupSubnets, text));
        }
        self.check_balancers(
            spec.load_balancers
                .iter()
                .cloned()
                .map(BalancerRef::Classic)
                .chain(spec.target_groups.iter().cloned().map(BalancerRef::TargetGroup)),
        )?;
        Ok(found.id.clone())
    }

    fn check_balancers(
        &self,
        balancers: impl IntoIterator<Item = BalancerRef>,
    ) -> Result<(), ApiError> {
        for balancer in balancers {
            self.balancer(&balancer).map_err(|error| {
                let text = format!("Provided Load Balancers may not be valid. {}", error.message);
                ApiError::new(Rule::GroupBalancers, text)
            })?;
        }
        Ok(())
    }
}

fn arn(Site { account, region }: &Site, id: &str, name: &str) -> String {
    format!(
        "arn:aws:autoscaling:{region}:{account}:autoScalingGroup:{id}:autoScalingGroupName/{name}"
    )
}

fn unknown(name: &str) -> ApiError {
    let text = format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found");
    ApiError::new(Rule::GroupUnknown, text)
}

fn check_sizes(spec: &GroupSpec) -> Result<(), ApiError> {
    let GroupSpec { min, desired, max, .. } = spec;
    if min > max {
        let text = format!("Max bound, {max}, must be greater than or equal to min bound, {min}");
        return Err(ApiError::new(Rule::GroupSizes, text));
    }
    if desired < min || desired > max {
        let text = format!(
            "Desired capacity:{desired} must be between the specified min size:{min} and max \
             size:{max}"
        );
        return Err(ApiError::new(Rule::GroupSizes, text));
    }
    Ok(())
}

impl World {
    /// Auto Scaling `CreateAutoScalingGroup`.
    ///
    /// # Errors
    ///
    /// The name is taken, or something named does not exist.
    pub fn create_group(
        &mut self,
        caller: &Caller,
        spec: &GroupSpec,
        template: &TemplateRef,
    ) -> Result<(), CallError> {
        let GroupSpec { name, min, desired, max, .. } = spec;
        let summary = format!("{name} {min}/{desired}/{max}");
        self.write(caller, "CreateAutoScalingGroup", summary, |world, site| {
            let region = world.region(site)?;
            if let Some(held) = region.groups.get(name) {
                let more = if held.deleting { " and is pending delete" } else { "" };
                let text = format!(
                    "AutoScalingGroup by this name already exists - A group with the name {name} \
                     already exists{more}"
                );
                return Err(ApiError::new(Rule::GroupNameTaken, text));
            }
            tags::check(&spec.tags.iter().map(|(k, t)| (k.clone(), t.value.clone())).collect())?;
            let template_id = region.check_group(spec, template)?;
            world.add_group(site, spec.clone(), template_id);
            Ok(((), Effect::Created))
        })
    }

    /// Puts a group there without a call, for a seed.
    pub(crate) fn plant_group(&mut self, site: &Site, spec: GroupSpec, template_id: String) {
        self.add_group(site, spec, template_id);
    }

    /// Somebody deletes a group and makes it anew under its name, with instances like those it had.
    pub fn replace_group(&mut self, site: &Site, name: &str) {
        let (id, now_ms) = (self.new_id("asg"), self.now_ms);
        let held = self.sites.get_mut(site).and_then(|region| region.groups.get_mut(name));
        if let Some(held) = held {
            held.arn = arn(site, &id, name);
            held.created_ms = now_ms;
            held.suspended.clear();
            held.spec.tags.clear();
        }
    }

    fn add_group(&mut self, site: &Site, mut spec: GroupSpec, template_id: String) {
        let id = self.new_id("asg");
        let name = spec.name.clone();
        let arn = arn(site, &id, &name);
        if let Some(held) = self.sites.get(site).and_then(|r| r.templates.get(&template_id)) {
            spec.template.clone_from(&held.name);
        }
        let group = Group {
            spec,
            arn,
            template_id,
            created_ms: self.now_ms,
            visible_ms: self.now_ms + self.behaviour.lags.visible,
            members: BTreeMap::new(),
            suspended: BTreeSet::new(),
            deleting: false,
            last_failure: None,
            healthy_ms: None,
            idle_ms: None,
        };
        self.judge_new_group(site, &group);
        if let Some(region) = self.sites.get_mut(site) {
            region.groups.insert(name.clone(), group);
        }
        self.look_at(site, &name);
    }

    /// Auto Scaling `DescribeAutoScalingGroups`: all, or those named; unknown names are left out.
    ///
    /// # Errors
    ///
    /// Only faults.
    pub fn describe_groups(
        &mut self,
        caller: &Caller,
        names: &[String],
    ) -> Result<Vec<Group>, CallError> {
        self.read(caller, "DescribeAutoScalingGroups", |world, region| {
            let wanted = |group: &&Group| {
                (names.is_empty() || names.contains(&group.spec.name))
                    && group.visible_ms <= world.now_ms
            };
            Ok(region.groups.values().filter(wanted).cloned().collect())
        })
    }

    /// Auto Scaling `UpdateAutoScalingGroup`, of its sizes.
    ///
    /// # Errors
    ///
    /// The group is not there or being deleted, or the sizes do not fit each other.
    pub fn resize_group(
        &mut self,
        caller: &Caller,
        name: &str,
        sizes: Sizes,
    ) -> Result<(), CallError> {
        self.change_sizes(caller, "UpdateAutoScalingGroup", name, sizes)
    }

    /// Auto Scaling `SetDesiredCapacity`.
    ///
    /// # Errors
    ///
    /// The group is not there or being deleted, or the size is out of its bounds.
    pub fn set_desired(
        &mut self,
        caller: &Caller,
        name: &str,
        desired: u32,
    ) -> Result<(), CallError> {
        let sizes = Sizes { desired: Some(desired), ..Sizes::default() };
        self.change_sizes(caller, "SetDesiredCapacity", name, sizes)
    }

    fn change_sizes(
        &mut self,
        caller: &Caller,
        call: &'static str,
        name: &str,
        sizes: Sizes,
    ) -> Result<(), CallError> {
        let text = |size: Option<u32>| size.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let Sizes { min, desired, max } = sizes;
        let summary = format!("{name} {}/{}/{}", text(min), text(desired), text(max));
        self.write(caller, call, summary, |world, site| {
            let group = world.region_mut(site)?.changeable_group(name)?;
            let mut spec = group.spec.clone();
            spec.min = min.unwrap_or(spec.min);
            spec.max = max.unwrap_or(spec.max);
            // A bound that is moved past the desired size takes it along.
            spec.desired = match desired {
                Some(desired) => desired,
                None => spec.desired.max(spec.min).min(spec.max),
            };
            check_sizes(&spec)?;
            if spec == group.spec {
                return Ok(((), Effect::NoEffect));
            }
            let shrinks = spec.desired < group.spec.desired;
            if shrinks {
                world.judge_harm(site, name, Harm::ScaleDown);
            }
            world.region_mut(site)?.changeable_group(name)?.spec = spec;
            world.look_at(site, name);
            Ok(((), Effect::Changed))
        })
    }

    /// Auto Scaling `SuspendProcesses`; no process means every one.
    ///
    /// # Errors
    ///
    /// The group is not there or being deleted, or a process does not exist.
    pub fn suspend(
        &mut self,
        caller: &Caller,
        name: &str,
        processes: &[String],
    ) -> Result<(), CallError> {
        let summary = format!("{name} {}", processes.join(","));
        self.write(caller, "SuspendProcesses", summary, |world, site| {
            let processes = known_processes(processes)?;
            let group = world.region_mut(site)?.changeable_group(name)?;
            let new = processes.iter().any(|process| !group.suspended.contains(process));
            if !new {
                return Ok(((), Effect::NoEffect));
            }
            if processes.iter().any(|p| p == "AddToLoadBalancer") && group.does("AddToLoadBalancer")
            {
                world.judge_harm(site, name, Harm::Disable);
            }
            world.region_mut(site)?.changeable_group(name)?.suspended.extend(processes);
            Ok(((), Effect::Changed))
        })
    }

    /// Auto Scaling `ResumeProcesses`; no process means every one.
    ///
    /// # Errors
    ///
    /// The group is not there or being deleted, or a process does not exist.
    pub fn resume(
        &mut self,
        caller: &Caller,
        name: &str,
        processes: &[String],
    ) -> Result<(), CallError> {
        let summary = format!("{name} {}", processes.join(","));
        self.write(caller, "ResumeProcesses", summary, |world, site| {
            let processes = known_processes(processes)?;
            let group = world.region_mut(site)?.changeable_group(name)?;
            let before = group.suspended.len();
            group.suspended.retain(|process| !processes.contains(process));
            if group.suspended.len() == before {
                return Ok(((), Effect::NoEffect));
            }
            world.look_at(site, name);
            Ok(((), Effect::Changed))
        })
    }

    /// Auto Scaling `CreateOrUpdateTags`, of one group.
    ///
    /// # Errors
    ///
    /// The group is not there, or AWS does not take the tag.
    pub fn tag_group(
        &mut self,
        caller: &Caller,
        name: &str,
        tags: &BTreeMap<String, GroupTag>,
    ) -> Result<(), CallError> {
        let summary = format!("{name} {:?}", tags.iter().map(|(k, t)| (k, &t.value)));
        self.write(caller, "CreateOrUpdateTags", summary, |world, site| {
            tags::check(&tags.iter().map(|(k, t)| (k.clone(), t.value.clone())).collect())?;
            let group =
                world.region_mut(site)?.groups.get_mut(name).ok_or_else(|| unknown(name))?;
            let mut effect = Effect::NoEffect;
            for (key, tag) in tags {
                if group.spec.tags.insert(key.clone(), tag.clone()).as_ref() != Some(tag) {
                    effect = Effect::Changed;
                }
            }
            world.judge_doom(site, name);
            Ok(((), effect))
        })
    }

    /// Auto Scaling `DeleteTags`, of one group.
    ///
    /// # Errors
    ///
    /// The group is not there.
    pub fn untag_group(
        &mut self,
        caller: &Caller,
        name: &str,
        keys: &[String],
    ) -> Result<(), CallError> {
        let summary = format!("{name} {}", keys.join(","));
        self.write(caller, "DeleteTags", summary, |world, site| {
            let group =
                world.region_mut(site)?.groups.get_mut(name).ok_or_else(|| unknown(name))?;
            let before = group.spec.tags.len();
            group.spec.tags.retain(|key, _| !keys.contains(key));
            let same = group.spec.tags.len() == before;
            Ok(((), if same { Effect::NoEffect } else { Effect::Changed }))
        })
    }

    /// Auto Scaling `DeleteAutoScalingGroup`.
    ///
    /// # Errors
    ///
    /// The group is not there, has instances, or is changing.
    pub fn delete_group(
        &mut self,
        caller: &Caller,
        name: &str,
        deletion: Deletion,
    ) -> Result<(), CallError> {
        let summary = format!("{name} {deletion:?}");
        self.write(caller, "DeleteAutoScalingGroup", summary, |world, site| {
            if deletion == Deletion::Forced {
                world.violate("I23", format!("ForceDelete was sent for {name}"));
            }
            let group = world.region(site)?.known_group(name)?;
            if group.deleting {
                return Ok(((), Effect::NoEffect));
            }
            check_deletable(group, deletion)?;
            world.judge_harm(site, name, Harm::Delete);
            let group = world.region_mut(site)?.changeable_group(name)?;
            group.deleting = true;
            let members: Vec<String> = group.members.keys().cloned().collect();
            for id in members {
                world.shut_down(site, &id, None);
            }
            world.after(site, world.behaviour.lags.delete_group, Timer::GroupGone(name.to_owned()));
            Ok(((), Effect::Changed))
        })
    }
}

fn check_deletable(group: &Group, deletion: Deletion) -> Result<(), ApiError> {
    let protected = match (group.spec.deletion_protection.as_deref(), deletion) {
        (Some("prevent-all-deletion"), _) | (Some("prevent-force-deletion"), Deletion::Forced) => {
            true
        }
        (_, Deletion::Forced | Deletion::OfEmpty) => false,
    };
    if protected {
        let text = "You cannot delete this AutoScalingGroup: its deletion protection prevents it.";
        return Err(ApiError::new(Rule::GroupProtected, text));
    }
    match deletion {
        Deletion::Forced => Ok(()),
        Deletion::OfEmpty if group.members.is_empty() => {
            if group.spec.desired > 0 && group.does("Launch") {
                let text = "You cannot delete an AutoScalingGroup while there are scaling \
                            activities in progress for that group.";
                return Err(ApiError::new(Rule::GroupBusy, text));
            }
            Ok(())
        }
        Deletion::OfEmpty => {
            let text = "You cannot delete an AutoScalingGroup while there are instances or pending \
                        Spot instance request(s) still in the group.";
            Err(ApiError::new(Rule::GroupNotEmpty, text))
        }
    }
}

fn known_processes(processes: &[String]) -> Result<Vec<String>, ApiError> {
    if processes.is_empty() {
        return Ok(PROCESSES.iter().map(|&process| process.to_owned()).collect());
    }
    match processes.iter().find(|process| !PROCESSES.contains(&process.as_str())) {
        None => Ok(processes.to_vec()),
        Some(unknown) => {
            let text = format!("Unknown scaling process: {unknown}");
            Err(ApiError::new(Rule::ProcessUnknown, text))
        }
    }
}
