//! One step: an input, the leases, the time; a new document and what follows from it.

use model::{ExecutionId, limits};
use wire::Control;

use crate::{
    advance,
    document::{Canceled, Document, Stage, StageState, Work},
    effects::Effects,
    facts::Facts,
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
    /// Somebody tells it what to do.
    Control {
        /// Who.
        user: String,
        /// What.
        control: Control,
    },
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
    /// An order does not fit where it stands; why, for people.
    #[error("{0}")]
    Unfit(String),
}

/// Takes one step, at `now_ms` by the store's clock.
///
/// # Errors
///
/// A rejected input leaves the document as it is; for the shell that is success.
pub fn step(
    document: &mut Document,
    input: &Input,
    facts: &Facts,
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
    if let Input::Control { control, .. } = input {
        return Err(Rejection::Unfit(format!("{control:?} is not known yet")));
    }
    work::absorb(document, &facts.leases, now_ms, &mut effects);
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
pub fn next_look(document: &Document, facts: &Facts, now_ms: u64) -> Option<u64> {
    if document.is_complete() {
        return None;
    }
    // A little under the longest sleep the store allows, so that its clock may be a bit behind.
    let latest = now_ms + work::millis(limits::WAKE_MAX) - 10_000;
    let of_stages = document.stages.iter().filter_map(|stage| match &stage.state {
        StageState::Running(Work::BackingOff { due_ms, .. }) => Some(*due_ms),
        StageState::Running(Work::Task { .. }) => {
            let task = document.task_of(stage)?;
            Some(work::next_look(stage, facts.leases.get(&task)))
        }
        StageState::NotStarted
        | StageState::Running(
            Work::Held
            | Work::Children
            | Work::Window { .. }
            | Work::Waiting { .. }
            | Work::Judging
            | Work::Child { .. },
        )
        | StageState::Done(_) => None,
    });
    Some(of_stages.fold(latest, u64::min).max(now_ms))
}

/// The executions whose [`crate::ChildFact`] a step of this document needs.
pub fn children_of(document: &Document) -> Vec<ExecutionId> {
    let child = |stage: &Stage| match &stage.state {
        StageState::Running(Work::Child { execution, .. }) => Some(execution.clone()),
        StageState::NotStarted
        | StageState::Running(
            Work::Held
            | Work::Children
            | Work::Window { .. }
            | Work::Waiting { .. }
            | Work::Judging
            | Work::Task { .. }
            | Work::BackingOff { .. },
        )
        | StageState::Done(_) => None,
    };
    document.stages.iter().filter_map(child).collect()
}
