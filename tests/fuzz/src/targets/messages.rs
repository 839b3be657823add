//! What travels between our own programs, and may have been written by others.

use std::{fmt::Display, str::FromStr};

use model::{ExecutionId, ExecutionStatus, Pool, StageId, TaskId};
use serde::{Serialize, de::DeserializeOwned};
use wire::{CancelHint, Event, ExecutionView, ResultMessage, Route, TaskMessage, TaskOutcome};

use super::text;

/// Messages of the broker.
pub(super) fn task(data: &[u8]) {
    if let Ok(message) = TaskMessage::decode(data) {
        let written = serde_json::to_vec(&message).unwrap_or_default();
        assert_eq!(TaskMessage::decode(&written).ok().as_ref(), Some(&message));
        assert_eq!(message.message_id(), format!("{}/{}", message.task, message.epoch));
    }
    if let Ok(message) = ResultMessage::decode(data) {
        let written = serde_json::to_vec(&message).unwrap_or_default();
        assert_eq!(ResultMessage::decode(&written).ok().as_ref(), Some(&message));
    }
    again::<CancelHint>(data);
    again::<TaskOutcome>(data);
}

/// Events and views as they are stored.
pub(super) fn event(data: &[u8]) {
    again::<Event>(data);
    again::<ExecutionView>(data);
}

/// Whatever is read is written and read again as the same.
fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_vec(&read).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<T>(&written).ok().as_ref(), Some(&read));
}

/// Ids and names have one form: what is read is written as it was, and fits a path and a key.
pub(super) fn ids(data: &[u8]) {
    let Some(text) = text(data) else { return };
    one_form::<ExecutionStatus>(text);
    one_form::<Pool>(text);
    one_form::<Route>(text);
    for id in [one_form::<ExecutionId>(text), one_form::<StageId>(text)].into_iter().flatten() {
        assert!((1..=64).contains(&id.len()) && !id.contains(['/', ':', '.', '%', ' ', '{']));
    }
    if let Ok(task) = text.parse::<TaskId>() {
        assert_eq!(task.to_string().parse().ok(), Some(task.clone()));
        assert!(task.owner().starts_with(task.execution.as_str()));
    }
}

fn one_form<T: FromStr + Display>(text: &str) -> Option<String> {
    let read: T = text.parse().ok()?;
    assert_eq!(read.to_string(), text);
    Some(read.to_string())
}
