#![doc = include_str!("../README.md")]

mod checks;
mod position;
mod reading;

use model::{OnFailure, problem::FieldProblem};
use serde_json::{Map, Value};

pub use model::{
    artifacts::ExpectedArtifact,
    graph::Graph,
    parameters::Parameter,
    problem::{Problem, Severity},
};
pub use triggers::Trigger;

/// A definition without errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// The pipeline config id; absent before the first save.
    pub id: Option<String>,
    /// Owner. Empty only when read with [`Pipeline::parse_exported`].
    pub application: String,
    /// Unique inside the application. Empty only when read with [`Pipeline::parse_exported`].
    pub name: String,
    /// No trigger starts it.
    pub disabled: bool,
    /// One execution at a time.
    pub limit_concurrent: bool,
    /// Executions at a time when `limit_concurrent` is off; 0 is no limit.
    pub max_concurrent_executions: u32,
    /// Waiting executions all run, oldest first; otherwise only the newest does.
    pub keep_waiting_pipelines: bool,
    /// After this, in milliseconds since 1970, an execution does not begin any more.
    pub start_time_expiry: Option<u64>,
    /// What an execution is asked for, in the order of the definition.
    pub parameters: Vec<Parameter>,
    /// What a trigger must bring, in the order of the definition.
    pub expected_artifacts: Vec<ExpectedArtifact>,
    /// In the order of the definition.
    pub stages: Vec<StageDefinition>,
    /// In the order of the definition.
    pub triggers: Vec<Trigger>,
    /// The whole definition as it was given.
    pub body: Map<String, Value>,
}

/// A stage as defined.
#[derive(Clone, Debug, PartialEq)]
pub struct StageDefinition {
    /// Its name in the graph.
    pub ref_id: String,
    /// Its type: `bake`, `deploy`, or any other that can be stored.
    pub kind: String,
    /// Its label; the type when it has none.
    pub name: String,
    /// The ref ids of the stages it waits for, each once.
    pub requires: Vec<String>,
    /// What its failure means to the others.
    pub on_failure: OnFailure,
    /// The stage object as given.
    pub config: Map<String, Value>,
}

/// What reading a definition gave: the pipeline, unless there is an error, and all problems.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The pipeline; `None` exactly when a problem is an error.
    pub pipeline: Option<Pipeline>,
    /// In the order of the text.
    pub problems: Vec<Problem>,
    /// What the text holds when there is no pipeline; `None` as well when it is no object, or too large to be
    /// looked at.
    pub body: Option<Map<String, Value>>,
}

impl Parsed {
    /// The problems that keep it from being used.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// The definition as it was given, whether it can be used or not.
    pub fn body(&self) -> Option<&Map<String, Value>> {
        self.pipeline.as_ref().map(|pipeline| &pipeline.body).or(self.body.as_ref())
    }

    /// Adds a warning for each expression of its stages that cannot be read. `text` is what was parsed.
    pub fn check_expressions(&mut self, text: &str) {
        let found = self.body().map(expression::check_expressions).unwrap_or_default();
        self.add(text, found);
    }

    /// Adds what others found in the same text, each at its place; at most [`PROBLEMS_MAX`] are listed and
    /// the rest is counted. An error among them takes the pipeline away.
    ///
    /// [`PROBLEMS_MAX`]: model::limits::PROBLEMS_MAX
    pub fn add(&mut self, text: &str, found: Vec<FieldProblem>) {
        if found.is_empty() {
            return;
        }
        self.problems.extend(reading::place(text, found));
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        if self.errors().next().is_some()
            && let Some(pipeline) = self.pipeline.take()
        {
            self.body = Some(pipeline.body);
        }
    }
}

impl Pipeline {
    /// Reads a definition that is to be stored or run: application and name must be there.
    pub fn parse(text: &str) -> Parsed {
        reading::read(text, Form::Stored)
    }

    /// Reads a definition that was copied out of a user interface, to look at it: Spinnaker's "Edit
    /// as JSON" leaves out application and name, so when both are absent this is only a warning; and
    /// what a template leaves open is a warning too. Not for storing or running.
    pub fn parse_exported(text: &str) -> Parsed {
        reading::read(text, Form::Exported)
    }

    /// The graph of its stages.
    ///
    /// # Errors
    /// Never for what [`Pipeline::parse`] returned. [`Pipeline::parse_exported`] lets a template
    /// require stages that are not in it.
    pub fn graph(&self) -> Result<Graph, Vec<model::graph::GraphProblem>> {
        Graph::build(&nodes(&self.stages))
    }

    /// The stage of this ref id.
    pub fn stage(&self, ref_id: &str) -> Option<&StageDefinition> {
        self.stages.iter().find(|stage| stage.ref_id == ref_id)
    }

    /// The definition with everything that was in it.
    pub fn to_value(&self) -> Value {
        Value::Object(self.body.clone())
    }
}

fn nodes(stages: &[StageDefinition]) -> Vec<(&str, &[String])> {
    stages.iter().map(|stage| (stage.ref_id.as_str(), stage.requires.as_slice())).collect()
}

/// Where a definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Stored,
    Exported,
}
