//! One held lease: what the store said last and when, and the beats which keep it.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures::future::{Either, select};
use model::{TaskId, limits};
use runtime::{Chain, Tasks};
use store::{Answer, Beat, SharedStore, StoreError};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tracing::{debug, info, warn};

use crate::Stop;

/// Shortest time between two beats that the store's bell causes: it rings for everybody's news.
const BELL_GAP: Duration = Duration::from_secs(1);
/// What each further lease in this process adds to that: fifty such beats a second at most.
const BELL_GAP_PER_LEASE: Duration = Duration::from_millis(20);
/// Longest wait between two tries of a call which the store did not answer.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How long leases live and how often they are renewed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// Silence after which the store may give the lease away.
    pub(crate) ttl: Duration,
    /// Time between beats.
    pub(crate) beat: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { ttl: limits::LEASE_TTL, beat: limits::BEAT_INTERVAL }
    }
}

/// What was claimed.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) task: TaskId,
    pub(crate) epoch: u32,
    pub(crate) token: u64,
    pub(crate) checkpoint: Option<String>,
    /// Whether it was told to stop before it was claimed.
    pub(crate) cancel: bool,
    /// When the claim was asked for: the lease runs from there at the earliest.
    pub(crate) asked: Moment,
    /// The store's clock right after the claim.
    pub(crate) store_ms: u64,
}

/// One instant on both clocks: a suspended machine stops the monotonic one, and a set clock moves
/// the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// The larger of what both clocks say has passed.
    fn age(self) -> Duration {
        self.monotonic.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

/// What the store said last.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// When the last call that renewed the lease was sent.
    renewed: Moment,
    word: Word,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Held,
    Canceled,
    Lost,
}

/// Which reasons to stop count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heed {
    /// All.
    Everything,
    /// Not a cancel: it is being cleaned up after.
    AllButCancel,
}

/// A lease in use. Shared between the work, its beats, and whoever nudges it.
#[derive(Debug)]
pub(crate) struct Lease {
    store: SharedStore,
    tasks: Tasks,
    rhythm: Rhythm,
    task: TaskId,
    epoch: u32,
    token: u64,
    claimed: Instant,
    claimed_store_ms: u64,
    standing: watch::Sender<Standing>,
    checkpoint: Mutex<Option<String>>,
    fault: Mutex<Option<String>>,
    nudge: Notify,
}

impl Lease {
    pub(crate) fn new(claimed: Claimed, store: SharedStore, tasks: Tasks, rhythm: Rhythm) -> Self {
        let word = if claimed.cancel { Word::Canceled } else { Word::Held };
        let standing = Standing { renewed: claimed.asked, word };
        Self {
            store,
            tasks,
            rhythm,
            task: claimed.task,
            epoch: claimed.epoch,
            token: claimed.token,
            claimed: Instant::now(),
            claimed_store_ms: claimed.store_ms,
            standing: watch::Sender::new(standing),
            checkpoint: Mutex::new(claimed.checkpoint),
            fault: Mutex::new(None),
            nudge: Notify::new(),
        }
    }

