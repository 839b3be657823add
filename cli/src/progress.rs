//! What is worth showing of an execution: one line per stage. Pure.

use model::ExecutionStatus;
use serde_json::Value;
use wire::{ExecutionView, StageView, TaskFailure};

use crate::{span, standing};

/// One stage, ready to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StageLine {
    /// The stage's id.
    pub(crate) id: String,
    /// Its label, indented when it is a part of another stage.
    pub(crate) label: String,
    /// Where it stands.
    pub(crate) status: ExecutionStatus,
    /// How long it has worked; empty before it began.
    pub(crate) elapsed: String,
    /// What came of it, or why it failed.
    pub(crate) remark: String,
}

/// The lines of an execution: what holds it, if anything does; each stage, followed by its parts.
pub(crate) fn lines(view: &ExecutionView, now_ms: u64) -> Vec<StageLine> {
    let mut out = Vec::new();
    out.extend(standing::of_execution(view).map(|remark| StageLine {
        id: view.id.to_string(),
        label: view.name.clone(),
        status: view.status,
        elapsed: String::new(),
        remark,
    }));
    for stage in view.stages.iter().filter(|stage| stage.parent_stage_id.is_none()) {
        add(view, stage, 0, now_ms, &mut out);
    }
    out
}

fn add(
    view: &ExecutionView,
    stage: &StageView,
    depth: usize,
    now_ms: u64,
    out: &mut Vec<StageLine>,
) {
    // A cycle of parents cannot be drawn; a server that sends one gets a cut-off picture.
    if depth > 8 {
        return;
    }
    let elapsed = stage
        .start_time
        .map(|start| span::show(stage.end_time.unwrap_or(now_ms).saturating_sub(start)));
    out.push(StageLine {
        id: stage.id.to_string(),
        label: format!("{:indent$}{}", "", stage.name, indent = depth * 2),
        status: stage.status,
        elapsed: elapsed.unwrap_or_default(),
        remark: remark(stage),
    });
    for part in &view.stages {
        if part.parent_stage_id.as_ref() == Some(&stage.id) {
            add(view, part, depth + 1, now_ms, out);
        }
    }
}

/// The most telling thing about a stage's work.
fn remark(stage: &StageView) -> String {
    if let Some(said) = made(stage).or_else(|| standing::of_stage(stage)) {
        return said;
    }
    let Some(last) = stage.tasks.last() else { return String::new() };
    if let Some(failure) = &last.failure {
        return failure.message.lines().next().unwrap_or_default().to_owned();
    }
    if stage.tasks.len() > 1 { format!("attempt {}", stage.tasks.len()) } else { String::new() }
}

/// What a part of a bake or deploy stage has made.
fn made(stage: &StageView) -> Option<String> {
    let text = |key: &str| stage.outputs.get(key).and_then(Value::as_str);
    if let (Some(id), Some(name)) = (text("imageId"), text("imageName")) {
        let reused = stage.outputs.get("previouslyBaked") == Some(&Value::Bool(true));
        return Some(format!("{id} {name}{}", if reused { " (was there already)" } else { "" }));
    }
    let group = text("serverGroup")?;
    let gone = destroyed(stage);
    Some(if gone.is_empty() {
        group.to_owned()
    } else {
        format!("{group}, destroyed {}", gone.join(", "))
    })
}

/// Server groups that a stage has destroyed.
fn destroyed(stage: &StageView) -> Vec<&str> {
    let gone = stage.outputs.get("destroyedServerGroups").and_then(Value::as_array);
    gone.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a whole execution has made and removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// Image ids with names.
    pub(crate) images: Vec<String>,
    /// New server groups.
    pub(crate) server_groups: Vec<String>,
    /// Server groups that are gone.
    pub(crate) destroyed: Vec<String>,
}

/// Collects what the parts of an execution have made.
pub(crate) fn result(view: &ExecutionView) -> Made {
    let mut made = Made::default();
    for stage in &view.stages {
        let text = |key: &str| stage.outputs.get(key).and_then(Value::as_str);
        if let (Some(id), Some(name)) = (text("imageId"), text("imageName")) {
            made.images.push(format!("{id} ({name})"));
        }
        // The stage above its parts lists the destroyed groups of all of them once more.
        if let Some(group) = text("serverGroup") {
            made.server_groups.push(group.to_owned());
            made.destroyed.extend(destroyed(stage).into_iter().map(str::to_owned));
        }
    }
    made
}

/// The last line of a finished execution.
pub(crate) fn summary(view: &ExecutionView) -> String {
    let took = match (view.start_time, view.end_time) {
        (Some(start), Some(end)) => format!(" after {}", span::show(end.saturating_sub(start))),
        (Some(_) | None, _) => String::new(),
    };
    let why = match &view.cancellation_reason {
        Some(reason) if view.status != ExecutionStatus::Succeeded => format!(": {reason}"),
        Some(_) | None => String::new(),
    };
    format!("execution {} {}{took}{why}", view.id, view.status)
}

