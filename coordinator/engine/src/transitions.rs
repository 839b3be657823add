//! The state machine of a stage. [`State`] can only be changed here: by [`State::go`], along one of
//! [`ARROWS`], or by counting within a state.
//!
//! A restart is no arrow: it puts a new run, with a new state, in the place of the old one.

use model::ExecutionStatus;
use serde::{Deserialize, Serialize};

use crate::state::{ChildRun, Operation, StageState, Work};

/// An allowed change: its name, the state before, the state after.
struct Arrow(&'static str, Node, Node);

/// All changes of a stage's state that there are.
const ARROWS: [Arrow; 20] = [
    // A stage whose requirements are met begins; a part begins as soon as it is made.
    Arrow("hold for the time window", Node::NotStarted, Node::Held),
    Arrow("begin with parts", Node::NotStarted, Node::Parts),
    Arrow("begin to wait", Node::NotStarted, Node::Awaiting),
    Arrow("begin with another execution", Node::NotStarted, Node::Child),
    Arrow("begin with an operation", Node::NotStarted, Node::Operation),
    Arrow("skip, fail at once, or nothing to wait for", Node::NotStarted, Node::Done),
    // The window is open, or the stage ends without having worked.
    Arrow("open to parts", Node::Held, Node::Parts),
    Arrow("open to a wait", Node::Held, Node::Awaiting),
    Arrow("open to another execution", Node::Held, Node::Child),
    Arrow("open to an operation", Node::Held, Node::Operation),
    Arrow("end without work: a stop, a skip, or the window failed", Node::Held, Node::Done),
    // The work is over.
    Arrow("all parts are over, or a person skips it", Node::Parts, Node::Done),
    Arrow("a part failed, and something follows a failure", Node::Parts, Node::AfterFailure),
    Arrow("what follows the failure is over", Node::AfterFailure, Node::Done),
    Arrow("the time came, a person decided, or a stop", Node::Awaiting, Node::Done),
    Arrow("the other execution is over or exists", Node::Child, Node::Done),
    // Tries of an operation.
    Arrow("the try failed, another may help", Node::Operation, Node::BackingOff),
    Arrow("the last try is over", Node::Operation, Node::Done),
    Arrow("the next try", Node::BackingOff, Node::Operation),
    Arrow("stop before the next try", Node::BackingOff, Node::Done),
];

/// A state without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    NotStarted,
    Held,
    Parts,
    AfterFailure,
    Awaiting,
    Child,
    Operation,
    BackingOff,
    Done,
}

impl Node {
    const fn of(state: &StageState) -> Self {
        match state {
            StageState::NotStarted => Self::NotStarted,
            StageState::Running(Work::Held) => Self::Held,
            StageState::Running(Work::Parts) => Self::Parts,
            StageState::Running(Work::AfterFailure { .. }) => Self::AfterFailure,
            StageState::Running(Work::Awaiting(_)) => Self::Awaiting,
            StageState::Running(Work::Child(_)) => Self::Child,
            StageState::Running(Work::Operation(_)) => Self::Operation,
            StageState::Running(Work::BackingOff { .. }) => Self::BackingOff,
            StageState::Done(_) => Self::Done,
        }
    }
}

/// The names of the arrows that leave a state.
fn leaving(state: Node) -> Vec<&'static str> {
    ARROWS.iter().filter(|Arrow(_, from, _)| *from == state).map(|Arrow(name, ..)| *name).collect()
}

/// The state of one run of a stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State(StageState);

impl State {
    /// The state of a run that has not begun.
    pub(crate) const fn not_started() -> Self {
        Self(StageState::NotStarted)
    }

    /// Where the run stands.
    pub const fn get(&self) -> &StageState {
        &self.0
    }

    /// How the state is shown and judged.
    pub const fn status(&self) -> ExecutionStatus {
        match &self.0 {
            StageState::NotStarted => ExecutionStatus::NotStarted,
            StageState::Running(_) => ExecutionStatus::Running,
            StageState::Done(status) => *status,
        }
    }

