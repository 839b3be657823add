//! Triggers as definitions write them, judged against what happens.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod cron;
mod jenkins;
mod pipeline;
mod reading;
