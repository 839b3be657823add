//! Bugs of workers, between them and the cloud.

use wire::Capacity;
use worker_bake::ports::{BuilderOrder, ImageOrder, tag};
use worker_deploy::ports::{
    BalancedInstance, BalancerHealth, GroupHealth, InstanceLifecycle, NewServerGroup, Place,
    ServerGroup,
};

use super::{Bug, Planted};
use crate::process::Process;

impl Process {
    pub(crate) fn planted_builder_order(&self, order: &BuilderOrder) -> BuilderOrder {
        let mut order = order.clone();
        if let Some(key) = order.tags.get(tag::BAKE_KEY).filter(|_| self.has(Bug::TokenOfTheDead)) {
            let first = |planted: &mut Planted| {
                let token = planted.tokens.entry(key.clone());
                token.or_insert_with(|| order.client_token.clone()).clone()
            };
            order.client_token = self.ground.planted(first);
        }
        if self.has(Bug::NewTokenEachTry) {
            order.client_token = format!("{:.40}-{}", order.client_token, self.ground.serial());
        }
        order
    }

    pub(crate) fn planted_image_order(&self, order: &ImageOrder) -> ImageOrder {
        let mut order = order.clone();
        if self.has(Bug::NewNameEachTry) {
            order.name = format!("{}-{}", order.name, self.ground.serial());
        }
        order
    }

    pub(crate) fn leaves_builders(&self) -> bool {
        self.has(Bug::LeavesBuilder)
    }

    pub(crate) fn takes_empty_for_gone(&self) -> bool {
        self.has(Bug::EmptyIsGone)
    }

    /// How a faulty bake worker reads an error of a change.
    pub(crate) fn planted_bake_error(
        &self,
        error: worker_bake::ports::CloudError,
    ) -> worker_bake::ports::CloudError {
        use worker_bake::ports::CloudError as Error;
        let wrong = match &error {
            Error::UnknownOutcome { .. } => self.has(Bug::TimeoutIsFailure),
            Error::Throttled { .. } => self.has(Bug::ThrottleIsFailure),
            Error::NotFound { .. }
            | Error::NameTaken { .. }
            | Error::TokenReused { .. }
            | Error::NoCapacity { .. }
            | Error::Refused { .. } => false,
        };
        if wrong {
            let call = error.call();
            let (code, message) = ("Planted".to_owned(), error.to_string());
            return Error::Refused { call, code, message };
        }
        error
    }

    /// How a faulty deploy worker reads an error of a change.
    pub(crate) fn planted_deploy_error(
        &self,
        error: worker_deploy::ports::CloudError,
    ) -> worker_deploy::ports::CloudError {
        use worker_deploy::ports::{CloudError, Fault};
        let wrong = match &error.fault {
            Fault::UnknownOutcome(_) => self.has(Bug::TimeoutIsFailure),
            Fault::Throttled => self.has(Bug::ThrottleIsFailure),
            Fault::NotFound(_)
            | Fault::AlreadyExists(_)
            | Fault::InUse(_)
            | Fault::Refused { .. } => false,
        };
        if wrong {
            let (code, message) = ("Planted".to_owned(), error.to_string());
            return CloudError::new(error.call, Fault::Refused { code, message });
        }
        error
    }

    /// Server groups as a faulty judge of health sees them.
    pub(crate) fn planted_groups(&self, mut groups: Vec<ServerGroup>) -> Vec<ServerGroup> {
        for instance in groups.iter_mut().flat_map(|group| &mut group.instances) {
            let pending = instance.lifecycle == InstanceLifecycle::Pending;
            if pending && self.has(Bug::HealthUnknownIsHealthy) {
                instance.lifecycle = InstanceLifecycle::InService;
            }
            if self.has(Bug::DestroysBeforeHealthy) {
                instance.lifecycle = InstanceLifecycle::InService;
                instance.health = GroupHealth::Healthy;
            }
        }
        groups
    }

    /// A cluster as somebody sees it who mixes up what a failed deploy made with what was there before.
    pub(crate) fn planted_cluster(&self, mut groups: Vec<ServerGroup>) -> Vec<ServerGroup> {
        const MARK: &str = worker_deploy::tags::TAKES_OVER;
        let by_age = |group: &&mut ServerGroup| group.created_ms;
        if !self.has(Bug::DestroysOthers) {
            return groups;
        }
        let Some(at) = groups.iter().position(|group| group.tags.contains_key(MARK)) else {
            return groups;
        };
        let mut made = groups.swap_remove(at);
        if let Some(oldest) = groups.iter_mut().min_by_key(by_age) {
            for key in [MARK, worker_deploy::tags::TASK] {
                let (of_made, of_oldest) = (made.tags.remove(key), oldest.tags.remove(key));
                oldest.tags.extend(of_made.map(|value| (key.to_owned(), value)));
                made.tags.extend(of_oldest.map(|value| (key.to_owned(), value)));
            }
        }
        groups.push(made);
        groups
    }

    /// Verdicts of a balancer as a faulty judge of health sees them.
    pub(crate) fn planted_health(
        &self,
        mut listed: Vec<BalancedInstance>,
    ) -> Vec<BalancedInstance> {
        for instance in &mut listed {
            let judged = match instance.health {
                BalancerHealth::Up | BalancerHealth::Draining => true,
                BalancerHealth::Down | BalancerHealth::OutOfService => {
                    !self.has(Bug::DestroysBeforeHealthy)
                }
                BalancerHealth::Starting | BalancerHealth::Unknown => {
                    !self.has(Bug::DestroysBeforeHealthy) && !self.has(Bug::HealthUnknownIsHealthy)
                }
            };
            if !judged {
                instance.health = BalancerHealth::Up;
            }
        }
        listed
    }

    /// A worker is about to create a group.
    pub(crate) fn plants_group(&self, group: &NewServerGroup) {
        if self.has(Bug::TakenIsMade) {
            self.ground
                .planted(|planted| planted.tried.insert(group.name.clone(), group.tags.clone()));
        }
    }

    /// Server groups as a worker sees them that does not look closely whose they are.
    pub(crate) fn planted_identities(&self, mut groups: Vec<ServerGroup>) -> Vec<ServerGroup> {
        for group in &mut groups {
            self.ground.planted(|planted| {
                if let Some(tags) = planted.tried.get(&group.name) {
                    group.tags.extend(tags.clone());
                }
                if self.has(Bug::VictimByName) {
                    let now = (group.arn.clone(), group.created_ms);
                    let first = planted.seen.entry(group.name.clone()).or_insert(now);
                    (group.arn, group.created_ms) = first.clone();
                }
            });
        }
        groups
    }

    pub(crate) fn skips_disabling(&self) -> bool {
        self.has(Bug::SkipsDisabling)
    }

    /// Deletes a group whatever is in it, before it is scaled down.
    pub(crate) fn forces_deletion(&self, place: &Place, group: &str, capacity: Capacity) {
        use fake_aws::world::{Caller, Site, group_calls::Deletion};
        if !self.has(Bug::ForcesDeletion) || capacity.desired > 0 {
            return;
        }
        let mut world = self.ground.cloud().aws().world();
        let account = world.home_account().to_owned();
        let site = Site { account, region: place.region.clone() };
        let caller = Caller { site, actor: self.name.clone() };
        // What it answers is of no interest: it was sent.
        drop(world.delete_group(&caller, group, Deletion::Forced));
    }
}
