//! The state machine: EC2, Auto Scaling and both load balancers, in AWS's own terms.
//!
//! Pure: it has no clock; whoever calls says what time it is, and everything that was due
//! until then happens first, in order.

pub mod balancer;
pub mod behaviour;
pub mod builder;
pub mod error;
pub mod fault;
pub mod filter;
pub mod group;
pub mod group_calls;
pub mod image;
pub mod instance;
pub mod ledger;
pub mod network;
pub mod template;

mod safety;
mod scaling;
mod tags;
mod timer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::{
    balancer::{Balancer, BalancerRef},
    behaviour::Behaviour,
    builder::{FateRule, ScriptReader},
    error::{ApiError, CallError},
    fault::{Fault, Faults, Script},
    group::{ConductRule, Group},
    image::Image,
    instance::Instance,
    ledger::{Effect, Entry, Heard, Violation},
    network::{SecurityGroup, Subnet},
    template::Template,
    timer::Timer,
};
use crate::rules::Rule;

/// An account and a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Site {
    /// Twelve digits.
    pub account: String,
    /// `us-east-1`.
    pub region: String,
}

/// Who calls, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Account and region of the call.
    pub site: Site,
    /// Who it is, for the ledger.
    pub actor: String,
}

/// Everything there is at a site.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Region {
    /// By id.
    pub images: BTreeMap<String, Image>,
    /// By id.
    pub instances: BTreeMap<String, Instance>,
    /// By id.
    pub templates: BTreeMap<String, Template>,
    /// By name.
    pub groups: BTreeMap<String, Group>,
    /// Classic load balancers and target groups.
    pub balancers: BTreeMap<BalancerRef, Balancer>,
    /// By id.
    pub subnets: BTreeMap<String, Subnet>,
    /// By id.
    pub security_groups: BTreeMap<String, SecurityGroup>,
}

/// A cloud.
#[derive(Debug)]
pub struct World {
    now_ms: u64,
    home_account: String,
    behaviour: Behaviour,
    reader: ScriptReader,
    sites: BTreeMap<Site, Region>,
    /// Packages of the pretend apt repository: versions by name, the newest last.
    repository: BTreeMap<String, Vec<String>>,
    fates: Vec<FateRule>,
    conducts: Vec<ConductRule>,
    timers: BTreeMap<(u64, u64), (Site, Timer)>,
    serial: u64,
    faults: Faults,
    ledger: Vec<Entry>,
    violations: Vec<Violation>,
}

/// What the faults made of a call.
enum Verdict {
    Refuse(ApiError),
    Lose,
    Execute(Heard),
}

