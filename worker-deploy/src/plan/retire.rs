//! Taking a server group out of the world, one careful step at a time.
//!
//! [`next`] looks at a freshly read world and says the one thing to do, or why not. It is asked
//! again before every call, so each guard holds at the moment of each call, and a crash anywhere
//! continues where the world stands. Steps that can be undone come first: suspend, deregister,
//! drain, mark, wait; then scale to zero; then delete, which AWS itself refuses while anything
//! runs in the group.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use wire::Capacity;

use super::{Identity, health::Fitness};
use crate::{
    ports::{
        BalancedInstance, Balancer, BalancerHealth, GroupLifecycle, InstanceLifecycle, ServerGroup,
        TemplateRef,
    },
    tags,
};

/// What disabling suspends: nothing comes, nothing goes, nothing is put behind balancers.
const DISABLING: [&str; 3] = ["Launch", "Terminate", ADD_TO_BALANCER];
/// A group is disabled when this one is suspended.
const ADD_TO_BALANCER: &str = "AddToLoadBalancer";
/// Scaling down needs it.
const TERMINATE: &str = "Terminate";

/// A group that is to go, as it was when the plan was made, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Victim {
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) capacity: Capacity,
    pub(crate) template: Option<TemplateRef>,
    pub(crate) state: VictimState,
}

impl Victim {
    pub(crate) fn of(group: &ServerGroup) -> Self {
        Self {
            name: group.name.clone(),
            identity: Identity::of(group),
            capacity: group.capacity,
            template: group.launch_template.clone(),
            state: VictimState::Untouched,
        }
    }
}

/// How far a victim is. Saved *before* the calls it allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum VictimState {
    /// As the plan found it.
    Untouched,
    /// Being taken out of traffic.
    Disabling {
        /// How it was before, for undoing.
        before: Before,
    },
    /// Out of traffic, marked, still whole.
    Disabled { before: Before, since_ms: u64 },
    /// Being scaled to zero.
    Emptying { before: Before },
    /// Empty, being deleted.
    Deleting,
    /// Not there any more.
    Gone,
    /// Left alone on purpose.
    Spared { why: String },
    /// Being put back into traffic.
    Undoing { before: Before },
    /// Back in traffic as before.
    Restored,
}

/// How a victim was before it was touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Processes that were suspended.
    pub(crate) suspended: BTreeSet<String>,
    /// When it was first touched.
    pub(crate) since_ms: u64,
}

impl Before {
    fn was_disabled(&self) -> bool {
        self.suspended.contains(ADD_TO_BALANCER)
    }
}

/// Whether a group takes no new traffic.
pub(crate) fn is_disabled(group: &ServerGroup) -> bool {
    group.suspended.contains(ADD_TO_BALANCER)
}

/// What is looked at before each step, freshly read.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) now_ms: u64,
    /// That of what stays.
    pub(crate) fitness: Fitness,
    /// The group that now has the victim's name.
    pub(crate) victim: Option<ServerGroup>,
    /// What each of the victim's balancers says.
    pub(crate) balancers: BTreeMap<Balancer, Vec<BalancedInstance>>,
}

/// What stays the same for all steps.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// What stays when the victim is gone.
    pub(crate) stays: Stays,
    /// Our mark.
    pub(crate) doomed: String,
    /// How long a victim stays disabled before it is scaled down.
    pub(crate) disabled_for_ms: u64,
}

/// What stays when a victim is gone, and has to be fit for that.
#[derive(Clone, Debug)]
pub(crate) enum Stays {
    /// A deploy's new group; its victims are older.
    New(Identity),
    /// The rest of the cluster; the victim is what a failed deploy made.
    Rest,
}

impl Rules {
    /// Why a victim is still needed.
    fn unfit(&self, why: &str) -> String {
        match &self.stays {
            Stays::New(_) => format!("the new group is not healthy: {why}"),
            Stays::Rest => why.to_owned(),
        }
    }
}

