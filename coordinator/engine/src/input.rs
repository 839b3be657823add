//! One step: an input, the facts, the time; a new document and what follows from it.

use wire::Control;

use crate::{
    control, document::Document, effects::Effects, facts::Facts, rejection::Rejection, step::Step,
};

/// Why a step is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Something may have happened: a result was reported, or it is time.
    Look,
    /// Somebody wants the execution to stop.
    Cancel {
        /// The user who cancels.
        user: String,
        /// The reason the user gave.
        reason: Option<String>,
    },
    /// Somebody gives the execution an order.
    Control {
        /// The user who gave it.
        user: String,
        /// The order.
        control: Control,
    },
}

/// Takes one step, at `now_ms` by the store's clock.
///
/// # Errors
///
/// A rejected input leaves the document exactly as it is; for the shell that is success.
///
/// # Panics
///
/// When a bug in this crate would break a rule of the document (an arrow that the state machine of a stage
/// does not have, an index of a stage that is gone). The document is then in no defined state: the caller
/// catches the panic, drops the document, and stores nothing. The execution stays as it was and is looked at
/// again, by this version or by one without the bug; to end it as failed instead would leave the work of its
/// workers behind.
pub fn step(
    document: &mut Document,
    input: &Input,
    facts: &Facts,
    now_ms: u64,
) -> Result<Effects, Rejection> {
    if matches!(input, Input::Look | Input::Cancel { .. }) && document.is_complete() {
        return Err(Rejection::AlreadyComplete);
    }
    let mut step = Step::new(document, facts, now_ms);
    let refused = match input {
        Input::Look => None,
        Input::Cancel { .. } if step.document().canceled.is_some() => {
            Some(Rejection::AlreadyCanceled)
        }
        Input::Cancel { user, reason } => {
            step.cancel(user, reason.as_deref());
            None
        }
        Input::Control { user, control } => control::apply(&mut step, user, control).err(),
    };
    if let Some(rejection) = refused {
        assert!(step.changes() == 0, "an order is checked whole before anything changes");
        return Err(rejection);
    }
    step.settle();
    if step.changes() == 0 { Err(Rejection::NothingToDo) } else { Ok(step.effects) }
}
