//! What can be read from an execution, its stages and their parts. They are objects, not maps: a
//! property that is not in the list is an error, not null.
//!
//! Source: the getters that Orca's expressions may call.

use std::collections::BTreeSet;

use serde_json::{Map as JsonMap, Value as Json};

use super::{Evaluation, Machine, Missed, Reason};
use crate::{
    fault::{Fault, names_there, short},
    java::Class,
    number::Number,
    render::weight,
    value::{Entries, Kind, Map, Nature, Object, Value},
};

const EXECUTION: &[&str] = &[
    "id",
    "rootId",
    "application",
    "name",
    "buildTime",
    "canceled",
    "canceledBy",
    "cancellationReason",
    "limitConcurrent",
    "maxConcurrentExecutions",
    "keepWaitingPipelines",
    "context",
    "stages",
    "startTime",
    "endTime",
    "startTimeExpiry",
    "status",
    "authentication",
    "paused",
    "origin",
    "trigger",
    "description",
    "pipelineConfigId",
    "notifications",
    "initialConfig",
    "systemNotifications",
    "spelEvaluator",
    "templateVariables",
    "partition",
    "additionalHeaders",
];

const STAGE: &[&str] = &[
    "id",
    "refId",
    "type",
    "name",
    "execution",
    "startTime",
    "endTime",
    "startTimeExpiry",
    "status",
    "context",
    "outputs",
    "tasks",
    "parentStageId",
    "requisiteStageRefIds",
    "scheduledTime",
    "additionalMetricTags",
    "parent",
    "topLevelStage",
    "hasSucceeded",
    "hasFailed",
    "join",
    "manualJudgmentType",
    "continuePipelineOnFailure",
    "allowSiblingStagesToContinueOnFailure",
];

/// Of every trigger; each kind adds the fields it has.
const TRIGGER: &[&str] = &[
    "type",
    "correlationId",
    "user",
    "parameters",
    "artifacts",
    "notifications",
    "rebake",
    "dryRun",
    "strategy",
    "resolvedExpectedArtifacts",
    "other",
];

const AUTHENTICATION: &[&str] = &["user", "allowedAccounts"];
const PAUSED: &[&str] = &["pausedBy", "resumedBy", "pauseTime", "resumeTime", "paused", "pausedMs"];
const SOURCE_CONTROL: &[&str] = &["name", "branch", "sha1", "message", "compareUrl"];

impl Kind {
    const fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Execution => EXECUTION,
            Self::Stage => STAGE,
            Self::Trigger => TRIGGER,
            Self::Authentication => AUTHENTICATION,
            Self::Paused => PAUSED,
            Self::SourceControl => SOURCE_CONTROL,
        }
    }
}

impl<'s> Machine<'s> {
    pub(super) fn object_property(
        &mut self,
        object: Object<'s>,
        name: &str,
        at: usize,
    ) -> Evaluation<'s> {
        let there = object.fields.get(name);
        let own_field =
            there.is_some() && matches!(object.kind, Kind::Trigger | Kind::SourceControl);
        if !own_field && !object.kind.properties().contains(&name) {
            let there = names_there(name, object.kind.properties().iter().copied());
            let (noun, name) = (object.kind.noun(), short(name));
            return Err(Fault::evaluation(at, format!("{noun} has no property `{name}`; {there}")));
        }
        let derived = match object.kind {
            Kind::Execution if name == "context" && there.is_none() => {
                Some(self.outputs_of_all(at)?)
            }
            Kind::Execution => self.of_execution(object, name),
            Kind::Stage => self.of_stage(object, name),
            Kind::Trigger => match name {
                "parameters" | "other" if there.is_none() => Some(Value::map(Entries::default())),
                "artifacts" | "notifications" | "resolvedExpectedArtifacts" if there.is_none() => {
                    Some(Value::list([]))
                }
                "rebake" | "dryRun" | "strategy" if there.is_none() => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Authentication | Kind::Paused | Kind::SourceControl => None,
        };
        let value = derived.or_else(|| there.map(|json| Value::view(json, Nature::Data)));
        match value {
            Some(value) if !value.is_null() => Ok(value),
            Some(_) | None => {
                self.missed = Some(Missed { at, reason: Reason::NullValue(name.to_owned()) });
                Ok(Value::Null)
            }
        }
    }

