//! A build as a webhook tells it, or as it was found in Jenkins' list.

use model::jenkins::JobName;
use serde::{Deserialize, Serialize};
use wire::{Signal, body_of};

use super::{Jenkins, key_of};
use crate::TriggerKind as _;

/// A finished build as a webhook tells it, or as it was found in Jenkins' list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedBuild {
    /// Configured name of the controller (Spinnaker's "master").
    pub controller: String,
    /// Full name of the job, segments joined with `/`, each decoded once: `shop/package/main`.
    pub job: String,
    /// Build number.
    pub number: u64,
    /// When the build started, if the body says so.
    pub started_ms: Option<u64>,
    /// When it was reported.
    pub reported_ms: u64,
    /// No webhook reported the build: the poller found it. It starts only pipelines that waited for it when it ended.
    #[serde(default)]
    pub found: bool,
}

impl ReportedBuild {
    /// The key under which this report is known. Bodies do not say when the build started (what a
    /// `FINALIZED` body calls its timestamp is the time of sending), so a number that is used again
    /// after a job was recreated looks the same; therefore reports are the same only within ten
    /// minutes. Two reports of one build that fall on both sides of such a border still make one
    /// execution: its id comes from what Jenkins confirms, start time included. A build that was found has
    /// its start time, and is found once.
    pub fn key(&self) -> String {
        if let (true, Some(started_ms)) = (self.found, self.started_ms) {
            return format!(
                "jenkins/{}/{}/{}/{started_ms}/found",
                self.controller, self.job, self.number
            );
        }
        let window = self.reported_ms / 600_000;
        format!("jenkins/{}/{}/{}/{window}", self.controller, self.job, self.number)
    }

    /// The signal of this report. Jenkins must confirm it.
    pub fn signal(&self) -> Signal {
        Signal {
            source: Jenkins::NAME.to_owned(),
            dedupe: self.key(),
            keys: vec![key_of(&self.controller, &JobName::parse(&self.job))],
            only: None,
            body: body_of(self),
        }
    }

    /// Reads the body of such a signal.
    ///
    /// # Errors
    ///
    /// The body is none of a reported build.
    pub fn of(signal: &Signal) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::Value::Object(signal.body.clone()))
    }
}
