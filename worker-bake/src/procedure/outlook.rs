//! Which image a bake would take or make: the first steps of a bake, without a lock, a checkpoint or a
//! change.

use serde_json::{Map, Value};
use wire::{BakeOutlook, BakeRequest, TaskOutcome};
use worker::{Stop, TaskContext};

use super::{Bake, End, Progress, Run};
use crate::{identity, order::Order};

impl Bake {
    /// Answers the question about a request; what is in the way of a bake is a failure with its words.
    pub(super) async fn outlook(
        &self,
        request: BakeRequest,
        task: &TaskContext,
    ) -> Result<TaskOutcome, Stop> {
        let order = match Order::check(request) {
            Ok(order) => order,
            Err(failure) => return Ok(TaskOutcome::Failed { failure }),
        };
        let run = Run { bake: self, task, order, progress: Progress::default(), lock: None };
        match run.outlook().await {
            Ok(outlook) => Ok(answered(&outlook)),
            Err(End::Fail(failure)) => Ok(TaskOutcome::Failed { failure: *failure }),
            // Nothing is in flight, whatever the reason.
            Err(End::Stop(stop)) => Err(stop),
        }
    }
}

fn answered(outlook: &BakeOutlook) -> TaskOutcome {
    match serde_json::to_value(outlook) {
        Ok(Value::Object(result)) => TaskOutcome::Succeeded { result },
        // An enum with a tag, of texts, is always an object.
        Ok(_) | Err(_) => TaskOutcome::Succeeded { result: Map::new() },
    }
}

impl Run<'_> {
    async fn outlook(&self) -> Result<BakeOutlook, End> {
        let base = self.find_base().await?;
        let repositories = &self.bake.config.repositories;
        let key = identity::bake_key(&self.order, &base.image_id, repositories, self.task.task());
        let plan = self.draw_plan(&base, &key).await?;
        let base_image_id = plan.base_image_id;
        Ok(match plan.existing {
            Some(image_id) => {
                BakeOutlook::Reused { image_id, image_name: plan.image_name, base_image_id }
            }
            None => BakeOutlook::Baked {
                image_name: Some(plan.image_name).filter(|_| !self.order.is_unpinned()),
                base_image_id,
            },
        })
    }
}
