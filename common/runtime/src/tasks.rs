//! Every spawned task is known, told to stop, and waited for.

use std::{future::Future, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Spawns, tells to stop, waits. Cheap to clone; clones are the same group.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    stop: CancellationToken,
    abandoned: CancellationToken,
    tracker: TaskTracker,
}

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything ended by itself.
    Cleanly,
    /// So many tasks were still running when the time was up.
    Abandoned(usize),
}

impl Tasks {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a future to its end in the background.
    #[expect(clippy::disallowed_methods, reason = "this is where tasks are tracked")]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let abandoned = self.abandoned.clone();
        let until_abandoned = async move {
            tokio::select! {
                biased;
                // Nobody hears of it again.
                () = abandoned.cancelled_owned() => std::future::pending().await,
                output = future => output,
            }
        };
        tokio::spawn(self.tracker.track_future(until_abandoned))
    }

    /// Drops every task where it stands, as a kill of the process does: none of them takes another
    /// step, nothing is said to anybody. For tests of what is left behind.
    pub fn abandon(&self) {
        self.abandoned.cancel();
    }

    /// The token that says "take nothing new, finish what is in hand".
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// True once stopping began.
    pub fn stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// True while no task runs.
    pub fn is_idle(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Tells every task to stop and waits for them, at most `grace`.
    pub async fn shut_down(self, grace: Duration) -> Drained {
        self.stop.cancel();
        self.tracker.close();
        match tokio::time::timeout(grace, self.tracker.wait()).await {
            Ok(()) => Drained::Cleanly,
            Err(_) => Drained::Abandoned(self.tracker.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn an_abandoned_task_is_dropped_before_its_next_step() {
        let tasks = Tasks::new();
        let (sender, mut receiver) = mpsc::channel(1);
        let (go, gone) = oneshot::channel::<()>();
        drop(tasks.spawn(async move {
            gone.await.ok();
            sender.send("a step").await.ok();
        }));
        tokio::task::yield_now().await;
        tasks.abandon();
        go.send(()).ok();
        assert_eq!(receiver.recv().await, None);
    }
}
