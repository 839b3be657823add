//! What a stage type may see of the execution that it runs in.

use model::{ExecutionStatus, PartKey, StageId, TaskId};
use serde_json::{Map, Value};
use wire::TaskFailure;

/// The execution around a stage that begins or has ended. The engine implements it.
pub trait Context {
    /// The application that owns the pipeline.
    fn application(&self) -> &str;

    /// The name of the pipeline.
    fn pipeline(&self) -> &str;

    /// What started the execution; data, never evaluated.
    fn trigger(&self) -> &Map<String, Value>;

    /// The stage itself, with its expressions evaluated but for those its type evaluates by itself.
    fn stage(&self) -> StageFacts<'_>;

    /// The stages that this one builds on, nearest first, each once.
    fn ancestors(&self) -> Vec<StageFacts<'_>>;

    /// The stages that build on this one, directly or not, in the order of the definition.
    fn descendants(&self) -> Vec<StageFacts<'_>>;

    /// Every stage of the definition, in its order.
    fn stages(&self) -> Vec<StageFacts<'_>>;

    /// Evaluates a part of the stage's configuration. `more` is known beside what the stage knows, and comes
    /// before it.
    fn evaluate(&self, more: &Map<String, Value>, config: Map<String, Value>) -> Evaluated;

    /// Judges a condition.
    fn condition(&self, text: &str) -> Condition;
}

/// A stage, as other stages see it.
#[derive(Clone, Copy, Debug)]
pub struct StageFacts<'a> {
    /// Its id.
    pub id: &'a StageId,
    /// Its type.
    pub kind: &'a str,
    /// Its label.
    pub name: &'a str,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// It ran out of time and was told to stop.
    pub timed_out: bool,
    /// Its configuration as it is written.
    pub written: &'a Map<String, Value>,
    /// Its configuration as it counts: evaluated once the stage has begun.
    pub config: &'a Map<String, Value>,
    /// What it gives to later stages.
    pub outputs: &'a Map<String, Value>,
}

/// A part of a stage whose work is over.
#[derive(Clone, Debug)]
pub struct EndedPart<'a> {
    /// What makes it this one.
    pub key: &'a PartKey,
    /// Its type, as it is shown.
    pub kind: &'a str,
    /// How it ended.
    pub status: ExecutionStatus,
    /// What is shown of its configuration.
    pub config: &'a Map<String, Value>,
    /// What it gave.
    pub outputs: &'a Map<String, Value>,
    /// Its tries, oldest first.
    pub tries: Vec<TaskId>,
}

/// What a condition came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// It is true.
    True,
    /// It is false; the condition, for people.
    False(String),
    /// It cannot be judged: the stage fails, and says why.
    Invalid(TaskFailure),
}

/// A configuration with expressions evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The configuration that counts.
    pub config: Map<String, Value>,
    /// What stayed unresolved, by expression.
    pub summary: Map<String, Value>,
    /// Why the stage may not go on with it.
    pub failed: Option<TaskFailure>,
}
