//! The safety invariants, judged at the moment of every call. They are about what a caller does to
//! the world, not about what the world refuses, so they are independent of the code under test: the
//! tag names are written here again.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Region, Site, World,
    balancer::Verdict,
    group::{Group, Lifecycle},
    image::Image,
    instance::Instance,
    ledger::Violation,
};

const MANAGED_BY: &str = "managed-by";
const BOWLINE: &str = "bowline";
const BAKE_KEY: &str = "bowline:bake-key";
const GENERATION: &str = "bowline:generation";
const TASK: &str = "bowline:task";
const EXECUTION: &str = "bowline:execution";
const DOOMED: &str = "bowline:doomed";
const TAKES_OVER: &str = "bowline:takes-over";
const NOT_YET: &str = "not-yet";

/// What a call does to a group's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// New instances get no traffic.
    Disable,
    /// Instances get no more traffic.
    Deregister,
    /// It gets smaller.
    ScaleDown,
    /// It goes.
    Delete,
}

impl World {
    pub(super) fn violate(&mut self, invariant: &'static str, text: String) {
        let sequence = self.next_sequence();
        self.violations.push(Violation { invariant, at_ms: self.now_ms, sequence, text });
    }

    /// I18: one living builder for a bake key and generation.
    pub(super) fn judge_new_instance(&mut self, site: &Site, new: &Instance) {
        let Some(key) = bake_key(&new.tags) else { return };
        let Some(region) = self.sites.get(site) else { return };
        let others: Vec<String> = region
            .instances
            .values()
            .filter(|other| other.state.is_alive() && bake_key(&other.tags) == Some(key))
            .map(|other| other.id.clone())
            .collect();
        if !others.is_empty() {
            let text = format!(
                "builder {} of bake key {key:?} was started while {} lives",
                new.id,
                others.join(", ")
            );
            self.violate("I18", text);
        }
    }

    /// I18: one image for a bake key and generation, ever.
    pub(super) fn judge_new_image(&mut self, site: &Site, new: &Image) {
        let Some(key) = bake_key(&new.tags) else { return };
        let Some(region) = self.sites.get(site) else { return };
        let other = region
            .images
            .values()
            .find(|other| bake_key(&other.tags) == Some(key))
            .map(|other| other.id.clone());
        if let Some(other) = other {
            let text = format!("image {} of bake key {key:?} was made beside {other}", new.name);
            self.violate("I18", text);
        }
    }

    /// I20: one group for a deploy attempt.
    pub(super) fn judge_new_group(&mut self, site: &Site, new: &Group) {
        let Some(task) = new.spec.tags.get(TASK).map(|tag| tag.value.clone()) else { return };
        let Some(region) = self.sites.get(site) else { return };
        let same = |group: &&Group| group.spec.tags.get(TASK).is_some_and(|t| t.value == task);
        if let Some(other) = region.groups.values().find(same) {
            let text =
                format!("task {task} made group {} beside {}", new.spec.name, other.spec.name);
            self.violate("I20", text);
        }
    }

    /// Only what carries our tags may be terminated: builders, never a group's instance.
    pub(super) fn judge_termination(&mut self, instance: &Instance) {
        let ours = instance.tags.get(MANAGED_BY).is_some_and(|value| value == BOWLINE)
            && instance.tags.contains_key(BAKE_KEY);
        if !ours || instance.group.is_some() {
            let text = format!("{} was terminated and is not a builder of ours", instance.id);
            self.violate("I22", text);
        }
    }

    /// I22: a group is doomed only by an execution whose own group is newer, or by the one that made it for as
    /// long as it has not taken over.
    pub(super) fn judge_doom(&mut self, site: &Site, name: &str) {
        let Some(region) = self.sites.get(site) else { return };
        let Some(victim) = region.groups.get(name) else { return };
        let Some(doom) = victim.spec.tags.get(DOOMED).map(|tag| tag.value.clone()) else { return };
        let by = |group: &&Group| {
            let execution = group.spec.tags.get(EXECUTION);
            group.cluster() == victim.cluster()
                && execution.is_some_and(|tag| doom.starts_with(tag.value.as_str()))
        };
        let newer = region
            .groups
            .values()
            .filter(by)
            .any(|group| group.spec.name != name && group.created_ms >= victim.created_ms);
        let own = victim.spec.tags.get(EXECUTION);
        let undone = is_undoable(victim) && own.is_some_and(|tag| doom.starts_with(&tag.value));
        if !newer && !undone {
            let text = format!("group {name} was doomed by {doom}, which made no newer group");
            self.violate("I22", text);
        }
    }

