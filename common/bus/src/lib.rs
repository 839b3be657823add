//! The broker behind one seam, two implementations: lapin and in-process.
//!
//! A publish that returns `Ok` is confirmed by the broker and reached a queue. Everything is at
//! least once: what was not settled when its consumer went away is delivered again.

mod api;

pub use api::{
    Bus, BusError, Consumer, Delivery, Message, ParkReason, PublishError, QueueDepth, Settle,
    SharedBus,
};
