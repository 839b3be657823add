//! `image.find`: the image of a server group of a cluster is looked up. Nothing is changed.

use model::Pool;
use serde::{Deserialize, Serialize};

use crate::Operation;

/// The operation.
#[derive(Clone, Copy, Debug)]
pub enum FindImage {}

impl Operation for FindImage {
    const NAME: &'static str = "image.find/1";
    const POOL: Pool = Pool::Deploy;
    type Request = FindImageRequest;
    type Result = FoundImage;
    type Preview = FoundImage;

    fn describe(request: &FindImageRequest) -> String {
        let FindImageRequest { account, cluster, region, selection, only_enabled, .. } = request;
        let enabled = if *only_enabled { "enabled " } else { "" };
        let which = match selection {
            GroupSelection::Largest => "largest ",
            GroupSelection::Newest => "newest ",
            GroupSelection::Oldest => "oldest ",
            GroupSelection::Fail => "one ",
        };
        format!(
            "finds the image of the {which}{enabled}server group of cluster {cluster} in {account}/{region}"
        )
    }

    fn preview_lines(preview: &FoundImage) -> Vec<String> {
        let FoundImage { region, image_id, image_name, server_group } = preview;
        vec![format!("finds {image_id} ({image_name}) in {region}, the image of {server_group}")]
    }
}

/// Which image has a server group of this cluster in this region?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindImageRequest {
    /// Account.
    pub account: String,
    /// The cluster's whole name: `shop-staging-web`.
    pub cluster: String,
    /// Region of the server group and of its image.
    pub region: String,
    /// Which server group is meant if there are several.
    pub selection: GroupSelection,
    /// Only groups that take traffic are looked at.
    pub only_enabled: bool,
    /// A regular expression that the whole name of the image must fit.
    #[serde(default)]
    pub image_name_pattern: Option<String>,
}

/// Which of several server groups is meant.
///
/// Source: Orca's `FindImageFromClusterTask.SelectionStrategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupSelection {
    /// The one with the most instances; of several the newest.
    Largest,
    /// The one that was created last.
    Newest,
    /// The one that was created first.
    Oldest,
    /// None: several are a failure.
    Fail,
}

/// The image of a server group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundImage {
    /// Where it is.
    pub region: String,
    /// Its id: `ami-…`.
    pub image_id: String,
    /// Its name.
    pub image_name: String,
    /// The server group that has it.
    pub server_group: String,
}