/// The one thing to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing more with this victim.
    Finished,
    /// Commit the state, then look again.
    Save(VictimState),
    /// Make the call, then look again.
    Do(Action),
    /// Look again later.
    Wait(String),
    /// What stays is not fit: put the victim back and stop.
    Retreat(String),
    /// Somebody else decided otherwise: leave the victim as it is and stop.
    Abort(String),
}

/// A call that changes something. Each is safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Suspend(Vec<String>),
    Deregister(Balancer, Vec<String>),
    MarkDoomed,
    Resume(Vec<String>),
    ScaleToZero,
    Delete,
    Unmark,
    Register(Balancer, Vec<String>),
}

/// Decides the next step for a victim.
pub(crate) fn next(victim: &Victim, rules: &Rules, world: &World) -> Next {
    match victim.state {
        VictimState::Gone | VictimState::Spared { .. } | VictimState::Restored => {
            return Next::Finished;
        }
        VictimState::Untouched
        | VictimState::Disabling { .. }
        | VictimState::Disabled { .. }
        | VictimState::Emptying { .. }
        | VictimState::Deleting
        | VictimState::Undoing { .. } => {}
    }
    let Some(group) = &world.victim else { return Next::Save(VictimState::Gone) };
    if let Some(why) = stranger(victim, rules, group) {
        return Next::Save(VictimState::Spared { why });
    }
    if group.lifecycle == GroupLifecycle::Deleting {
        return Next::Wait(format!("`{}` is being deleted", group.name));
    }
    match &victim.state {
        VictimState::Untouched => begin(group, rules, world),
        VictimState::Disabling { before } => disable(group, before, rules, world),
        VictimState::Disabled { before, since_ms } => hold(group, before, *since_ms, rules, world),
        VictimState::Emptying { .. } => empty(group, rules, world),
        VictimState::Deleting => delete(group, rules, world),
        VictimState::Undoing { before } => restore(group, before, rules, world),
        VictimState::Gone | VictimState::Spared { .. } | VictimState::Restored => Next::Finished,
    }
}

/// What becomes of a victim when the deploy stops here: one that is out of traffic and still
/// whole is put back. `None`: it stays as it is.
pub(crate) fn on_stop(victim: &Victim, group: Option<&ServerGroup>) -> Option<VictimState> {
    let (VictimState::Disabling { before }
    | VictimState::Disabled { before, .. }
    | VictimState::Emptying { before }) = &victim.state
    else {
        return None;
    };
    match group {
        None => Some(VictimState::Gone),
        Some(group) if victim.identity.is(group) && !is_scaled_down(group) => {
            Some(VictimState::Undoing { before: before.clone() })
        }
        Some(_) => None,
    }
}

/// True while a victim is out of traffic and may be put back.
pub(crate) const fn is_in_hand(state: &VictimState) -> bool {
    match state {
        VictimState::Disabling { .. }
        | VictimState::Disabled { .. }
        | VictimState::Emptying { .. }
        | VictimState::Undoing { .. } => true,
        VictimState::Untouched
        | VictimState::Deleting
        | VictimState::Gone
        | VictimState::Spared { .. }
        | VictimState::Restored => false,
    }
}

/// Why the group with the victim's name is not ours to touch.
fn stranger(victim: &Victim, rules: &Rules, group: &ServerGroup) -> Option<String> {
    if !victim.identity.is(group) {
        return Some("it was gone, and another group has its name now".to_owned());
    }
    match &rules.stays {
        Stays::New(new) if new.arn == group.arn || group.created_ms > new.created_ms => {
            Some("it is not older than the new group".to_owned())
        }
        Stays::New(_) | Stays::Rest => None,
    }
}

fn begin(group: &ServerGroup, rules: &Rules, world: &World) -> Next {
    match (&world.fitness, &rules.stays) {
        (Fitness::Good, Stays::New(_) | Stays::Rest) => Next::Save(VictimState::Disabling {
            before: Before { suspended: group.suspended.clone(), since_ms: world.now_ms },
        }),
        // A new group may become healthy yet; the rest of a cluster is as it is.
        (Fitness::Failing(why), Stays::Rest) => {
            Next::Save(VictimState::Spared { why: rules.unfit(why) })
        }
        (Fitness::Failing(why), Stays::New(_))
        | (Fitness::Wobbling(why), Stays::New(_) | Stays::Rest) => Next::Wait(rules.unfit(why)),
    }
}

