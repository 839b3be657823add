//! What a start would do: the answer to a dry run.

use model::Pool;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a start would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunPlan {
    /// The application that owns the pipeline.
    pub application: String,
    /// The name of the pipeline.
    pub name: String,
    /// The id of the pipeline.
    pub pipeline_config_id: String,
    /// Why it would not start; empty when it would.
    pub obstacles: Vec<String>,
    /// The parameters with their defaults.
    pub parameters: Map<String, Value>,
    /// How many executions of the pipeline may run at a time; `None` is no limit.
    pub limit: Option<u32>,
    /// Its stages, each after all it requires.
    pub stages: Vec<StagePlan>,
}

/// What a stage would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StagePlan {
    /// Its name in the graph.
    pub ref_id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its label.
    pub name: String,
    /// The stages it requires, by their names in the graph.
    pub requisite_stage_ref_ids: Vec<String>,
    /// Whether it runs.
    pub outcome: PlannedOutcome,
    /// Why it does not, or what that depends on.
    pub reason: Option<String>,
    /// When its time window opens, if that is later than now; milliseconds since 1970.
    pub waits_until: Option<u64>,
    /// What its expressions come to.
    pub expressions: Vec<ResolvedExpression>,
    /// What it does.
    pub actions: Vec<PlannedAction>,
}

/// Whether a stage runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedOutcome {
    /// It does.
    Runs,
    /// Its condition is false.
    Skipped,
    /// It begins and fails at once.
    Fails,
    /// A stage before it fails, or it cannot start at all.
    NotReached,
    /// That depends on what stages before it bring.
    Open,
}

impl PlannedOutcome {
    /// The outcome in a word or two, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Skipped => "skipped",
            Self::Fails => "fails",
            Self::NotReached => "not reached",
            Self::Open => "open",
        }
    }
}

/// A text with expressions, and what it comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedExpression {
    /// Where it stands in the stage.
    pub pointer: String,
    /// The text as it is written.
    pub text: String,
    /// What it comes to; `None` when it stays as it is.
    pub value: Option<Value>,
    /// Why it stays as it is.
    pub problem: Option<String>,
}

/// One thing that a stage does. The set follows the plans that stages can have, not their types.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PlannedAction {
    /// Workers carry out an operation.
    Operation {
        /// Its name: `image.bake/1`.
        operation: String,
        /// The workers that carry it out.
        pool: Pool,
        /// The operation in a sentence.
        summary: String,
        /// What the workers are told.
        request: Value,
        /// What they say that would come of it now; `None` while nobody knows.
        preview: Option<Value>,
        /// The preview in words, one line for each thing that would happen.
        preview_lines: Vec<String>,
        /// Why nobody knows.
        unknown: Option<String>,
    },
    /// The stage waits for a time.
    Wait {
        /// How long, in milliseconds.
        time_ms: u64,
    },
    /// A person decides.
    Judge {
        /// What the person reads.
        instructions: Option<String>,
        /// The answers that are offered.
        inputs: Vec<String>,
    },
    /// Another pipeline is started.
    Pipeline {
        /// The application that owns it.
        application: String,
        /// Its id.
        pipeline: String,
        /// Its parameters.
        parameters: Map<String, Value>,
        /// The stage is over when the other execution is.
        waits: bool,
    },
    /// A condition is looked at.
    Check {
        /// Its label.
        name: String,
        /// Whether it holds, as far as that is known.
        holds: bool,
        /// Why it does not.
        reason: Option<String>,
    },
    /// Values are given to later stages.
    Set {
        /// The values, by name.
        variables: Map<String, Value>,
    },
}