    /// As [`Self::judge_harm`], for instances taken out of a balancer one by one.
    pub(super) fn judge_deregistration(&mut self, site: &Site, ids: &[String]) {
        let Some(region) = self.sites.get(site) else { return };
        let groups: BTreeSet<String> =
            ids.iter().filter_map(|id| region.instances.get(id)?.group.clone()).collect();
        for group in &groups {
            self.judge_harm(site, group, Harm::Deregister);
        }
    }

    /// I21: traffic or instances are taken from a group only while another enabled group of the
    /// cluster is healthy. The exception that proves it: what never carried anything may go. A group whose
    /// deploy failed before it took over carries what its healthy instances do, and nothing else.
    pub(super) fn judge_harm(&mut self, site: &Site, name: &str, harm: Harm) {
        let Some(region) = self.sites.get(site) else { return };
        let Some(victim) = region.groups.get(name) else { return };
        let working = healthy_members(region, victim);
        let undone = is_undoable(victim);
        let was_idle = victim.idle_ms.is_some_and(|idle_ms| {
            self.now_ms.saturating_sub(idle_ms) <= self.behaviour.read_to_act
        });
        let at_stake = match harm {
            // What was idle a moment ago may be healthy again before a caller can know it.
            Harm::Disable | Harm::Deregister | Harm::ScaleDown | Harm::Delete if undone => {
                working > 0 && !was_idle
            }
            Harm::Disable | Harm::Deregister => working > 0,
            // What is disabled can still be enabled again, unless it is scaled down.
            Harm::ScaleDown | Harm::Delete => {
                working > 0 || victim.members.values().any(|m| m.lifecycle == Lifecycle::InService)
            }
        };
        let cluster = |group: &&Group| {
            group.spec.name != name && group.cluster() == victim.cluster() && !group.deleting
        };
        let saved =
            region.groups.values().filter(cluster).any(|group| self.counts_as_healthy(group));
        let newest = !region
            .groups
            .values()
            .filter(cluster)
            .any(|group| group.created_ms >= victim.created_ms);
        let alone = !region.groups.values().any(|group| cluster(&group));
        if at_stake && !saved {
            let text = format!(
                "{harm:?} of group {name} ({working} healthy) while no other enabled group of \
                 cluster {} is healthy",
                victim.cluster()
            );
            self.violate("I21", text);
        } else if at_stake && newest && !alone && !undone {
            let text = format!("{harm:?} of group {name}, the newest of its cluster");
            self.violate("I22", text);
        }
    }

    /// Enabled, and healthy now or so short a while ago that a caller could not know better.
    fn counts_as_healthy(&self, group: &Group) -> bool {
        let recently =
            |healthy_ms| self.now_ms.saturating_sub(healthy_ms) <= self.behaviour.read_to_act;
        group.does("AddToLoadBalancer") && group.healthy_ms.is_some_and(recently)
    }

    /// Remembers which groups are healthy at this moment.
    pub(super) fn note_health(&mut self) {
        let percent = self.behaviour.healthy_percent;
        let now_ms = self.now_ms;
        for region in self.sites.values_mut() {
            let healthy: Vec<String> = region
                .groups
                .values()
                .filter(|group| {
                    let needed = (u64::from(group.spec.desired) * percent).div_ceil(100).max(1);
                    healthy_members(region, group) >= needed
                })
                .map(|group| group.spec.name.clone())
                .collect();
            for name in healthy {
                if let Some(group) = region.groups.get_mut(&name) {
                    group.healthy_ms = Some(now_ms);
                }
            }
            let idle: Vec<String> = region
                .groups
                .values()
                .filter(|group| healthy_members(region, group) == 0)
                .map(|group| group.spec.name.clone())
                .collect();
            for name in idle {
                if let Some(group) = region.groups.get_mut(&name) {
                    group.idle_ms = Some(now_ms);
                }
            }
        }
    }
}

/// Instances in service that every balancer of the group calls healthy.
fn healthy_members(region: &Region, group: &Group) -> u64 {
    let balancers = group.balancers();
    let up = |id: &String| {
        balancers.iter().all(|balancer| {
            let held = region.balancers.get(balancer).and_then(|b| b.registrations.get(id));
            held.is_some_and(|held| held.verdict == Verdict::Healthy)
        })
    };
    let working = group.members.iter().filter(|(_, m)| m.lifecycle == Lifecycle::InService);
    working.filter(|(id, _)| up(id)).fold(0, |count, _| count + 1)
}

/// Whether its deploy has said that nothing was touched for it so far.
fn is_undoable(group: &Group) -> bool {
    group.spec.tags.get(TAKES_OVER).is_some_and(|tag| tag.value == NOT_YET)
}

/// What is baked, and which one of them.
fn bake_key(tags: &BTreeMap<String, String>) -> Option<(&str, Option<&str>)> {
    let key = tags.get(BAKE_KEY)?;
    Some((key, tags.get(GENERATION).map(String::as_str)))
}
