//! What this coordinator has taken and not put down yet.
//!
//! The store hides what it gave out only for a moment, so that another coordinator takes over soon
//! when this one dies or the answer was lost. What takes longer is offered here again meanwhile, and
//! is not taken twice by the same pair of hands.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The names of what is in hand, of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hands {
    held: Arc<Mutex<BTreeSet<String>>>,
}

/// Something that was taken; put down when it is dropped.
#[derive(Debug)]
pub(crate) struct Taken<T> {
    pub(crate) what: T,
    pub(crate) grip: Grip,
}

/// Holds a name.
#[derive(Debug)]
pub(crate) struct Grip {
    hands: Hands,
    name: String,
}

impl Hands {
    /// Takes something; `None` when it is in hand already.
    pub(crate) fn take<T>(&self, name: &str, what: T) -> Option<Taken<T>> {
        if !self.names().insert(name.to_owned()) {
            return None;
        }
        let grip = Grip { hands: self.clone(), name: name.to_owned() };
        Some(Taken { what, grip })
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Grip {
    fn drop(&mut self) {
        self.hands.names().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_hand_is_not_taken_again_until_it_is_put_down() {
        let hands = Hands::default();
        let first = hands.take("a", 1).unwrap();
        assert!(hands.take("a", 2).is_none());
        assert_eq!(hands.take("b", 3).map(|taken| taken.what), Some(3));
        drop(first);
        assert_eq!(hands.take("a", 4).map(|taken| taken.what), Some(4));
    }
}
