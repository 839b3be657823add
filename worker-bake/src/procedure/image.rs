//! From a stopped builder to an available image.

use std::time::Duration;

use wire::{FailureKind, TaskFailure};
use worker::End;

use super::{
    Run,
    builder::{LOOKS_MISSED_MIN, VISIBLE_WITHIN},
    progress::{ImageTry, Plan},
};
use crate::{
    identity,
    order::user_failure,
    ports::{CloudError, Image, ImageOrder, ImageQuery, ImageState},
    watcher::Sight,
};

/// What became of the wish for an image.
enum Begun {
    /// It is being made, or it is there.
    Image(String),
    /// The builder it should be made of is gone.
    NoBuilder,
}

impl Run<'_> {
    /// Makes the planned image and returns its id as soon as it is begun.
    pub(super) async fn make_image(&mut self, plan: &Plan) -> Result<String, End> {
        loop {
            if self.progress.image().is_none() {
                let builder = self.installed_builder(plan).await?;
                self.prepare_builder(&builder).await?;
                self.plan_image(plan, builder.id).await?;
            }
            match self.begun_image(plan).await? {
                Begun::Image(id) => return Ok(id),
                Begun::NoBuilder => {
                    let image = self.progress.image();
                    let id = image.map(|image| image.order.builder_id.clone()).unwrap_or_default();
                    self.progress.was_not_imaged();
                    self.lose_builder(plan, &id, "it was gone before its image was begun").await?;
                }
            }
        }
    }

    async fn plan_image(&mut self, plan: &Plan, builder_id: String) -> Result<(), End> {
        let order = ImageOrder {
            builder_id,
            name: plan.image_name.clone(),
            description: format!(
                "{} baked by bowline for pipeline {} of {}",
                self.order.name_prefix, self.order.pipeline, self.order.application
            )
            .chars()
            .filter(char::is_ascii)
            .filter(|c| !c.is_control())
            .take(255)
            .collect(),
            tags: identity::image_tags(&self.order, &plan.key, plan.generation, self.task.task()),
        };
        self.progress.will_image(ImageTry { order, id: None, since_ms: self.task.now_ms() });
        Ok(self.save().await?)
    }

    /// Begins the image, or joins it: its name is its token.
    async fn begun_image(&mut self, plan: &Plan) -> Result<Begun, End> {
        let mut backoff = self.backoff();
        loop {
            let Some(image) = self.progress.image().cloned() else { return Ok(Begun::NoBuilder) };
            if let Some(id) = image.id {
                return Ok(Begun::Image(id));
            }
            self.task.may_mutate()?;
            let error = match self.bake.cloud.create_image(&self.order.place, &image.order).await {
                Ok(id) => return self.adopt_image(id).await,
                Err(error) => error,
            };
            match &error {
                // Whether our own earlier call did it is written on the image itself.
                CloudError::NameTaken { .. } | CloudError::UnknownOutcome { .. } => {
                    match self.image_with_our_name(plan).await? {
                        Some(found)
                            if identity::is_ours(&found.tags, &plan.key, plan.generation) =>
                        {
                            return self.adopt_image(found.id).await;
                        }
                        Some(found) => {
                            return Err(user_failure(format!(
                                "image `{}` has the name `{}`, and is not of this bake",
                                found.id, found.name
                            ))
                            .into());
                        }
                        None => match backoff.after(&error) {
                            Some(pause) => self.task.sleep(pause).await?,
                            None => return Err(unclear(&error).into()),
                        },
                    }
                }
                CloudError::NotFound { .. } => return Ok(Begun::NoBuilder),
                CloudError::Throttled { .. }
                | CloudError::TokenReused { .. }
                | CloudError::NoCapacity { .. }
                | CloudError::Refused { .. } => self.pause_or_fail(&mut backoff, &error).await?,
            }
        }
    }

    pub(super) async fn image_with_our_name(&self, plan: &Plan) -> Result<Option<Image>, End> {
        let name = &plan.image_name;
        let found = self
            .read(|| self.bake.cloud.images(&self.order.place, ImageQuery::OwnName(name.clone())))
            .await?;
        Ok(found.into_iter().next())
    }

    async fn adopt_image(&mut self, id: String) -> Result<Begun, End> {
        tracing::info!(image.id = %id, "image begun");
        if let Some(image) = self.progress.image_mut() {
            image.id = Some(id.clone());
        }
        self.save().await?;
        Ok(Begun::Image(id))
    }

    /// Waits until the image is usable and carries our tags.
    pub(super) async fn available_image(&self, plan: &Plan, id: &str) -> Result<Image, End> {
        let begun_ms = self.task.now_ms();
        let since_ms = self.progress.image().map_or(begun_ms, |image| image.since_ms);
        let limit = Duration::from_secs(self.bake.config.image_timeout_seconds);
        let mut watching = self.bake.watchers.image(&self.order.place, id);
        loop {
            let sight = watching.borrow_and_update().clone();
            let waited = self.since(begun_ms);
            match sight {
                Sight::There(image) => match image.state {
                    ImageState::Available
                        if identity::is_ours(&image.tags, &plan.key, plan.generation) =>
                    {
                        return Ok(image);
                    }
                    ImageState::Available if waited > VISIBLE_WITHIN => {
                        return Err(broken(id, "it does not carry the tags of this bake").into());
                    }
                    ImageState::Pending | ImageState::Available => {}
                    ImageState::Failed => {
                        let why = image.state_reason.as_deref().unwrap_or("AWS gives no reason");
                        return Err(broken(id, why).into());
                    }
                },
                Sight::Missing(looks) if looks >= LOOKS_MISSED_MIN && waited > VISIBLE_WITHIN => {
                    return Err(broken(id, "it cannot be found").into());
                }
                Sight::Unseen | Sight::Missing(_) => {}
                Sight::Refused(error) => return Err(super::calls::failure_of(&error).into()),
            }
            let left = limit.checked_sub(self.since(since_ms)).filter(|left| !left.is_zero());
            let Some(left) = left else {
                return Err(TaskFailure {
                    kind: FailureKind::Timeout,
                    message: format!(
                        "image `{id}` was not available within {} seconds",
                        self.bake.config.image_timeout_seconds
                    ),
                    detail: None,
                    hint: Some(
                        "`bake.image_timeout_seconds` allows longer; a later bake of the same packages uses the image when it is done"
                            .to_owned(),
                    ),
                }
                .into());
            };
            self.news(&mut watching, left).await?;
        }
    }
}

/// The next attempt makes the next generation: a broken image keeps its name.
fn broken(id: &str, why: &str) -> TaskFailure {
    TaskFailure {
        kind: FailureKind::Transient,
        message: format!("image `{id}` cannot be used: {why}"),
        detail: None,
        hint: None,
    }
}

fn unclear(error: &CloudError) -> TaskFailure {
    TaskFailure {
        kind: FailureKind::Transient,
        message: error.to_string(),
        detail: None,
        hint: Some(
            "whether the image was begun is not known; a repeat finds it by its name".to_owned(),
        ),
    }
}
