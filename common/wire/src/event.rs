//! What the gateway stores for the coordinator to act on.

use model::ExecutionId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something from outside, accepted durably, to be acted on once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody says that a Jenkins build is done. A hint: the coordinator asks Jenkins.
    BuildReported(ReportedBuild),
    /// A person or a script starts a pipeline.
    ManualStart(ManualStart),
    /// A person or a script cancels an execution.
    Cancel {
        /// Which.
        execution: ExecutionId,
        /// Who asked.
        user: String,
        /// Why, in their words.
        reason: Option<String>,
    },
}

/// A finished build as a webhook tells it.
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
}

impl ReportedBuild {
    /// The key under which this report is known. Bodies do not say when the build started (what a
    /// `FINALIZED` body calls its timestamp is the time of sending), so a number that is used again
    /// after a job was recreated looks the same; therefore reports are the same only within ten
    /// minutes. Two reports of one build that fall on both sides of such a border still make one
    /// execution: its id comes from what Jenkins confirms, start time included.
    pub fn key(&self) -> String {
        let window = self.reported_ms / 600_000;
        format!("jenkins/{}/{}/{}/{window}", self.controller, self.job, self.number)
    }
}

/// A start by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManualStart {
    /// The pipeline config id.
    pub pipeline_id: String,
    /// Who started it.
    pub user: String,
    /// The trigger as sent: `type`, `parameters`, `master`, `job`, `buildNumber`, `rebake`, and
    /// whatever else the sender put there. Data, never evaluated.
    pub trigger: Map<String, Value>,
}
