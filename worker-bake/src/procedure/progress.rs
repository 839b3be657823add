//! What is saved: decisions before they are acted upon, ids as soon as they are known.

use serde::{Deserialize, Serialize};
use wire::BakeResult;

use crate::ports::{BuilderOrder, ImageOrder};

/// Progress of one bake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The base image, once it was looked up: a name may mean another image tomorrow.
    pub(crate) base: Option<Base>,
    /// Which image.
    pub(crate) plan: Option<Plan>,
    /// The builder of this try.
    pub(crate) builder: Option<BuilderTry>,
    /// Builders that ended without a verdict.
    #[serde(default)]
    pub(crate) builders_lost: u32,
    /// The image, once it may have been begun.
    pub(crate) image: Option<ImageTry>,
    /// The end.
    pub(crate) result: Option<BakeResult>,
}

/// A base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Base {
    /// Its id.
    pub(crate) image_id: String,
    /// Type of builders its row of the table asks for.
    pub(crate) instance_type: Option<String>,
}

/// Which image is wanted. Decided once: a rebake that begins again makes the same image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// What it is made from.
    pub(crate) base_image_id: String,
    /// What it is made of.
    pub(crate) key: String,
    /// Which one with that key.
    pub(crate) generation: u32,
    /// Its name.
    pub(crate) image_name: String,
    /// Its id, when it was there before.
    pub(crate) existing: Option<String>,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BuilderTry {
    /// Counted from 1, per generation; makes the client token.
    pub(crate) number: u32,
    /// Parameters of the call, all of them.
    pub(crate) order: BuilderOrder,
    /// Its id; `None` while it is not known whether it was started.
    pub(crate) id: Option<String>,
    /// When it was planned, later when it was started, in epoch milliseconds.
    pub(crate) since_ms: u64,
    /// True once it was told to go.
    #[serde(default)]
    pub(crate) terminated: bool,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageTry {
    /// Parameters of the call, all of them.
    pub(crate) order: ImageOrder,
    /// Its id; `None` while it is not known whether it was begun.
    pub(crate) id: Option<String>,
    /// When it was planned, in epoch milliseconds.
    pub(crate) since_ms: u64,
}
