//! The world as far as an expression may ask for it: facts given by the caller, and a sequence of
//! unpredictable numbers that begins with a given one.

use std::cell::Cell;

use crate::{fault::Trouble, pattern::Patterns, scope::Facts};

pub(crate) struct World<'f> {
    pub(crate) facts: &'f Facts,
    pub(crate) patterns: Patterns,
    state: Cell<Option<u64>>,
}

impl<'f> World<'f> {
    pub(crate) fn new(facts: &'f Facts) -> Self {
        Self { facts, patterns: Patterns::default(), state: Cell::new(facts.seed) }
    }

    /// The next unpredictable number.
    ///
    /// Source: `SplitMix64`.
    pub(crate) fn draw(&self) -> Result<u64, Trouble> {
        let state =
            self.state.get().ok_or_else(|| Trouble::from("nothing random is given here"))?;
        let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.state.set(Some(state));
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Ok(mixed ^ (mixed >> 31))
    }
}
