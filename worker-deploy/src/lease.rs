//! The part of a held lease this room uses. [`worker::TaskContext`] is the real one; the tests have
//! one that can be cut off at any save.

use std::{future::Future, time::Duration};

use model::TaskId;
use serde::{Serialize, de::DeserializeOwned};
use store::{Fence, Locked};
use worker::{Stop, TaskContext};

/// See the methods of the same names of [`TaskContext`].
pub(crate) trait Lease: Sync {
    fn task(&self) -> &TaskId;
    fn checkpoint<C: DeserializeOwned>(&self) -> Result<Option<C>, String>;
    fn save<C: Serialize + Sync>(
        &self,
        checkpoint: &C,
    ) -> impl Future<Output = Result<(), Stop>> + Send;
    fn may_mutate(&self) -> Result<(), Stop>;
    fn may_clean_up(&self) -> Result<(), Stop>;
    fn sleep(&self, time: Duration) -> impl Future<Output = Result<(), Stop>> + Send;
    fn sleep_cleaning_up(&self, time: Duration) -> impl Future<Output = Result<(), Stop>> + Send;
    fn lock(&self, resource: &str) -> impl Future<Output = Result<Locked, Stop>> + Send;
    fn unlock(&self, resource: &str, fence: Fence)
    -> impl Future<Output = Result<(), Stop>> + Send;
    fn lock_held(
        &self,
        resource: &str,
        fence: Fence,
    ) -> impl Future<Output = Result<bool, Stop>> + Send;
    fn now_ms(&self) -> u64;
}

impl Lease for TaskContext {
    fn task(&self) -> &TaskId {
        Self::task(self)
    }
    fn checkpoint<C: DeserializeOwned>(&self) -> Result<Option<C>, String> {
        Self::checkpoint(self)
    }
    async fn save<C: Serialize + Sync>(&self, checkpoint: &C) -> Result<(), Stop> {
        Self::save(self, checkpoint).await
    }
    fn may_mutate(&self) -> Result<(), Stop> {
        Self::may_mutate(self)
    }
    fn may_clean_up(&self) -> Result<(), Stop> {
        Self::may_clean_up(self)
    }
    async fn sleep(&self, time: Duration) -> Result<(), Stop> {
        Self::sleep(self, time).await
    }
    async fn sleep_cleaning_up(&self, time: Duration) -> Result<(), Stop> {
        Self::sleep_cleaning_up(self, time).await
    }
    async fn lock(&self, resource: &str) -> Result<Locked, Stop> {
        Self::lock(self, resource).await
    }
    async fn unlock(&self, resource: &str, fence: Fence) -> Result<(), Stop> {
        Self::unlock(self, resource, fence).await
    }
    async fn lock_held(&self, resource: &str, fence: Fence) -> Result<bool, Stop> {
        Self::lock_held(self, resource, fence).await
    }
    fn now_ms(&self) -> u64 {
        Self::now_ms(self)
    }
}
