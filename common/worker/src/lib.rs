//! The worker's half of the protocol: claim a lease, acknowledge, work, beat, checkpoint, report,
//! drain. What the work is comes as a [`Procedure`].

pub mod aws;
mod claim;
mod context;
mod lease;
mod metrics;
mod pace;
pub mod process;
mod run;
mod running;
mod serve;
pub mod testing;

pub use context::{Stop, TaskContext};
pub use pace::WorkerPace;
pub use serve::{ServeError, WorkerConfig, serve};

use std::future::Future;

use model::Pool;
use serde::de::DeserializeOwned;
use wire::TaskOutcome;

/// The work of one kind of task, resumable at each step.
///
/// Whoever runs it may vanish at any moment: another worker then runs it again with the same
/// request and the last checkpoint, and must *join* what is there instead of doing it twice. So
/// each step that changes the outside world is named, its inputs are saved before the call, and it
/// looks before it leaps.
pub trait Procedure: Send + Sync + 'static {
    /// What it works on.
    type Request: DeserializeOwned + Send;

    /// Whose queue it serves.
    const KIND: Pool;

    /// Does the work. `Err(Stop)` ends the run without a result: the lease was lost, or is handed
    /// over on drain. A cancel is a result: clean up and return [`TaskOutcome::Canceled`].
    fn run(
        &self,
        request: Self::Request,
        task: &TaskContext,
    ) -> impl Future<Output = Result<TaskOutcome, Stop>> + Send;
}