impl World {
    /// An empty world at a time.
    pub fn new(
        home_account: &str,
        now_ms: u64,
        behaviour: Behaviour,
        reader: ScriptReader,
    ) -> Self {
        Self {
            now_ms,
            home_account: home_account.to_owned(),
            faults: Faults::new(behaviour.noise),
            behaviour,
            reader,
            sites: BTreeMap::new(),
            repository: BTreeMap::new(),
            fates: Vec::new(),
            conducts: Vec::new(),
            timers: BTreeMap::new(),
            serial: 0,
            ledger: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Lets everything happen that is due until a time. Time never runs backwards.
    pub fn advance(&mut self, now_ms: u64) {
        while let Some(entry) = self.timers.first_entry() {
            let at = entry.key().0;
            if at > now_ms {
                break;
            }
            let (site, timer) = entry.remove();
            // Up to the event the groups were as they are now.
            self.now_ms = self.now_ms.max(at);
            self.note_health();
            self.fire(&site, timer);
            self.note_health();
        }
        self.now_ms = self.now_ms.max(now_ms);
        self.note_health();
    }

    /// When the next thing happens by itself, if nobody calls.
    pub fn next_event_ms(&self) -> Option<u64> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// World time, epoch milliseconds.
    pub const fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The account of callers who did not take on a role.
    pub fn home_account(&self) -> &str {
        &self.home_account
    }

    /// Every mutating call so far.
    pub fn ledger(&self) -> &[Entry] {
        &self.ledger
    }

    /// Every call so far that broke a safety invariant. A correct system leaves this empty.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How often each scripted or random fault happened, as `action:kind`.
    pub const fn faults_fired(&self) -> &BTreeMap<String, u64> {
        self.faults.fired()
    }

    /// Everything at every site.
    pub const fn sites(&self) -> &BTreeMap<Site, Region> {
        &self.sites
    }

    /// What is at a site.
    pub fn site(&self, site: &Site) -> Option<&Region> {
        self.sites.get(site)
    }

    /// How it behaves.
    pub const fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    /// Changes delays, quotas and limits; running delays keep their length.
    pub fn set_behaviour(&mut self, behaviour: Behaviour) {
        if behaviour.noise != self.behaviour.noise {
            self.faults.set_noise(behaviour.noise);
        }
        self.behaviour = behaviour;
    }

    /// Makes calls go wrong.
    pub fn script_fault(&mut self, script: Script) {
        self.faults.add(script);
    }

    /// Opens a site; nothing happens if it is open.
    pub fn open(&mut self, site: &Site) -> &mut Region {
        self.sites.entry(site.clone()).or_default()
    }

    pub(crate) fn new_id(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}-{:017x}", self.serial)
    }

    fn after(&mut self, site: &Site, lag_ms: u64, timer: Timer) {
        self.at(site, self.now_ms + lag_ms, timer);
    }

    fn at(&mut self, site: &Site, at_ms: u64, timer: Timer) {
        self.serial += 1;
        self.timers.insert((at_ms, self.serial), (site.clone(), timer));
    }

    fn verdict(&mut self, caller: &Caller, call: &'static str) -> Verdict {
        let throttled = || ApiError::new(throttle_rule(call), "Rate exceeded");
        if let Some(rate) = self.behaviour.rate {
            let key = (caller.site.account.clone(), caller.site.region.clone(), call);
            if !self.faults.within_rate(rate, key, self.now_ms) {
                return Verdict::Refuse(throttled());
            }
        }
        match self.faults.next(call) {
            None => Verdict::Execute(Heard::Truth),
            Some(Fault::Throttle) => Verdict::Refuse(throttled()),
            Some(Fault::ServerError) => Verdict::Refuse(internal()),
            Some(Fault::Refuse { code, message }) => {
                Verdict::Refuse(ApiError { rule: None, code, status: 400, message })
            }
            Some(Fault::TimeoutOnly) => Verdict::Lose,
            Some(Fault::ExecuteAndTimeout) => Verdict::Execute(Heard::Silence),
            Some(Fault::ExecuteAndServerError) => Verdict::Execute(Heard::ServerError),
        }
    }

    /// A call that changes nothing.
    fn read<T>(
        &mut self,
        caller: &Caller,
        call: &'static str,
        act: impl FnOnce(&Self, &Region) -> Result<T, ApiError>,
    ) -> Result<T, CallError> {
        match self.verdict(caller, call) {
            Verdict::Refuse(error) => Err(error.into()),
            Verdict::Lose | Verdict::Execute(Heard::Silence) => Err(CallError::NoAnswer),
            Verdict::Execute(Heard::ServerError) => Err(internal().into()),
            Verdict::Execute(Heard::Truth) => {
                let region = self.sites.get(&caller.site).ok_or_else(|| no_region(&caller.site))?;
                Ok(act(self, region)?)
            }
        }
    }

    /// A call that may change something: it stands in the ledger whatever becomes of it.
    fn write<T>(
        &mut self,
        caller: &Caller,
        call: &'static str,
        summary: String,
        act: impl FnOnce(&mut Self, &Site) -> Result<(T, Effect), ApiError>,
    ) -> Result<T, CallError> {
        let (effect, heard, refused_with, answer) = match self.verdict(caller, call) {
            Verdict::Refuse(error) => {
                (Effect::Refused, Heard::Truth, Some(error.to_string()), Err(error.into()))
            }
            Verdict::Lose => (Effect::NeverArrived, Heard::Silence, None, Err(CallError::NoAnswer)),
            Verdict::Execute(heard) => {
                let done = if self.sites.contains_key(&caller.site) {
                    act(self, &caller.site)
                } else {
                    Err(no_region(&caller.site))
                };
                let (effect, refused_with, answer) = match done {
                    Ok((value, effect)) => (effect, None, Ok(value)),
                    Err(error) => (Effect::Refused, Some(error.to_string()), Err(error.into())),
                };
                let answer = match heard {
                    Heard::Truth => answer,
                    Heard::Silence => Err(CallError::NoAnswer),
                    Heard::ServerError => Err(internal().into()),
                };
                (effect, heard, refused_with, answer)
            }
        };
        self.ledger.push(Entry {
            sequence: self.next_sequence(),
            at_ms: self.now_ms,
            account: caller.site.account.clone(),
            region: caller.site.region.clone(),
            actor: caller.actor.clone(),
            call,
            summary,
            effect,
            refused_with,
            answer: heard,
        });
        self.note_health();
        answer
    }

    fn next_sequence(&self) -> u64 {
        u64::try_from(self.ledger.len()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn region(&self, site: &Site) -> Result<&Region, ApiError> {
        self.sites.get(site).ok_or_else(|| no_region(site))
    }

    fn region_mut(&mut self, site: &Site) -> Result<&mut Region, ApiError> {
        self.sites.get_mut(site).ok_or_else(|| no_region(site))
    }
}

fn no_region(site: &Site) -> ApiError {
    let Site { account, region } = site;
    ApiError::new(Rule::RegionUnknown, format!("account {account} has no region {region} here"))
}

fn internal() -> ApiError {
    ApiError::new(Rule::Internal, "An internal error has occurred")
}

/// Which service's way of saying "too many calls" an action has.
fn throttle_rule(call: &str) -> Rule {
    const NOT_EC2: [&str; 6] = [
        "AutoScalingGroup",
        "Processes",
        "LoadBalancer",
        "Target",
        "DesiredCapacity",
        "InstanceHealth",
    ];
    let own_tags = call == "CreateOrUpdateTags" || call == "DeleteTags";
    if own_tags || NOT_EC2.iter().any(|part| call.contains(part)) {
        Rule::Throttled
    } else {
        Rule::ThrottledEc2
    }
}
