//! What the claims and runs of one worker share.

use std::{sync::Arc, time::Duration};

use bus::SharedBus;
use model::Pool;
use runtime::Tasks;
use store::SharedStore;
use tokio::sync::Semaphore;
use wire::Queue;

use crate::{Operations, lease::Rhythm, running::Running};

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) operations: Operations,
    /// The name under which the store knows this worker.
    pub(crate) holder: String,
    pub(crate) rhythm: Rhythm,
    /// How long a message is kept, and a result offered, while the store does not answer.
    pub(crate) patience: Duration,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) running: Arc<Running>,
    pub(crate) store: SharedStore,
    pub(crate) bus: SharedBus,
    pub(crate) tasks: Tasks,
}

impl Worker {
    pub(crate) fn pool(&self) -> Pool {
        self.operations.pool()
    }

    /// The queue it takes tasks from.
    pub(crate) fn queue(&self) -> Queue {
        Queue::Task(self.pool())
    }
}
