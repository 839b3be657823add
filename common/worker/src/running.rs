//! Which leases this process works under.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::{ExecutionId, TaskId};

use crate::lease::Lease;

/// A task in one of its epochs: an old epoch may still be on its way out when the next one runs.
type Key = (TaskId, u32);

/// The leases at work.
#[derive(Debug, Default)]
pub(crate) struct Running {
    leases: Mutex<BTreeMap<Key, Arc<Lease>>>,
}

impl Running {
    /// Enters a lease; `None` when this process works under it already. The store cannot tell: to it
    /// a second claim by the same holder is a repeat of the first.
    pub(crate) fn enter(self: &Arc<Self>, lease: &Arc<Lease>) -> Option<Entry> {
        let key = (lease.task().clone(), lease.epoch());
        let mut leases = self.lock();
        if leases.contains_key(&key) {
            return None;
        }
        leases.insert(key.clone(), Arc::clone(lease));
        Some(Entry { running: Arc::clone(self), key })
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Tells every lease of an execution that there is news.
    pub(crate) fn nudge(&self, execution: &ExecutionId) {
        for ((task, _), lease) in self.lock().iter() {
            if task.execution == *execution {
                lease.nudge();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Lease>>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One lease at work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    running: Arc<Running>,
    key: Key,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.lock().remove(&self.key);
    }
}
