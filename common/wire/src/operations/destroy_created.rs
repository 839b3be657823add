//! `group.destroy_created`: what a failed deploy made is destroyed.

use model::{Pool, TaskId};
use serde::{Deserialize, Serialize};

use crate::{NoPreview, Operation};

/// The operation. It is asked for only after a deploy has failed, so no dry run has it.
#[derive(Clone, Copy, Debug)]
pub enum DestroyCreated {}

impl Operation for DestroyCreated {
    const NAME: &'static str = "group.destroy_created/1";
    const POOL: Pool = Pool::Deploy;
    const HAS_PREVIEW: bool = false;
    type Request = DestroyRequest;
    type Result = DestroyResult;
    type Preview = NoPreview;

    fn describe(request: &DestroyRequest) -> String {
        format!("destroys what the failed deploy made in {}/{}", request.account, request.region)
    }

    fn preview_lines(preview: &NoPreview) -> Vec<String> {
        match *preview {}
    }
}

/// Destroy the server groups that the attempts of a failed deploy made: those, and no others.
///
/// One that has begun to take over from older groups is left, and so is one whose end would leave nothing that
/// serves. That there is none is a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestroyRequest {
    /// The attempts of the failed deploy; what they made carries the tag of one of them.
    pub tries: Vec<TaskId>,
    /// First part of the cluster's name.
    pub application: String,
    /// Second part; empty is none.
    #[serde(default)]
    pub stack: String,
    /// Rest of the name; empty is none.
    #[serde(default)]
    pub detail: String,
    /// Account.
    pub account: String,
    /// Where.
    pub region: String,
    /// Judge instances by their EC2 state alone.
    #[serde(default)]
    pub platform_health_only: bool,
}

/// The groups that were made by the failed deploy, and are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestroyResult {
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Their names, oldest first.
    pub destroyed_server_groups: Vec<String>,
}
