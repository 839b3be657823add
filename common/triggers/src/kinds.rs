//! The kinds of triggers: one file each, and one line in the table.

pub mod cron;
pub mod jenkins;
pub mod pipeline;

use crate::Row;

/// Every kind of trigger.
pub static TABLE: &[Row] =
    &[Row::of::<jenkins::Jenkins>(), Row::of::<cron::Cron>(), Row::of::<pipeline::PipelineEnd>()];
