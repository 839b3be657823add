//! From a lease to a result.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bus::Message;
use futures::{
    FutureExt,
    future::{Either, select},
};
use model::limits;
use runtime::Chain;
use store::Beat;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep, timeout},
};
use tracing::{Instrument, error, info, info_span, warn};
use wire::{OperationCall, ResultMessage, Route, TaskOutcome};

use crate::{
    Stop, TaskContext,
    lease::Lease,
    metrics::{Busy, Outcome},
    operations::our_fault,
    running::Entry,
    worker::Worker,
};

/// How long a release is tried: not longer than a shutdown takes. Without it the lease runs out.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);
/// Tries to announce a result; the store has it and notices it by itself, a little later.
const RESULT_TRIES: u32 = 3;

/// A claimed task whose message is acknowledged.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) lease: Arc<Lease>,
    /// The text of the call.
    pub(crate) call: String,
    /// Free again when the job is dropped.
    pub(crate) slot: OwnedSemaphorePermit,
    pub(crate) entry: Entry,
}

impl Worker {
    /// Works, and reports.
    pub(crate) async fn run(self: Arc<Self>, job: Box<Job>) {
        let Job { lease, call, slot, entry } = *job;
        let task = lease.task();
        let span = info_span!(
            "task",
            execution.id = %task.execution,
            stage.id = %task.stage,
            stage.r#type = %self.pool(),
            task.attempt = task.attempt,
            task.epoch = lease.epoch(),
        );
        async {
            info!("task started");
            let busy = Busy::new(self.pool());
            let started = Instant::now();
            let end = self.work_under_lease(&lease, &call).await;
            let outcome = self.report(&lease, end).await;
            let elapsed = started.elapsed();
            info!(outcome = outcome.as_str(), elapsed_ms = elapsed.as_millis(), "task ended");
            busy.ended(outcome, elapsed);
        }
        .instrument(span)
        .await;
        drop(entry);
        drop(slot);
    }

    /// Works and beats, side by side in one task: work that blocks its thread also stops its beats,
    /// and so loses its lease instead of holding it for nothing.
    async fn work_under_lease(&self, lease: &Arc<Lease>, call: &str) -> Result<TaskOutcome, Stop> {
        let work = Box::pin(self.work(lease, call));
        let beats = Box::pin(lease.keep(|| self.running.len()));
        match select(work, beats).await {
            Either::Left((end, _)) => end,
            Either::Right(((), work)) => {
                // The lease is lost. The work is told at its next step; a call that is under way
                // may end first, and one that never ends is abandoned.
                timeout(limits::AWS_CALL_TIMEOUT, work).await.unwrap_or(Err(Stop::Lost))
            }
        }
    }

    async fn work(&self, lease: &Arc<Lease>, call: &str) -> Result<TaskOutcome, Stop> {
        let call = match OperationCall::parse(call) {
            Ok(call) => call,
            Err(error) => {
                // The coordinator committed it, so this is no forgery: two versions disagree.
                let message = format!("this worker cannot read the task: {error}");
                return Ok(our_fault(message, None));
            }
        };
        let context = TaskContext::new(Arc::clone(lease));
        let run = async { self.operations.carry_out(&call, &context).await };
        let end = AssertUnwindSafe(run).catch_unwind().await;
        match (lease.take_fault(), end) {
            (Some(fault), _) => Ok(our_fault(fault, None)),
            (None, Ok(end)) => end,
            (None, Err(panic)) => {
                let detail = text_of(panic.as_ref());
                error!(detail, "the operation panicked");
                let message = format!("the {} worker ran into a bug of its own", self.pool());
                Ok(our_fault(message, Some(detail)))
            }
        }
    }

    async fn report(&self, lease: &Lease, end: Result<TaskOutcome, Stop>) -> Outcome {
        let outcome = match end {
            Ok(outcome) => outcome,
            // An operation with nothing to clean up may pass the cancel on.
            Err(Stop::Canceled) => {
                TaskOutcome::Canceled { detail: "stopped with nothing in flight".to_owned() }
            }
            Err(stop @ (Stop::Draining | Stop::Lost)) => {
                // A lease that only may be lost is better given up than left to run out.
                let released = lease.release(RELEASE_PATIENCE).await;
                return match (stop, released) {
                    (Stop::Draining, Some(Beat::Held { .. })) => Outcome::HandedOver,
                    (Stop::Draining | Stop::Lost | Stop::Canceled, _) => Outcome::Lost,
                };
            }
        };
        let result = serde_json::to_string(&outcome).unwrap_or_else(|error| {
            let text = serde_json::to_string(&format!("the result could not be written: {error}"));
            let message = text.unwrap_or_else(|_| "\"\"".to_owned());
            format!(r#"{{"outcome":"failed","failure":{{"kind":"bug","message":{message}}}}}"#)
        });
        match lease.finish(&result, self.patience).await {
            Some(Beat::Held { .. }) => {
                let label = match &outcome {
                    TaskOutcome::Succeeded { .. } => Outcome::Ok,
                    TaskOutcome::Failed { .. } => Outcome::Failed,
                    TaskOutcome::Canceled { .. } => Outcome::Canceled,
                };
                self.announce(lease).await;
                label
            }
            Some(Beat::Lost) => {
                info!("result dropped, somebody else has the task");
                Outcome::Lost
            }
            None => {
                error!("result not stored, another worker will do the task again");
                Outcome::Lost
            }
        }
    }

    /// Tells the coordinators that there is a result, so that they look at once.
    async fn announce(&self, lease: &Lease) {
        let result = ResultMessage {
            v: ResultMessage::VERSION,
            task: lease.task().clone(),
            epoch: lease.epoch(),
        };
        let Ok(body) = serde_json::to_vec(&result) else { return };
        let message = Message {
            route: Route::Result(self.pool()),
            id: result.message_id(),
            body,
            park: None,
        };
        for _ in 0..RESULT_TRIES {
            match self.bus.publish(message.clone()).await {
                Ok(()) => return,
                Err(error) => {
                    warn!(error = %Chain(&error), "result not announced, the store will notice it");
                }
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// The text of a panic.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a text".to_owned())
}
