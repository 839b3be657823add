//! World time from the tokio clock, so that a paused clock pauses the cloud too.

use tokio::time::Instant;

/// Maps the tokio clock to epoch milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    epoch_ms: u64,
}

impl Clock {
    /// A clock that shows this time now.
    pub fn starting_at(epoch_ms: u64) -> Self {
        Self { origin: Instant::now(), epoch_ms }
    }

    /// Epoch milliseconds.
    pub fn now_ms(&self) -> u64 {
        let passed = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.epoch_ms.saturating_add(passed)
    }
}
