//! From a plan to a stopped builder on which everything is installed.

use std::time::Duration;

use wire::{FailureKind, TaskFailure};
use worker::End;

use super::{
    Run,
    calls::{Backoff, failure_of, is_passing},
    progress::{BuilderTry, Plan},
};
use crate::{
    console::{self, Complaint, Verdict},
    identity,
    order::{EnhancedNetworking, user_failure},
    ports::{Builder, BuilderOrder, BuilderState, CloudError},
    user_data::{self, Spec, USER_DATA_BYTES_MAX},
    watcher::Sight,
};

/// Builders that may end without a verdict before an attempt fails.
const BUILDERS_LOST_MAX: u32 = 3;
/// Client tokens tried before something must be wrong: each earlier attempt may have used some.
const NUMBER_MAX: u32 = 50;
/// How long a thing just made may be invisible.
pub(super) const VISIBLE_WITHIN: Duration = Duration::from_mins(1);
/// Looks that must have missed it, too.
pub(super) const LOOKS_MISSED_MIN: u32 = 3;

/// How waiting for a builder ended.
enum Ended {
    /// It stopped by itself.
    Stopped(Builder),
    /// It is gone or going.
    Lost(String),
    /// It still runs.
    Late,
}

/// What a stopped builder left to read.
enum Said {
    Installed,
    Failed(Complaint, String),
    Nothing,
}

