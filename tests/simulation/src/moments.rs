//! I34: a pipeline that starts at moments starts once at each, however many coordinators there are and whatever
//! becomes of them; a moment is passed over only when nobody could see to it for minutes.

use std::collections::BTreeMap;

use serde_json::Value;
use store::{EventState, ExecutionRow};
use wire::EventOutcome;

use crate::{ground::Ground, scene};

/// Between two moments of the pipeline.
const EVERY_MS: u64 = 120_000;
/// A moment that is later than this was missed.
const LATE_MAX_MS: u64 = 5 * 60_000;

pub(crate) async fn judge(ground: &Ground, rows: &[ExecutionRow], wrong: &mut Vec<String>) {
    let now_ms = ground.store().now_ms().await.unwrap_or_default();
    let mut planned = BTreeMap::new();
    for event in ground.store().event_list(1_000).await.unwrap_or_default() {
        let at =
            event.key.strip_prefix("cron/").and_then(|key| key.rsplit('/').next()?.parse().ok());
        if let Some(at) = at {
            let at: u64 = at;
            planned.insert(at, event.state);
        }
    }
    let mut started: BTreeMap<u64, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.pipeline_id == scene::CHILD) {
        let view: Value = serde_json::from_str(&row.view).unwrap_or_default();
        let at = view.pointer("/trigger/scheduledTime").and_then(Value::as_u64).unwrap_or(0);
        *started.entry(at).or_default() += 1;
    }
    for (at, count) in &started {
        ground.count("moment", "made");
        if *count > 1 || !planned.contains_key(at) {
            wrong.push(format!("I34: the moment {at} made {count} executions"));
        }
    }
    if !planned.keys().any(|at| at.saturating_add(LATE_MAX_MS) > now_ms) {
        wrong.push("I34: no moment is planned any more".to_owned());
    }
    let mut before: Option<u64> = None;
    for (at, state) in &planned {
        let made = started.contains_key(at);
        if let EventState::Settled { outcome } = state {
            let told = serde_json::from_str::<EventOutcome>(outcome).ok();
            let told = told.is_some_and(|told| !told.executions().is_empty());
            if told != made {
                wrong.push(format!("I34: of the moment {at} is told that it came to {outcome}"));
            }
            if !made {
                ground.count("moment", "missed");
            }
        }
        let gap = before.map_or(0, |before| at.saturating_sub(before));
        if gap > EVERY_MS && gap <= LATE_MAX_MS {
            wrong.push(format!("I34: between the moments {before:?} and {at} one is missing"));
        }
        before = Some(*at);
    }
}
