#![doc = include_str!("../README.md")]

mod control;
mod event;
mod operation;
pub mod operations;
mod outcome;
mod run_plan;
mod signal;
mod standing;
mod task;
mod topology;
mod view;

pub use control::{Control, Judgment};
pub use event::{Event, ManualStart, StartChild};
pub use operation::{CallMode, NoPreview, Operation, OperationCall};
pub use operations::{
    BakeImage, BakePreview, BakeRequest, BakeResult, BaseImage, BuildLink, Capacity, ClusterCheck,
    ClusterCount, CountGroups, CreateGroup, CreateGroupPreview, DeployRequest, DeployResult,
    DeployStrategy, DestroyCreated, DestroyRequest, DestroyResult, FindImage, FindImageByTags,
    FindImageByTagsRequest, FindImageRequest, FoundImage, GroupPreview, GroupSelection,
    OperationRow, PackageSpec, TaggedImageFound,
};
pub use outcome::{
    DECISIONS_MAX, EventOutcome, Judgement, NextRuns, StartedExecution, TriggerDecision, Unmet,
    Verdict,
};
pub use run_plan::{PlannedAction, PlannedOutcome, ResolvedExpression, RunPlan, StagePlan};
pub use signal::{ExecutionEnded, Fired, Signal, body_of};
pub use standing::{Awaits, Decision, ExecutionOrder, StageOrder};
pub use task::{
    CancelHint, FailureKind, ResultMessage, TaskFailure, TaskMessage, TaskOutcome, WireError,
};
pub use topology::{Queue, Route};
pub use view::{ExecutionView, PauseView, QueueView, StageView, TaskView};