impl Run<'_> {
    /// A stopped builder with everything installed.
    pub(super) async fn installed_builder(&mut self, plan: &Plan) -> Result<Builder, End> {
        loop {
            let id = self.started_builder(plan).await?;
            match self.ended_builder(&id).await? {
                Ended::Lost(why) => self.lose_builder(plan, &id, &why).await?,
                Ended::Late => return Err(self.late(&id).await.into()),
                Ended::Stopped(builder) => match self.said(&id, &plan.key).await? {
                    Said::Installed => return Ok(builder),
                    Said::Nothing => {
                        self.lose_builder(plan, &id, "it stopped without a verdict").await?;
                    }
                    Said::Failed(complaint, console) => {
                        return Err(TaskFailure {
                            kind: complaint.kind,
                            message: complaint.message,
                            detail: console::tail(&console),
                            hint: complaint.hint.map(str::to_owned),
                        }
                        .into());
                    }
                },
            }
        }
    }

    /// The id of the builder of this try, which is started if it was not.
    async fn started_builder(&mut self, plan: &Plan) -> Result<String, End> {
        let mut backoff = self.backoff();
        loop {
            let builder = match self.progress.builder().cloned() {
                Some(builder) => builder,
                None => self.next_builder(plan, 1, 0).await?,
            };
            if let Some(id) = builder.id {
                return Ok(id);
            }
            self.task.may_mutate()?;
            let (cloud, place) = (&self.bake.cloud, &self.order.place);
            let error = match cloud.run_builder(place, &builder.order).await {
                Ok(started) => return self.adopt_builder(started.id).await,
                Err(error) => error,
            };
            if let CloudError::TokenReused { code, .. } = &error {
                let known_gone = code == "IdempotentInstanceTerminated";
                let found =
                    if known_gone { None } else { self.alive_builder(plan, &builder).await? };
                match found {
                    Some(found) => return self.adopt_builder(found.id).await,
                    None if builder.number < NUMBER_MAX => {
                        let lost = self.progress.builders_lost();
                        self.next_builder(plan, builder.number + 1, lost).await?;
                    }
                    None => return Err(failure_of(&error).into()),
                }
                continue;
            }
            // The same order under the same token again is the same builder, so an unclear outcome
            // is cleared by asking once more.
            if is_passing(&error)
                && let Some(pause) = backoff.after(&error)
            {
                self.task.sleep(pause).await?;
                continue;
            }
            if !is_passing(&error) {
                self.progress.was_not_started();
            }
            return Err(failure_of(&error).into());
        }
    }

    /// The builder an earlier try started under this token with other words in its order (other
    /// tags, for one): same key, so it installs the same.
    async fn alive_builder(
        &self,
        plan: &Plan,
        builder: &BuilderTry,
    ) -> Result<Option<Builder>, End> {
        let mut backoff = self.backoff();
        loop {
            let token = &builder.order.client_token;
            let found =
                self.read(|| self.bake.cloud.builder_of_token(&self.order.place, token)).await?;
            if let Some(found) = found {
                let alive = match found.state {
                    BuilderState::Pending
                    | BuilderState::Running
                    | BuilderState::Stopping
                    | BuilderState::Stopped => true,
                    BuilderState::ShuttingDown | BuilderState::Terminated => false,
                };
                let ours = identity::is_ours(&found.tags, &plan.key, plan.generation);
                return Ok((alive && ours).then_some(found));
            }
            // It is there, for its token is taken; it only cannot be seen yet.
            let unseen = CloudError::NotFound { call: "DescribeInstances", message: String::new() };
            match backoff.after(&unseen) {
                Some(pause) => self.task.sleep(pause).await?,
                None => return Ok(None),
            }
        }
    }

    async fn adopt_builder(&mut self, id: String) -> Result<String, End> {
        tracing::info!(builder.id = %id, "builder started");
        let now_ms = self.task.now_ms();
        if let Some(builder) = self.progress.builder_mut() {
            builder.id = Some(id.clone());
            builder.since_ms = now_ms;
        }
        self.save().await?;
        Ok(id)
    }

    /// Plans a builder and saves the plan.
    async fn next_builder(
        &mut self,
        plan: &Plan,
        number: u32,
        lost: u32,
    ) -> Result<BuilderTry, End> {
        let builder = BuilderTry {
            number,
            order: self.builder_order(plan, number)?,
            id: None,
            since_ms: self.task.now_ms(),
            terminated: false,
        };
        self.progress.will_start(builder.clone(), lost);
        self.save().await?;
        Ok(builder)
    }

    fn builder_order(&self, plan: &Plan, number: u32) -> Result<BuilderOrder, TaskFailure> {
        let config = &self.bake.config;
        let user_data = user_data::render(&Spec {
            key: plan.key.clone(),
            packages: self.order.packages.clone(),
            repositories: config.repositories.clone(),
            upgrade: self.order.upgrade,
        });
        if user_data.len() > USER_DATA_BYTES_MAX {
            return Err(user_failure(format!(
                "the bake script would have {} bytes with these packages, and AWS takes {USER_DATA_BYTES_MAX}",
                user_data.len()
            )));
        }
        let of_base = self.progress.base().and_then(|base| base.instance_type.as_ref());
        let instance_type =
            self.order.instance_type.as_ref().or(of_base).unwrap_or(&config.instance_type);
        Ok(BuilderOrder {
            client_token: identity::client_token(&plan.key, plan.generation, number),
            image_id: plan.base_image_id.clone(),
            instance_type: instance_type.clone(),
            subnet_id: config.subnet_id.clone(),
            security_group_ids: config.security_group_ids.clone(),
            iam_instance_profile: config.iam_instance_profile.clone(),
            user_data,
            tags: identity::builder_tags(&self.order, &plan.key, plan.generation, self.task.task()),
        })
    }

    /// Waits until the builder's script has ended in some way.
    async fn ended_builder(&self, id: &str) -> Result<Ended, End> {
        let since_ms = self.progress.builder().map_or(0, |builder| builder.since_ms);
        let limit = Duration::from_secs(self.bake.config.builder_timeout_seconds);
        let mut watching = self.bake.watchers.builder(&self.order.place, id);
        loop {
            let sight = watching.borrow_and_update().clone();
            let age = self.since(since_ms);
            match sight {
                Sight::There(builder) => match builder.state {
                    BuilderState::Pending | BuilderState::Running | BuilderState::Stopping => {}
                    BuilderState::Stopped => return Ok(Ended::Stopped(builder)),
                    BuilderState::ShuttingDown | BuilderState::Terminated => {
                        let why =
                            builder.state_reason.unwrap_or_else(|| "no reason given".to_owned());
                        return Ok(Ended::Lost(format!("it was terminated: {why}")));
                    }
                },
                Sight::Missing(looks) if looks >= LOOKS_MISSED_MIN && age > VISIBLE_WITHIN => {
                    return Ok(Ended::Lost("it cannot be found".to_owned()));
                }
                Sight::Unseen | Sight::Missing(_) => {}
                Sight::Refused(error) => return Err(failure_of(&error).into()),
            }
            let Some(left) = limit.checked_sub(age).filter(|left| !left.is_zero()) else {
                return Ok(Ended::Late);
            };
            self.news(&mut watching, left).await?;
        }
    }

    /// What the console says once it has caught up with the stopped builder.
    async fn said(&self, id: &str, key: &str) -> Result<Said, End> {
        let stopped_ms = self.task.now_ms();
        let limit = Duration::from_secs(self.bake.config.console_timeout_seconds);
        loop {
            match self.bake.cloud.console(&self.order.place, id).await {
                Ok(console) => match console::verdict(&console, key) {
                    Some(Verdict::Installed) => return Ok(Said::Installed),
                    Some(Verdict::Failed(complaint)) => {
                        return Ok(Said::Failed(complaint, console));
                    }
                    None => {}
                },
                Err(CloudError::NotFound { .. }) => return Ok(Said::Nothing),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(failure_of(&error).into()),
            }
            if self.since(stopped_ms) >= limit {
                return Ok(Said::Nothing);
            }
            self.task.sleep(self.bake.config.poll_interval()).await?;
        }
    }

    /// Gives a builder up and plans the next, if there may be one.
    pub(super) async fn lose_builder(
        &mut self,
        plan: &Plan,
        id: &str,
        why: &str,
    ) -> Result<(), End> {
        tracing::warn!(builder.id = %id, why, "builder lost, another takes its place");
        let number = self.progress.builder().map_or(0, |builder| builder.number);
        let detail = self.last_words(id).await;
        self.leave_no_builder().await?;
        let lost = self.progress.builders_lost() + 1;
        if lost >= BUILDERS_LOST_MAX {
            return Err(TaskFailure {
                kind: FailureKind::Transient,
                message: format!(
                    "{BUILDERS_LOST_MAX} builders ended without a verdict; the last, `{id}`: {why}"
                ),
                detail,
                hint: Some(
                    "check the builder's subnet, its base image and the account's limits"
                        .to_owned(),
                ),
            }
            .into());
        }
        self.next_builder(plan, number + 1, lost).await?;
        Ok(())
    }

    async fn late(&self, id: &str) -> TaskFailure {
        TaskFailure {
            kind: FailureKind::Timeout,
            message: format!(
                "builder `{id}` did not stop within {} seconds",
                self.bake.config.builder_timeout_seconds
            ),
            detail: self.last_words(id).await,
            hint: Some(
                "see the console lines; `bake.builder_timeout_seconds` allows longer bakes"
                    .to_owned(),
            ),
        }
    }

    /// The end of the console, if it can be had at once: it only illustrates a failure.
    async fn last_words(&self, id: &str) -> Option<String> {
        let console = self.bake.cloud.console(&self.order.place, id).await.ok()?;
        console::tail(&console)
    }

    /// Sees to it that the image will support enhanced networking if it must.
    pub(super) async fn prepare_builder(&self, builder: &Builder) -> Result<(), End> {
        match self.order.enhanced_networking {
            EnhancedNetworking::Inherit => return Ok(()),
            EnhancedNetworking::Required if builder.ena_support => return Ok(()),
            EnhancedNetworking::Required => {}
        }
        let mut backoff = self.backoff();
        loop {
            self.task.may_mutate()?;
            let error = match self.bake.cloud.enable_ena(&self.order.place, &builder.id).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.pause_or_fail(&mut backoff, &error).await?;
        }
    }

    /// Pauses after an error that passes; any other is the end.
    pub(super) async fn pause_or_fail(
        &self,
        backoff: &mut Backoff,
        error: &CloudError,
    ) -> Result<(), End> {
        match backoff.after(error) {
            Some(pause) if is_passing(error) => Ok(self.task.sleep(pause).await?),
            Some(_) | None => Err(failure_of(error).into()),
        }
    }

    /// The time since a moment of the store's clock.
    pub(super) fn since(&self, since_ms: u64) -> Duration {
        Duration::from_millis(self.task.now_ms().saturating_sub(since_ms))
    }

    /// Waits for the next look, or until so much time has passed.
    pub(super) async fn news<T>(
        &self,
        watching: &mut crate::watcher::Watching<T>,
        left: Duration,
    ) -> Result<(), End> {
        tokio::select! {
            biased;
            changed = watching.changed() => match changed {
                Ok(()) => Ok(()),
                // The watcher is gone, which ends every process that it happens to.
                Err(_) => Ok(self.task.sleep(left).await?),
            },
            slept = self.task.sleep(left) => Ok(slept?),
        }
    }
}
