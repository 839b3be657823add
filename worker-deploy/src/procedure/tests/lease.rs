//! A lease that can be cut off anywhere, canceled anywhere, and handed to another.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use model::TaskId;
use serde::{Serialize, de::DeserializeOwned};
use store::{Fence, Locked};
use tokio::time::Instant;
use worker::Stop;

use super::cloud::EPOCH_MS;
use crate::{lease::Lease, plan::tests::task};

/// What outlives a worker.
#[derive(Debug)]
pub(super) struct Durable {
    start: Instant,
    pub(super) checkpoint: Mutex<Option<String>>,
    pub(super) lock: Mutex<Option<(String, Fence)>>,
    pub(super) saves: AtomicUsize,
    pub(super) canceled: AtomicBool,
}

impl Durable {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            checkpoint: Mutex::default(),
            lock: Mutex::default(),
            saves: AtomicUsize::new(0),
            canceled: AtomicBool::new(false),
        })
    }
}

#[derive(Debug)]
pub(super) struct TestLease {
    pub(super) task: TaskId,
    pub(super) durable: Arc<Durable>,
    pub(super) dead: Arc<AtomicBool>,
    /// Dies right after this save is stored.
    pub(super) last_save: Option<usize>,
}

impl TestLease {
    pub(super) fn new(durable: &Arc<Durable>) -> Self {
        Self { task: task(), durable: Arc::clone(durable), dead: Arc::default(), last_save: None }
    }

    fn alive(&self) -> Result<(), Stop> {
        if self.dead.load(SeqCst) { Err(Stop::Lost) } else { Ok(()) }
    }

    fn told(&self) -> Result<(), Stop> {
        self.alive()?;
        if self.durable.canceled.load(SeqCst) { Err(Stop::Canceled) } else { Ok(()) }
    }
}

impl Lease for TestLease {
    fn task(&self) -> &TaskId {
        &self.task
    }
    fn checkpoint<C: DeserializeOwned>(&self) -> Result<Option<C>, String> {
        let text = self.durable.checkpoint.lock().unwrap().clone();
        text.map(|text| serde_json::from_str(&text).map_err(|e| e.to_string())).transpose()
    }
    async fn save<C: Serialize + Sync>(&self, checkpoint: &C) -> Result<(), Stop> {
        self.alive()?;
        *self.durable.checkpoint.lock().unwrap() = Some(serde_json::to_string(checkpoint).unwrap());
        let saves = self.durable.saves.fetch_add(1, SeqCst) + 1;
        if self.last_save == Some(saves) {
            self.dead.store(true, SeqCst);
        }
        self.alive()
    }
    fn may_mutate(&self) -> Result<(), Stop> {
        self.told()
    }
    fn may_clean_up(&self) -> Result<(), Stop> {
        self.alive()
    }
    async fn sleep(&self, time: Duration) -> Result<(), Stop> {
        self.told()?;
        tokio::time::sleep(time).await;
        self.told()
    }
    async fn sleep_cleaning_up(&self, time: Duration) -> Result<(), Stop> {
        self.alive()?;
        tokio::time::sleep(time).await;
        self.alive()
    }
    async fn lock(&self, _: &str) -> Result<Locked, Stop> {
        self.alive()?;
        let mut lock = self.durable.lock.lock().unwrap();
        let owner = self.task.owner();
        let (holder, fence) = lock.get_or_insert((owner.clone(), 7)).clone();
        Ok(if holder == owner { Locked::Granted { fence } } else { Locked::Busy { owner: holder } })
    }
    async fn unlock(&self, _: &str, fence: Fence) -> Result<(), Stop> {
        let mut lock = self.durable.lock.lock().unwrap();
        if *lock == Some((self.task.owner(), fence)) {
            *lock = None;
        }
        Ok(())
    }
    async fn lock_held(&self, _: &str, fence: Fence) -> Result<bool, Stop> {
        self.alive()?;
        Ok(*self.durable.lock.lock().unwrap() == Some((self.task.owner(), fence)))
    }
    fn now_ms(&self) -> u64 {
        EPOCH_MS + u64::try_from(self.durable.start.elapsed().as_millis()).unwrap()
    }
}
