//! An execution around a stage, made of JSON.

use model::{ExecutionId, ExecutionStatus, StageId};
use serde_json::{Map, Value};
use stages::{Condition, Context, Evaluated, StageFacts};

/// One stage of the execution.
struct Stage {
    id: StageId,
    config: Map<String, Value>,
    outputs: Map<String, Value>,
    status: ExecutionStatus,
}

/// An execution with a bake that is over, the stage that is looked at, and whatever builds on it.
pub(crate) struct Around {
    trigger: Map<String, Value>,
    stages: Vec<Stage>,
    /// The stage that is looked at.
    at: usize,
}

impl Around {
    /// `before` are stages that are over, each with its outputs; `after` build on the stage.
    pub(crate) fn new(
        trigger: &Value,
        before: &[(Value, Value)],
        stage: &Value,
        after: &[Value],
    ) -> Self {
        let execution = ExecutionId::of_event("a test", "p1");
        let object = |value: &Value| value.as_object().unwrap().clone();
        let mut stages = Vec::new();
        let mut add = |config: &Value, outputs: &Value, status| {
            let id = StageId::of(&execution, &format!("{}", stages.len() + 1));
            let (config, outputs) = (object(config), object(outputs));
            stages.push(Stage { id, config, outputs, status });
        };
        let nothing = Value::Object(Map::new());
        for (config, outputs) in before {
            add(config, outputs, ExecutionStatus::Succeeded);
        }
        add(stage, &nothing, ExecutionStatus::Running);
        for config in after {
            add(config, &nothing, ExecutionStatus::NotStarted);
        }
        Self { trigger: object(trigger), stages, at: before.len() }
    }

    fn facts(&self, at: usize) -> StageFacts<'_> {
        let Stage { id, config, outputs, status } = &self.stages[at];
        let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or("a stage");
        StageFacts {
            id,
            kind: text("type"),
            name: text("name"),
            status: *status,
            timed_out: false,
            written: config,
            config,
            outputs,
        }
    }
}

impl Context for Around {
    fn application(&self) -> &'static str {
        "shop"
    }

    fn pipeline(&self) -> &'static str {
        "ship"
    }

    fn trigger(&self) -> &Map<String, Value> {
        &self.trigger
    }

    fn stage(&self) -> StageFacts<'_> {
        self.facts(self.at)
    }

    fn ancestors(&self) -> Vec<StageFacts<'_>> {
        (0..self.at).rev().map(|at| self.facts(at)).collect()
    }

    fn descendants(&self) -> Vec<StageFacts<'_>> {
        (self.at + 1..self.stages.len()).map(|at| self.facts(at)).collect()
    }

    fn stages(&self) -> Vec<StageFacts<'_>> {
        (0..self.stages.len()).map(|at| self.facts(at)).collect()
    }

    /// Nothing in these tests has an expression in it.
    fn evaluate(&self, _: &Map<String, Value>, config: Map<String, Value>) -> Evaluated {
        Evaluated { config, summary: Map::new(), failed: None }
    }

    fn condition(&self, text: &str) -> Condition {
        if text == "true" { Condition::True } else { Condition::False(text.to_owned()) }
    }
}
