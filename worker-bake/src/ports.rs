//! What baking asks of a cloud, in this room's own words.
//!
//! Small on purpose: the procedure, the SDK adapter and the strict fake meet here. Every answer is
//! a fact or a [`CloudError`] which says whether anything may have happened.

use std::{collections::BTreeMap, fmt, fmt::Debug, sync::Arc};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A cloud behind its seam; cheap to clone.
pub type SharedCloud = Arc<dyn ImageCloud>;

/// What a call answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, CloudError>>;

/// Images and the machines they are made on.
///
/// An implementation repeats reads at most a few times inside one call and never repeats a call
/// that changes something: that decision belongs to the procedure, which reads the world first.
/// A thing that was made may stay invisible to reads for a while.
pub trait ImageCloud: Debug + Send + Sync + 'static {
    /// Images that fit, in no order. Unknown ids and names are left out, not an error.
    fn images<'a>(&'a self, place: &'a Place, query: ImageQuery) -> Answer<'a, Vec<Image>>;
    /// Builders with these ids, in no order, in one call; unknown ids are left out, not an error.
    /// Never asked for more than [`IDS_PER_CALL`].
    fn builders<'a>(&'a self, place: &'a Place, ids: &'a [String]) -> Answer<'a, Vec<Builder>>;
    /// Every builder of ours that is not gone, in no order.
    fn all_builders<'a>(&'a self, place: &'a Place) -> Answer<'a, Vec<Builder>>;
    /// Where it is set up to work; empty when that is wherever its own credentials reach.
    fn places(&self) -> Vec<Place>;
    /// The builder that was started with this client token, if it is visible.
    fn builder_of_token<'a>(
        &'a self,
        place: &'a Place,
        client_token: &'a str,
    ) -> Answer<'a, Option<Builder>>;
    /// Starts exactly one machine. The same order (same token) again answers with the same
    /// machine; another order under that token, or a token whose machine is terminated, is
    /// [`CloudError::TokenReused`].
    fn run_builder<'a>(&'a self, place: &'a Place, order: &'a BuilderOrder) -> Answer<'a, Builder>;
    /// Newest console text of a builder; empty while there is none.
    fn console<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, String>;
    /// Switches enhanced networking (ENA) on for a stopped builder; images made of it inherit it.
    /// Safe to repeat.
    fn enable_ena<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()>;
    /// Begins to make an image of a stopped builder, tags it in the same call, and answers with its
    /// id. Names are unique per account and region: [`CloudError::NameTaken`].
    fn create_image<'a>(&'a self, place: &'a Place, order: &'a ImageOrder) -> Answer<'a, String>;
    /// Ends a builder. Safe to repeat.
    fn terminate_builder<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()>;
}

/// Most ids in one describing call: AWS takes at most 200 values per filter.
pub const IDS_PER_CALL: usize = 200;

/// An account and a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Configured name of the account; `None` is the worker's own credentials.
    pub account: Option<String>,
    /// `us-east-1`.
    pub region: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "{account}/{}", self.region),
            None => f.write_str(&self.region),
        }
    }
}

/// Which images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageQuery {
    /// This one, whoever owns it.
    Id(String),
    /// With exactly this name, whoever owns them.
    Name(String),
    /// Our own with exactly this name: at most one.
    OwnName(String),
    /// Our own with these ids, in one call; at most [`IDS_PER_CALL`].
    OwnIds(Vec<String>),
    /// Our own with this value of the tag [`tag::BAKE_KEY`].
    OwnBakeKey(String),
}

