//! One look for all: deploys that wait in the same account and region share their reads.
//!
//! Fifty deploys that each describe their own group every ten seconds are throttled; here whoever
//! finds the last look too old looks for everybody who asked lately, and the others wait for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::{
    plan::health::{Judge, Sources},
    ports::{
        BalancedInstance, Balancer, CloudError, Fault, InstanceLifecycle, InstanceState, Place,
        ServerGroup, ServerGroupCloud,
    },
};

/// Whether an older look will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// One of this interval, shared with others: for waiting.
    Shared,
    /// Now: for deciding to change something.
    Now,
}

/// A thing that was read, and when.
#[derive(Clone, Debug)]
pub(crate) struct Seen<T> {
    /// What was there.
    pub(crate) what: T,
    /// Time of the oldest and of the newest part.
    pub(crate) taken: (Instant, Instant),
}

impl<T> Seen<T> {
    pub(crate) fn and<U, V>(self, other: Seen<U>, join: impl FnOnce(T, U) -> V) -> Seen<V> {
        let (first, last) = self.taken;
        Seen {
            what: join(self.what, other.what),
            taken: (first.min(other.taken.0), last.max(other.taken.1)),
        }
    }
}

/// Shared reads of every place.
#[derive(Debug)]
pub(crate) struct Watch {
    cloud: Arc<dyn ServerGroupCloud>,
    interval: Duration,
    groups: Desk<Place, String, ServerGroup>,
    instances: Desk<Place, String, InstanceState>,
    balancers: Desk<(Place, Balancer), Balancer, Vec<BalancedInstance>>,
}

impl Watch {
    pub(crate) fn new(cloud: Arc<dyn ServerGroupCloud>, interval: Duration) -> Self {
        Self {
            cloud,
            interval,
            groups: Desk::default(),
            instances: Desk::default(),
            balancers: Desk::default(),
        }
    }

    /// Server groups by name; those that are not there are left out.
    pub(crate) async fn groups(
        &self,
        place: &Place,
        names: &[String],
        freshness: Freshness,
    ) -> Result<Seen<BTreeMap<String, ServerGroup>>, CloudError> {
        let fetch = |names: Vec<String>| -> BoxFuture<'_, Result<_, CloudError>> {
            Box::pin(async move {
                let found = self.cloud.groups(place, &names).await?;
                Ok(found.into_iter().map(|group| (group.name.clone(), group)).collect())
            })
        };
        self.groups.read(place, names, (freshness, self.interval), fetch).await
    }

    /// What a judge's sources say about a group.
    pub(crate) async fn sources(
        &self,
        place: &Place,
        judge: &Judge,
        group: &ServerGroup,
        freshness: Freshness,
    ) -> Result<Seen<Sources>, CloudError> {
        match judge {
            Judge::Balancers(balancers) => {
                let seen = self.balancers(place, balancers, freshness).await?;
                Ok(Seen {
                    what: Sources { balancers: seen.what, ..Sources::default() },
                    taken: seen.taken,
                })
            }
            Judge::Platform => {
                let in_service =
                    group.instances.iter().filter(|i| i.lifecycle == InstanceLifecycle::InService);
                let ids: Vec<String> = in_service.map(|instance| instance.id.clone()).collect();
                let seen = self.instances(place, &ids, freshness).await?;
                Ok(Seen {
                    what: Sources { instances: seen.what, ..Sources::default() },
                    taken: seen.taken,
                })
            }
        }
    }

    async fn instances(
        &self,
        place: &Place,
        ids: &[String],
        freshness: Freshness,
    ) -> Result<Seen<BTreeMap<String, InstanceState>>, CloudError> {
        if ids.is_empty() {
            let now = Instant::now();
            return Ok(Seen { what: BTreeMap::new(), taken: (now, now) });
        }
        let fetch = |ids: Vec<String>| -> BoxFuture<'_, Result<_, CloudError>> {
            Box::pin(async move {
                let found = self.cloud.instances(place, &ids).await?;
                Ok(found.into_iter().map(|state| (state.id.clone(), state)).collect())
            })
        };
        self.instances.read(place, ids, (freshness, self.interval), fetch).await
    }

    /// What balancers say. One that is gone has nothing registered.
    pub(crate) async fn balancers(
        &self,
        place: &Place,
        balancers: &[Balancer],
        freshness: Freshness,
    ) -> Result<Seen<BTreeMap<Balancer, Vec<BalancedInstance>>>, CloudError> {
        let now = Instant::now();
        let mut all: Option<Seen<BTreeMap<_, _>>> = None;
        for balancer in balancers {
            let fetch = |_: Vec<Balancer>| -> BoxFuture<'_, Result<_, CloudError>> {
                Box::pin(async move {
                    match self.cloud.balancer_health(place, balancer).await {
                        Ok(listed) => Ok([(balancer.clone(), listed)].into()),
                        Err(CloudError { fault: Fault::NotFound(_), .. }) => {
                            Ok([(balancer.clone(), Vec::new())].into())
                        }
                        Err(error) => Err(error),
                    }
                })
            };
            let key = (place.clone(), balancer.clone());
            let asked = std::slice::from_ref(balancer);
            let seen = self.balancers.read(&key, asked, (freshness, self.interval), fetch).await?;
            all = Some(match all {
                None => seen,
                Some(before) => before.and(seen, |mut all, more| {
                    all.extend(more);
                    all
                }),
            });
        }
        Ok(all.unwrap_or(Seen { what: BTreeMap::new(), taken: (now, now) }))
    }
}