fn disable(group: &ServerGroup, before: &Before, rules: &Rules, world: &World) -> Next {
    if let Some(next) = retreat(rules, &world.fitness) {
        return next;
    }
    let running = processes(&DISABLING, |process| !group.suspended.contains(process));
    if !running.is_empty() {
        return Next::Do(Action::Suspend(running));
    }
    let mut draining = 0;
    for (balancer, listed) in registered(group, world) {
        let (going, serving): (Vec<_>, Vec<_>) =
            listed.into_iter().partition(|entry| entry.health == BalancerHealth::Draining);
        if !serving.is_empty() {
            return Next::Do(Action::Deregister(balancer.clone(), ids(&serving)));
        }
        draining += going.len();
    }
    if draining > 0 {
        return Next::Wait(format!("{draining} registrations of `{}` are draining", group.name));
    }
    if group.tags.get(tags::DOOMED) != Some(&rules.doomed) {
        return Next::Do(Action::MarkDoomed);
    }
    Next::Save(VictimState::Disabled { before: before.clone(), since_ms: world.now_ms })
}

fn hold(group: &ServerGroup, before: &Before, since_ms: u64, rules: &Rules, world: &World) -> Next {
    if let Some(abort) = unmarked(group, rules) {
        return abort;
    }
    if let Some(next) = retreat(rules, &world.fitness) {
        return next;
    }
    if world.now_ms < since_ms.saturating_add(rules.disabled_for_ms) {
        return Next::Wait(format!("`{}` stays disabled for a while", group.name));
    }
    Next::Save(VictimState::Emptying { before: before.clone() })
}

fn empty(group: &ServerGroup, rules: &Rules, world: &World) -> Next {
    if let Some(abort) = unmarked(group, rules) {
        return abort;
    }
    if is_scaled_down(group) {
        return if group.instances.is_empty() {
            Next::Save(VictimState::Deleting)
        } else {
            Next::Wait(format!(
                "{} instances of `{}` are ending",
                group.instances.len(),
                group.name
            ))
        };
    }
    if let Some(next) = retreat(rules, &world.fitness) {
        return next;
    }
    if group.suspended.contains(TERMINATE) {
        return Next::Do(Action::Resume(vec![TERMINATE.to_owned()]));
    }
    Next::Do(Action::ScaleToZero)
}

fn delete(group: &ServerGroup, rules: &Rules, world: &World) -> Next {
    if let Some(abort) = unmarked(group, rules) {
        return abort;
    }
    if !group.instances.is_empty() || !is_scaled_down(group) {
        return Next::Wait(format!("`{}` has {} instances", group.name, group.instances.len()));
    }
    match &world.fitness {
        Fitness::Good => Next::Do(Action::Delete),
        // Empty, it is still the quickest way back: only the health of what stays lets it go.
        Fitness::Wobbling(why) | Fitness::Failing(why) => Next::Wait(rules.unfit(why)),
    }
}

fn restore(group: &ServerGroup, before: &Before, rules: &Rules, world: &World) -> Next {
    if group.tags.get(tags::DOOMED) == Some(&rules.doomed) {
        return Next::Do(Action::Unmark);
    }
    if is_scaled_down(group) {
        // A scale-down whose answer was lost took effect after all.
        let why = "it was scaled to 0 before that could be stopped, and is disabled".to_owned();
        return Next::Save(VictimState::Spared { why });
    }
    let suspended_by_us =
        |process: &str| group.suspended.contains(process) && !before.suspended.contains(process);
    let ours = processes(&DISABLING, suspended_by_us);
    if !ours.is_empty() {
        return Next::Do(Action::Resume(ours));
    }
    if !before.was_disabled() {
        for balancer in group.balancers() {
            let missing = unregistered(group, &balancer, world);
            if !missing.is_empty() {
                return Next::Do(Action::Register(balancer, missing));
            }
        }
    }
    // Resumed for scaling down, and suspended by its owner before.
    if before.suspended.contains(TERMINATE) && !group.suspended.contains(TERMINATE) {
        return Next::Do(Action::Suspend(vec![TERMINATE.to_owned()]));
    }
    Next::Save(VictimState::Restored)
}

