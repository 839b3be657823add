//! How far a run is: everything another worker needs to continue it.

use serde::{Deserialize, Serialize};
use store::Fence;
use wire::{FailureKind, TaskFailure};
use worker::End;

use crate::plan::{Identity, Plan, retire::Victim};

/// What is saved before each step that changes the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Fence of the cluster's lock.
    pub(crate) fence: Fence,
    /// What is being done, and how far it is.
    pub(crate) progress: Progress,
    /// Whether that goes on.
    pub(crate) course: Course,
}

/// How far a run is. Server groups that are to go carry their own progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    /// A server group is to be made; nobody has seen it yet.
    Creating {
        /// What is made, and what goes for it.
        plan: Plan,
        /// When the creation began, epoch milliseconds: from then on the time for it is counted.
        began_ms: u64,
    },
    /// It was seen, and is not healthy yet.
    Starting {
        /// What is made, and what goes for it.
        plan: Plan,
        /// When the creation began, epoch milliseconds.
        began_ms: u64,
        /// The new group.
        new: Identity,
    },
    /// It was healthy; older groups go.
    Replacing {
        /// What was made, and what goes for it.
        plan: Plan,
        /// The new group.
        new: Identity,
        /// When it was found healthy, epoch milliseconds.
        healthy_ms: u64,
    },
    /// Groups that a failed deploy made go, oldest first.
    Destroying {
        /// Those groups.
        victims: Vec<Victim>,
    },
}

/// Whether a run goes on towards its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Course {
    /// It does.
    Onward,
    /// It is being ended early; only the cleaning up is left.
    Ending(Ending),
}

/// Why it ends early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// It was canceled.
    Canceled,
    /// It failed.
    Failed(TaskFailure),
}

impl Checkpoint {
    /// A run that has just been planned.
    pub(crate) fn new(fence: Fence, progress: Progress) -> Self {
        Self { fence, progress, course: Course::Onward }
    }

    /// Why the run is being ended early, if it is.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        match &self.course {
            Course::Onward => None,
            Course::Ending(ending) => Some(ending),
        }
    }

    /// The groups that are to go.
    pub(crate) fn victims(&self) -> &[Victim] {
        match &self.progress {
            Progress::Creating { plan, .. }
            | Progress::Starting { plan, .. }
            | Progress::Replacing { plan, .. } => &plan.victims,
            Progress::Destroying { victims } => victims,
        }
    }

    /// The same, to note progress.
    pub(crate) fn victims_mut(&mut self) -> &mut [Victim] {
        match &mut self.progress {
            Progress::Creating { plan, .. }
            | Progress::Starting { plan, .. }
            | Progress::Replacing { plan, .. } => &mut plan.victims,
            Progress::Destroying { victims } => victims,
        }
    }

    /// What is made.
    ///
    /// # Errors
    ///
    /// Nothing is: it is the checkpoint of another operation.
    pub(crate) fn plan(&self) -> Result<&Plan, End> {
        match &self.progress {
            Progress::Creating { plan, .. }
            | Progress::Starting { plan, .. }
            | Progress::Replacing { plan, .. } => Ok(plan),
            Progress::Destroying { .. } => Err(of_another_operation()),
        }
    }

    /// The same, to change it.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::plan`].
    pub(crate) fn plan_mut(&mut self) -> Result<&mut Plan, End> {
        match &mut self.progress {
            Progress::Creating { plan, .. }
            | Progress::Starting { plan, .. }
            | Progress::Replacing { plan, .. } => Ok(plan),
            Progress::Destroying { .. } => Err(of_another_operation()),
        }
    }

    /// The new group, once it was seen.
    pub(crate) fn new_group(&self) -> Option<&Identity> {
        match &self.progress {
            Progress::Starting { new, .. } | Progress::Replacing { new, .. } => Some(new),
            Progress::Creating { .. } | Progress::Destroying { .. } => None,
        }
    }

    /// The new group was seen.
    pub(crate) fn is_there(&mut self, new: Identity) {
        if let Progress::Creating { plan, began_ms } = &self.progress {
            self.progress = Progress::Starting { plan: plan.clone(), began_ms: *began_ms, new };
        }
    }

    /// The new group was found healthy.
    pub(crate) fn is_healthy(&mut self, healthy_ms: u64) {
        if let Progress::Starting { plan, new, .. } = &self.progress {
            let (plan, new) = (plan.clone(), new.clone());
            self.progress = Progress::Replacing { plan, new, healthy_ms };
        }
    }
}

fn of_another_operation() -> End {
    End::failed(FailureKind::Bug, "could not continue: the checkpoint is of another operation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_a_destruction_has_no_plan_and_says_so() {
        let mut checkpoint = Checkpoint::new(7, Progress::Destroying { victims: Vec::new() });
        for end in [checkpoint.plan().map(drop), checkpoint.plan_mut().map(drop)] {
            let Err(End::Failed(failure)) = end else { panic!("there is none") };
            assert_eq!(failure.kind, FailureKind::Bug);
        }
        let before = checkpoint.clone();
        checkpoint.is_there(Identity { arn: "arn".to_owned(), created_ms: 1 });
        checkpoint.is_healthy(2);
        assert_eq!(checkpoint, before);
        assert_eq!((checkpoint.new_group(), checkpoint.ending()), (None, None));
    }
}
