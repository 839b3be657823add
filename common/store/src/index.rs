//! The indexes executions are listed from: their names, and which of them answer a filter.

use std::collections::BTreeSet;

use model::ExecutionStatus;

use crate::{ExecutionFilter, rules};

/// Every execution.
pub(crate) fn of_all() -> String {
    "all".to_owned()
}

/// An application's executions.
pub(crate) fn of_application(application: &str) -> String {
    format!("application/{application}")
}

/// A pipeline's executions.
pub(crate) fn of_pipeline(id: &str) -> String {
    format!("pipeline/{id}")
}

/// An event's executions.
pub(crate) fn of_event(key: &str) -> String {
    format!("event/{key}")
}

/// Executions with a status.
pub(crate) fn of_status(status: ExecutionStatus) -> String {
    format!("status/{status}")
}

/// The narrowest indexes that together hold every execution the filter lets through.
pub(crate) fn sources(filter: &ExecutionFilter) -> BTreeSet<String> {
    let of_statuses = || filter.statuses.iter().map(|status| of_status(*status)).collect();
    if let Some(key) = &filter.event_key {
        BTreeSet::from([of_event(key)])
    } else if rules::only_live(&filter.statuses) {
        of_statuses()
    } else if !filter.pipeline_ids.is_empty() {
        filter.pipeline_ids.iter().map(|id| of_pipeline(id)).collect()
    } else if let Some(application) = &filter.application {
        BTreeSet::from([of_application(application)])
    } else if !filter.statuses.is_empty() {
        of_statuses()
    } else {
        BTreeSet::from([of_all()])
    }
}