/// While a victim is whole, the health of what stays decides whether to go on.
fn retreat(rules: &Rules, fitness: &Fitness) -> Option<Next> {
    match fitness {
        Fitness::Good => None,
        Fitness::Wobbling(why) => Some(Next::Wait(rules.unfit(why))),
        Fitness::Failing(why) => Some(Next::Retreat(rules.unfit(why))),
    }
}

fn unmarked(group: &ServerGroup, rules: &Rules) -> Option<Next> {
    let mark = group.tags.get(tags::DOOMED);
    (mark != Some(&rules.doomed)).then(|| {
        Next::Abort(format!(
            "the tag `{}` of `{}` is not ours any more ({}): somebody wants the group back",
            tags::DOOMED,
            group.name,
            mark.map_or("removed", String::as_str),
        ))
    })
}

const fn is_scaled_down(group: &ServerGroup) -> bool {
    let Capacity { min, desired, max } = group.capacity;
    min == 0 && desired == 0 && max == 0
}

fn processes(of: &[&str], which: impl Fn(&str) -> bool) -> Vec<String> {
    of.iter().filter(|process| which(process)).map(|&process| process.to_owned()).collect()
}

/// What each balancer of the group lists of the group's own instances.
fn registered<'a>(
    group: &'a ServerGroup,
    world: &'a World,
) -> impl Iterator<Item = (&'a Balancer, Vec<&'a BalancedInstance>)> {
    world.balancers.iter().map(|(balancer, listed)| {
        let own = |entry: &&BalancedInstance| group.instances.iter().any(|i| i.id == entry.id);
        (balancer, listed.iter().filter(own).collect())
    })
}

fn ids(entries: &[&BalancedInstance]) -> Vec<String> {
    let unique: BTreeSet<&String> = entries.iter().map(|entry| &entry.id).collect();
    unique.into_iter().cloned().collect()
}

fn unregistered(group: &ServerGroup, balancer: &Balancer, world: &World) -> Vec<String> {
    let listed = world.balancers.get(balancer).map(Vec::as_slice).unwrap_or_default();
    let serving = |id: &String| {
        listed.iter().any(|entry| entry.id == *id && entry.health != BalancerHealth::Draining)
    };
    let in_service = group.instances.iter().filter(|i| i.lifecycle == InstanceLifecycle::InService);
    in_service.map(|instance| &instance.id).filter(|id| !serving(id)).cloned().collect()
}

/// Where a victim stands, in words for people.
pub(crate) fn describe(victim: &Victim) -> String {
    let Capacity { min, desired, max } = victim.capacity;
    let name = &victim.name;
    match &victim.state {
        VictimState::Untouched => format!("`{name}` is untouched"),
        VictimState::Disabling { .. } | VictimState::Disabled { .. } => {
            format!("`{name}` is disabled and keeps its instances")
        }
        VictimState::Emptying { .. } => format!(
            "`{name}` is disabled and scaled to 0 or about to be (it was {min}/{desired}/{max})"
        ),
        VictimState::Deleting => {
            format!("`{name}` is disabled and empty (it was {min}/{desired}/{max}), not deleted")
        }
        VictimState::Gone => format!("`{name}` is gone"),
        VictimState::Spared { why } => format!("`{name}` was left: {why}"),
        VictimState::Undoing { .. } => {
            format!("`{name}` was disabled, and enabling it again did not finish")
        }
        VictimState::Restored => format!("`{name}` was disabled and is enabled again"),
    }
}

#[cfg(test)]
mod tests;
