//! `image.find_by_tags`: the newest of an account's own images with given tags is looked up. Nothing is changed.

use std::collections::BTreeMap;

use model::Pool;
use serde::{Deserialize, Serialize};

use crate::Operation;

/// The operation.
#[derive(Clone, Copy, Debug)]
pub enum FindImageByTags {}

impl Operation for FindImageByTags {
    const NAME: &'static str = "image.find_by_tags/1";
    const POOL: Pool = Pool::Deploy;
    type Request = FindImageByTagsRequest;
    type Result = TaggedImageFound;
    type Preview = TaggedImageFound;

    fn describe(request: &FindImageByTagsRequest) -> String {
        let FindImageByTagsRequest { package, region, tags, .. } = request;
        let tags: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("finds the newest image of {package} with {} in {region}", tags.join(", "))
    }

    fn preview_lines(preview: &TaggedImageFound) -> Vec<String> {
        let TaggedImageFound { region, image_id, image_name, others, .. } = preview;
        let found = format!("finds {image_id} ({image_name}) in {region}");
        vec![match others {
            0 => found,
            older => format!("{found}, the newest of {}", older.saturating_add(1)),
        }]
    }
}

/// Which is the newest image with these tags in this region?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindImageByTagsRequest {
    /// Account; `None` is the worker's own.
    #[serde(default)]
    pub account: Option<String>,
    /// Region of the image.
    pub region: String,
    /// The image's name begins with it.
    pub package: String,
    /// The image has all of these tags. Never empty.
    pub tags: BTreeMap<String, String>,
}

/// An image that was found by its tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaggedImageFound {
    /// Where it is.
    pub region: String,
    /// Its id: `ami-…`.
    pub image_id: String,
    /// Its name.
    pub image_name: String,
    /// When it was made, in RFC 3339.
    pub created: String,
    /// How many older ones fit, too.
    pub others: u32,
    /// The names of the newest of those.
    pub other_names: Vec<String>,
}
