//! `pipeline`: the end of another pipeline's execution starts the pipeline.

use std::collections::BTreeSet;

use model::{
    ExecutionStatus,
    fields::Fields,
    problem::{Weight, shortened},
};
use serde_json::{Map, Value, json};
use wire::{ExecutionEnded, Unmet};

use crate::{Known, Match, TriggerKind};

/// The kind `pipeline`.
#[derive(Clone, Copy, Debug)]
pub struct PipelineEnd;

/// Which executions start a pipeline by their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The owner of the other pipeline, where the trigger says one.
    application: Option<String>,
    /// The id of the other pipeline.
    pipeline: String,
    /// What its execution must have come to.
    statuses: BTreeSet<End>,
}

/// What an execution came to, in the words of triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Successful,
    Failed,
    Canceled,
}

impl End {
    const ALL: [Self; 3] = [Self::Successful, Self::Failed, Self::Canceled];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// `None` for an execution that is not over.
    const fn of(status: ExecutionStatus) -> Option<Self> {
        match status {
            ExecutionStatus::Succeeded => Some(Self::Successful),
            ExecutionStatus::Terminal
            | ExecutionStatus::FailedContinue
            | ExecutionStatus::Stopped => Some(Self::Failed),
            ExecutionStatus::Canceled => Some(Self::Canceled),
            ExecutionStatus::NotStarted
            | ExecutionStatus::Running
            | ExecutionStatus::Paused
            | ExecutionStatus::Suspended
            | ExecutionStatus::Redirect
            | ExecutionStatus::Skipped
            | ExecutionStatus::Buffered => None,
        }
    }
}

impl TriggerKind for PipelineEnd {
    const NAME: &'static str = ExecutionEnded::SOURCE;
    type Config = Config;
    type Event = ExecutionEnded;

    fn read(fields: &mut Fields<'_, '_>) -> Option<Config> {
        let (application, statuses) = (fields.text("application"), statuses(fields));
        let pipeline = fields.text("pipeline");
        if pipeline.is_none() && fields.value("pipeline").is_none_or(Value::is_string) {
            fields.missing(Weight::Error, "pipeline", "write the id of the other pipeline");
        }
        Some(Config { application, pipeline: pipeline?, statuses })
    }

    fn keys(config: &Config) -> Vec<String> {
        vec![ExecutionEnded::key_of(&config.pipeline)]
    }

    fn matches(config: &Config, ended: &ExecutionEnded, _: &Known<'_>) -> Match {
        if let Some(application) = config.application.as_ref()
            && *application != ended.application
        {
            let reason =
                format!("the pipeline belongs to `{}`, not to `{application}`", ended.application);
            return Match::Unmet(
                Unmet::new("application", reason).because(application, &ended.application),
            );
        }
        let end = End::of(ended.status);
        if !end.is_some_and(|end| config.statuses.contains(&end)) {
            let wanted = words(&config.statuses);
            let found = end.map_or_else(|| ended.status.to_string(), |end| end.as_str().to_owned());
            let reason = format!("the execution was {found}, the trigger waits for {wanted}");
            return Match::Unmet(Unmet::new("status", reason).because(wanted, found));
        }
        Match::Start(carried(ended))
    }

    fn describe(config: &Config, _zone: &str) -> String {
        format!("{} executions of pipeline {}", words(&config.statuses), config.pipeline)
    }

    fn follows(config: &Config) -> Vec<&str> {
        vec![&config.pipeline]
    }
}

fn words(statuses: &BTreeSet<End>) -> String {
    let words: Vec<&str> = statuses.iter().map(|end| end.as_str()).collect();
    words.join(" or ")
}

fn statuses(fields: &mut Fields<'_, '_>) -> BTreeSet<End> {
    let mut statuses = BTreeSet::new();
    for word in fields.texts("status") {
        if let Some(end) = End::ALL.into_iter().find(|end| end.as_str() == word) {
            statuses.insert(end);
        } else {
            let message = format!("`status` names `{}`", shortened(&word));
            let hint = "write `successful`, `failed` or `canceled`".to_owned();
            fields.hinted(Weight::Error, "unknown-value", "status", (message, hint));
        }
    }
    if statuses.is_empty() {
        let message = "the trigger names no `status`, so it never starts anything".to_owned();
        let hint = "write \"status\": [\"successful\"]".to_owned();
        fields.hinted(Weight::Blocks, "trigger-without-status", "status", (message, hint));
    }
    statuses
}

/// The trigger of the execution. The one that ended is given small, without what started its own parent.
fn carried(ended: &ExecutionEnded) -> Map<String, Value> {
    let user = ended.trigger.get("user").cloned().unwrap_or_else(|| "[anonymous]".into());
    let trigger = json!({
        "type": PipelineEnd::NAME, "user": user, "parentPipelineId": ended.pipeline_config_id,
        "parentPipelineName": ended.name, "parentPipelineApplication": ended.application,
        "parentStatus": ended.status, "parentExecution": ended, "parameters": {}, "artifacts": [],
    });
    trigger.as_object().cloned().unwrap_or_default()
}
