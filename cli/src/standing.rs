//! What an execution or a stage waits for, and what people decided about it. Pure; nothing here counts
//! seconds down, so that a line per change is not a line per second.

use jiff::Timestamp;
use model::ExecutionStatus;
use wire::{Awaits, Decision, ExecutionView, PauseView, StageView};

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
    match (said, stage.past_runs) {
        (said, 0) => said,
        (None, runs) => Some(format!("run {}", runs + 1)),
        (Some(said), runs) => Some(format!("{said} (run {})", runs + 1)),
    }
}

fn awaited(stage: &StageView) -> Option<String> {
    Some(match stage.awaits.as_ref()? {
        Awaits::Person { instructions, choices, .. } => question(instructions.as_deref(), choices),
        Awaits::Time { until_ms } => format!("waits until {}", time(*until_ms)),
        Awaits::Window { opens_ms } => format!("its time window opens at {}", time(*opens_ms)),
        Awaits::Execution { id } => format!("execution {id}"),
        Awaits::Retry { due_ms } => format!("tries again at {}", time(*due_ms)),
    })
}

fn question(instructions: Option<&str>, choices: &[String]) -> String {
    let asked = instructions.and_then(|text| text.lines().next());
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
    match &stage.decision {
        Some(Decision::Judged { decision, input, by }) => {
            let input = input.as_ref().map(|input| format!(" ({input})")).unwrap_or_default();
            Some(format!("{}{input} by {by}", decision.as_str()))
        }
        Some(Decision::Skipped { why }) => Some(why.clone()),
        Some(Decision::WaitSkipped { by }) => Some(format!("cut short by {by}")),
        None => stage.execution.as_ref().map(|id| format!("execution {id}")),
    }
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
    use serde_json::{Value, json};

    use super::*;

    fn stage(kind: &str, status: &str, more: &Value) -> StageView {
        let mut stage = json!({ "id": "S", "refId": "1", "type": kind, "name": "n",
            "status": status, "requisiteStageRefIds": [], "context": {}, "outputs": {},
            "tasks": [] });
        stage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(stage).unwrap()
    }

    #[test]
    fn a_stage_says_what_it_waits_for_and_what_was_decided() {
        let awaits = |awaits: Value| json!({ "awaits": awaits });
        let decided = |decision: Value| json!({ "decision": decision });
        let judged = json!({ "type": "judged", "decision": "stop", "input": "later", "by": "ann" });
        for (kind, status, more, expected) in [
            (
                "manualJudgment",
                "RUNNING",
                awaits(json!({ "type": "person", "choices": ["now", "later"], "roles": [],
                    "instructions": "Ship it?\nLook at the graphs." })),
                Some("waits for a judgment: Ship it? [now | later]"),
            ),
            ("manualJudgment", "NOT_STARTED", json!({}), None),
            ("manualJudgment", "TERMINAL", decided(judged), Some("stop (later) by ann")),
            (
                "anyType",
                "RUNNING",
                awaits(json!({ "type": "person", "choices": [], "roles": [] })),
                Some("waits for a judgment"),
            ),
            (
                "wait",
                "RUNNING",
                awaits(json!({ "type": "time", "untilMs": 1_700_000_000_123_u64 })),
                Some("waits until 2023-11-14 22:13:20 UTC"),
            ),
            (
                "window",
                "PAUSED",
                awaits(json!({ "type": "window", "opensMs": 1_700_000_000_123_u64 })),
                Some("its time window opens at 2023-11-14 22:13:20 UTC"),
            ),
            (
                "wait",
                "SUCCEEDED",
                decided(json!({ "type": "waitSkipped", "by": "ann" })),
                Some("cut short by ann"),
            ),
            (
                "wait",
                "SKIPPED",
                decided(json!({ "type": "skipped", "why": "its condition is false" })),
                Some("its condition is false"),
            ),
            ("deploy", "NOT_STARTED", json!({ "pastRuns": 1 }), Some("run 2")),
            (
                "pipeline",
                "RUNNING",
                awaits(json!({ "type": "execution", "id": "E2" })),
                Some("execution E2"),
            ),
            (
                "bake",
                "RUNNING",
                awaits(json!({ "type": "retry", "dueMs": 1_700_000_000_123_u64 })),
                Some("tries again at 2023-11-14 22:13:20 UTC"),
            ),
            ("pipeline", "SUCCEEDED", json!({ "execution": "E2" }), Some("execution E2")),
            ("bake", "RUNNING", json!({}), None),
        ] {
            let found = of_stage(&stage(kind, status, &more));
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
