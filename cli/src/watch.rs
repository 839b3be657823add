//! Waiting for an execution.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::ExecutionId;
use tokio::time::Instant;
use wire::ExecutionView;

use crate::{
    display::Display,
    exit::Exit,
    output, progress,
    server::{Server, ServerError},
};

/// How often the server is asked.
const PACE: Duration = Duration::from_millis(500);
/// A server that is away for longer ends the waiting: a restart takes seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often it is looked whether a start was carried out.
const BEGIN_PACE: Duration = Duration::from_millis(250);
/// A start asks Jenkins for the build that was picked; nobody who does not wait should wait for longer.
const BEGIN_PATIENCE: Duration = Duration::from_secs(15);
/// Who waits for the end waits also while Jenkins is asked again, which takes a minute at most.
const BEGIN_PATIENCE_WAITING: Duration = Duration::from_mins(2);

/// How waiting ended, when nothing went wrong with the waiting itself.
#[derive(Debug)]
pub(crate) enum Waited {
    /// The execution is over.
    Over(Box<ExecutionView>),
    /// The time is up and it still runs.
    TimeUp,
}

/// How long to wait for a start to be carried out, when the end is waited for for at most `timeout`.
pub(crate) fn patience(wait: bool, timeout: Option<Duration>) -> Duration {
    let usual = if wait { BEGIN_PATIENCE_WAITING } else { BEGIN_PATIENCE };
    timeout.map_or(usual, |timeout| timeout.min(usual))
}

/// Waits until a start was carried out, at most `patience`; `None` when it takes longer.
///
/// The server answers a start when it is certain to be carried out, which may be before it is.
pub(crate) async fn begun(
    server: &Server,
    id: &ExecutionId,
    patience: Duration,
) -> Result<Option<ExecutionView>, ServerError> {
    let deadline = Instant::now() + patience;
    loop {
        match server.execution(id).await {
            Ok(view) => return Ok(Some(view)),
            Err(error) if !(error.is_transient() || error.is_not_found()) => return Err(error),
            Err(_) if deadline <= Instant::now() => return Ok(None),
            Err(_) => tokio::time::sleep(BEGIN_PACE).await,
        }
    }
}

/// Waits until an execution is over, at most `timeout`, and shows its stages meanwhile.
///
/// An unreachable server is asked again for a minute: a restart of the server is no reason to tell
/// a script that its deployment failed.
pub(crate) async fn wait(
    server: &Server,
    id: &ExecutionId,
    timeout: Option<Duration>,
    display: &mut Display,
) -> Result<Waited, ServerError> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut unheard_since: Option<Instant> = None;
    let waited = loop {
        match server.execution(id).await {
            Ok(view) => {
                unheard_since = None;
                display.show(&progress::lines(&view, now_ms()));
                if view.status.is_complete() {
                    break Ok(Waited::Over(Box::new(view)));
                }
            }
            Err(error) if error.is_transient() => {
                let since = *unheard_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    break Err(error);
                }
            }
            Err(error) => break Err(error),
        }
        let next = Instant::now() + PACE;
        match deadline {
            Some(deadline) if deadline <= Instant::now() => break Ok(Waited::TimeUp),
            Some(deadline) => tokio::time::sleep_until(next.min(deadline)).await,
            None => tokio::time::sleep_until(next).await,
        }
    };
    display.finish();
    waited
}

/// Tells how waiting ended, and turns it into an exit code.
pub(crate) fn conclude(id: &ExecutionId, waited: &Waited) -> Exit {
    match waited {
        Waited::Over(view) => {
            for failure in progress::failures(view) {
                output::note(&failure);
            }
            output::note(&progress::summary(view));
            Exit::of(view.status)
        }
        Waited::TimeUp => {
            output::note(&format!(
                "gave up waiting; execution {id} goes on: watch it with `bowline execution watch {id}`, stop it with `bowline execution cancel {id}`"
            ));
            Exit::Timeout
        }
    }
}

/// Milliseconds since the epoch, by this machine's clock; used for showing only.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
