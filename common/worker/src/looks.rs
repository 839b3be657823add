//! Shared looks: everybody who waits for things of one subject (an account and a region, say) shares one call.
//!
//! Fifty runs that each describe their own thing every ten seconds are throttled; here whoever finds the last look
//! too old looks for everybody who asked lately, and the others wait for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::Instant;

/// Whether an older look will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// One of this interval, shared with others: for waiting.
    Shared,
    /// Now: for deciding to change something.
    Now,
}

/// A thing that was read, and when.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// What was there.
    pub what: T,
    /// Time of the oldest and of the newest part.
    pub taken: (Instant, Instant),
}

impl<T> Seen<T> {
    /// Two things read one after the other, as one.
    #[must_use]
    pub fn and<U, V>(self, other: Seen<U>, join: impl FnOnce(T, U) -> V) -> Seen<V> {
        let (first, last) = self.taken;
        Seen {
            what: join(self.what, other.what),
            taken: (first.min(other.taken.0), last.max(other.taken.1)),
        }
    }
}

type SharedBoard<K, V, E> = Arc<tokio::sync::Mutex<Board<K, V, E>>>;

/// Looks at things `V` by their keys `K`, shared by all who look at the same subject `S`; one call per subject is
/// under way at a time.
#[derive(Debug)]
pub struct SharedLooks<S, K, V, E> {
    interval: Duration,
    boards: Mutex<BTreeMap<S, SharedBoard<K, V, E>>>,
}

/// The last look at one subject.
#[derive(Debug)]
struct Board<K, V, E> {
    /// What is asked for, and when it was last.
    wanted: BTreeMap<K, Instant>,
    last: Option<Look<K, V, E>>,
}

impl<K, V, E> Default for Board<K, V, E> {
    fn default() -> Self {
        Self { wanted: BTreeMap::new(), last: None }
    }
}

#[derive(Debug)]
struct Look<K, V, E> {
    at: Instant,
    covers: BTreeSet<K>,
    /// An error is shared too: otherwise each who waits would repeat what was throttled.
    found: Result<BTreeMap<K, V>, E>,
}

impl<S: Ord + Clone, K: Ord + Clone, V: Clone, E: Clone> SharedLooks<S, K, V, E> {
    /// Nothing was looked at yet. A look is shared for this long.
    pub fn new(interval: Duration) -> Self {
        Self { interval, boards: Mutex::default() }
    }

    /// What there is under these keys; what is not there is left out. `fetch` makes the call, perhaps for the keys of
    /// others, too.
    ///
    /// # Errors
    ///
    /// What the call failed with; the failure is shared like an answer.
    pub async fn read<'f>(
        &self,
        subject: &S,
        keys: &[K],
        freshness: Freshness,
        fetch: impl FnOnce(Vec<K>) -> BoxFuture<'f, Result<BTreeMap<K, V>, E>>,
    ) -> Result<Seen<BTreeMap<K, V>>, E> {
        match freshness {
            Freshness::Now => {
                let at = Instant::now();
                fetch(keys.to_vec()).await.map(|what| Seen { what, taken: (at, at) })
            }
            Freshness::Shared => {
                let board = self.board(subject);
                let mut board = board.lock().await;
                board.shared(keys, self.interval, fetch).await
            }
        }
    }

    fn board(&self, subject: &S) -> SharedBoard<K, V, E> {
        // A panic while it was held leaves a map that is whole.
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use = |board: &SharedBoard<K, V, E>| {
            Arc::strong_count(board) > 1
                || board.try_lock().is_ok_and(|board| board.is_recent(self.interval))
        };
        boards.retain(|known, board| known == subject || in_use(board));
        Arc::clone(boards.entry(subject.clone()).or_default())
    }
}

/// Whoever has not asked for this many intervals is not waiting any more.
const FORGET_AFTER: u32 = 3;

impl<K: Ord + Clone, V: Clone, E: Clone> Board<K, V, E> {
    fn is_recent(&self, interval: Duration) -> bool {
        self.last.as_ref().is_some_and(|look| look.at.elapsed() < interval * FORGET_AFTER)
    }

    async fn shared<'f>(
        &mut self,
        keys: &[K],
        interval: Duration,
        fetch: impl FnOnce(Vec<K>) -> BoxFuture<'f, Result<BTreeMap<K, V>, E>>,
    ) -> Result<Seen<BTreeMap<K, V>>, E> {
        let now = Instant::now();
        self.wanted.extend(keys.iter().map(|key| (key.clone(), now)));
        let usable = |look: &Look<K, V, E>| {
            look.at.elapsed() < interval && keys.iter().all(|key| look.covers.contains(key))
        };
        if !self.last.as_ref().is_some_and(usable) {
            self.wanted.retain(|_, asked| asked.elapsed() < interval * FORGET_AFTER);
            let covers: BTreeSet<K> = self.wanted.keys().cloned().collect();
            let found = fetch(covers.iter().cloned().collect()).await;
            self.last = Some(Look { at: now, covers, found });
        }
        let Some(look) = &self.last else {
            return Ok(Seen { what: BTreeMap::new(), taken: (now, now) });
        };
        let all = look.found.as_ref().map_err(Clone::clone)?;
        let own = |key: &K| all.get(key).map(|value| (key.clone(), value.clone()));
        Ok(Seen { what: keys.iter().filter_map(own).collect(), taken: (look.at, look.at) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    type Looks = SharedLooks<u8, u8, u8, &'static str>;

    async fn look(looks: &Looks, calls: &AtomicUsize, key: u8, freshness: Freshness) {
        let fetch = |keys: Vec<u8>| -> BoxFuture<'_, Result<BTreeMap<u8, u8>, &'static str>> {
            calls.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            })
        };
        let seen = looks.read(&0, &[key], freshness, fetch).await.unwrap();
        assert_eq!(seen.what, [(key, key)].into());
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_who_waits_for_one_subject_shares_one_look_per_interval() {
        let (looks, calls) = (Looks::new(INTERVAL), AtomicUsize::new(0));
        // The first round learns who is there.
        for key in 0..50 {
            look(&looks, &calls, key, Freshness::Shared).await;
        }
        calls.store(0, Ordering::Relaxed);
        for _ in 0..6 {
            tokio::time::advance(INTERVAL).await;
            let all = (0..50).map(|key| look(&looks, &calls, key, Freshness::Shared));
            futures::future::join_all(all).await;
        }
        assert_eq!(calls.load(Ordering::Relaxed), 6);
        look(&looks, &calls, 3, Freshness::Now).await;
        assert_eq!(calls.load(Ordering::Relaxed), 7, "deciding never uses an old look");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_shared_like_an_answer() {
        let (looks, calls) = (Looks::new(INTERVAL), AtomicUsize::new(0));
        for _ in 0..5 {
            let fetch = |_| -> BoxFuture<'_, Result<BTreeMap<u8, u8>, &'static str>> {
                calls.fetch_add(1, Ordering::Relaxed);
                Box::pin(async { Err("throttled") })
            };
            let answer = looks.read(&0, &[1], Freshness::Shared, fetch).await;
            assert_eq!(answer.unwrap_err(), "throttled");
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