/// Everything that failed, as text for people: message, detail, hint.
pub(crate) fn failures(view: &ExecutionView) -> Vec<String> {
    let mut out = Vec::new();
    for stage in &view.stages {
        if stage.status == ExecutionStatus::Succeeded {
            continue;
        }
        let last = stage.tasks.last().and_then(|task| task.failure.as_ref());
        let Some(why) = last.map(Why::of_task).or_else(|| Why::of_stage(view, stage)) else {
            continue;
        };
        let mut text = format!("stage `{}` failed: {}", stage.name, why.message);
        for line in why.detail.iter().flat_map(|detail| detail.lines()) {
            text.push_str("\n    ");
            text.push_str(line);
        }
        if let Some(hint) = why.hint {
            text.push_str("\n  hint: ");
            text.push_str(hint);
        }
        out.push(text);
    }
    out
}

/// Why something failed.
struct Why<'a> {
    message: &'a str,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
}

impl<'a> Why<'a> {
    fn of_task(failure: &'a TaskFailure) -> Self {
        let TaskFailure { kind: _, message, detail, hint } = failure;
        Self { message, detail: detail.as_deref(), hint: hint.as_deref() }
    }

    /// A stage that no worker works for has a failure of its own; one with parts has that of a part once more.
    fn of_stage(view: &ExecutionView, stage: &'a StageView) -> Option<Self> {
        let has_parts =
            view.stages.iter().any(|part| part.parent_stage_id.as_ref() == Some(&stage.id));
        let failure = stage.failure.as_ref().filter(|_| !has_parts && stage.tasks.is_empty());
        failure.map(Self::of_task)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(stages: &Value) -> ExecutionView {
        serde_json::from_value(json!({
            "id": "E1", "type": "PIPELINE", "application": "shop", "name": "p",
            "pipelineConfigId": "c", "status": "TERMINAL", "buildTime": 1, "startTime": 1_000,
            "endTime": 62_000, "canceled": false, "trigger": {}, "stages": stages,
        }))
        .unwrap()
    }

    fn stage(id: &str, parent: Option<&str>, tasks: &Value) -> Value {
        let mut stage = json!({
            "id": id, "refId": id, "type": "bake", "name": id, "status": "RUNNING",
            "startTime": 1_000, "requisiteStageRefIds": [], "context": {}, "outputs": {},
            "tasks": tasks,
        });
        if let Some(parent) = parent {
            stage["parentStageId"] = json!(parent);
        }
        stage
    }

    #[test]
    fn parts_follow_their_stage_and_failures_are_told() {
        let failed = json!([
            {"id": "1", "name": "bake", "status": "TERMINAL"},
            {"id": "2", "name": "bake", "status": "TERMINAL", "failure": {
                "kind": "user", "message": "no such package", "detail": "a\nb", "hint": "publish it"}},
        ]);
        let view = view(&json!([
            stage("A", None, &json!([])),
            stage("B", None, &json!([])),
            stage("A1", Some("A"), &failed),
        ]));
        let lines = lines(&view, 4_500);
        let labels: Vec<&str> = lines.iter().map(|line| line.label.as_str()).collect();
        assert_eq!(labels, ["A", "  A1", "B"]);
        assert_eq!(lines[1].elapsed, "3.5s");
        assert_eq!(lines[1].remark, "no such package");
        assert_eq!(summary(&view), "execution E1 TERMINAL after 1m01s");
        assert_eq!(
            failures(&view),
            ["stage `A1` failed: no such package\n    a\n    b\n  hint: publish it"]
        );
    }

    #[test]
    fn the_failure_of_a_stage_without_tasks_is_told_once() {
        let why = json!({ "kind": "user", "message": "ann decided to stop" });
        let mut judged = stage("A", None, &json!([]));
        judged["failure"] = why.clone();
        let mut whole = stage("B", None, &json!([]));
        whole["failure"] = why.clone();
        let mut part = stage("B1", Some("B"), &json!([]));
        part["failure"] = why;
        let view = view(&json!([judged, whole, part]));
        let told = failures(&view);
        assert_eq!(
            told,
            ["stage `A` failed: ann decided to stop", "stage `B1` failed: ann decided to stop"]
        );
    }

    #[test]
    fn what_was_made_is_told() {
        let mut bake = stage("A", None, &json!([]));
        bake["outputs"] =
            json!({"imageId": "ami-1", "imageName": "web-1", "previouslyBaked": true});
        let mut deploy = stage("B", None, &json!([]));
        deploy["outputs"] = json!({"destroyedServerGroups": ["web-v000"]});
        let mut part = stage("B1", Some("B"), &json!([]));
        part["outputs"] = json!({"serverGroup": "web-v001", "destroyedServerGroups": ["web-v000"]});
        let view = view(&json!([bake, deploy, part]));
        assert_eq!(
            result(&view),
            Made {
                images: vec!["ami-1 (web-1)".to_owned()],
                server_groups: vec!["web-v001".to_owned()],
                destroyed: vec!["web-v000".to_owned()],
            }
        );
        let remarks: Vec<String> = lines(&view, 0).into_iter().map(|line| line.remark).collect();
        assert_eq!(
            remarks,
            ["ami-1 web-1 (was there already)", "", "web-v001, destroyed web-v000"]
        );
    }

    #[test]
    fn a_stage_that_is_its_own_parent_is_cut_off() {
        let view = view(&json!([stage("A", Some("A"), &json!([])), stage("B", None, &json!([]))]));
        assert_eq!(lines(&view, 0).len(), 1);
    }
}
