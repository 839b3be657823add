//! The operations there are, one file each, and a table of them for those who handle all alike.
//!
//! To add one: a file here, its `mod` and `pub use`, and a row of [`TABLE`]. The workers of its pool get a
//! handler for it.

mod bake_image;
mod count_groups;
mod create_group;
mod destroy_created;
mod find_image;
mod find_image_by_tags;

use model::Pool;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

pub use self::{
    bake_image::{
        BakeImage, BakePreview, BakeRequest, BakeResult, BaseImage, BuildLink, PackageSpec,
    },
    count_groups::{ClusterCheck, ClusterCount, CountGroups},
    create_group::{
        Capacity, CreateGroup, CreateGroupPreview, DeployRequest, DeployResult, DeployStrategy,
        GroupPreview,
    },
    destroy_created::{DestroyCreated, DestroyRequest, DestroyResult},
    find_image::{FindImage, FindImageRequest, FoundImage, GroupSelection},
    find_image_by_tags::{FindImageByTags, FindImageByTagsRequest, TaggedImageFound},
};
use crate::Operation;

/// Every operation.
pub const TABLE: [OperationRow; 6] = [
    OperationRow::of::<BakeImage>(),
    OperationRow::of::<CreateGroup>(),
    OperationRow::of::<CountGroups>(),
    OperationRow::of::<DestroyCreated>(),
    OperationRow::of::<FindImage>(),
    OperationRow::of::<FindImageByTags>(),
];

/// One operation, without its types.
#[derive(Clone, Copy, Debug)]
pub struct OperationRow {
    /// [`Operation::NAME`].
    pub name: &'static str,
    /// [`Operation::POOL`].
    pub pool: Pool,
    /// [`Operation::HAS_PREVIEW`].
    pub has_preview: bool,
    read_request: fn(&Value) -> Result<(), String>,
    read_result: fn(&Value) -> Result<(), String>,
    describe: fn(&Value) -> Result<String, String>,
    preview_lines: fn(&Value) -> Result<Vec<String>, String>,
}

/// The row of an operation; `None` for one that this version does not know.
pub fn find(name: &str) -> Option<&'static OperationRow> {
    const ROWS: &[OperationRow] = &TABLE;
    ROWS.iter().find(|row| row.name == name)
}

impl OperationRow {
    /// The row of `Op`.
    pub const fn of<Op: Operation>() -> Self {
        Self {
            name: Op::NAME,
            pool: Op::POOL,
            has_preview: Op::HAS_PREVIEW,
            read_request: read::<Op::Request>,
            read_result: read::<Op::Result>,
            describe: describe::<Op>,
            preview_lines: lines::<Op>,
        }
    }

    /// Whether a request can be read.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check_request(&self, request: &Value) -> Result<(), String> {
        (self.read_request)(request)
    }

    /// Whether a result can be read.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check_result(&self, result: &Value) -> Result<(), String> {
        (self.read_result)(result)
    }

    /// A request in a sentence for people.
    ///
    /// # Errors
    ///
    /// It is not what this operation is asked with.
    pub fn describe(&self, request: &Value) -> Result<String, String> {
        (self.describe)(request)
    }

    /// A preview in words for people.
    ///
    /// # Errors
    ///
    /// It is not what this operation answers.
    pub fn preview_lines(&self, preview: &Value) -> Result<Vec<String>, String> {
        (self.preview_lines)(preview)
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    T::deserialize(value).map(drop).map_err(|error| error.to_string())
}

fn describe<Op: Operation>(request: &Value) -> Result<String, String> {
    let request = Op::Request::deserialize(request).map_err(|error| error.to_string())?;
    Ok(Op::describe(&request))
}

fn lines<Op: Operation>(preview: &Value) -> Result<Vec<String>, String> {
    let preview = Op::Preview::deserialize(preview).map_err(|error| error.to_string())?;
    Ok(Op::preview_lines(&preview))
}

#[cfg(test)]
mod tests;