    pub(crate) fn task(&self) -> &TaskId {
        &self.task
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(crate) fn token(&self) -> u64 {
        self.token
    }

    pub(crate) fn store(&self) -> &SharedStore {
        &self.store
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.claimed.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.claimed_store_ms.saturating_add(since)
    }

    /// The last checkpoint of this run or its predecessor, whether or not the store has it yet.
    pub(crate) fn checkpoint(&self) -> Option<String> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a mistake of ours that ends the run.
    pub(crate) fn note_fault(&self, fault: String) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// The mistake of ours that ended the run, if one did.
    pub(crate) fn take_fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why the work must stop now, if it must.
    pub(crate) fn stop(&self, heed: Heed) -> Result<(), Stop> {
        let word = self.standing.borrow().word;
        match (word, heed) {
            (Word::Lost, _) => Err(Stop::Lost),
            // Whoever continues is told of the cancel as well.
            (Word::Held | Word::Canceled, _) if self.tasks.stopping() => Err(Stop::Draining),
            (Word::Canceled, Heed::Everything) => Err(Stop::Canceled),
            (Word::Canceled, Heed::AllButCancel) | (Word::Held, _) => Ok(()),
        }
    }

    /// As [`Lease::stop`], and the lease was renewed so lately that nobody else can have it even
    /// after a call that takes its longest.
    pub(crate) fn may_mutate(&self, heed: Heed) -> Result<(), Stop> {
        self.stop(heed)?;
        let age = self.silence();
        // Two thirds of the lease's life: with the product's pace that is `limits::SELF_FENCE`.
        if age < (self.rhythm.ttl * 2 / 3).min(limits::SELF_FENCE) {
            Ok(())
        } else {
            warn!(
                silent_ms = age.as_millis(),
                "changes nothing more: the lease was not renewed for too long"
            );
            Err(Stop::Lost)
        }
    }

    /// Returns when there is a reason to stop, with it.
    pub(crate) async fn stopped(&self, heed: Heed) -> Stop {
        let mut standing = self.standing.subscribe();
        loop {
            if let Err(stop) = self.stop(heed) {
                return stop;
            }
            let changed = std::pin::pin!(standing.changed());
            let draining = std::pin::pin!(self.tasks.stop().cancelled());
            // The sender lives in `self`: `changed` cannot fail.
            match select(changed, draining).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        }
    }

    /// Sleeps, or ends early with the reason to stop.
    pub(crate) async fn sleep(&self, time: Duration, heed: Heed) -> Result<(), Stop> {
        tokio::select! {
            biased;
            stop = self.stopped(heed) => Err(stop),
            () = sleep(time) => Ok(()),
        }
    }

    /// Looks at the store at once: somebody says that there is news.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// For tests: the lease counts as lost from now on.
    pub(crate) fn lose(&self) {
        self.standing.send_modify(|standing| standing.word = Word::Lost);
    }

    /// For tests: a cancel is known from now on, though the store was not asked.
    pub(crate) fn hear_cancel(&self) {
        self.standing.send_modify(|standing| {
            if standing.word == Word::Held {
                standing.word = Word::Canceled;
            }
        });
    }

    /// Asks the store once.
    pub(crate) async fn beat(&self) -> Result<(), StoreError> {
        let asked = Moment::now();
        let beat = self.store.lease_beat(&self.task, self.token, self.ttl_ms(), None).await?;
        self.heard(asked, beat);
        Ok(())
    }

    /// Beats until the lease is lost. `crowd` says how many leases this process holds.
    pub(crate) async fn keep(&self, crowd: impl Fn() -> usize) {
        let mut bell = self.store.bell();
        let mut wait = self.beat_interval();
        while self.standing.borrow().word != Word::Lost {
            let crowd = u32::try_from(crowd()).unwrap_or(u32::MAX);
            let gap = BELL_GAP_PER_LEASE.saturating_mul(crowd).max(BELL_GAP);
            let rung = async {
                sleep(gap).await;
                if bell.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = sleep(wait) => {}
                () = self.nudge.notified() => {}
                () = rung => {}
            }
            bell.mark_unchanged();
            wait = match self.beat().await {
                Ok(()) => self.beat_interval(),
                Err(error) => {
                    warn!(error = %Chain(&error), "lease not renewed, trying again");
                    self.give_up_after_silence();
                    self.rhythm.beat.min(RETRY_MAX)
                }
            };
        }
    }

    /// Stores a checkpoint; returns when the store has it.
    pub(crate) async fn save(&self, checkpoint: String) -> Result<(), Stop> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).replace(checkpoint.clone());
        let asked = Moment::now();
        let (task, token, ttl_ms) = (&self.task, self.token, self.ttl_ms());
        let saved = self
            .insist("saving a checkpoint", || {
                self.store.lease_beat(task, token, ttl_ms, Some(&checkpoint))
            })
            .await?;
        // A retry may have been answered late: what counts is when the first call was sent.
        self.heard(asked, saved);
        match saved {
            Beat::Held { .. } => Ok(()),
            Beat::Lost => Err(Stop::Lost),
        }
    }

    /// Repeats a call until the store answers, or the lease may be lost, or this worker is told to
    /// stop while the store is away.
    pub(crate) async fn insist<'a, T>(
        &'a self,
        doing: impl Display,
        call: impl Fn() -> Answer<'a, T>,
    ) -> Result<T, Stop> {
        if self.standing.borrow().word == Word::Lost {
            return Err(Stop::Lost);
        }
        let mut wait = Duration::from_millis(100);
        loop {
            match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    warn!(error = %Chain(&error), "no answer from the store while {doing}, trying again");
                }
            }
            self.give_up_after_silence();
            self.sleep(wait, Heed::AllButCancel).await?;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    /// Ends the task with its result. Tries as long as the store does not say that the lease is
    /// lost, and at most `patience`: a result is worth more than the rules of beating.
    pub(crate) async fn finish(&self, result: &str, patience: Duration) -> Option<Beat> {
        let notice_ms = millis(limits::RESULT_NOTICE);
        let answer = self.try_for(patience, || {
            self.store.lease_finish(&self.task, self.token, result, notice_ms)
        });
        answer.await
    }

    /// Hands the task to whoever comes next, with all progress.
    pub(crate) async fn release(&self, patience: Duration) -> Option<Beat> {
        let checkpoint = self.checkpoint();
        let answer = self.try_for(patience, || {
            self.store.lease_release(&self.task, self.token, checkpoint.as_deref())
        });
        answer.await
    }

    async fn try_for<'a, T>(
        &self,
        patience: Duration,
        call: impl Fn() -> Answer<'a, T>,
    ) -> Option<T> {
        let started = Instant::now();
        let mut wait = Duration::from_millis(100);
        loop {
            match call().await {
                Ok(answer) => return Some(answer),
                Err(error) => {
                    warn!(error = %Chain(&error), "no answer from the store at the end of a task");
                }
            }
            if started.elapsed() + wait > patience {
                return None;
            }
            sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    fn heard(&self, asked: Moment, beat: Beat) {
        let word = match beat {
            Beat::Held { cancel: false } => Word::Held,
            Beat::Held { cancel: true } => Word::Canceled,
            Beat::Lost => Word::Lost,
        };
        let news = self.standing.send_if_modified(|standing| {
            if standing.word == Word::Lost {
                return false;
            }
            // A cancel is never taken back: an answer from before it may arrive after it.
            let word = match (standing.word, word) {
                (Word::Canceled, Word::Held) => Word::Canceled,
                (_, word) => word,
            };
            let changed = standing.word != word;
            let renewed =
                if asked.monotonic > standing.renewed.monotonic { asked } else { standing.renewed };
            *standing = Standing { renewed, word };
            changed
        });
        match (news, word) {
            (true, Word::Canceled) => info!(task = %self.task, "the task was told to stop"),
            (true, Word::Lost) => info!(task = %self.task, "the lease is somebody else's"),
            (true, Word::Held) | (false, _) => debug!(task = %self.task, "lease renewed"),
        }
    }

    /// Without an answer for a whole lifetime of the lease, it may be somebody else's.
    fn give_up_after_silence(&self) {
        if self.silence() >= self.rhythm.ttl {
            self.standing.send_modify(|standing| standing.word = Word::Lost);
            warn!(task = %self.task, "the lease ran out while the store did not answer");
        }
    }

    fn silence(&self) -> Duration {
        self.standing.borrow().renewed.age()
    }

    fn ttl_ms(&self) -> u64 {
        millis(self.rhythm.ttl)
    }

    /// A little less than the interval, by an amount of its own: a thousand tasks that were claimed
    /// together do not beat together for ever. Not random, so that a simulation repeats.
    fn beat_interval(&self) -> Duration {
        let hash = self
            .task
            .to_string()
            .bytes()
            .fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
        self.rhythm.beat * (100 - hash % 20) / 100
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
