//! Pauses between the tries of a call.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use model::TaskId;

/// Longest pause, unless the first one is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// Pauses that double from the first one, and differ between tasks, so that tasks which began together do not call
/// together for ever. Not random, so that a simulation repeats.
#[derive(Clone, Debug)]
pub struct Pauses {
    seed: u64,
    taken: u32,
    first: Duration,
}

impl Pauses {
    /// The pauses of a task; each is between half of its full length and all of it, and `first` is the full length
    /// of the first one.
    pub fn new(task: &TaskId, first: Duration) -> Self {
        let mut hash = DefaultHasher::new();
        task.hash(&mut hash);
        Self { seed: hash.finish(), taken: 0, first }
    }

    /// The next pause.
    pub fn next_pause(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.taken.min(10)).min(LONGEST.max(self.first));
        self.taken = self.taken.saturating_add(1);
        let mut hash = DefaultHasher::new();
        (self.seed, self.taken).hash(&mut hash);
        let part = u32::try_from(hash.finish() % 512).unwrap_or(0) + 512;
        full.saturating_mul(part) / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_between_half_and_all_of_that() {
        let task: TaskId = "E/S/1".parse().unwrap();
        for first in [Duration::from_millis(10), Duration::from_secs(1), Duration::from_mins(2)] {
            let mut pauses = Pauses::new(&task, first);
            for taken in 0..20 {
                let full = first.saturating_mul(1 << taken.min(10)).min(LONGEST.max(first));
                let pause = pauses.next_pause();
                assert!(pause >= full / 2 && pause <= full, "{taken}: {pause:?} of {full:?}");
            }
        }
        let other: TaskId = "E/S/2".parse().unwrap();
        let all = |task: &TaskId| {
            let mut pauses = Pauses::new(task, Duration::from_secs(1));
            [(); 4].map(|()| pauses.next_pause())
        };
        assert_eq!(all(&task), all(&task));
        assert_ne!(all(&task), all(&other));
    }
}
