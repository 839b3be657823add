//! When a server group counts as healthy.
//!
//! Not knowing is not health: an instance counts only when every source that must speak says yes.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::ports::{
    BalancedInstance, Balancer, BalancerHealth, GroupHealth, GroupInstance, GroupLifecycle,
    InstanceLifecycle, InstanceState, Power, ServerGroup,
};

/// Who is asked about an instance's health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Judge {
    /// Every one of these; never empty.
    Balancers(Vec<Balancer>),
    /// The instance's own state: running is enough.
    Platform,
}

/// What the sources say, read together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// What each balancer says.
    pub(crate) balancers: BTreeMap<Balancer, Vec<BalancedInstance>>,
    /// The state of instances.
    pub(crate) instances: BTreeMap<String, InstanceState>,
}

/// How many instances of a group are healthy, and what is the matter with the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) healthy: u32,
    pub(crate) needed: u32,
    /// Instance or group, and why it does not count.
    pub(crate) ailing: BTreeMap<String, String>,
}

impl Verdict {
    pub(crate) const fn is_good(&self) -> bool {
        self.healthy >= self.needed
    }

    /// As [`Self::is_good`], with at least one healthy instance: enough to take over traffic.
    pub(crate) const fn can_take_over(&self) -> bool {
        self.is_good() && self.healthy > 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} instances are healthy", self.healthy, self.needed)?;
        for (index, (who, why)) in self.ailing.iter().enumerate() {
            write!(f, "{} {who}: {why}", if index == 0 { ";" } else { "," })?;
        }
        Ok(())
    }
}

/// How many of `desired` instances must be healthy: `percent` of them, rounded, at least one
/// unless nothing is asked for.
pub(crate) fn needed(desired: u32, percent: u32) -> u32 {
    if desired == 0 || percent == 0 {
        return 0;
    }
    let share = (u64::from(desired) * u64::from(percent) + 50) / 100;
    u32::try_from(share).unwrap_or(u32::MAX).clamp(1, desired)
}

/// Judges a group.
pub(crate) fn judge(
    group: &ServerGroup,
    judge: &Judge,
    sources: &Sources,
    percent: u32,
) -> Verdict {
    let mut ailing = BTreeMap::new();
    let mut healthy = 0;
    if group.lifecycle == GroupLifecycle::Deleting {
        ailing.insert(group.name.clone(), "is being deleted".to_owned());
    } else {
        for instance in &group.instances {
            match ailment(instance, judge, sources) {
                None => healthy += 1,
                Some(why) => {
                    ailing.insert(instance.id.clone(), why);
                }
            }
        }
    }
    let needed = match group.lifecycle {
        GroupLifecycle::Active => needed(group.capacity.desired, percent),
        // A group on its way out is never healthy.
        GroupLifecycle::Deleting => u32::MAX,
    };
    Verdict { healthy, needed, ailing }
}

/// Why an instance does not count; `None` when it does.
fn ailment(instance: &GroupInstance, judge: &Judge, sources: &Sources) -> Option<String> {
    match &instance.lifecycle {
        InstanceLifecycle::InService => {}
        InstanceLifecycle::Pending => return Some("still starting (Pending)".to_owned()),
        InstanceLifecycle::Terminating => return Some("terminating".to_owned()),
        InstanceLifecycle::Other(state) => return Some(format!("in state {state}")),
    }
    match instance.health {
        GroupHealth::Healthy => {}
        GroupHealth::Unhealthy => return Some("the group found it unhealthy".to_owned()),
    }
    match judge {
        Judge::Platform => platform_ailment(instance, sources),
        Judge::Balancers(balancers) => {
            balancers.iter().find_map(|balancer| balancer_ailment(instance, balancer, sources))
        }
    }
}

fn platform_ailment(instance: &GroupInstance, sources: &Sources) -> Option<String> {
    let Some(state) = sources.instances.get(&instance.id) else {
        return Some("its state is unknown".to_owned());
    };
    let word = match state.power {
        Power::Running => return None,
        Power::Pending => "not running yet",
        Power::Stopped => "stopped",
        Power::Terminated => "terminated",
    };
    Some(with_reason(word.to_owned(), state.reason.as_deref()))
}

fn balancer_ailment(
    instance: &GroupInstance,
    balancer: &Balancer,
    sources: &Sources,
) -> Option<String> {
    let listed = sources.balancers.get(balancer).into_iter().flatten();
    // A target group lists an instance once per port: the worst one counts.
    let mut entries = listed.filter(|entry| entry.id == instance.id).peekable();
    if entries.peek().is_none() {
        return Some(format!("not registered with {balancer}"));
    }
    entries.find(|entry| entry.health != BalancerHealth::Up).map(|entry| {
        with_reason(format!("{} in {balancer}", entry.health), entry.reason.as_deref())
    })
}