    fn of_execution(&self, execution: Object<'s>, name: &str) -> Option<Value<'s>> {
        let there = execution.fields.get(name);
        let object = |kind: Kind| there.map(|json| Value::view(json, Nature::Object(kind)));
        match name {
            "stages" => object(Kind::Stage).or_else(|| Some(Value::list([]))),
            "authentication" => object(Kind::Authentication),
            "paused" => object(Kind::Paused),
            "trigger" => {
                let given = there.or_else(|| self.scope.roots().get("trigger"));
                given.map(|json| Value::view(json, Nature::Object(Kind::Trigger)))
            }
            "canceled" | "limitConcurrent" | "keepWaitingPipelines" if there.is_none() => {
                Some(Value::Bool(false))
            }
            "maxConcurrentExecutions" if there.is_none() => Some(Value::int(0)),
            "notifications" | "systemNotifications" if there.is_none() => Some(Value::list([])),
            "initialConfig" | "templateVariables" | "additionalHeaders" if there.is_none() => {
                Some(Value::map(Entries::default()))
            }
            _ => None,
        }
    }

    /// The outputs of all stages, later ones over earlier ones; lists are joined.
    fn outputs_of_all(&mut self, at: usize) -> Evaluation<'s> {
        if let Some(outputs) = &self.outputs {
            return Ok(outputs.clone());
        }
        let mut merged: JsonMap<String, Json> = JsonMap::new();
        let outputs =
            self.scope.stages().filter_map(|stage| stage.fields.get("outputs")?.as_object());
        for (key, value) in outputs.flatten() {
            self.pay(at, weight(value))?;
            match (merged.get_mut(key), value) {
                (Some(Json::Array(known)), Json::Array(more)) => {
                    let mut seen: BTreeSet<String> = known.iter().map(Json::to_string).collect();
                    known.extend(more.iter().filter(|item| seen.insert(item.to_string())).cloned());
                }
                _ => {
                    merged.insert(key.clone(), value.clone());
                }
            }
        }
        let merged = Value::made_of(Json::Object(merged));
        self.outputs = Some(merged.clone());
        Ok(merged)
    }

    fn of_stage(&self, stage: Object<'s>, name: &str) -> Option<Value<'s>> {
        let fields = stage.fields;
        let text = |key: &str| fields.get(key).and_then(Json::as_str).unwrap_or_default();
        let says = |key: &str| {
            fields.get("context").and_then(|context| context.get(key)).and_then(Json::as_bool)
        };
        match name {
            "context" if fields.get("context").is_some_and(Json::is_object) => {
                Some(Value::Map(Map::Context(fields)))
            }
            "context" | "outputs" | "additionalMetricTags" if fields.get(name).is_none() => {
                Some(Value::map(Entries::default()))
            }
            "tasks" | "requisiteStageRefIds" if fields.get(name).is_none() => Some(Value::list([])),
            "execution" => self.scope.execution().map(Value::Object),
            "parent" => self.parent_of(stage).map(Value::Object),
            "topLevelStage" => {
                let mut top = stage;
                // As many rounds as there are stages, whatever the ids say.
                for _ in self.scope.stages() {
                    top = self.parent_of(top).unwrap_or(top);
                }
                Some(Value::Object(top))
            }
            "hasSucceeded" => Some(Value::Bool(text("status") == "SUCCEEDED")),
            "hasFailed" => Some(Value::Bool(text("status") == "TERMINAL")),
            "join" => {
                let required = fields.get("requisiteStageRefIds").and_then(Json::as_array);
                Some(Value::Bool(required.is_some_and(|required| required.len() > 1)))
            }
            "manualJudgmentType" => Some(Value::Bool(text("type") == "manualJudgment")),
            "continuePipelineOnFailure" => {
                Some(Value::Bool(says("continuePipeline").unwrap_or(false)))
            }
            "allowSiblingStagesToContinueOnFailure" => {
                Some(Value::Bool(!says("failPipeline").unwrap_or(true)))
            }
            _ => None,
        }
    }

    fn parent_of(&self, stage: Object<'s>) -> Option<Object<'s>> {
        let parent = stage.fields.get("parentStageId").filter(|parent| !parent.is_null())?;
        self.scope.stages().find(|other| other.fields.get("id") == Some(parent))
    }
}

/// `instanceof`.
pub(super) fn is_of(value: &Value<'_>, class: Class) -> bool {
    match (value, class) {
        (Value::Text(_), Class::Text)
        | (Value::Bool(_), Class::Boolean)
        | (Value::Number(Number::Int(_)), Class::Integer)
        | (Value::Number(Number::Long(_)), Class::Long)
        | (Value::Number(Number::Double(_)), Class::Double) => true,
        (Value::Instance(instance), class) => instance.class() == Some(class),
        _ => false,
    }
}
