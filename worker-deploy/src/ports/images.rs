//! Images, as a deploy worker sees them.

use std::collections::BTreeMap;

use super::{CloudError, Fault};

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `ami-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it can be launched.
    pub state: ImageState,
}

/// Whether an image can be launched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// Now.
    Available,
    /// Not (yet, or any more): the cloud's own word.
    Other(String),
}

/// Which of an account's own images are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageQuery {
    /// Name of the account, as in the configuration; `None` is the worker's own.
    pub account: Option<String>,
    /// `us-east-1`.
    pub region: String,
    /// Their names begin with this.
    pub name_begin: String,
    /// They have all of these tags.
    pub tags: BTreeMap<String, String>,
}

impl ImageQuery {
    /// How many images may fit.
    pub const MAX: usize = 5_000;

    /// The call that reads them.
    pub const CALL: &str = "DescribeImages";

    /// Whether an image of this name with these tags fits: the cloud's filters take `*` and `?` for wildcards.
    pub fn fits(&self, name: &str, tags: &BTreeMap<String, String>) -> bool {
        let has = |(key, value): (&String, &String)| tags.get(key) == Some(value);
        name.starts_with(&self.name_begin) && self.tags.iter().all(has)
    }

    /// What is answered when more than [`Self::MAX`] fit.
    pub fn too_many(&self) -> CloudError {
        let message = format!(
            "more than {} images in {} have names that begin with `{}`, and these tags",
            Self::MAX,
            self.region,
            self.name_begin
        );
        CloudError::new(Self::CALL, Fault::Refused { code: "TooManyImages".to_owned(), message })
    }
}

/// An image that was asked for by its tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedImage {
    /// `ami-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, in RFC 3339 in UTC: sorts as text.
    pub created: String,
    /// Whether it can be launched.
    pub state: ImageState,
}
