//! Leaving nothing behind but images.

use wire::{BakeResult, TaskFailure};
use worker::{End, Stop};

use super::{
    Run,
    builder::{LOOKS_MISSED_MIN, VISIBLE_WITHIN},
    calls::is_passing,
    progress::BuilderTry,
};
use crate::{
    identity,
    ports::{BuilderState, CloudError, ImageQuery},
};

/// Tries to end a builder before it is left, and named.
const TRIES_MAX: u32 = 20;

/// What is left after cleaning up.
enum Left {
    /// There was no builder.
    Nothing,
    /// It was told to go.
    Terminated(String),
    /// It could not be told to.
    Running(String, CloudError),
}

impl Run<'_> {
    /// Ends the builder of a bake that goes on or is done.
    pub(super) async fn leave_no_builder(&mut self) -> Result<(), End> {
        self.task.may_mutate()?;
        if let Left::Running(id, error) = self.end_builder().await? {
            // Its image is not worse for it; whoever pays for the builder must know.
            tracing::error!(builder.id = %id, %error, "builder could not be terminated and is left running");
        }
        Ok(())
    }

    /// The end of a failed bake.
    pub(super) async fn fail(mut self, mut failure: TaskFailure) -> Result<BakeResult, End> {
        if let Left::Running(id, error) = self.end_builder().await? {
            let left = format!("builder `{id}` is left running: {error}");
            failure.detail = Some(match failure.detail {
                Some(detail) => format!("{detail}\n{left}"),
                None => left,
            });
        }
        self.free_lock().await?;
        Err(failure.into())
    }

    /// The end of a canceled bake. A finished image is kept: the next bake of the same packages
    /// uses it.
    pub(super) async fn cancel(mut self) -> Result<BakeResult, End> {
        let mut left = Vec::new();
        match self.end_builder().await? {
            Left::Nothing => left.push("no builder was left".to_owned()),
            Left::Terminated(id) => left.push(format!("builder `{id}` was terminated")),
            Left::Running(id, error) => {
                left.push(format!("builder `{id}` is left running: {error}"));
            }
        }
        if let Some(id) = self.kept_image().await {
            left.push(format!("image `{id}` is kept, for later bakes of the same packages"));
        }
        self.free_lock().await?;
        Err(End::Canceled(left.join("; ")))
    }

    async fn kept_image(&self) -> Option<String> {
        let image = self.progress.image()?;
        if let Some(id) = &image.id {
            return Some(id.clone());
        }
        let query = ImageQuery::OwnName(image.order.name.clone());
        let found = self.bake.cloud.images(&self.order.place, query).await.ok()?;
        found.into_iter().next().map(|image| image.id)
    }

    /// Tells the builder to go. It is one of ours: its id came with the answer to our own order, or
    /// its tags were read.
    async fn end_builder(&mut self) -> Result<Left, Stop> {
        let Some(builder) = self.progress.builder().cloned().filter(|builder| !builder.terminated)
        else {
            return Ok(Left::Nothing);
        };
        let id = match builder.id {
            Some(id) => id,
            None => match self.builder_in_doubt(&builder).await? {
                Some(id) => id,
                None => return Ok(Left::Nothing),
            },
        };
        let mut tries = 0;
        loop {
            self.task.may_clean_up()?;
            let error = match self.bake.cloud.terminate_builder(&self.order.place, &id).await {
                // Just started, it may not be visible yet.
                Err(CloudError::NotFound { .. })
                    if self.since(builder.since_ms) <= VISIBLE_WITHIN =>
                {
                    self.task.sleep_cleaning_up(self.bake.config.poll_interval()).await?;
                    continue;
                }
                Ok(()) | Err(CloudError::NotFound { .. }) => break,
                Err(error) => error,
            };
            tries += 1;
            if !is_passing(&error) || tries >= TRIES_MAX {
                return Ok(Left::Running(id, error));
            }
            let pause = self.backoff().after(&error).unwrap_or_default();
            self.task.sleep_cleaning_up(pause.saturating_mul(tries)).await?;
        }
        if let Some(builder) = self.progress.builder_mut() {
            builder.terminated = true;
        }
        self.save().await?;
        Ok(Left::Terminated(id))
    }

    /// A builder that may have been started although nobody said so: looked for until it would be
    /// visible.
    async fn builder_in_doubt(&self, builder: &BuilderTry) -> Result<Option<String>, Stop> {
        let Some(plan) = self.progress.plan() else { return Ok(None) };
        let (place, token) = (&self.order.place, &builder.order.client_token);
        let mut looks = 0;
        while looks < LOOKS_MISSED_MIN || self.since(builder.since_ms) <= VISIBLE_WITHIN {
            looks += 1;
            let found = self.bake.cloud.builder_of_token(place, token).await;
            if let Ok(Some(found)) = found
                && identity::is_ours(&found.tags, &plan.key, plan.generation)
                && found.state != BuilderState::Terminated
            {
                return Ok(Some(found.id));
            }
            self.task.sleep_cleaning_up(self.bake.config.poll_interval()).await?;
        }
        Ok(None)
    }
}
