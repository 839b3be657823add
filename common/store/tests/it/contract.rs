//! Every rule of the seam, once, for every implementation.

mod due;
mod executions;
mod history;
mod index;
mod intake;
mod leases;
mod lists;
mod locks;
mod retention;
mod slots;
mod told;

/// Runs each rule in memory, in a file, on Redis.
macro_rules! on_every_store {
    ($($rule:ident)*) => {
        mod memory {
            $(#[tokio::test] async fn $rule() {
                super::$rule(crate::worlds::World::memory()).await;
            })*
        }
        mod file {
            $(#[tokio::test] async fn $rule() {
                super::$rule(crate::worlds::World::file()).await;
            })*
        }
        mod on_redis {
            $(#[tokio::test] async fn $rule() {
                super::$rule(crate::worlds::World::redis().await).await;
            })*
        }
    };
}
use on_every_store;
