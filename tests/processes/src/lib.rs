//! What tests of the programs as built share: processes, private services, the fakes, and a shop that ships.
//!
//! Everything is on loopback, in a folder of the test's own, and ends with the test. Whatever does not come up
//! panics: the test has no world then.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "only tests use it, and fail by panicking"
)]

mod process;
mod services;
mod shop;
mod waiting;

pub use crate::{
    process::{Process, free_port, program, root},
    services::Services,
    shop::{
        API_TOKEN, PURPOSE, Settings, WEBHOOK_TOKEN, base_image, fake_aws, fake_jenkins, pipeline,
    },
    waiting::{eventually, how_soon},
};
