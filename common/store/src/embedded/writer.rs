//! Group commit: many callers' operations in one transaction and one fsync, then all replies.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use redb::{Database, ReadTransaction, ReadableDatabase};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Clock,
    tables::{Fault, Tables},
};
use crate::{StoreError, rules};

/// Operations in one transaction: enough to share an fsync among everybody who waits, few enough
/// that the first of them does not wait long for the last.
const BATCH_MAX: usize = 256;

/// The database with its clock and its bell.
pub(super) struct Core {
    database: Database,
    clock: Clock,
    /// The latest time given out: the clock never goes back behind it.
    floor: AtomicU64,
    /// How many writes this process knows of.
    seen: AtomicU64,
    bell: watch::Sender<u64>,
}

/// An operation waiting for its transaction.
pub(super) trait Job: Send {
    /// Applies it. May be called again in another transaction when this one is given up.
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), Fault>;
    /// Tells the caller how it ended.
    fn reply(self: Box<Self>, ended: Result<(), Fault>);
}

/// One caller's operation and where its answer goes.
pub(super) struct Call<R, F> {
    doing: &'static str,
    operation: F,
    answer: Option<R>,
    reply: oneshot::Sender<Result<R, StoreError>>,
}

impl<R, F> Call<R, F> {
    /// An operation, and where to wait for its answer.
    pub(super) fn new(
        doing: &'static str,
        operation: F,
    ) -> (Self, oneshot::Receiver<Result<R, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { doing, operation, answer: None, reply }, answer)
    }
}

impl<R, F> Job for Call<R, F>
where
    R: Send,
    F: Fn(&mut Tables<'_>) -> Result<R, Fault> + Send,
{
    fn apply(&mut self, tables: &mut Tables<'_>) -> Result<(), Fault> {
        self.answer = Some((self.operation)(tables)?);
        Ok(())
    }

    fn reply(self: Box<Self>, ended: Result<(), Fault>) {
        let doing = self.doing;
        let answer = match (ended, self.answer) {
            (Ok(()), Some(answer)) => Ok(answer),
            (Err(fault), _) => Err(fault.while_it(doing)),
            (Ok(()), None) => Err(gone(doing)),
        };
        // A caller who no longer waits has dropped its end; that is its right.
        drop(self.reply.send(answer));
    }
}

/// The answer when the writer has ended before it could answer.
pub(super) fn gone(doing: &'static str) -> StoreError {
    let cause = "the store's writer has ended".into();
    StoreError::Unavailable { doing, cause }
}

impl Core {
    /// The database with a clock that starts where the last run ended.
    pub(super) fn new(database: Database, clock: Clock, last_ms: u64) -> Self {
        let (floor, seen) = (AtomicU64::new(last_ms), AtomicU64::new(0));
        Self { database, clock, floor, seen, bell: watch::Sender::new(0) }
    }

    /// The database underneath.
    pub(super) const fn database(&self) -> &Database {
        &self.database
    }

    /// This process knows of no writes, like one that was just started.
    pub(super) fn forget_history(&self) {
        self.seen.store(0, Ordering::Release);
    }

    /// The store's clock.
    pub(super) fn now_ms(&self) -> u64 {
        let now = (self.clock)();
        self.floor.fetch_max(now, Ordering::AcqRel).max(now)
    }

    /// The clock underneath, which the store's may be ahead of.
    pub(super) fn real_ms(&self) -> u64 {
        (self.clock)()
    }

    /// Who hears that something changed.
    pub(super) fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// Reads from a snapshot.
    pub(super) fn read<R>(
        &self,
        doing: &'static str,
        query: impl FnOnce(&ReadTransaction, u64) -> Result<R, Fault>,
    ) -> Result<R, StoreError> {
        let transaction = self.database.begin_read().map_err(Fault::from);
        transaction
            .and_then(|transaction| query(&transaction, self.now_ms()))
            .map_err(|fault| fault.while_it(doing))
    }

    /// Applies operations in one transaction and answers their callers. When one of them fails,
    /// each is applied in a transaction of its own, so that an unreadable row harms only the
    /// operation that needs it.
    pub(super) fn write(&self, mut jobs: Vec<Box<dyn Job>>) {
        let Err(fault) = self.commit(&mut jobs) else {
            for job in jobs {
                job.reply(Ok(()));
            }
            return;
        };
        if jobs.len() > 1 {
            tracing::warn!(error = ?fault, "shared commit failed, its operations are tried alone");
            for job in jobs {
                self.write(vec![job]);
            }
        } else if let Some(job) = jobs.pop() {
            job.reply(Err(fault));
        }
    }

    fn commit(&self, jobs: &mut [Box<dyn Job>]) -> Result<(), Fault> {
        let transaction = self.database.begin_write()?;
        let mut tables = Tables::open(&transaction)?;
        tables.now_ms = self.now_ms();
        let (history, lost) = tables.write_history(self.seen.load(Ordering::Acquire))?;
        for job in jobs {
            tables.now_ms = self.now_ms();
            job.apply(&mut tables)?;
        }
        let (now_ms, rings) = (tables.now_ms, tables.rings);
        tables.meta.insert("clock", now_ms)?;
        drop(tables);
        transaction.commit()?;
        self.seen.fetch_max(history, Ordering::AcqRel);
        if let Some(lost) = lost {
            rules::tell_of_rollback(lost);
        }
        if rings {
            self.bell.send_modify(|rung| *rung = rung.wrapping_add(1));
        }
        Ok(())
    }
}

/// Runs the writer until every sender is gone.
pub(super) fn run(core: &Arc<Core>, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < BATCH_MAX
            && let Ok(next) = queue.try_recv()
        {
            jobs.push(next);
        }
        core.write(jobs);
    }
}