/// Names of the tags by which things are recognised.
pub mod tag {
    /// Says who manages a thing; always [`MANAGED_BY_BOWLINE`].
    pub const MANAGED_BY: &str = "managed-by";
    /// Value of [`MANAGED_BY`].
    pub const MANAGED_BY_BOWLINE: &str = "bowline";
    /// What an image (or a builder's image) is made of.
    pub const BAKE_KEY: &str = "bowline:bake-key";
    /// Which image with that key, from 1.
    pub const GENERATION: &str = "bowline:generation";
    /// The execution that had it made.
    pub const EXECUTION: &str = "bowline:execution";
    /// The task that had it made.
    pub const TASK: &str = "bowline:task";
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `ami-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: ImageState,
    /// The cloud's words on that, if any.
    pub state_reason: Option<String>,
    /// Its tags; empty for images of others.
    pub tags: BTreeMap<String, String>,
    /// RFC 3339, so that text order is time order.
    pub created_at: String,
    /// `x86_64`, `arm64`.
    pub architecture: String,
    /// `hvm` or `paravirtual`.
    pub virtualization: String,
    /// Enhanced networking.
    pub ena_support: bool,
}

/// Where an image stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// Being made.
    Pending,
    /// Usable.
    Available,
    /// Will never be usable: failed, invalid, deregistered, disabled.
    Failed,
}

/// A machine that images are made on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builder {
    /// `i-…`.
    pub id: String,
    /// Where it stands.
    pub state: BuilderState,
    /// The cloud's words on that: `Server.InsufficientInstanceCapacity: …`.
    pub state_reason: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Enhanced networking.
    pub ena_support: bool,
    /// When it was started, by the cloud's clock; epoch milliseconds.
    pub started_ms: u64,
}

/// Where a builder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuilderState {
    /// Starting.
    Pending,
    /// Working.
    Running,
    /// Its script ended.
    Stopping,
    /// Ready to be made an image of, if its script succeeded.
    Stopped,
    /// Going.
    ShuttingDown,
    /// Gone.
    Terminated,
}

/// What to start. Saved in the checkpoint before the call, so that a repeat is the same call.
///
/// Fixed for all: one machine, shutdown from inside stops it, the metadata service wants session
/// tokens (`IMDSv2`) and is one hop away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuilderOrder {
    /// At most 64 ASCII characters.
    pub client_token: String,
    /// The base image.
    pub image_id: String,
    /// `t3.small`.
    pub instance_type: String,
    /// Where in the network; `None` is the default VPC.
    pub subnet_id: Option<String>,
    /// Firewalls; empty is the VPC's default.
    pub security_group_ids: Vec<String>,
    /// Name of the instance profile.
    pub iam_instance_profile: Option<String>,
    /// As the machine reads it; an adapter encodes it for the wire.
    pub user_data: String,
    /// Put on the machine and its volumes in the same call.
    pub tags: BTreeMap<String, String>,
}

/// What to make an image of. Saved in the checkpoint before the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOrder {
    /// A stopped builder.
    pub builder_id: String,
    /// Unique in the account and region.
    pub name: String,
    /// For people.
    pub description: String,
    /// Put on the image and its snapshots in the same call.
    pub tags: BTreeMap<String, String>,
}

/// A call without the wanted answer. The variants differ in what may have happened and in what
/// helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// Too many calls; nothing happened. Never counts as a try.
    #[error("{call} was throttled")]
    Throttled {
        /// The call, in the cloud's words: `RunInstances`.
        call: &'static str,
    },
    /// Time ran out, the connection broke, or the cloud failed inside: it may have happened.
    #[error("{call} got no clear answer, so it may have happened: {detail}")]
    UnknownOutcome {
        /// The call.
        call: &'static str,
        /// What was seen.
        detail: String,
    },
    /// The thing named is not there (or not yet visible); nothing happened.
    #[error("{call} did not find what it named: {message}")]
    NotFound {
        /// The call.
        call: &'static str,
        /// The cloud's words.
        message: String,
    },
    /// An image with this name exists; nothing happened.
    #[error("{call} found the name taken: {message}")]
    NameTaken {
        /// The call.
        call: &'static str,
        /// The cloud's words.
        message: String,
    },
    /// The client token belongs to another order or to a terminated machine; nothing happened.
    #[error("{call} found the client token used before ({code}): {message}")]
    TokenReused {
        /// The call.
        call: &'static str,
        /// `IdempotentParameterMismatch` or `IdempotentInstanceTerminated`.
        code: String,
        /// The cloud's words.
        message: String,
    },
    /// No capacity or no quota now; nothing happened. May work later.
    #[error("{call} found no room ({code}): {message}")]
    NoCapacity {
        /// The call.
        call: &'static str,
        /// `InsufficientInstanceCapacity`, `InstanceLimitExceeded`, …
        code: String,
        /// The cloud's words.
        message: String,
    },
    /// Refused: wrong parameters, no permission, no credentials; nothing happened and trying again
    /// cannot help.
    #[error("{call} was refused ({code}): {message}")]
    Refused {
        /// The call.
        call: &'static str,
        /// The cloud's code.
        code: String,
        /// The cloud's words.
        message: String,
    },
}

impl CloudError {
    /// The call that failed.
    pub const fn call(&self) -> &'static str {
        match self {
            Self::Throttled { call }
            | Self::UnknownOutcome { call, .. }
            | Self::NotFound { call, .. }
            | Self::NameTaken { call, .. }
            | Self::TokenReused { call, .. }
            | Self::NoCapacity { call, .. }
            | Self::Refused { call, .. } => call,
        }
    }
}
