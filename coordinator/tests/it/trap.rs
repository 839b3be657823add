//! Trips a coordinator at its n-th call to the world.

use std::sync::{Mutex, MutexGuard};

/// What happens at the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trip {
    /// It has no effect, and the answer is "no answer".
    FailsBefore,
    /// It has its effect, and the answer is "no answer".
    FailsAfter,
    /// The process ends before the effect: this call and all later ones never return.
    DiesBefore,
    /// The process ends after the effect, before the answer.
    DiesAfter,
    /// The broker refuses the message.
    Refused,
    /// The broker has no queue for the message.
    Unroutable,
}

/// Which calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// All: those to the store, and publishes.
    All,
    /// Those of one name.
    Only(&'static str),
}

/// What to do with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Well,
    Tripped(Trip),
    /// The process is no more.
    Dead,
}

/// Trips once.
#[derive(Debug)]
pub(crate) struct Trap {
    counted: Counted,
    nth: usize,
    trip: Trip,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    tripped: Option<&'static str>,
    dead: bool,
}

impl Trap {
    /// Trips at the `nth` counted call, from 1.
    pub(crate) fn at(nth: usize, counted: Counted, trip: Trip) -> Self {
        Self { counted, nth, trip, state: Mutex::default() }
    }

    /// Never trips.
    pub(crate) fn none() -> Self {
        Self::at(0, Counted::All, Trip::FailsBefore)
    }

    /// The call at which it tripped, if it has.
    pub(crate) fn tripped(&self) -> Option<&'static str> {
        self.lock().tripped
    }

    /// Judges a call.
    pub(crate) fn next(&self, call: &'static str) -> Verdict {
        let mut state = self.lock();
        if state.dead {
            return Verdict::Dead;
        }
        match self.counted {
            Counted::Only(name) if name != call => return Verdict::Well,
            Counted::Only(_) | Counted::All => {}
        }
        state.calls += 1;
        if state.calls != self.nth {
            return Verdict::Well;
        }
        state.tripped = Some(call);
        state.dead = matches!(self.trip, Trip::DiesBefore | Trip::DiesAfter);
        Verdict::Tripped(self.trip)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}
