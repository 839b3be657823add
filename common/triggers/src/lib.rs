#![doc = include_str!("../README.md")]

mod definition;
mod kind;
pub mod kinds;
mod occurrence;
pub mod quartz;
mod trigger;

pub use definition::{
    BY_TIME, DEFAULT_ZONE, INDEX_VERSION, LATE_MAX_MS, index_keys, schedule, triggers_of,
};
pub use kind::{Confirm, Row, TriggerKind};
pub use kinds::{TABLE, jenkins};
pub use occurrence::{File, Files, Known, Match, Moment, Need, Occurrence, Properties};
pub use trigger::{Trigger, read};
