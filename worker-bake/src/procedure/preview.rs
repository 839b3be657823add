//! Which image a bake would take or make: the first steps of a bake, without a lock, a checkpoint or a
//! change.

use wire::{BakePreview, BakeRequest};
use worker::{End, TaskContext};

use super::{Bake, Progress, Run};
use crate::{identity, order::Order};

impl Bake {
    /// The image that a request would give; what would keep the bake from it is a failure.
    pub(super) async fn look(
        &self,
        request: BakeRequest,
        task: &TaskContext,
    ) -> Result<BakePreview, End> {
        let order = Order::check(request)?;
        let run = Run { bake: self, task, order, progress: Progress::default(), lock: None };
        run.preview().await
    }
}

impl Run<'_> {
    async fn preview(&self) -> Result<BakePreview, End> {
        let base = self.find_base().await?;
        let repositories = &self.bake.config.repositories;
        let key = identity::bake_key(&self.order, &base.image_id, repositories, self.task.task());
        let plan = self.draw_plan(&base, &key).await?;
        let base_image_id = plan.base_image_id;
        Ok(match plan.existing {
            Some(image_id) => {
                BakePreview::Reused { image_id, image_name: plan.image_name, base_image_id }
            }
            None => BakePreview::Baked {
                image_name: Some(plan.image_name).filter(|_| !self.order.is_unpinned()),
                base_image_id,
            },
        })
    }
}
