//! Planning and making the new server group: once, whoever repeats it.

use tracing::{info, warn};
use wire::{DeployRequest, FailureKind};
use worker::End;

use super::{Work, calls::Changed, plan_failure};
use crate::{
    checkpoint::{Checkpoint, Progress},
    plan::{self, Identity, Maker, Plan, Survey, subnets},
    ports::{Fault, GroupLifecycle, Image, ImageState, NewLaunchTemplate, ServerGroup},
    tags,
};

/// So many other names are tried when somebody takes ours first.
const NAMES_MAX: usize = 5;

/// Whether the image of a request can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestedImage {
    /// It must be there.
    Exists,
    /// It is made later, and is taken as it will be.
    ToCome,
}

impl Work<'_> {
    /// Looks at the world and decides. Nothing is changed.
    pub(super) async fn plan(
        &self,
        request: &DeployRequest,
        fence: u64,
    ) -> Result<Checkpoint, End> {
        let maker = self.maker(fence);
        let (_, plan) = self.draw(request, &maker, RequestedImage::Exists).await?;
        for note in &plan.notes {
            warn!("{note}");
        }
        info!(server_group.name = %plan.group.name, victims = plan.victims.len(), "deploy planned");
        let began_ms = maker.now_ms;
        Ok(Checkpoint::new(fence, Progress::Creating { plan, began_ms }))
    }

    /// Looks at the world and says what would be made and destroyed, beside what was seen.
    pub(super) async fn draw(
        &self,
        request: &DeployRequest,
        maker: &Maker<'_>,
        image: RequestedImage,
    ) -> Result<(Survey, Plan), End> {
        let survey = self.survey(request, image).await?;
        let plan = plan::draw(request, &survey, maker).map_err(|error| plan_failure(&error))?;
        Ok((survey, plan))
    }

    pub(super) fn maker(&self, fence: u64) -> Maker<'_> {
        Maker { task: self.task.task(), fence, now_ms: self.task.now_ms() }
    }

    async fn survey(&self, request: &DeployRequest, image: RequestedImage) -> Result<Survey, End> {
        let (place, cloud) = (&self.place, &self.deployer.cloud);
        let cluster = self.cluster().await?;
        let image = match image {
            RequestedImage::Exists => {
                self.read("looking up the image", || cloud.image(place, &request.image)).await?
            }
            RequestedImage::ToCome => Some(Image {
                id: request.image.clone(),
                name: request.image.clone(),
                state: ImageState::Available,
            }),
        };
        let all = self.read("reading the subnets", || cloud.subnets(place)).await?;
        let chosen = subnets::choose(&all, &request.subnet_type, &request.availability_zones)
            .map_err(|error| plan_failure(&error.into()))?;
        let wanted = plan::wanted_security_groups(request);
        let security_groups = self
            .read("looking up the security groups", || {
                cloud.security_groups(place, &chosen.vpc, &wanted)
            })
            .await?;
        let load_balancers = match request.load_balancers.as_slice() {
            [] => Vec::new(),
            names => {
                self.read("looking up the load balancers", || cloud.load_balancers(place, names))
                    .await?
            }
        };
        let target_groups = match request.target_groups.as_slice() {
            [] => Vec::new(),
            names => {
                self.read("looking up the target groups", || cloud.target_groups(place, names))
                    .await?
            }
        };
        let subnets = chosen.subnets;
        Ok(Survey { cluster, image, subnets, security_groups, load_balancers, target_groups })
    }

    /// Makes the planned group, or joins it if it is there.
    pub(super) async fn create(
        &self,
        request: &DeployRequest,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), End> {
        while let Progress::Creating { plan, began_ms } = &checkpoint.progress {
            let (plan, began_ms) = (plan.clone(), *began_ms);
            let name = &plan.group.name;
            if let Some(found) = self.find(name).await? {
                self.meet(request, checkpoint, &found).await?;
                continue;
            }
            self.check_time(name, began_ms, "the new server group did not appear")?;
            self.ensure_template(&plan, began_ms).await?;
            let cloud = &self.deployer.cloud;
            let call = || cloud.create_group(&self.place, &plan.group);
            match self.change("creating the server group", call).await? {
                Changed::Done(()) => {
                    let found = self.await_sight(name, began_ms).await?;
                    self.meet(request, checkpoint, &found).await?;
                }
                // Nothing to see of it may be a lagging view: wait, look, never assume.
                Changed::Taken | Changed::Look => {
                    self.pause(self.deployer.config.poll_interval()).await?;
                }
            }
        }
        self.tidy(checkpoint).await
    }

    pub(super) async fn find(&self, name: &str) -> Result<Option<ServerGroup>, End> {
        let names = [name.to_owned()];
        let cloud = &self.deployer.cloud;
        let found =
            self.read("looking for the server group", || cloud.groups(&self.place, &names)).await?;
        Ok(found.into_iter().find(|group| group.name == name))
    }

    /// A created group shows up sooner or later; creating it again is pointless meanwhile.
    async fn await_sight(&self, name: &str, began_ms: u64) -> Result<ServerGroup, End> {
        loop {
            if let Some(found) = self.find(name).await? {
                return Ok(found);
            }
            self.check_time(name, began_ms, "the created server group did not appear")?;
            self.pause(self.deployer.config.poll_interval()).await?;
        }
    }

    /// A group with the planned name is there: ours, or in the way.
    async fn meet(
        &self,
        request: &DeployRequest,
        checkpoint: &mut Checkpoint,
        found: &ServerGroup,
    ) -> Result<(), End> {
        if plan::is_made_by(found, self.task.task()) {
            if found.lifecycle == GroupLifecycle::Deleting {
                let message = format!("somebody is deleting the new server group `{}`", found.name);
                return Err(End::failed(FailureKind::User, message));
            }
            checkpoint.is_there(Identity::of(found));
            info!(server_group.name = %found.name, "server group is there");
            return Ok(self.save(checkpoint).await?);
        }
        if checkpoint.plan()?.refused.len() >= NAMES_MAX {
            let message = format!(
                "could not create a server group: {NAMES_MAX} names were taken by others, the last one is `{}`",
                found.name
            );
            return Err(End::failed(FailureKind::Transient, message));
        }
        warn!(server_group.name = %found.name, "the planned name was taken by another, using the next");
        let cluster = self.cluster().await?;
        let maker = self.maker(checkpoint.fence);
        let plan = checkpoint.plan_mut()?;
        *plan =
            plan::renamed(plan, request, &cluster, &maker).map_err(|error| plan_failure(&error))?;
        Ok(self.save(checkpoint).await?)
    }

    /// Makes the launch template once: the client token makes a repeat the same one.
    async fn ensure_template(&self, plan: &Plan, began_ms: u64) -> Result<(), End> {
        let template = &plan.template;
        let cloud = &self.deployer.cloud;
        loop {
            let call = || cloud.create_launch_template(&self.place, template);
            match self.change("creating the launch template", call).await? {
                Changed::Done(_) => return Ok(()),
                Changed::Taken if self.is_our_template(template).await? => return Ok(()),
                Changed::Taken => {
                    let message =
                        format!("another launch template has the name `{}`", template.name);
                    return Err(End::failed(FailureKind::Transient, message));
                }
                Changed::Look => {
                    let what = "the launch template could not be created";
                    self.check_time(&plan.group.name, began_ms, what)?;
                }
            }
        }
    }

    async fn is_our_template(&self, template: &NewLaunchTemplate) -> Result<bool, End> {
        let cloud = &self.deployer.cloud;
        let call = || cloud.launch_template(&self.place, &template.name);
        let found = self.read("looking at the launch template", call).await?;
        // Not visible yet: the name is made of the group's name and a time, so it is ours.
        Ok(found.is_none_or(|found| found.tags.get(tags::TASK) == template.tags.get(tags::TASK)))
    }

    fn check_time(&self, name: &str, began_ms: u64, what: &str) -> Result<(), End> {
        let waited_ms = self.task.now_ms().saturating_sub(began_ms);
        if waited_ms < self.deployer.config.healthy_timeout_ms() {
            return Ok(());
        }
        let message = format!("{what} within {} s (`{name}`)", waited_ms / 1_000);
        Err(End::failed(FailureKind::Timeout, message))
    }

    /// Removes launch templates of names that were not used in the end.
    async fn tidy(&self, checkpoint: &mut Checkpoint) -> Result<(), End> {
        let cloud = &self.deployer.cloud;
        while let Some(name) = checkpoint.plan()?.abandoned.last().cloned() {
            let call = || cloud.launch_template(&self.place, &name);
            let found = self.read("looking at an abandoned launch template", call).await?;
            let ours = checkpoint.plan()?.template.tags.get(tags::TASK);
            if let Some(found) = found.filter(|found| found.tags.get(tags::TASK) == ours) {
                self.delete_template(&found.id).await?;
            }
            checkpoint.plan_mut()?.abandoned.pop();
            self.save(checkpoint).await?;
        }
        Ok(())
    }

    /// Deletes a launch template if that works: one that stays costs nothing.
    pub(super) async fn delete_template(&self, id: &str) -> Result<(), End> {
        let cloud = &self.deployer.cloud;
        let delete = || -> crate::ports::Reply<'_, ()> {
            Box::pin(async move {
                match cloud.delete_launch_template(&self.place, id).await {
                    Err(error) if matches!(error.fault, Fault::Refused { .. }) => {
                        warn!(%error, "a launch template was left");
                        Ok(())
                    }
                    answer => answer,
                }
            })
        };
        self.change("deleting a launch template", delete).await.map(|_| ())
    }
}
