//! What the history of an execution may say.

use std::collections::BTreeMap;

use model::ExecutionId;
use serde_json::Value;
use store::TimelineRow;

use crate::feature::Feature;

/// Lines that are counted.
const EVENTS: [&str; 26] = [
    "execution_started",
    "execution_waits",
    "execution_paused",
    "execution_resumed",
    "execution_ended",
    "stage_started",
    "stage_ended",
    "stage_skipped",
    "stage_restarted",
    "task_dispatched",
    "task_published_again",
    "task_told_to_stop",
    "task_succeeded",
    "task_failed",
    "task_canceled",
    "worker_lost",
    "judgment_awaited",
    "judged",
    "wait_skipped",
    "child_started",
    "child_canceled",
    "child_told_to_stop",
    "on_failure_began",
    "cancel_requested",
    "failed_on_startup",
    "other",
];

/// What the lines say happened, for counting.
pub(crate) fn events(timeline: &[TimelineRow]) -> impl Iterator<Item = &'static str> {
    timeline.iter().map(|row| {
        let line = Line::of(row);
        EVENTS.into_iter().find(|known| *known == line.event).unwrap_or("other")
    })
}

struct Line {
    event: String,
    stage: String,
    detail: String,
}

impl Line {
    fn of(row: &TimelineRow) -> Self {
        let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { event: text("event"), stage: text("stage"), detail: text("detail") }
    }
}

/// What was read so far.
#[derive(Default)]
struct Read {
    seen: BTreeMap<(String, String), u32>,
    over: bool,
    paused: bool,
    restarts: usize,
}

/// I7, I9: a history without holes, each stage started once and after those it needs, each attempt
/// dispatched once, what follows from a failure begun once and before it is final, nothing begun in a pause, nothing after the end but by a restart.
pub(crate) fn judge(
    id: &ExecutionId,
    feature: Feature,
    timeline: &[TimelineRow],
    wrong: &mut Vec<String>,
) {
    let mut version = 0;
    let mut read = Read::default();
    for row in timeline {
        if row.version != version && row.version != version + 1 {
            wrong.push(format!("I9: {id} has no line of version {}", version + 1));
        }
        version = row.version;
        if let Err(text) = read.take(feature, &Line::of(row)) {
            wrong.push(format!("I7: {id} {text}"));
        }
    }
    let told = usize::from(feature == Feature::Restarted);
    if read.restarts > told {
        wrong.push(format!("I7: {id} was restarted {} times, told {told} times", read.restarts));
    }
}

impl Read {
    fn count(&self, event: &str, subject: &str) -> u32 {
        self.seen.get(&(event.to_owned(), subject.to_owned())).copied().unwrap_or(0)
    }

    fn take(&mut self, feature: Feature, line: &Line) -> Result<(), String> {
        let Line { event, stage, detail } = line;
        match event.as_str() {
            "stage_restarted" => {
                self.restarts += 1;
                self.over = false;
                // Its parts are made anew.
                let parts = [format!("{stage}<"), format!("{stage}>")];
                self.seen.retain(|(_, subject), _| {
                    subject != stage && !parts.iter().any(|part| subject.starts_with(part))
                });
                return Ok(());
            }
            "execution_paused" => self.paused = true,
            "execution_resumed" | "cancel_requested" => self.paused = false,
            _ => {}
        }
        if self.over {
            return Err(format!("says `{event}` after its end"));
        }
        self.over = event == "execution_ended";
        let subject = match event.as_str() {
            "stage_started" | "stage_ended" | "on_failure_began" => stage,
            "task_dispatched" => detail,
            _ => return Ok(()),
        };
        let count = self.seen.entry((event.clone(), subject.clone())).or_default();
        *count += 1;
        if *count > 1 {
            return Err(format!("says `{event}` of {subject} twice"));
        }
        if event == "stage_ended" {
            return Ok(());
        }
        if self.paused {
            return Err(format!("says `{event}` of {subject} in a pause"));
        }
        if event == "on_failure_began" && self.count("stage_ended", subject) > 0 {
            return Err(format!("does something about the failure of {subject} when it is final"));
        }
        if event == "stage_started" {
            if self.count("stage_ended", subject) > 0 {
                return Err(format!("starts {subject} after its end"));
            }
            if let Some(first) =
                feature.needs(subject).iter().find(|f| self.count("stage_ended", f) == 0)
            {
                return Err(format!("starts {subject} before {first} has ended"));
            }
        }
        Ok(())
    }
}
