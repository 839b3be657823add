//! What a worker counts. Labels come from closed sets, never from ids.

use std::time::Duration;

use ::metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use model::Pool;

const TASKS: &str = "bowline_tasks_total";
const DURATION: &str = "bowline_task_duration_seconds";
const WAIT: &str = "bowline_queue_wait_seconds";
const BUSY: &str = "bowline_worker_busy";
const CAPACITY: &str = "bowline_worker_capacity";

/// What became of a message or a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The work was done.
    Ok,
    /// It was not, and says why.
    Failed,
    /// It was told to stop, and did.
    Canceled,
    /// Somebody else has the lease now.
    Lost,
    /// Another worker continues.
    HandedOver,
    /// The message was history, or somebody works on it.
    Duplicate,
    /// The store knows no such task with this request.
    Refused,
    /// Nobody can read it.
    Parked,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Lost => "lost",
            Self::HandedOver => "handed_over",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Parked => "parked",
        }
    }
}

pub(crate) fn describe(pool: Pool, slots: usize) {
    describe_counter!(TASKS, "messages and runs of tasks, by what became of them");
    describe_histogram!(DURATION, Unit::Seconds, "from the claim of a task to its end here");
    describe_histogram!(WAIT, Unit::Seconds, "from the publishing of a task to its claim");
    describe_gauge!(BUSY, "tasks this process works on");
    describe_gauge!(CAPACITY, "tasks this process may work on at once");
    gauge!(CAPACITY, "kind" => pool.as_str()).set(u32::try_from(slots).map_or(f64::MAX, f64::from));
    gauge!(BUSY, "kind" => pool.as_str()).set(0.0);
}

pub(crate) fn counted(pool: Pool, outcome: Outcome) {
    counter!(TASKS, "stage_type" => pool.as_str(), "outcome" => outcome.as_str()).increment(1);
}

pub(crate) fn waited(pool: Pool, time: Duration) {
    histogram!(WAIT, "stage_type" => pool.as_str()).record(time.as_secs_f64());
}

/// Counts one running task for as long as it lives, and how long that was.
#[derive(Debug)]
pub(crate) struct Busy(Pool);

impl Busy {
    pub(crate) fn new(pool: Pool) -> Self {
        gauge!(BUSY, "kind" => pool.as_str()).increment(1.0);
        Self(pool)
    }

    pub(crate) fn ended(self, outcome: Outcome, time: Duration) {
        counted(self.0, outcome);
        histogram!(DURATION, "stage_type" => self.0.as_str(), "outcome" => outcome.as_str())
            .record(time.as_secs_f64());
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        gauge!(BUSY, "kind" => self.0.as_str()).decrement(1.0);
    }
}
