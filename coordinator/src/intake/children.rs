//! Pipelines that a stage of another execution starts.

use definitions::Pipeline;
use engine::Origin;
use model::ExecutionId;
use serde_json::{Value, json};
use wire::{EventOutcome, StartChild, StartedExecution};

use super::{Intake, IntakeError, Outcome};
use crate::executions::ApplyError;

impl Intake {
    /// Makes the child. It exists afterwards whatever is wrong with it, if need be as one that failed
    /// on startup: the stage that waits for it learns everything from its status.
    pub(super) async fn start_child(
        &self,
        start: StartChild,
        now_ms: u64,
    ) -> Result<Outcome, IntakeError> {
        let known = self.store.execution_view(&start.execution()).await?;
        if let Some(known) = known {
            return Ok(made(&known.id, &start.application, &start.pipeline_id, None));
        }
        let (pipeline, obstacle) = self.child_pipeline(&start).await?;
        let Some(pipeline) = pipeline else {
            let reason =
                format!("`{}` is no application a pipeline can belong to", start.application);
            return Ok(Outcome::settled(EventOutcome::rejected(reason)));
        };
        let name = pipeline.name.clone();
        let origin = Origin {
            event_key: start.key(),
            pipeline_id: start.pipeline_id,
            trigger: start.trigger,
            time_zone: self.time_zone.clone(),
        };
        let (document, effects) = match &obstacle {
            None => engine::start(&pipeline, origin, now_ms),
            Some(reason) => engine::fail_on_startup(&pipeline, origin, reason, now_ms),
        };
        match self.executions.create(&document, effects, now_ms).await {
            Ok(()) => {}
            Err(ApplyError::Refused { reason, .. }) => {
                return Ok(Outcome::settled(EventOutcome::rejected(reason)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(made(&document.id, &document.application, &name, document.startup_failure))
    }

    /// What to run, and what is in the way of it.
    async fn child_pipeline(
        &self,
        start: &StartChild,
    ) -> Result<(Option<Pipeline>, Option<String>), IntakeError> {
        let row = self.store.pipeline_get(&start.pipeline_id).await?;
        let parsed = row.as_ref().map(|row| Pipeline::parse(&row.body));
        let (pipeline, obstacle) = match (row, parsed) {
            (Some(row), Some(parsed)) => match parsed.pipeline {
                Some(pipeline) => (Some(pipeline), self.unwanted(start).await?),
                None => (
                    empty(&row.application, &row.name),
                    Some(format!("the definition of pipeline `{}` is not valid", row.name)),
                ),
            },
            (_, _) => (
                empty(&start.application, &start.pipeline_id),
                Some(format!("there is no pipeline with the id `{}`", start.pipeline_id)),
            ),
        };
        Ok((pipeline, obstacle))
    }

    /// Why nobody wants the child any more. Its parent cancels it in an event of its own, which finds
    /// nothing while the child is not made.
    async fn unwanted(&self, start: &StartChild) -> Result<Option<String>, IntakeError> {
        let parent = self.store.execution_view(&start.parent).await?;
        let view: Value = parent
            .as_ref()
            .and_then(|parent| serde_json::from_str(&parent.view).ok())
            .unwrap_or_default();
        let canceled = view.get("canceled") == Some(&Value::Bool(true));
        Ok(match parent {
            None => Some(format!("execution `{}`, which starts it, is gone", start.parent)),
            Some(parent) if canceled || parent.status.is_complete() => {
                let how = if canceled { "was canceled" } else { "is over" };
                Some(format!("execution `{}`, which starts it, {how}", start.parent))
            }
            Some(_) => None,
        })
    }
}

/// The child that was made; `failure` when it failed before anything ran.
fn made(
    execution: &ExecutionId,
    application: &str,
    pipeline: &str,
    failure: Option<String>,
) -> Outcome {
    let started = StartedExecution {
        pipeline: pipeline.to_owned(),
        application: application.to_owned(),
        execution: execution.clone(),
    };
    Outcome::settled(match failure {
        None => EventOutcome::started(started),
        Some(reason) => EventOutcome::FailedOnStartup { reason, started: vec![started] },
    })
}

/// A pipeline that only lends its name to an execution that never starts.
fn empty(application: &str, name: &str) -> Option<Pipeline> {
    let body = json!({ "application": application, "name": name, "stages": [], "triggers": [] });
    Pipeline::parse(&body.to_string()).pipeline
}
