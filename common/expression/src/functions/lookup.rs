//! Functions that look something up in the execution.

use serde_json::Value as Json;

use super::Called;
use crate::{
    arguments::Arguments,
    fault::{Trouble, names_there, short},
    machine::Machine,
    value::{Nature, Object, Value},
};

fn field<'s>(stage: Object<'s>, name: &str) -> Option<&'s str> {
    stage.fields.get(name).and_then(Json::as_str)
}

/// The stages of an execution, or that there is no execution to look into.
fn all<'s>(machine: &Machine<'s>) -> Result<Vec<Object<'s>>, Trouble> {
    if machine.scope.execution().is_none() {
        return Err(Trouble::from(
            "there is no execution here (an execution is a root of this name with an `id`)",
        ));
    }
    Ok(machine.scope.stages().collect())
}

fn none_such(stages: &[Object<'_>], what: &str, wanted: &str, by: &str) -> Trouble {
    let there = names_there(wanted, stages.iter().filter_map(|stage| field(*stage, by)));
    Trouble::Wrong(format!("there is no {what} `{}`; {there}", short(wanted)))
}

pub(super) fn stages<'s>(
    machine: &Machine<'s>,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Called<'s> {
    let stages = all(machine)?;
    let find = |wanted: &str, by: &[&str]| {
        let matches =
            |stage: &&Object<'s>| by.iter().any(|key| field(**stage, key) == Some(wanted));
        stages.iter().find(matches).copied()
    };
    if name == "currentStage" {
        let current = machine.scope.facts().current_stage.as_deref();
        let current = current.and_then(|id| find(id, &["id"]));
        return current
            .map(Value::Object)
            .ok_or_else(|| Trouble::from("no stage is being run here"));
    }
    let wanted = arguments.text(0)?;
    match name {
        "stageExists" => Ok(Value::Bool(find(&wanted, &["name", "id"]).is_some())),
        "stageByRefId" => find(&wanted, &["refId"])
            .map(Value::Object)
            .ok_or_else(|| none_such(&stages, "stage with the ref id", &wanted, "refId")),
        "stage" => find(&wanted, &["name", "id"])
            .map(Value::Object)
            .ok_or_else(|| none_such(&stages, "stage", &wanted, "name")),
        _ => {
            let judgments: Vec<Object<'s>> = stages
                .iter()
                .filter(|stage| field(**stage, "type") == Some("manualJudgment"))
                .copied()
                .collect();
            let judged = judgments.iter().find(|stage| field(**stage, "name") == Some(&wanted));
            let judged =
                judged.ok_or_else(|| none_such(&judgments, "manual judgment", &wanted, "name"))?;
            let input =
                judged.fields.get("context").and_then(|context| context.get("judgmentInput"));
            Ok(input.map_or(Value::Null, |input| Value::view(input, Nature::Data)))
        }
    }
}

pub(super) fn artifacts<'s>(
    machine: &Machine<'s>,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Called<'s> {
    let stages = all(machine)?;
    if name == "resolvedArtifacts" {
        let outputs = stages.iter().filter_map(|stage| stage.fields.get("outputs"));
        let artifacts = outputs.filter_map(|outputs| outputs.get("artifacts")?.as_array());
        return Ok(Value::list(artifacts.flatten().map(|item| Value::view(item, Nature::Data))));
    }
    let wanted = arguments.text(0)?;
    let execution = machine.scope.execution();
    let trigger = execution.and_then(|run| run.fields.get("trigger"));
    let trigger = trigger.or_else(|| machine.scope.roots().get("trigger"));
    let expected = trigger.and_then(|trigger| trigger.get("resolvedExpectedArtifacts"));
    let bound = expected.and_then(Json::as_array).into_iter().flatten();
    let key = if name == "triggerResolvedArtifact" { "name" } else { "type" };
    let mut bound = bound.filter_map(|artifact| artifact.get("boundArtifact"));
    let found = bound.find(|artifact| artifact.get(key).and_then(Json::as_str) == Some(&wanted));
    found.map(|artifact| Value::view(artifact, Nature::Data)).ok_or_else(|| {
        let wanted = short(&wanted);
        Trouble::Wrong(format!("the trigger has bound no artifact of the {key} `{wanted}`"))
    })
}

/// A label in the pod template of a manifest that a stage has deployed.
pub(super) fn manifest_label<'s>(
    machine: &Machine<'s>,
    arguments: &Arguments<'_, 's>,
) -> Called<'s> {
    let (stage, kind, label) = (arguments.text(0)?, arguments.text(1)?, arguments.text(2)?);
    if kind != "Deployment" && kind != "ReplicaSet" {
        return Err(Trouble::from("labels are read from the kinds Deployment and ReplicaSet"));
    }
    let stages = all(machine)?;
    let deployed = stages.iter().find(|other| {
        field(**other, "name") == Some(&stage)
            && field(**other, "type") == Some("deployManifest")
            && field(**other, "status") == Some("SUCCEEDED")
    });
    let deployed = deployed
        .ok_or_else(|| none_such(&stages, "succeeded deployManifest stage", &stage, "name"))?;
    let part = |part: &str, key: &str| deployed.fields.get(part).and_then(|part| part.get(key));
    let manifests = part("context", "outputs.manifests").or_else(|| part("outputs", "manifests"));
    let mut manifests = manifests.and_then(Json::as_array).into_iter().flatten();
    let manifest =
        manifests.find(|manifest| manifest.get("kind").and_then(Json::as_str) == Some(&kind));
    let labels = manifest.and_then(|manifest| manifest.pointer("/spec/template/metadata/labels"));
    let value = labels.and_then(|labels| labels.get(&label));
    value.map(|value| Value::view(value, Nature::Data)).ok_or_else(|| {
        Trouble::Wrong(format!(
            "the manifest of `{}` has no label `{}`",
            short(&stage),
            short(&label)
        ))
    })
}

pub(super) fn pipeline_id<'s>(
    machine: &Machine<'s>,
    name: &str,
    arguments: &Arguments<'_, 's>,
) -> Called<'s> {
    let facts = machine.scope.facts();
    let known = facts.pipelines.as_ref();
    let known = known.ok_or_else(|| Trouble::from("the saved pipelines are not given here"))?;
    let wanted = arguments.text(0)?;
    let application = if name == "pipelineIdInApplication" {
        arguments.text(1)?
    } else {
        let execution = machine.scope.execution();
        let application = execution.and_then(|run| field(run, "application"));
        application.ok_or_else(|| Trouble::from("the execution has no application"))?.to_owned()
    };
    let found = known
        .iter()
        .find(|pipeline| pipeline.application == application && pipeline.name == wanted);
    match found {
        Some(pipeline) => Ok(Value::text(pipeline.id.as_str())),
        None if name == "pipelineId" => {
            let of_application = known.iter().filter(|known| known.application == application);
            let there = names_there(&wanted, of_application.map(|known| known.name.as_str()));
            let (wanted, application) = (short(&wanted), short(&application));
            Err(Trouble::Wrong(format!("`{application}` has no pipeline `{wanted}`; {there}")))
        }
        None => Ok(Value::Null),
    }
}
