//! What a deploy would make and destroy: its plan, drawn without a lock, a checkpoint or a change.

use wire::{CreateGroupPreview, DeployRequest, GroupPreview};
use worker::{End, TaskContext};

use super::{Deployer, Work, create::RequestedImage, job::Job};
use crate::{
    plan::retire::{self, Victim},
    ports::{Place, ServerGroup},
};

/// No fencing number: it goes into tags only, and nothing is tagged.
const NO_FENCE: u64 = 0;

impl Deployer {
    /// What a request would make and destroy; what would keep it from that is a failure.
    pub(crate) async fn preview(
        &self,
        request: &DeployRequest,
        to_come: &[String],
        task: &TaskContext,
    ) -> Result<CreateGroupPreview, End> {
        let place = Place { account: request.account.clone(), region: request.region.clone() };
        let work = Work::new(self, Job::Create(request), place, task);
        let image = if to_come.contains(&request.image) {
            RequestedImage::ToCome
        } else {
            RequestedImage::Exists
        };
        Box::pin(work.preview(request, image)).await
    }
}

impl Work<'_> {
    async fn preview(
        &self,
        request: &DeployRequest,
        image: RequestedImage,
    ) -> Result<CreateGroupPreview, End> {
        let (survey, plan) = self.draw(request, &self.maker(NO_FENCE), image).await?;
        let seen = |victim: &Victim| {
            let group = survey.cluster.iter().find(|group| victim.identity.is(group))?;
            Some(group_preview(group))
        };
        Ok(CreateGroupPreview {
            server_group: plan.group.name,
            capacity: plan.group.capacity,
            destroys: plan.victims.iter().filter_map(seen).collect(),
            notes: plan.notes,
        })
    }
}

fn group_preview(group: &ServerGroup) -> GroupPreview {
    GroupPreview {
        name: group.name.clone(),
        instances: group.instances.len(),
        enabled: !retire::is_disabled(group),
    }
}
