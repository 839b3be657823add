//! What a deploy would make and destroy: its plan, drawn without a lock, a checkpoint or a change.

use serde_json::{Map, Value};
use wire::{DeployInquiry, DeployOutlook, GroupOutlook, TaskOutcome};
use worker::Stop;

use super::{Deployer, Halt, Stance, Work, create::RequestedImage};
use crate::{
    lease::Lease,
    plan::retire::{self, Victim},
    ports::{Place, ServerGroup},
};

/// No fencing number: it goes into tags only, and nothing is tagged.
const NO_FENCE: u64 = 0;

impl Deployer {
    /// Answers the question about a request; what is in the way of a deploy is a failure with its words.
    pub(crate) async fn outlook<L: Lease>(
        &self,
        inquiry: &DeployInquiry,
        lease: &L,
    ) -> Result<TaskOutcome, Stop> {
        let request = &inquiry.request;
        let place = Place { account: request.account.clone(), region: request.region.clone() };
        let work = Work { room: self, request, lease, place, stance: Stance::Working, held: None };
        let image =
            if inquiry.image_to_come { RequestedImage::ToCome } else { RequestedImage::Exists };
        match Box::pin(work.outlook(image)).await {
            Ok(outlook) => Ok(answered(&outlook)),
            Err(Halt::Failed(failure)) => Ok(TaskOutcome::Failed { failure }),
            // Nothing is in flight, whatever the reason.
            Err(Halt::Stop(stop)) => Err(stop),
        }
    }
}

fn answered(outlook: &DeployOutlook) -> TaskOutcome {
    match serde_json::to_value(outlook) {
        Ok(Value::Object(result)) => TaskOutcome::Succeeded { result },
        // A struct of texts and numbers is always an object.
        Ok(_) | Err(_) => TaskOutcome::Succeeded { result: Map::new() },
    }
}

impl<L: Lease> Work<'_, L> {
    async fn outlook(&self, image: RequestedImage) -> Result<DeployOutlook, Halt> {
        let (survey, plan) = self.draw(&self.maker(NO_FENCE), image).await?;
        let seen = |victim: &Victim| {
            let group = survey.cluster.iter().find(|group| victim.identity.is(group))?;
            Some(group_outlook(group))
        };
        Ok(DeployOutlook {
            server_group: plan.group.name,
            capacity: plan.group.capacity,
            destroys: plan.victims.iter().filter_map(seen).collect(),
            notes: plan.notes,
        })
    }
}

fn group_outlook(group: &ServerGroup) -> GroupOutlook {
    GroupOutlook {
        name: group.name.clone(),
        instances: group.instances.len(),
        enabled: !retire::is_disabled(group),
    }
}