type SharedSheet<K, V> = Arc<tokio::sync::Mutex<Sheet<K, V>>>;

/// Sheets by subject; each is filled in by one reader at a time.
#[derive(Debug)]
struct Desk<S, K, V> {
    sheets: Mutex<BTreeMap<S, SharedSheet<K, V>>>,
}

impl<S, K, V> Default for Desk<S, K, V> {
    fn default() -> Self {
        Self { sheets: Mutex::default() }
    }
}

/// The last look at one subject.
#[derive(Debug)]
struct Sheet<K, V> {
    /// What is asked for, and when it was last.
    wanted: BTreeMap<K, Instant>,
    last: Option<Look<K, V>>,
}

impl<K, V> Default for Sheet<K, V> {
    fn default() -> Self {
        Self { wanted: BTreeMap::new(), last: None }
    }
}

#[derive(Debug)]
struct Look<K, V> {
    at: Instant,
    covers: BTreeSet<K>,
    /// An error is shared too: otherwise each who waits would repeat what was throttled.
    found: Result<BTreeMap<K, V>, CloudError>,
}

impl<S: Ord + Clone, K: Ord + Clone, V: Clone> Desk<S, K, V> {
    async fn read<'f>(
        &self,
        subject: &S,
        keys: &[K],
        (freshness, interval): (Freshness, Duration),
        fetch: impl FnOnce(Vec<K>) -> BoxFuture<'f, Result<BTreeMap<K, V>, CloudError>>,
    ) -> Result<Seen<BTreeMap<K, V>>, CloudError> {
        match freshness {
            Freshness::Now => {
                let at = Instant::now();
                fetch(keys.to_vec()).await.map(|what| Seen { what, taken: (at, at) })
            }
            Freshness::Shared => {
                let sheet = self.sheet(subject, interval);
                let mut sheet = sheet.lock().await;
                sheet.shared(keys, interval, fetch).await
            }
        }
    }

    fn sheet(&self, subject: &S, interval: Duration) -> SharedSheet<K, V> {
        // A panic while it was held leaves a map that is whole.
        let mut sheets = self.sheets.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use = |sheet: &SharedSheet<K, V>| {
            Arc::strong_count(sheet) > 1
                || sheet.try_lock().is_ok_and(|sheet| sheet.is_recent(interval))
        };
        sheets.retain(|known, sheet| known == subject || in_use(sheet));
        Arc::clone(sheets.entry(subject.clone()).or_default())
    }
}

/// Who has not asked for so many intervals is not waiting any more.
const FORGET_AFTER: u32 = 3;

impl<K: Ord + Clone, V: Clone> Sheet<K, V> {
    fn is_recent(&self, interval: Duration) -> bool {
        self.last.as_ref().is_some_and(|look| look.at.elapsed() < interval * FORGET_AFTER)
    }

    async fn shared<'f>(
        &mut self,
        keys: &[K],
        interval: Duration,
        fetch: impl FnOnce(Vec<K>) -> BoxFuture<'f, Result<BTreeMap<K, V>, CloudError>>,
    ) -> Result<Seen<BTreeMap<K, V>>, CloudError> {
        let now = Instant::now();
        self.wanted.extend(keys.iter().map(|key| (key.clone(), now)));
        let usable = |look: &Look<K, V>| {
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

    async fn look(desk: &Desk<u8, u8, u8>, calls: &AtomicUsize, key: u8, freshness: Freshness) {
        let fetch = |keys: Vec<u8>| -> BoxFuture<'_, Result<BTreeMap<u8, u8>, CloudError>> {
            calls.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            })
        };
        let seen = desk.read(&0, &[key], (freshness, INTERVAL), fetch).await.unwrap();
        assert_eq!(seen.what, [(key, key)].into());
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_who_waits_in_a_place_shares_one_look_per_interval() {
        let (desk, calls) = (Desk::default(), AtomicUsize::new(0));
        // The first round learns who is there.
        for key in 0..50 {
            look(&desk, &calls, key, Freshness::Shared).await;
        }
        calls.store(0, Ordering::Relaxed);
        for _ in 0..6 {
            tokio::time::advance(INTERVAL).await;
            let all = (0..50).map(|key| look(&desk, &calls, key, Freshness::Shared));
            futures::future::join_all(all).await;
        }
        assert_eq!(calls.load(Ordering::Relaxed), 6);
        look(&desk, &calls, 3, Freshness::Now).await;
        assert_eq!(calls.load(Ordering::Relaxed), 7, "deciding never uses an old look");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_shared_like_an_answer() {
        let (desk, calls) = (Desk::<u8, u8, u8>::default(), AtomicUsize::new(0));
        for _ in 0..5 {
            let fetch = |_| -> BoxFuture<'_, Result<BTreeMap<u8, u8>, CloudError>> {
                calls.fetch_add(1, Ordering::Relaxed);
                Box::pin(async { Err(CloudError::new("Describe", Fault::Throttled)) })
            };
            let answer = desk.read(&0, &[1], (Freshness::Shared, INTERVAL), fetch).await;
            assert_eq!(answer.unwrap_err().fault, Fault::Throttled);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
