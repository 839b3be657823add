//! How far a deploy, or the destruction of what one made, is: everything another worker needs to continue it.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::Fence;
use wire::TaskFailure;

use crate::plan::{Identity, Plan, retire::Victim};

/// What is committed before each step that changes the world.
pub(crate) trait Record: Clone + Serialize + DeserializeOwned + Send + Sync {
    /// Fence of the cluster's lock.
    fn fence(&mut self) -> &mut Fence;
    /// Groups that are to go, with their own progress.
    fn victims(&self) -> &[Victim];
    /// The same, to note progress.
    fn victims_mut(&mut self) -> &mut [Victim];
    /// Set once it is being ended early; then only the cleaning up is left.
    fn ending(&mut self) -> &mut Option<Ending>;
}

/// How far a deploy is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Fence of the cluster's lock.
    pub(crate) fence: Fence,
    /// What is being done; its victims carry their own progress.
    pub(crate) plan: Plan,
    /// When creating began, epoch milliseconds: the new group has so long from then.
    pub(crate) began_ms: u64,
    /// The new group, once it was seen.
    pub(crate) created: Option<Identity>,
    /// When it was found healthy, epoch milliseconds.
    pub(crate) healthy_ms: Option<u64>,
    /// Set once the deploy is being ended early; then only the cleaning up is left.
    pub(crate) ending: Option<Ending>,
}

impl Record for Checkpoint {
    fn fence(&mut self) -> &mut Fence {
        &mut self.fence
    }
    fn victims(&self) -> &[Victim] {
        &self.plan.victims
    }
    fn victims_mut(&mut self) -> &mut [Victim] {
        &mut self.plan.victims
    }
    fn ending(&mut self) -> &mut Option<Ending> {
        &mut self.ending
    }
}

/// How far the destruction of what a failed deploy made is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Destruction {
    /// Fence of the cluster's lock.
    pub(crate) fence: Fence,
    /// What it made, oldest first.
    pub(crate) victims: Vec<Victim>,
    /// Set once it is being ended early.
    pub(crate) ending: Option<Ending>,
}

impl Record for Destruction {
    fn fence(&mut self) -> &mut Fence {
        &mut self.fence
    }
    fn victims(&self) -> &[Victim] {
        &self.victims
    }
    fn victims_mut(&mut self) -> &mut [Victim] {
        &mut self.victims
    }
    fn ending(&mut self) -> &mut Option<Ending> {
        &mut self.ending
    }
}

/// Why it ends early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// It was told to stop.
    Canceled,
    /// It failed.
    Failed(TaskFailure),
}
