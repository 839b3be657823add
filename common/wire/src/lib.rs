//! What crosses a border: intake events, task requests and results, public views, and the names
//! of queues as data. Pure: nothing here knows how anything is sent or decided.
//!
//! Readers ignore unknown fields and refuse unknown versions: adding a field is free, changing one
//! is a new version.

mod bake;
mod cluster;
mod control;
mod deploy;
mod event;
mod outcome;
mod question;
mod signal;
mod standing;
mod task;
mod topology;
mod view;

pub use bake::{BakeRequest, BakeResult, BaseImage, BuildLink, PackageSpec};
pub use cluster::ClusterCheck;
pub use control::{Control, Judgment};
pub use deploy::{Capacity, DeployRequest, DeployResult, DeployStrategy, DestroyRequest};
pub use event::{Event, ManualStart, StartChild};
pub use outcome::{
    DECISIONS_MAX, Decision, EventOutcome, Judgement, NextRuns, StartedExecution, Unmet, Verdict,
};
pub use question::{
    Ask, BakeInquiry, BakeOutlook, BakeTask, DeployInquiry, DeployOutlook, DeployTask, GroupOutlook,
};
pub use signal::{ExecutionEnded, Fired, Signal, body_of};
pub use standing::{Awaits, ExecutionOrder, StageOrder};
pub use task::{
    CancelHint, FailureKind, ResultMessage, TaskFailure, TaskMessage, TaskOutcome, WireError,
};
pub use topology::{Queue, Route};
pub use view::{ExecutionView, PauseView, QueueView, StageView, TaskView};
