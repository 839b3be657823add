//! What happens by itself, later. A timer is a suggestion: the thing it meets may have moved on,
//! and then nothing happens.

use super::{Site, World, balancer::BalancerRef, image::ImageState, instance::InstanceState};

/// Something that will happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// pending → running.
    Runs(String),
    /// A builder's script ends.
    ScriptEnds(String),
    /// stopping → stopped.
    Stopped(String),
    /// An instance of a group that drained begins to end.
    ShutDown(String),
    /// shutting-down → terminated.
    Terminated(String),
    /// An instance dies by itself.
    Dies(String),
    /// pending → available.
    ImageReady(String),
    /// A group's running instance comes into service.
    InService(String),
    /// Auto Scaling looks at a group.
    Scale(String),
    /// A group is gone.
    GroupGone(String),
    /// A balancer checks an instance.
    Check(BalancerRef, String),
    /// An instance has drained.
    Drained(BalancerRef, String),
}

impl World {
    pub(super) fn fire(&mut self, site: &Site, timer: Timer) {
        match timer {
            Timer::Runs(id) => self.instance_runs(site, &id),
            Timer::ScriptEnds(id) => self.script_ends(site, &id),
            Timer::Stopped(id) => self.instance_stopped(site, &id),
            Timer::ShutDown(id) => self.shut_down(site, &id, None),
            Timer::Terminated(id) => self.instance_terminated(site, &id),
            Timer::Dies(id) => self.instance_dies(site, &id),
            Timer::ImageReady(id) => self.image_ready(site, &id),
            Timer::InService(id) => self.in_service(site, &id),
            Timer::Scale(group) => self.scale(site, &group),
            Timer::GroupGone(group) => {
                if let Some(region) = self.sites.get_mut(site)
                    && region.groups.get(&group).is_some_and(|group| group.deleting)
                {
                    region.groups.remove(&group);
                }
            }
            Timer::Check(balancer, id) => self.check(site, &balancer, &id),
            Timer::Drained(balancer, id) => self.drained(site, &balancer, &id),
        }
    }

    fn image_ready(&mut self, site: &Site, id: &str) {
        if let Some(image) = self.sites.get_mut(site).and_then(|region| region.images.get_mut(id))
            && image.state == ImageState::Pending
        {
            image.state = if image.state_reason.is_some() {
                ImageState::Failed
            } else {
                ImageState::Available
            };
        }
    }

    fn instance_stopped(&mut self, site: &Site, id: &str) {
        if let Some(instance) = self.instance_mut(site, id)
            && instance.state == InstanceState::Stopping
        {
            instance.state = InstanceState::Stopped;
        }
    }
}
