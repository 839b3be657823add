//! Waiting for what other processes do.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(40);

/// Asks again and again until there is an answer.
///
/// # Panics
///
/// When there is none in time, saying what it waited for.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    at_most: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(start.elapsed() < at_most, "{what} did not happen within {at_most:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// As [`eventually`], for how long it took.
///
/// # Panics
///
/// As [`eventually`].
pub async fn how_soon<F: Future<Output = Option<()>>>(
    what: &str,
    at_most: Duration,
    ask: impl FnMut() -> F,
) -> Duration {
    let start = Instant::now();
    eventually(what, at_most, ask).await;
    start.elapsed()
}
