//! What the proxy did, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What happened since the proxy started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Connections passed on to the server.
    pub accepted: u64,
    /// Connections reset at the door.
    pub refused: u64,
    /// Connections taken at the door and never answered.
    pub ignored: u64,
    /// Connections for which the server was not there.
    pub unreachable: u64,
    /// Connections closed by an order or by a flow that ends after so many bytes.
    pub cut: u64,
    /// Connections reset by an order.
    pub reset: u64,
    /// Bytes that had to wait on a held line.
    pub held_bytes: u64,
    /// How often a held line was entered with something to carry.
    pub held: u64,
    /// Bytes thrown away.
    pub swallowed_bytes: u64,
    /// Bytes that were late or slow.
    pub delayed_bytes: u64,
    /// Bytes passed to the server.
    pub to_server_bytes: u64,
    /// Bytes passed to clients.
    pub to_client_bytes: u64,
}

/// The same while it happens.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: AtomicU64,
    refused: AtomicU64,
    ignored: AtomicU64,
    unreachable: AtomicU64,
    cut: AtomicU64,
    reset: AtomicU64,
    held_bytes: AtomicU64,
    held: AtomicU64,
    swallowed_bytes: AtomicU64,
    delayed_bytes: AtomicU64,
    to_server_bytes: AtomicU64,
    to_client_bytes: AtomicU64,
}

fn add(count: &AtomicU64, more: usize) {
    // A `usize` is no wider than 64 bits on any machine this runs on.
    count.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed);
}

impl Tally {
    pub(crate) fn accepted(&self) {
        add(&self.accepted, 1);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused, 1);
    }

    pub(crate) fn ignored(&self) {
        add(&self.ignored, 1);
    }

    pub(crate) fn unreachable(&self) {
        add(&self.unreachable, 1);
    }

    pub(crate) fn cut(&self) {
        add(&self.cut, 1);
    }

    pub(crate) fn reset(&self) {
        add(&self.reset, 1);
    }

    pub(crate) fn held(&self, bytes: usize) {
        add(&self.held, 1);
        add(&self.held_bytes, bytes);
    }

    pub(crate) fn swallowed(&self, bytes: usize) {
        add(&self.swallowed_bytes, bytes);
    }

    pub(crate) fn delayed(&self, bytes: usize) {
        add(&self.delayed_bytes, bytes);
    }

    pub(crate) fn sent_to_server(&self, bytes: usize) {
        add(&self.to_server_bytes, bytes);
    }

    pub(crate) fn sent_to_client(&self, bytes: usize) {
        add(&self.to_client_bytes, bytes);
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            accepted: read(&self.accepted),
            refused: read(&self.refused),
            ignored: read(&self.ignored),
            unreachable: read(&self.unreachable),
            cut: read(&self.cut),
            reset: read(&self.reset),
            held_bytes: read(&self.held_bytes),
            held: read(&self.held),
            swallowed_bytes: read(&self.swallowed_bytes),
            delayed_bytes: read(&self.delayed_bytes),
            to_server_bytes: read(&self.to_server_bytes),
            to_client_bytes: read(&self.to_client_bytes),
        }
    }
}
