//! Figures computed when somebody looks.

use std::time::Duration;

use metrics::gauge;
use model::{ExecutionStatus, Pool};
use runtime::Chain;
use store::{SharedStore, Stats};
use wire::Queue;

/// Asks the store and sets every gauge.
pub(crate) async fn refresh(store: SharedStore) {
    match store.stats().await {
        Ok(stats) => show(&stats),
        Err(error) => tracing::warn!(error = %Chain(&error), "gauges keep their old values"),
    }
}

fn show(stats: &Stats) {
    for status in ExecutionStatus::ALL.into_iter().filter(|status| !status.is_complete()) {
        let count = stats.executions.get(&status).copied().unwrap_or(0);
        gauge!("bowline_executions_active", "status" => status.as_str()).set(number(count));
    }
    gauge!("bowline_executions_waiting").set(number(stats.executions_waiting));
    let waiting_longest = seconds(stats.executions_waiting_oldest_ms);
    gauge!("bowline_executions_waiting_oldest_age_seconds").set(waiting_longest);
    for pool in Pool::ALL {
        let queue = Queue::Task(pool).name();
        let running = number(stats.leases_running.get(&pool).copied().unwrap_or(0));
        let waiting = number(stats.tasks_waiting.get(&pool).copied().unwrap_or(0));
        let oldest = seconds(stats.oldest_waiting_ms.get(&pool).copied().unwrap_or(0));
        gauge!("bowline_leases_running", "kind" => pool.as_str()).set(running);
        // A worker acknowledges before it works, so the broker cannot show busy workers: leases do.
        gauge!("bowline_queue_depth", "queue" => queue.clone(), "state" => "ready").set(waiting);
        gauge!("bowline_queue_depth", "queue" => queue.clone(), "state" => "running").set(running);
        gauge!("bowline_queue_oldest_age_seconds", "queue" => queue).set(oldest);
    }
    gauge!("bowline_outbox_depth").set(number(stats.outbox_depth));
    gauge!("bowline_outbox_oldest_age_seconds").set(seconds(stats.outbox_oldest_ms));
    gauge!("bowline_events_pending").set(number(stats.events_pending));
    gauge!("bowline_events_oldest_age_seconds").set(seconds(stats.events_oldest_ms));
    gauge!("bowline_wakes_overdue").set(number(stats.wakes_overdue));
    gauge!("bowline_store_rollbacks").set(number(stats.rollbacks));
}

fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}
