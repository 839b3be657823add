//! Which bus an address means.

use std::{sync::Arc, time::Duration};

use crate::{BrokerControl, BusError, SharedBus, amqp::Amqp, in_process::InProcess};

/// How a bus is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Before the name of every queue and exchange, so that tests own their world.
    pub prefix: String,
    /// Who we are, for the broker's list of connections and the `app_id` of messages.
    pub name: String,
    /// How long an unreachable broker is tried at the start; zero is one try.
    pub patience: Duration,
    /// How long a publish, its confirm, and any other question may take. A publish that takes
    /// longer has an unknown outcome.
    pub timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            name: "bowline".to_owned(),
            patience: Duration::ZERO,
            timeout: Duration::from_secs(10),
        }
    }
}

/// Opens the bus at `url`: `amqp://`, `amqps://`, or `in-process` (a new one of its own).
///
/// # Errors
///
/// `Address` for anything else, `Unavailable` when the broker does not answer within the patience,
/// `Topology` when a queue or an exchange is there with other properties.
pub async fn open(url: &str, options: Options) -> Result<SharedBus, BusError> {
    if url == "in-process" {
        Ok(in_process())
    } else if url.starts_with("amqp://") || url.starts_with("amqps://") {
        Ok(Arc::new(Amqp::connect(url, options).await?))
    } else {
        let detail = "it must begin with `amqp://` or `amqps://`, or be `in-process`".to_owned();
        Err(BusError::Address { detail })
    }
}

/// As [`in_process`], with a hold on the broker's fate.
pub fn in_process_controlled() -> (SharedBus, BrokerControl) {
    let bus = InProcess::default();
    let control = bus.control();
    (Arc::new(bus), control)
}

/// A new bus inside this process; who is to meet on it shares it.
pub fn in_process() -> SharedBus {
    Arc::new(InProcess::default())
}
