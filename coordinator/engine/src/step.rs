//! One step: an input, the leases, the time; a new document and what follows from it.

use std::collections::BTreeMap;

use model::{TaskId, limits};
use wire::TaskOutcome;

use crate::{
    advance,
    document::{Canceled, Document, StageState, Work},
    effects::Effects,
    work,
};

/// Why a step is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Something may have happened: a result was reported, or it is time.
    Look,
    /// Somebody wants it to stop.
    Cancel {
        /// Who.
        user: String,
        /// Why.
        reason: Option<String>,
    },
}

/// What the store says about a live task.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// Epoch that may be claimed or is held.
    pub epoch: u32,
    /// Until when it is held, if it is.
    pub until_ms: Option<u64>,
    /// Whether it was claimed in this epoch.
    pub claimed: bool,
    /// Checkpoints stored, over all epochs.
    pub checkpoints: u64,
    /// How it ended, once it has.
    pub result: Option<TaskOutcome>,
}

/// Why an input was not applied. The document is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It is over.
    #[error("the execution is already complete")]
    AlreadyComplete,
    /// It was canceled before.
    #[error("the execution was canceled before")]
    AlreadyCanceled,
    /// Nothing has happened.
    #[error("nothing to do")]
    NothingToDo,
}

/// Takes one step, at `now_ms` by the store's clock.
///
/// # Errors
///
/// A rejected input leaves the document as it is; for the shell that is success.
pub fn step(
    document: &mut Document,
    input: &Input,
    leases: &BTreeMap<TaskId, Lease>,
    now_ms: u64,
) -> Result<Effects, Rejection> {
    if document.is_complete() {
        return Err(Rejection::AlreadyComplete);
    }
    let mut effects = Effects::default();
    if let Input::Cancel { user, reason } = input {
        if document.canceled.is_some() {
            return Err(Rejection::AlreadyCanceled);
        }
        document.canceled =
            Some(Canceled { by: user.clone(), reason: reason.clone(), at_ms: now_ms });
        effects.note("cancel_requested", None, Some(said(user, reason.as_deref())));
    }
    work::absorb(document, leases, now_ms, &mut effects);
    advance::advance(document, now_ms, &mut effects);
    // Every change leaves a line in the timeline; no line, no change.
    if effects.timeline.is_empty() {
        return Err(Rejection::NothingToDo);
    }
    Ok(effects)
}

fn said(user: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| format!("by {user}"), |reason| format!("by {user}: {reason}"))
}

/// When a live document must be looked at again, at the latest. `None` when it is complete.
///
/// A result makes the store look earlier on its own, so this only has to catch what is lost: a task
/// nobody claimed, a worker that fell silent, a pause that is over.
pub fn next_look(
    document: &Document,
    leases: &BTreeMap<TaskId, Lease>,
    now_ms: u64,
) -> Option<u64> {
    if document.is_complete() {
        return None;
    }
    // A little under the longest sleep the store allows, so that its clock may be a bit behind.
    let latest = now_ms + work::millis(limits::WAKE_MAX) - 10_000;
    let of_stages = document.stages.iter().filter_map(|stage| match &stage.state {
        StageState::Running(Work::BackingOff { due_ms, .. }) => Some(*due_ms),
        StageState::Running(Work::Task { .. }) => {
            let task = document.task_of(stage)?;
            Some(work::next_look(stage, leases.get(&task)))
        }
        StageState::NotStarted | StageState::Running(Work::Children) | StageState::Done(_) => None,
    });
    Some(of_stages.fold(latest, u64::min).max(now_ms))
}
