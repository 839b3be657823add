//! `#deployedServerGroups(…)`: what earlier stages have deployed, and from which image.

use serde_json::{Map as JsonMap, Value as Json};

use super::Called;
use crate::{
    arguments::Arguments,
    fault::Trouble,
    machine::Machine,
    value::{Object, Value},
};

/// Stage types that create server groups. Source: Orca's `DeployedServerGroupsExpressionFunctionProvider`.
const DEPLOYING: &[&str] = &["deploy", "createServerGroup", "cloneServerGroup", "rollingPush"];

/// What a stage finds under a key: in its own context, or among the outputs of an ancestor.
fn found<'s>(machine: &Machine<'s>, stage: Object<'s>, key: &str) -> Option<&'s Json> {
    let own = stage.fields.get("context").and_then(|context| context.get(key));
    own.or_else(|| {
        let ancestors = machine.scope.ancestors(stage.fields);
        ancestors.into_iter().find_map(|near| near.fields.get("outputs")?.get(key))
    })
}

pub(super) fn server_groups<'s>(
    machine: &Machine<'s>,
    arguments: &Arguments<'_, 's>,
) -> Called<'s> {
    if machine.scope.execution().is_none() {
        return Err(Trouble::from(
            "there is no execution here (an execution is a root of this name with an `id`)",
        ));
    }
    let names = (0..arguments.values.len()).map(|place| arguments.text(place));
    let names: Vec<String> = names.collect::<Result<_, _>>()?;
    let text = |stage: Object<'s>, key: &str| stage.fields.get(key).and_then(Json::as_str);
    let wanted = |stage: Object<'s>| {
        let is = |key: &str| names.iter().any(|name| text(stage, key) == Some(name));
        names.is_empty() || is("name") || is("id")
    };
    let mut deployed = Vec::new();
    for stage in machine.scope.stages() {
        let succeeded = text(stage, "status") == Some("SUCCEEDED");
        let deploying = text(stage, "type").is_some_and(|kind| DEPLOYING.contains(&kind));
        if succeeded && deploying && wanted(stage) {
            deployed
                .extend(details(machine, stage).map(|fields| Value::made_of(Json::Object(fields))));
        }
    }
    Ok(Value::list(deployed))
}

/// What is known about the server group a stage created.
fn details<'s>(machine: &Machine<'s>, stage: Object<'s>) -> Option<JsonMap<String, Json>> {
    let context = stage.fields.get("context")?;
    let groups = context.get("deploy.server.groups")?;
    let zones = || {
        let zones = context.get("availabilityZones").and_then(Json::as_object);
        zones.and_then(|zones| zones.keys().next().cloned())
    };
    let region = context.get("region").and_then(Json::as_str).map(str::to_owned).or_else(zones)?;
    let own = |key: &str| context.get(key).cloned().unwrap_or(Json::Null);
    let mut fields = JsonMap::new();
    fields.insert("account".to_owned(), own("account"));
    fields.insert("capacity".to_owned(), own("capacity"));
    let parent = stage.fields.get("parentStageId").cloned().unwrap_or(Json::Null);
    fields.insert("parentStage".to_owned(), parent);
    fields.insert("region".to_owned(), Json::String(region.clone()));
    for detail in baked(machine, stage) {
        if detail.get("region").and_then(Json::as_str) == Some(&region) {
            fields.extend(detail.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }
    let first = groups.get(&region).and_then(|groups| groups.get(0));
    fields.insert("serverGroup".to_owned(), first.cloned().unwrap_or(Json::Null));
    fields.insert("deployments".to_owned(), deployments(context));
    Some(fields)
}

/// What the cloud reported of the deployments of a stage.
fn deployments(context: &Json) -> Json {
    let each = |json: Option<&Json>| json.and_then(Json::as_array).cloned().unwrap_or_default();
    let tasks = each(context.get("kato.tasks")).into_iter();
    let results = tasks.flat_map(|task| each(task.get("resultObjects")));
    results.flat_map(|result| each(result.get("deployments"))).collect()
}

/// `deploymentDetails` of the image: those the stage sees, else those of any stage.
fn baked<'s>(machine: &Machine<'s>, stage: Object<'s>) -> Vec<&'s JsonMap<String, Json>> {
    let seen = found(machine, stage, "deploymentDetails").and_then(Json::as_array);
    let anywhere = || {
        let outputs = machine.scope.stages().filter_map(|stage| stage.fields.get("outputs"));
        let details = outputs.filter_map(|outputs| outputs.get("deploymentDetails")?.as_array());
        details.flatten().filter_map(Json::as_object).collect()
    };
    match seen {
        Some(details) => details.iter().filter_map(Json::as_object).collect(),
        None => anywhere(),
    }
}
