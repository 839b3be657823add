#![doc = include_str!("../README.md")]

mod amqp;
mod api;
mod in_process;
mod open;

pub use api::{
    Bus, BusError, Consumer, Delivery, Message, ParkReason, PublishError, QueueDepth, Settle,
    SharedBus,
};
pub use in_process::BrokerControl;
pub use open::{Options, in_process, in_process_controlled, open};

/// Times a message may be given back before it is parked: it is handed out once more often. Ten
/// deaths of a worker before its claim are no coincidence.
pub(crate) const DELIVERY_LIMIT: u32 = 10;
/// Messages a queue may hold before publishers are refused: their own outboxes hold the rest.
pub(crate) const QUEUE_LENGTH_MAX: u32 = 100_000;
/// Cancel hints waiting in one process; more than that are dropped, the leases know.
pub(crate) const HINTS_MAX: usize = 64;

/// The wall clock, for a message's age.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
