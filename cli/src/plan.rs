//! What a run would do, for people. A newer server may plan actions this command does not know: they are
//! named, and the JSON has them whole.

use serde::Deserialize;
use serde_json::{Map, Value};
use wire::{BakeImage, BakePreview, CreateGroup, CreateGroupPreview, Operation as _};

use crate::{exit::Exit, output, span, standing};

/// A plan, as far as it is shown.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    application: String,
    name: String,
    #[serde(default)]
    obstacles: Vec<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    limit: Option<u32>,
    #[serde(default)]
    stages: Vec<Stage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    ref_id: String,
    name: String,
    outcome: String,
    reason: Option<String>,
    waits_until: Option<u64>,
    #[serde(default)]
    expressions: Vec<Expression>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Debug, Deserialize)]
struct Expression {
    pointer: String,
    text: String,
    value: Option<Value>,
    problem: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Action {
    Bake {
        region: String,
        packages: Vec<String>,
        reuses: bool,
        preview: Option<BakePreview>,
        unknown: Option<String>,
    },
    Deploy {
        account: String,
        region: String,
        cluster: String,
        image: String,
        strategy: String,
        destroys: Option<String>,
        preview: Option<CreateGroupPreview>,
        unknown: Option<String>,
        #[serde(default)]
        on_failure: Option<String>,
    },
    Wait {
        time_ms: u64,
    },
    Judge {
        #[serde(default)]
        inputs: Vec<String>,
    },
    Pipeline {
        application: String,
        pipeline: String,
        waits: bool,
    },
    Check {
        name: String,
        holds: bool,
        reason: Option<String>,
    },
    Set {
        variables: Map<String, Value>,
    },
    #[serde(other)]
    Other,
}

/// Prints a plan; one of a server that speaks otherwise is printed as it came.
pub(crate) fn show(plan: &Value) {
    match Plan::deserialize(plan) {
        Ok(plan) => lines(&plan).iter().for_each(|line| output::line(line)),
        Err(_) => output::json(plan),
    }
}

/// Whether the pipeline would start.
pub(crate) fn verdict(plan: &Value) -> Exit {
    let obstacles = plan.get("obstacles").and_then(Value::as_array);
    if obstacles.is_none_or(Vec::is_empty) { Exit::Succeeded } else { Exit::Failed }
}

fn lines(plan: &Plan) -> Vec<String> {
    let verdict = if plan.obstacles.is_empty() { "would start" } else { "would not start" };
    let mut out = vec![format!("pipeline `{}` of `{}` {verdict}", plan.name, plan.application)];
    out.extend(plan.obstacles.iter().map(|obstacle| format!("  ✘ {obstacle}")));
    if let Some(limit) = plan.limit {
        out.push(format!("  at most {limit} of its executions run at a time"));
    }
    for (name, value) in &plan.parameters {
        out.push(format!("  parameter {name} = {value}"));
    }
    for stage in &plan.stages {
        add(stage, &mut out);
    }
    out
}

fn add(stage: &Stage, out: &mut Vec<String>) {
    let Stage { ref_id, name, outcome, reason, waits_until, expressions, actions } = stage;
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    out.push(format!("{ref_id} {name}: {}{why}", outcome.replace('_', " ")));
    if let Some(opens) = waits_until {
        out.push(format!("    waits for its time window, until {}", standing::time(*opens)));
    }
    for action in actions {
        out.push(format!("    {}", said(action)));
        out.extend(seen(action).iter().map(|line| format!("      {line}")));
    }
    for Expression { pointer, text, value, problem } in expressions {
        let comes_to = match (value, problem) {
            (Some(value), _) => format!("-> {value}"),
            (None, Some(problem)) => format!("stays as it is: {problem}"),
            (None, None) => "stays as it is".to_owned(),
        };
        out.push(format!("    {pointer}: {text} {comes_to}"));
    }
}

fn said(action: &Action) -> String {
    match action {
        Action::Bake { region, packages, reuses, .. } => {
            let reuse = if *reuses { ", or takes one that was baked from the same" } else { "" };
            format!("bakes an image with {} in {region}{reuse}", packages.join(", "))
        }
        Action::Deploy {
            account, region, cluster, image, strategy, destroys, on_failure, ..
        } => {
            let gone = destroys.as_ref().map(|which| format!(", then destroys {which}"));
            let undone = on_failure.as_ref().map(|what| format!("; if that fails, {what}"));
            format!(
                "deploys {image} to cluster {cluster} in {account}/{region} ({strategy}){}{}",
                gone.unwrap_or_default(),
                undone.unwrap_or_default()
            )
        }
        Action::Wait { time_ms } => format!("waits {}", span::show(*time_ms)),
        Action::Judge { inputs } if inputs.is_empty() => "asks a person".to_owned(),
        Action::Judge { inputs } => format!("asks a person: {}", inputs.join(" | ")),
        Action::Pipeline { application, pipeline, waits } => {
            let waits = if *waits { " and waits for it" } else { "" };
            format!("starts pipeline {pipeline} of {application}{waits}")
        }
        Action::Check { name, holds: true, .. } => format!("checks {name}: holds"),
        Action::Check { name, holds: false, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("checks {name}: does not hold{reason}")
        }
        Action::Set { variables } => {
            let set = variables.iter().map(|(name, value)| format!("{name} = {value}"));
            format!("sets {}", set.collect::<Vec<_>>().join(", "))
        }
        Action::Other => "does something this command does not know: see -o json".to_owned(),
    }
}

/// What workers see of it today, or why nobody knows.
fn seen(action: &Action) -> Vec<String> {
    let (mut lines, unknown) = match action {
        Action::Bake { preview, unknown, .. } => {
            (preview.iter().flat_map(BakeImage::preview_lines).collect::<Vec<_>>(), unknown)
        }
        Action::Deploy { preview, unknown, .. } => {
            (preview.iter().flat_map(CreateGroup::preview_lines).collect(), unknown)
        }
        Action::Wait { .. }
        | Action::Judge { .. }
        | Action::Pipeline { .. }
        | Action::Check { .. }
        | Action::Set { .. }
        | Action::Other => (Vec::new(), &None),
    };
    lines.extend(unknown.iter().map(|why| format!("? {why}")));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_told_stage_by_stage() {
        let plan = json!({
            "application": "shop", "name": "ship", "obstacles": [], "limit": 1,
            "parameters": { "color": "green" },
            "stages": [
                { "refId": "1", "name": "Bake", "outcome": "runs", "reason": null, "waitsUntil": null,
                  "expressions": [
                    { "pointer": "/package", "text": "${trigger.name}", "value": "web", "problem": null },
                    { "pointer": "/x", "text": "${y}", "value": null, "problem": "no `y`" } ],
                  "actions": [{ "action": "bake", "region": "us-east-1", "packages": ["web=1.0"], "reuses": true, "request": {},
                    "preview": { "image": "reused", "imageId": "ami-1", "imageName": "web-1.0-k-g1", "baseImageId": "ami-0" },
                    "unknown": null },
                    { "action": "bake", "region": "us-west-2", "packages": ["web"], "reuses": false,
                      "preview": { "image": "baked", "imageName": null, "baseImageId": "ami-0" } },
                    { "action": "bake", "region": "eu-west-1", "packages": ["web=1.0"], "reuses": false,
                      "preview": null, "unknown": "no bake worker answered" }] },
                { "refId": "2", "name": "Deploy", "outcome": "open", "reason": "depends on 1",
                  "waitsUntil": 1_700_000_000_000_u64, "expressions": [],
                  "actions": [{ "action": "deploy", "account": "test", "region": "us-east-1",
                    "cluster": "shop-test", "image": "what stage 1 makes", "strategy": "highlander",
                    "destroys": "all others", "onFailure": "the new one goes", "request": {},
                    "preview": { "serverGroup": "shop-test-v004", "capacity": { "min": 1, "desired": 1, "max": 2 },
                      "destroys": [{ "name": "shop-test-v002", "instances": 0, "enabled": false },
                        { "name": "shop-test-v003", "instances": 2, "enabled": true }],
                      "notes": ["it has no load balancer"] } },
                    { "action": "deploy", "account": "test", "region": "us-west-2", "cluster": "shop", "image": "ami-9",
                      "strategy": "none",
                      "preview": { "serverGroup": "shop-v000", "capacity": { "min": 0, "desired": 3, "max": 3 }, "destroys": [] } },
                    { "action": "teleport" }] },
                { "refId": "3", "name": "Wait", "outcome": "not_reached", "expressions": [],
                  "actions": [{ "action": "wait", "timeMs": 30_000 }] },
            ],
        });
        let told = lines(&Plan::deserialize(&plan).unwrap());
        assert_eq!(
            told,
            [
                "pipeline `ship` of `shop` would start",
                "  at most 1 of its executions run at a time",
                "  parameter color = \"green\"",
                "1 Bake: runs",
                "    bakes an image with web=1.0 in us-east-1, or takes one that was baked from the same",
                "      reuses ami-1 (web-1.0-k-g1)",
                "    bakes an image with web in us-west-2",
                "      bakes a new one from ami-0",
                "    bakes an image with web=1.0 in eu-west-1",
                "      ? no bake worker answered",
                "    /package: ${trigger.name} -> \"web\"",
                "    /x: ${y} stays as it is: no `y`",
                "2 Deploy: open: depends on 1",
                "    waits for its time window, until 2023-11-14 22:13:20 UTC",
                "    deploys what stage 1 makes to cluster shop-test in test/us-east-1 (highlander), then destroys all others; if that fails, the new one goes",
                "      creates shop-test-v004 (1 instance)",
                "      destroys shop-test-v002 (0 instances, disabled)",
                "      destroys shop-test-v003 (2 instances, enabled)",
                "      ! it has no load balancer",
                "    deploys ami-9 to cluster shop in test/us-west-2 (none)",
                "      creates shop-v000 (3 instances)",
                "      destroys no server group",
                "    does something this command does not know: see -o json",
                "3 Wait: not reached",
                "    waits 30s",
            ]
        );
    }
}
