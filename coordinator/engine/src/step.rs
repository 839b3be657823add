//! One step: an input, the facts, the time; a new document and what follows from it.

use model::{ExecutionStatus, TaskId, limits};
use wire::Control;

use crate::{
    control,
    document::{Canceled, Document, Stage, StageState, Work},
    effects::Effects,
    facts::{Facts, SlotState},
    index::Index,
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

/// One step in the making: the document, what is known, and what follows.
pub(crate) struct Step<'a> {
    pub(crate) document: &'a mut Document,
    pub(crate) facts: &'a Facts,
    pub(crate) now_ms: u64,
    pub(crate) index: Index,
    pub(crate) effects: Effects,
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
    let mut step = Step::new(document, facts, now_ms);
    match input {
        Input::Look if step.document.is_complete() => return Err(Rejection::AlreadyComplete),
        Input::Look => {}
        Input::Cancel { user, reason } => step.cancel(user, reason.as_deref())?,
        Input::Control { user, control } => control::apply(&mut step, user, control)?,
    }
    step.settle();
    // Every change leaves a line in the timeline; no line, no change.
    if step.effects.timeline.is_empty() {
        return Err(Rejection::NothingToDo);
    }
    Ok(step.effects)
}

impl<'a> Step<'a> {
    pub(crate) fn new(document: &'a mut Document, facts: &'a Facts, now_ms: u64) -> Self {
        let index = Index::of(&document.stages);
        Self { document, facts, now_ms, index, effects: Effects::default() }
    }

    /// Brings the document up to date.
    pub(crate) fn settle(&mut self) {
        if self.document.status == ExecutionStatus::NotStarted {
            self.seek_slot();
        }
        if self.running() {
            self.absorb();
            self.advance();
        } else if self.paused() {
            self.absorb();
            self.settle_parents();
        }
    }

    pub(crate) fn running(&self) -> bool {
        self.document.status == ExecutionStatus::Running
    }

    pub(crate) fn paused(&self) -> bool {
        self.document.status == ExecutionStatus::Paused
    }

    pub(crate) fn stage(&self, at: usize) -> Option<&Stage> {
        self.document.stages.get(at)
    }

    /// The place of a stage, and its state.
    pub(crate) fn state(&self, at: usize) -> Option<&StageState> {
        self.stage(at).map(|stage| &stage.state)
    }

    fn cancel(&mut self, user: &str, reason: Option<&str>) -> Result<(), Rejection> {
        if self.document.is_complete() {
            return Err(Rejection::AlreadyComplete);
        }
        if self.document.canceled.is_some() {
            return Err(Rejection::AlreadyCanceled);
        }
        self.cancel_as(user, reason);
        Ok(())
    }

    /// Marks it canceled; one that waits for a slot is over at once, a paused one goes on to stop its work.
    pub(crate) fn cancel_as(&mut self, user: &str, reason: Option<&str>) {
        let canceled =
            Canceled { by: user.to_owned(), reason: reason.map(str::to_owned), at_ms: self.now_ms };
        self.document.canceled = Some(canceled);
        self.effects.note("cancel_requested", None, Some(said(user, reason)));
        match self.document.status {
            ExecutionStatus::NotStarted => self.complete(ExecutionStatus::Canceled),
            ExecutionStatus::Paused => control::end_pause(self, user),
            ExecutionStatus::Running
            | ExecutionStatus::Suspended
            | ExecutionStatus::Succeeded
            | ExecutionStatus::FailedContinue
            | ExecutionStatus::Terminal
            | ExecutionStatus::Canceled
            | ExecutionStatus::Redirect
            | ExecutionStatus::Stopped
            | ExecutionStatus::Skipped
            | ExecutionStatus::Buffered => {}
        }
    }
}

pub(crate) fn said(user: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| format!("by {user}"), |reason| format!("by {user}: {reason}"))
}

/// When a live document must be looked at again, at the latest. `None` when it is complete.
///
/// A result, a free slot and the end of a child make the store look earlier on their own, so this only has
/// to catch what is lost, and time itself: a task nobody claimed, a worker that fell silent, a pause that
/// is over.
pub fn next_look(document: &Document, facts: &Facts, now_ms: u64) -> Option<u64> {
    if document.is_complete() {
        return None;
    }
    // A little under the longest sleep the store allows, so that its clock may be a bit behind.
    let latest = now_ms + work::millis(limits::WAKE_MAX) - 10_000;
    let earliest = match document.status {
        // Nobody has looked since it was registered: its slot may be there.
        ExecutionStatus::NotStarted if !registered(facts) => now_ms,
        ExecutionStatus::NotStarted => document.start_expiry_ms.map_or(latest, |late| late + 1),
        ExecutionStatus::Running => document
            .stages
            .iter()
            .filter_map(|stage| next_look_at(document, stage, facts, now_ms))
            .fold(latest, u64::min),
        // Nothing is due while it is paused: results come with a wake of their own.
        ExecutionStatus::Paused
        | ExecutionStatus::Suspended
        | ExecutionStatus::Succeeded
        | ExecutionStatus::FailedContinue
        | ExecutionStatus::Terminal
        | ExecutionStatus::Canceled
        | ExecutionStatus::Redirect
        | ExecutionStatus::Stopped
        | ExecutionStatus::Skipped
        | ExecutionStatus::Buffered => latest,
    };
    Some(earliest.min(latest).max(now_ms))
}

/// Whether the facts were read after the store had given it a slot or a place.
fn registered(facts: &Facts) -> bool {
    facts.slot.as_ref().is_some_and(|fact| fact.own != SlotState::None)
}

/// How soon an execution that was asked for, and that nobody has seen yet, is looked for again.
const CHILD_LOOK_MS: u64 = 15_000;

fn next_look_at(document: &Document, stage: &Stage, facts: &Facts, now_ms: u64) -> Option<u64> {
    let StageState::Running(at_work) = &stage.state else { return None };
    let due_ms = match at_work {
        Work::BackingOff { due_ms, .. } => Some(*due_ms),
        Work::Window { opens_ms } => Some(*opens_ms),
        Work::Waiting { until_ms } => Some(*until_ms),
        Work::Task { .. } => {
            let task: TaskId = document.task_of(stage)?;
            Some(work::next_look(stage, facts.leases.get(&task)))
        }
        Work::Child { execution, .. } => {
            (!facts.children.contains_key(execution)).then_some(now_ms + CHILD_LOOK_MS)
        }
        Work::Held | Work::Children | Work::OnFailure { .. } | Work::Judging { .. } => None,
    };
    let deadline_ms = stage.deadline_ms().filter(|_| document.canceled.is_none());
    match (due_ms, deadline_ms) {
        (Some(due_ms), Some(deadline_ms)) => Some(due_ms.min(deadline_ms)),
        (due_ms, deadline_ms) => due_ms.or(deadline_ms),
    }
}
