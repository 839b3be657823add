//! What a stage comes to when it begins.

use model::{ExecutionStatus, OnFailure, PartKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wire::{OperationCall, TaskFailure};

/// What a stage does once it begins. The engine knows plans and never types.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// There is nothing to wait for.
    Done(Done),
    /// The stage waits for a time or a person.
    Await(Await),
    /// Synthetic stages do the work, side by side. The stage is over when they are. A stage without parts is
    /// skipped.
    Parts(Vec<Part>),
    /// A worker does it.
    Operation(OperationCall),
    /// Another pipeline does it.
    Child(Child),
}

/// The end of a stage that has nothing to wait for.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// How it ends; `TERMINAL` becomes what "if stage fails" says.
    pub status: ExecutionStatus,
    /// What later stages may read.
    pub outputs: Map<String, Value>,
    /// What is shown of it.
    pub context: Map<String, Value>,
    /// Why it failed.
    pub failure: Option<TaskFailure>,
}

impl Done {
    /// A success that gives nothing to later stages.
    pub fn succeeded() -> Self {
        Self {
            status: ExecutionStatus::Succeeded,
            outputs: Map::new(),
            context: Map::new(),
            failure: None,
        }
    }

    /// A failure.
    pub fn failed(failure: TaskFailure) -> Self {
        Self { status: ExecutionStatus::Terminal, failure: Some(failure), ..Self::succeeded() }
    }
}

/// What a stage waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Await {
    /// A pause, which a person may cut short.
    Time {
        /// Its length in milliseconds.
        time_ms: u64,
    },
    /// The decision of a person.
    Person(Question),
}

/// A question to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Question {
    /// What the person reads; it may hold markup.
    pub instructions: Option<String>,
    /// The answers that are offered; any answer, or none, will do when it is empty.
    pub choices: Vec<String>,
    /// Who may answer; everybody when it is empty.
    pub roles: Vec<String>,
    /// How long it is waited for, in milliseconds, when the stage does not say.
    pub timeout_ms: u64,
}

/// Another pipeline to start.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// Its id.
    pub pipeline_id: String,
    /// Its owner.
    pub application: String,
    /// Its parameters.
    pub parameters: Map<String, Value>,
    /// When the stage is over.
    pub until: Until,
}

/// When a stage that starts another pipeline is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Once the other execution exists.
    Started,
    /// Once the other execution is over, and as it ended.
    Complete,
}

/// A synthetic stage that is to do a part of a stage's work.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What makes it this one and no other among the parts of its stage.
    pub key: PartKey,
    /// Its label.
    pub name: String,
    /// Its type, as it is shown.
    pub kind: &'static str,
    /// What is shown of its configuration.
    pub config: Map<String, Value>,
    /// What its failure means to its siblings and its stage.
    pub on_failure: OnFailure,
    /// What it does.
    pub plan: Plan,
}