fn with_reason(what: String, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{what} ({reason})"),
        None => what,
    }
}

/// Whether the new group can be relied on, over several looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// Now.
    Good,
    /// Not now; it may be a passing thing.
    Wobbling(String),
    /// Not for several looks in a row.
    Failing(String),
}

/// Turns single looks into something to act on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streak {
    good: u32,
    bad: u32,
}

impl Streak {
    /// Counts one look; good looks in a row.
    pub(crate) const fn good(&mut self) -> u32 {
        self.bad = 0;
        self.good = self.good.saturating_add(1);
        self.good
    }

    /// Counts one look; bad looks in a row.
    pub(crate) const fn bad(&mut self) -> u32 {
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        self.bad
    }

    /// Bad looks in a row, so far.
    pub(crate) const fn bad_so_far(&self) -> u32 {
        self.bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::{group, in_service};

    #[test]
    fn the_share_that_must_be_healthy_is_rounded_and_at_least_one() {
        for (desired, percent, expected) in
            [(1, 100, 1), (3, 100, 3), (3, 50, 2), (3, 1, 1), (3, 0, 0), (0, 100, 0), (2, 250, 2)]
        {
            assert_eq!(needed(desired, percent), expected, "{percent} % of {desired}");
        }
    }

    fn told(health: BalancerHealth) -> Vec<BalancedInstance> {
        vec![BalancedInstance { id: "i-1".to_owned(), health, reason: None }]
    }

    #[test]
    fn every_balancer_must_say_up() {
        let web = Balancer::TargetGroup("arn:x:targetgroup/web/1".to_owned());
        let old = Balancer::Classic("old".to_owned());
        let judged = Judge::Balancers(vec![web.clone(), old.clone()]);
        let group = in_service(group("shop-v001", 1), &["i-1"]);
        for (first, second, expected) in [
            (told(BalancerHealth::Up), told(BalancerHealth::Up), None),
            (
                told(BalancerHealth::Up),
                told(BalancerHealth::Down),
                Some("down in load balancer `old`"),
            ),
            (
                told(BalancerHealth::Unknown),
                told(BalancerHealth::Up),
                Some("unknown in target group `web`"),
            ),
            (
                told(BalancerHealth::Draining),
                told(BalancerHealth::Up),
                Some("draining in target group `web`"),
            ),
            (told(BalancerHealth::Up), vec![], Some("not registered with load balancer `old`")),
        ] {
            let balancers = [(web.clone(), first), (old.clone(), second)].into();
            let sources = Sources { balancers, ..Sources::default() };
            let verdict = judge(&group, &judged, &sources, 100);
            assert_eq!(verdict.ailing.get("i-1").map(String::as_str), expected);
            assert_eq!(verdict.is_good(), expected.is_none());
        }
    }

    #[test]
    fn running_is_enough_for_the_platform_and_unknown_is_not() {
        let group = in_service(group("shop-v001", 1), &["i-1"]);
        for (power, good) in [
            (Some(Power::Running), true),
            (Some(Power::Pending), false),
            (Some(Power::Stopped), false),
            (None, false),
        ] {
            let state = |power| InstanceState { id: "i-1".to_owned(), power, reason: None };
            let instances =
                power.map(|power| ("i-1".to_owned(), state(power))).into_iter().collect();
            let sources = Sources { instances, ..Sources::default() };
            assert_eq!(judge(&group, &Judge::Platform, &sources, 100).is_good(), good);
        }
    }

    #[test]
    fn a_group_that_is_deleted_or_empty_cannot_take_over() {
        let mut empty = group("shop-v001", 1);
        empty.capacity.desired = 0;
        let verdict = judge(&empty, &Judge::Platform, &Sources::default(), 100);
        assert!(verdict.is_good() && !verdict.can_take_over());
        empty.lifecycle = GroupLifecycle::Deleting;
        assert!(!judge(&empty, &Judge::Platform, &Sources::default(), 100).is_good());
    }

    #[test]
    fn one_bad_look_starts_the_count_again() {
        let mut streak = Streak::default();
        assert_eq!((streak.good(), streak.good(), streak.bad(), streak.good()), (1, 2, 1, 1));
        assert_eq!(streak.bad_so_far(), 0);
    }
}
