//! What a run would do, for people.

use serde::Deserialize as _;
use serde_json::Value;
use wire::{PlannedAction, ResolvedExpression, RunPlan, StagePlan};

use crate::{exit::Exit, output, span, standing};

/// Prints a plan; one that a newer server writes in another form is printed as it came.
pub(crate) fn show(plan: &Value) {
    match RunPlan::deserialize(plan) {
        Ok(plan) => lines(&plan).iter().for_each(|line| output::line(line)),
        Err(_) => output::json(plan),
    }
}

/// Whether the pipeline would start.
pub(crate) fn verdict(plan: &Value) -> Exit {
    let obstacles = plan.get("obstacles").and_then(Value::as_array);
    if obstacles.is_none_or(Vec::is_empty) { Exit::Succeeded } else { Exit::Failed }
}

fn lines(plan: &RunPlan) -> Vec<String> {
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

fn add(stage: &StagePlan, out: &mut Vec<String>) {
    let why = stage.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    out.push(format!("{} {}: {}{why}", stage.ref_id, stage.name, stage.outcome.as_str()));
    if let Some(opens) = stage.waits_until {
        out.push(format!("    waits for its time window, until {}", standing::time(opens)));
    }
    for action in &stage.actions {
        add_action(action, out);
    }
    for ResolvedExpression { pointer, text, value, problem } in &stage.expressions {
        let comes_to = match (value, problem) {
            (Some(value), _) => format!("-> {value}"),
            (None, Some(problem)) => format!("stays as it is: {problem}"),
            (None, None) => "stays as it is".to_owned(),
        };
        out.push(format!("    {pointer}: {text} {comes_to}"));
    }
}

/// What is done, and below it what workers see of it today or why nobody knows.
fn add_action(action: &PlannedAction, out: &mut Vec<String>) {
    let line = match action {
        PlannedAction::Operation { summary, preview_lines, unknown, .. } => {
            out.push(format!("    {summary}"));
            out.extend(preview_lines.iter().map(|line| format!("      {line}")));
            out.extend(unknown.iter().map(|why| format!("      ? {why}")));
            return;
        }
        PlannedAction::Wait { time_ms } => format!("waits {}", span::show(*time_ms)),
        PlannedAction::Judge { inputs, .. } if inputs.is_empty() => "asks a person".to_owned(),
        PlannedAction::Judge { inputs, .. } => format!("asks a person: {}", inputs.join(" | ")),
        PlannedAction::Pipeline { application, pipeline, waits, .. } => {
            let waits = if *waits { " and waits for it" } else { "" };
            format!("starts pipeline {pipeline} of {application}{waits}")
        }
        PlannedAction::Check { name, holds: true, .. } => format!("checks {name}: holds"),
        PlannedAction::Check { name, holds: false, reason } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("checks {name}: does not hold{reason}")
        }
        PlannedAction::Set { variables } => {
            let set = variables.iter().map(|(name, value)| format!("{name} = {value}"));
            format!("sets {}", set.collect::<Vec<_>>().join(", "))
        }
    };
    out.push(format!("    {line}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn operation(summary: &str, lines: &[&str], unknown: Option<&str>) -> Value {
        json!({ "action": "operation", "operation": "image.bake/1", "pool": "bake", "summary": summary,
            "request": {}, "preview": null, "previewLines": lines, "unknown": unknown })
    }

    fn stage(ref_id: &str, name: &str, outcome: &str, actions: &[Value]) -> Value {
        json!({ "refId": ref_id, "type": "any", "name": name, "requisiteStageRefIds": [],
            "outcome": outcome, "reason": null, "waitsUntil": null, "expressions": [],
            "actions": actions })
    }

    #[test]
    fn a_plan_is_told_stage_by_stage() {
        let bakes = [
            operation(
                "bakes an image with web=1.0 in us-east-1",
                &["reuses ami-1 (web-1.0)"],
                None,
            ),
            operation("bakes an image with web in eu-west-1", &[], Some("no bake worker answered")),
        ];
        let mut bake = stage("1", "Bake", "runs", &bakes);
        bake["expressions"] = json!([
            { "pointer": "/package", "text": "${trigger.name}", "value": "web", "problem": null },
            { "pointer": "/x", "text": "${y}", "value": null, "problem": "no `y`" },
        ]);
        let mut check = stage(
            "2",
            "Check",
            "open",
            &[
                json!({ "action": "check", "name": "size", "holds": false, "reason": "too few" }),
                json!({ "action": "check", "name": "status", "holds": true, "reason": null }),
                json!({ "action": "set", "variables": { "v": 1 } }),
            ],
        );
        check["reason"] = "depends on 1".into();
        check["waitsUntil"] = 1_700_000_000_000_u64.into();
        let rest = [
            json!({ "action": "wait", "timeMs": 30_000 }),
            json!({ "action": "judge", "instructions": null, "inputs": ["yes", "no"] }),
            json!({ "action": "judge", "instructions": null, "inputs": [] }),
            json!({ "action": "pipeline", "application": "shop", "pipeline": "p2", "parameters": {},
                "waits": true }),
        ];
        let plan = json!({
            "application": "shop", "name": "ship", "pipelineConfigId": "p1", "obstacles": ["it is off"],
            "limit": 1, "parameters": { "color": "green" },
            "stages": [bake, check, stage("3", "Rest", "not_reached", &rest)],
        });
        let told = lines(&RunPlan::deserialize(&plan).unwrap());
        assert_eq!(
            told,
            [
                "pipeline `ship` of `shop` would not start",
                "  ✘ it is off",
                "  at most 1 of its executions run at a time",
                "  parameter color = \"green\"",
                "1 Bake: runs",
                "    bakes an image with web=1.0 in us-east-1",
                "      reuses ami-1 (web-1.0)",
                "    bakes an image with web in eu-west-1",
                "      ? no bake worker answered",
                "    /package: ${trigger.name} -> \"web\"",
                "    /x: ${y} stays as it is: no `y`",
                "2 Check: open: depends on 1",
                "    waits for its time window, until 2023-11-14 22:13:20 UTC",
                "    checks size: does not hold: too few",
                "    checks status: holds",
                "    sets v = 1",
                "3 Rest: not reached",
                "    waits 30s",
                "    asks a person: yes | no",
                "    asks a person",
                "    starts pipeline p2 of shop and waits for it",
            ]
        );
    }
}
