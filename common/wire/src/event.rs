//! What the gateway stores for the coordinator to act on.

use model::{ExecutionId, StageId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Control, Signal};

/// Something from outside, accepted durably, to be acted on once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Something happened that pipelines may wait for.
    Signal(Signal),
    /// A definition with time triggers was saved: their next runs are to be planned.
    DefinitionSaved {
        /// The pipeline config id.
        pipeline_id: String,
    },
    /// A person or a script starts a pipeline.
    ManualStart(ManualStart),
    /// A person or a script wants to know what a start would do. Nothing is started: what comes of it
    /// is the plan.
    Plan(ManualStart),
    /// A person or a script cancels an execution.
    Cancel {
        /// Which.
        execution: ExecutionId,
        /// Who asked.
        user: String,
        /// Why, in their words.
        reason: Option<String>,
    },
    /// A person or a script tells an execution what to do.
    Control {
        /// Which.
        execution: ExecutionId,
        /// Who asked.
        user: String,
        /// What.
        control: Control,
    },
    /// A stage of an execution starts another pipeline.
    StartChild(StartChild),
}

/// A start by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManualStart {
    /// The pipeline config id.
    pub pipeline_id: String,
    /// Who started it.
    pub user: String,
    /// The trigger as sent: `type`, `parameters`, `master`, `job`, `buildNumber`, `rebake`, and
    /// whatever else the sender put there. Data, never evaluated.
    pub trigger: Map<String, Value>,
}

/// The start of a pipeline by a stage of an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StartChild {
    /// The execution that waits for it.
    pub parent: ExecutionId,
    /// The stage that starts it.
    pub stage: StageId,
    /// Which try of the stage.
    pub attempt: u32,
    /// The pipeline to start.
    pub pipeline_id: String,
    /// Whose the pipeline is.
    pub application: String,
    /// Who started the parent.
    pub user: String,
    /// The child's whole trigger: `type`, `user`, `parameters`, `parentPipelineStageId`, and
    /// `parentExecution`, small, without what started the parent's own parent. Data, never evaluated.
    pub trigger: Map<String, Value>,
}

impl StartChild {
    /// The key under which this start is known, however often it is told.
    pub fn key(&self) -> String {
        Self::key_of(&self.parent, &self.stage, self.attempt)
    }

    /// The key of the start by this try of a stage.
    pub fn key_of(parent: &ExecutionId, stage: &StageId, attempt: u32) -> String {
        format!("child/{parent}/{stage}/{attempt}")
    }

    /// The execution it makes: known before it is made.
    pub fn execution(&self) -> ExecutionId {
        ExecutionId::of_event(&self.key(), &self.pipeline_id)
    }
}