    /// Changes the state. Whoever calls this says in the timeline what happened; see `Step::go`.
    ///
    /// # Panics
    ///
    /// When no arrow leads there, which only a bug in this crate can bring about. The caller of the step
    /// then drops the document, so nothing wrong is stored.
    pub(crate) fn go(&mut self, to: StageState) {
        let (before, after) = (Node::of(&self.0), Node::of(&to));
        assert!(
            ARROWS.iter().any(|Arrow(_, from, to)| (*from, *to) == (before, after)),
            "no arrow leads from {before:?} to {after:?}; from there: {:?}",
            leaving(before)
        );
        if let StageState::Done(status) = &to {
            assert!(status.is_complete(), "a stage does not end as {status}");
        }
        self.0 = to;
    }

    /// The operation that runs.
    ///
    /// # Panics
    ///
    /// When none runs: only a bug in this crate can ask for it then.
    pub(crate) fn operation(&self) -> &Operation {
        match &self.0 {
            StageState::Running(Work::Operation(operation)) => operation,
            other @ (StageState::NotStarted | StageState::Running(_) | StageState::Done(_)) => {
                unexpected("an operation", other)
            }
        }
    }

    /// The operation that runs, to count its dispatches.
    ///
    /// # Panics
    ///
    /// As [`State::operation`].
    pub(crate) fn operation_mut(&mut self) -> &mut Operation {
        match &mut self.0 {
            StageState::Running(Work::Operation(operation)) => operation,
            other @ (StageState::NotStarted | StageState::Running(_) | StageState::Done(_)) => {
                unexpected("an operation", other)
            }
        }
    }

    /// The other execution that runs for the stage.
    ///
    /// # Panics
    ///
    /// When none does: only a bug in this crate can ask for it then.
    pub(crate) fn child(&self) -> &ChildRun {
        match &self.0 {
            StageState::Running(Work::Child(child)) => child,
            other @ (StageState::NotStarted | StageState::Running(_) | StageState::Done(_)) => {
                unexpected("another execution", other)
            }
        }
    }

    /// The other execution that runs for the stage, to note that it is to stop.
    ///
    /// # Panics
    ///
    /// As [`State::child`].
    pub(crate) fn child_mut(&mut self) -> &mut ChildRun {
        match &mut self.0 {
            StageState::Running(Work::Child(child)) => child,
            other @ (StageState::NotStarted | StageState::Running(_) | StageState::Done(_)) => {
                unexpected("another execution", other)
            }
        }
    }
}

#[expect(clippy::panic, reason = "a bug must not change a document; see `step`")]
fn unexpected(wanted: &str, state: &StageState) -> ! {
    panic!("a stage that is {:?} does not run {wanted}", Node::of(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_are_named_once_and_none_leaves_the_end() {
        for (at, Arrow(name, from, to)) in ARROWS.iter().enumerate() {
            for Arrow(other, other_from, other_to) in &ARROWS[at + 1..] {
                assert_ne!(name, other);
                assert_ne!((from, to), (other_from, other_to), "{name} and {other}");
            }
            assert_ne!(from, to, "{name}");
        }
        assert_eq!(leaving(Node::Done), [""; 0]);
    }

    #[test]
    #[should_panic(expected = "no arrow leads from Done to AfterFailure")]
    fn stage_that_is_over_stays_over() {
        let mut state = State::not_started();
        state.go(StageState::Done(ExecutionStatus::Succeeded));
        let status = ExecutionStatus::Terminal;
        state.go(StageState::Running(Work::AfterFailure { status }));
    }

    #[test]
    #[should_panic(expected = "a stage does not end as RUNNING")]
    fn stage_ends_with_a_status_that_is_an_end() {
        State::not_started().go(StageState::Done(ExecutionStatus::Running));
    }
}
