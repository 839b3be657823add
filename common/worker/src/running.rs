//! Which leases this process works under.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use model::{ExecutionId, TaskId};

use crate::lease::Lease;

/// A task in one of its epochs: an old epoch may still be on its way out when the next one runs.
type Key = (TaskId, u32);

/// Tokens remembered; they grow, so the lowest are the oldest. A message that was claimed so many
/// tasks ago is not still on its way.
const TOKENS_MAX: usize = 4_096;

/// The leases at work, and those that were.
#[derive(Debug, Default)]
pub(crate) struct Running {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    leases: BTreeMap<Key, Arc<Lease>>,
    /// Tokens under which work has begun.
    worked: BTreeSet<u64>,
}

impl Running {
    /// Enters a lease; `None` when this process works or has worked under it. The store cannot tell:
    /// to it a second claim by the same holder is a repeat of the first, and the answer to one may be
    /// on its way while the work of the other ends.
    pub(crate) fn enter(self: &Arc<Self>, lease: &Arc<Lease>) -> Option<Entry> {
        let key = (lease.task().clone(), lease.epoch());
        let mut book = self.lock();
        if book.leases.contains_key(&key) || book.worked.contains(&lease.token()) {
            return None;
        }
        book.leases.insert(key.clone(), Arc::clone(lease));
        Some(Entry { running: Arc::clone(self), key })
    }

    /// Work begins under this lease, once.
    pub(crate) fn begins(&self, lease: &Lease) {
        let mut book = self.lock();
        book.worked.insert(lease.token());
        if book.worked.len() > TOKENS_MAX {
            book.worked.pop_first();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().leases.len()
    }

    /// Tells every lease of an execution that there is news.
    pub(crate) fn nudge(&self, execution: &ExecutionId) {
        for ((task, _), lease) in &self.lock().leases {
            if task.execution == *execution {
                lease.nudge();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.running.lock().leases.remove(&self.key);
    }
}
