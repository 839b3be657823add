//! `image.bake`: an image is made from a base image and packages, or the one that is there is taken.

use std::collections::BTreeMap;

use model::Pool;
use serde::{Deserialize, Serialize};

use crate::Operation;

/// The operation.
#[derive(Clone, Copy, Debug)]
pub enum BakeImage {}

impl Operation for BakeImage {
    const NAME: &'static str = "image.bake/1";
    const POOL: Pool = Pool::Bake;
    type Request = BakeRequest;
    type Result = BakeResult;
    type Preview = BakePreview;

    fn describe(request: &BakeRequest) -> String {
        let packages = request.packages.iter().map(|spec| match &spec.version {
            Some(version) => format!("{}={version}", spec.name),
            None => spec.name.clone(),
        });
        let packages = packages.collect::<Vec<_>>().join(", ");
        // A package without a version is whatever its repository holds at that moment.
        let known = request.packages.iter().all(|spec| spec.version.is_some());
        let reuse = if known && !request.rebake {
            ", or takes one that was baked from the same"
        } else {
            ""
        };
        format!("bakes an image with {packages} in {}{reuse}", request.region)
    }

    fn preview_lines(preview: &BakePreview) -> Vec<String> {
        vec![match preview {
            BakePreview::Reused { image_id, image_name, .. } => {
                format!("reuses {image_id} ({image_name})")
            }
            BakePreview::Baked { image_name: Some(name), base_image_id } => {
                format!("bakes a new one: {name}, from {base_image_id}")
            }
            BakePreview::Baked { image_name: None, base_image_id } => {
                format!("bakes a new one from {base_image_id}")
            }
        }]
    }
}

/// Make an image from a base image and packages, or find the one that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BakeRequest {
    /// Owner; goes into names and tags.
    pub application: String,
    /// Name of the pipeline; goes into tags.
    pub pipeline: String,
    /// Where to bake.
    pub region: String,
    /// Account to bake in; `None` is the worker's own.
    #[serde(default)]
    pub account: Option<String>,
    /// What to start from.
    pub base: BaseImage,
    /// What to install, in this order. Never empty.
    pub packages: Vec<PackageSpec>,
    /// First part of the image's name; the first package's name when absent.
    #[serde(default)]
    pub image_name: Option<String>,
    /// Make a new image even if one with the same key exists.
    #[serde(default)]
    pub rebake: bool,
    /// Full operating system upgrade first.
    #[serde(default)]
    pub upgrade: bool,
    /// `hvm` or `pv`.
    pub vm_type: String,
    /// Type of the builder instance; `None` is the worker's default.
    #[serde(default)]
    pub instance_type: Option<String>,
    /// Set ENA support on the image.
    #[serde(default)]
    pub enhanced_networking: bool,
    /// Free attributes: part of the key, and tags of the image.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// The build the packages came from, for tags.
    #[serde(default)]
    pub build: Option<BuildLink>,
}

/// What an image is made from: `image`, if given, beats what `os` and `label` would find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseImage {
    /// Key of the worker's base image table: `bookworm`.
    #[serde(default)]
    pub os: Option<String>,
    /// `release`, `candidate`, `previous`, `unstable`, `foundation`.
    #[serde(default)]
    pub label: Option<String>,
    /// An image id, or a name to look up.
    #[serde(default)]
    pub image: Option<String>,
}

/// A package to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSpec {
    /// Its name.
    pub name: String,
    /// Exactly this version; `None` is the newest in the repository.
    #[serde(default)]
    pub version: Option<String>,
    /// Architecture from the file name, if it said one.
    #[serde(default)]
    pub arch: Option<String>,
}

/// Where packages came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildLink {
    /// Full name of the job.
    pub job: String,
    /// Build number.
    pub number: u64,
    /// Its page.
    #[serde(default)]
    pub url: Option<String>,
    /// The commit it was built from.
    #[serde(default)]
    pub commit: Option<String>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BakeResult {
    /// Where it is.
    pub region: String,
    /// Its id: `ami-…`.
    pub image_id: String,
    /// Its name.
    pub image_name: String,
    /// What it was made from.
    pub base_image_id: String,
    /// True when nothing had to be made.
    pub reused: bool,
    /// What it was made of, as one key.
    pub bake_key: String,
    /// Which image with that key, from 1; grows with each rebake.
    pub generation: u32,
}

/// Which image a bake would give if it were carried out now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "image", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum BakePreview {
    /// One that is there would be taken.
    Reused {
        /// Its id: `ami-…`.
        image_id: String,
        /// Its name.
        image_name: String,
        /// What it was made from.
        base_image_id: String,
    },
    /// One would be made.
    Baked {
        /// The name it would get; `None` where a version is left to the repository, which gives each
        /// execution an image of its own.
        image_name: Option<String>,
        /// What it would be made from.
        base_image_id: String,
    },
}
