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
use wire::{FailureKind, ResultMessage, Route, TaskFailure, TaskOutcome};

use crate::{
    Procedure, Stop, TaskContext,
    lease::Lease,
    metrics::{Busy, Outcome},
    running::Entry,
    serve::Worker,
};

/// How long a release is tried: not longer than a shutdown takes. Without it the lease runs out.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);
/// Tries to tell of a result; the store has it and tells of it itself, a little later.
const RESULT_TRIES: u32 = 3;

/// A claimed task whose message is acknowledged.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) lease: Arc<Lease>,
    pub(crate) request: String,
    /// Free again when the job is dropped.
    pub(crate) slot: OwnedSemaphorePermit,
    pub(crate) entry: Entry,
}

impl<P: Procedure> Worker<P> {
    /// Works, and reports.
    pub(crate) async fn run(self: Arc<Self>, job: Box<Job>) {
        let Job { lease, request, slot, entry } = *job;
        let task = lease.task();
        let span = info_span!(
            "task",
            execution.id = %task.execution,
            stage.id = %task.stage,
            stage.r#type = %P::KIND,
            task.attempt = task.attempt,
            task.epoch = lease.epoch(),
        );
        async {
            info!("task started");
            let busy = Busy::new(P::KIND);
            let started = Instant::now();
            let end = self.work_under_lease(&lease, &request).await;
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
    async fn work_under_lease(
        &self,
        lease: &Arc<Lease>,
        request: &str,
    ) -> Result<TaskOutcome, Stop> {
        let work = Box::pin(self.work(lease, request));
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

    async fn work(&self, lease: &Arc<Lease>, request: &str) -> Result<TaskOutcome, Stop> {
        let request: P::Request = match serde_json::from_str(request) {
            Ok(request) => request,
            Err(error) => {
                // The coordinator committed it, so this is no forgery: two versions disagree.
                let message = format!("this worker cannot read the request of the task: {error}");
                return Ok(our_fault(message, None));
            }
        };
        let context = TaskContext::new(Arc::clone(lease));
        let run = async { self.procedure.run(request, &context).await };
        let end = AssertUnwindSafe(run).catch_unwind().await;
        match (lease.take_fault(), end) {
            (Some(fault), _) => Ok(our_fault(fault, None)),
            (None, Ok(end)) => end,
            (None, Err(panic)) => {
                let detail = words(panic.as_ref());
                error!(detail, "the procedure panicked");
                let message = format!("the {} worker ran into a bug of its own", P::KIND);
                Ok(our_fault(message, Some(detail)))
            }
        }
    }

    async fn report(&self, lease: &Lease, end: Result<TaskOutcome, Stop>) -> Outcome {
        let outcome = match end {
            Ok(outcome) => outcome,
            // A procedure with nothing to clean up may pass the cancel on.
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
                self.tell(lease, outcome).await;
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

    /// Rings the coordinator's doorbell.
    async fn tell(&self, lease: &Lease, outcome: TaskOutcome) {
        let result = ResultMessage {
            v: ResultMessage::VERSION,
            task: lease.task().clone(),
            epoch: lease.epoch(),
            outcome,
        };
        let Ok(body) = serde_json::to_vec(&result) else { return };
        let message =
            Message { route: Route::Result(P::KIND), id: result.message_id(), body, park: None };
        for _ in 0..RESULT_TRIES {
            match self.bus.publish(message.clone()).await {
                Ok(()) => return,
                Err(error) => {
                    warn!(error = %Chain(&error), "result not announced, the store will tell of it");
                }
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

fn our_fault(message: String, detail: Option<String>) -> TaskOutcome {
    let hint = Some("please report it, with the log of the worker".to_owned());
    TaskOutcome::Failed { failure: TaskFailure { kind: FailureKind::Bug, message, detail, hint } }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
