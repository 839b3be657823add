//! What an execution or a stage waits for, and what people decided about it. Pure; nothing here counts
//! seconds down, so that a line per change is not a line per second.

use jiff::Timestamp;
use model::ExecutionStatus;
use serde_json::Value;
use wire::{ExecutionView, PauseView, StageView};

/// Why an execution does not move, if somebody or something holds it.
pub(crate) fn of_execution(view: &ExecutionView) -> Option<String> {
    if let Some(queue) = &view.queue
        && view.status == ExecutionStatus::NotStarted
    {
        let holders: Vec<String> = queue.waiting_for.iter().map(ToString::to_string).collect();
        let place = format!("waits for its turn, position {}", queue.position);
        return Some(if holders.is_empty() {
            place
        } else {
            format!("{place}, running: {}", holders.join(", "))
        });
    }
    let PauseView { paused_by, pause_time, .. } = view.paused.as_ref()?;
    (view.status == ExecutionStatus::Paused)
        .then(|| format!("paused by {paused_by} at {}", time(*pause_time)))
}

/// What a stage waits for, or what was decided about it.
pub(crate) fn of_stage(stage: &StageView) -> Option<String> {
    let said = if stage.status.is_complete() { decided(stage) } else { awaited(stage) };
    let runs = stage.context.get("previousRuns").and_then(Value::as_array).map_or(0, Vec::len);
    match (said, runs) {
        (said, 0) => said,
        (None, runs) => Some(format!("run {}", runs + 1)),
        (Some(said), runs) => Some(format!("{said} (run {})", runs + 1)),
    }
}

fn awaited(stage: &StageView) -> Option<String> {
    if stage.status == ExecutionStatus::NotStarted {
        return None;
    }
    let moment = |key: &str| stage.context.get(key).and_then(Value::as_u64).map(time);
    if stage.kind == "manualJudgment" {
        return Some(question(stage));
    }
    if let Some(until) = moment("waitUntil") {
        return Some(format!("waits until {until}"));
    }
    if let Some(opens) = moment("opensAt") {
        return Some(format!("its time window opens at {opens}"));
    }
    text(stage, "executionId").map(|id| format!("execution {id}"))
}

fn question(stage: &StageView) -> String {
    let asked = text(stage, "instructions").and_then(|text| text.lines().next());
    let choices = stages::judgment_choices(&stage.context);
    let mut out = "waits for a judgment".to_owned();
    if let Some(asked) = asked.filter(|asked| !asked.trim().is_empty()) {
        out.extend([": ", asked.trim()]);
    }
    if !choices.is_empty() {
        out.extend([" [", &choices.join(" | "), "]"]);
    }
    out
}

fn decided(stage: &StageView) -> Option<String> {
    if let Some(judged) = text(stage, "judgmentStatus") {
        let input = text(stage, "judgmentInput").map(|input| format!(" ({input})"));
        let user = stage.context.get("lastModified").and_then(|modified| modified.get("user"));
        let by = user.and_then(Value::as_str).map(|user| format!(" by {user}"));
        return Some(format!("{judged}{}{}", input.unwrap_or_default(), by.unwrap_or_default()));
    }
    if let Some(why) = text(stage, "skipReason") {
        return Some(why.to_owned());
    }
    let skipped = stage.context.get("skipped").and_then(|skipped| skipped.get("by"));
    if let Some(user) = skipped.and_then(Value::as_str) {
        return Some(format!("cut short by {user}"));
    }
    text(stage, "executionId").map(|id| format!("execution {id}"))
}

fn text<'a>(stage: &'a StageView, key: &str) -> Option<&'a str> {
    stage.context.get(key).and_then(Value::as_str)
}

/// A moment, for people everywhere.
pub(crate) fn time(epoch_ms: u64) -> String {
    let at = i64::try_from(epoch_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    // A fraction of a second is of no use to anybody who waits.
    at.map_or_else(
        || format!("{epoch_ms} ms after 1970"),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stage(kind: &str, status: &str, context: &Value) -> StageView {
        serde_json::from_value(json!({ "id": "S", "refId": "1", "type": kind, "name": "n",
            "status": status, "requisiteStageRefIds": [], "context": context, "outputs": {},
            "tasks": [] }))
        .unwrap()
    }

    #[test]
    fn a_stage_says_what_it_waits_for_and_what_was_decided() {
        let inputs = json!({ "instructions": "Ship it?\nLook at the graphs.",
            "judgmentInputs": [{ "value": "now" }, "later"] });
        let judged = json!({ "judgmentStatus": "stop", "judgmentInput": "later",
            "lastModified": { "user": "ann" } });
        for (kind, status, context, expected) in [
            (
                "manualJudgment",
                "RUNNING",
                inputs.clone(),
                Some("waits for a judgment: Ship it? [now | later]"),
            ),
            ("manualJudgment", "NOT_STARTED", inputs, None),
            ("manualJudgment", "TERMINAL", judged, Some("stop (later) by ann")),
            (
                "wait",
                "RUNNING",
                json!({ "waitUntil": 1_700_000_000_123_u64 }),
                Some("waits until 2023-11-14 22:13:20 UTC"),
            ),
            (
                "wait",
                "SUCCEEDED",
                json!({ "waitUntil": 1, "skipped": { "by": "ann" } }),
                Some("cut short by ann"),
            ),
            (
                "wait",
                "SKIPPED",
                json!({ "skipReason": "its condition is false" }),
                Some("its condition is false"),
            ),
            ("deploy", "NOT_STARTED", json!({ "previousRuns": [{}] }), Some("run 2")),
            ("pipeline", "RUNNING", json!({ "executionId": "E2" }), Some("execution E2")),
            ("bake", "RUNNING", json!({}), None),
        ] {
            let found = of_stage(&stage(kind, status, &context));
            assert_eq!(found.as_deref(), expected, "{kind} {status}");
        }
    }

    #[test]
    fn an_execution_says_what_holds_it() {
        let view = |status: &str, more: Value| -> ExecutionView {
            let mut view = json!({ "id": "E3", "type": "PIPELINE", "application": "shop",
                "name": "p", "pipelineConfigId": "c", "status": status, "buildTime": 1,
                "canceled": false, "trigger": {}, "stages": [] });
            view.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(view).unwrap()
        };
        let queue = json!({ "queue": { "position": 2, "waitingFor": ["E1"] } });
        assert_eq!(
            of_execution(&view("NOT_STARTED", queue)).as_deref(),
            Some("waits for its turn, position 2, running: E1")
        );
        let pause = json!({ "paused": { "pausedBy": "ann", "pauseTime": 1_700_000_000_000_u64, "pausedMs": 0 } });
        assert_eq!(
            of_execution(&view("PAUSED", pause.clone())).as_deref(),
            Some("paused by ann at 2023-11-14 22:13:20 UTC")
        );
        assert_eq!(of_execution(&view("RUNNING", pause)), None);
    }
}
