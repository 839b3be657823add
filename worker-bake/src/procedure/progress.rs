//! How far a bake is, as it is saved: decisions before they are acted upon, ids as soon as they are known.

use serde::{Deserialize, Serialize};
use wire::BakeResult;

use crate::ports::{BuilderOrder, ImageOrder};

/// Progress of one bake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    /// Nothing is decided.
    #[default]
    Begun,
    /// The base image was looked up: a name may mean another image tomorrow.
    Based {
        /// The base image.
        base: Base,
    },
    /// Which image is wanted is decided; nothing was started for it.
    Planned {
        /// The base image.
        base: Base,
        /// The image.
        plan: Plan,
    },
    /// A builder may have been started.
    Building {
        /// The base image.
        base: Base,
        /// The image.
        plan: Plan,
        /// Builders that ended without a verdict.
        lost: u32,
        /// The builder of this try.
        builder: BuilderTry,
    },
    /// The image may have been begun.
    Imaging {
        /// The base image.
        base: Base,
        /// The image.
        plan: Plan,
        /// Builders that ended without a verdict.
        lost: u32,
        /// The builder it is made of.
        builder: BuilderTry,
        /// The image to be.
        image: ImageTry,
    },
    /// The image is there.
    Done {
        /// The image.
        result: BakeResult,
        /// What it was made of and how; `None` when it was there before.
        made: Option<Made>,
    },
}

/// What was made for an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// The builder, which may have to be ended still.
    pub(crate) builder: BuilderTry,
    /// The image.
    pub(crate) image: ImageTry,
}

impl Progress {
    /// The base image, once it is known and as long as it matters.
    pub(crate) fn base(&self) -> Option<&Base> {
        match self {
            Self::Based { base }
            | Self::Planned { base, .. }
            | Self::Building { base, .. }
            | Self::Imaging { base, .. } => Some(base),
            Self::Begun | Self::Done { .. } => None,
        }
    }

    /// The image that is wanted, once that is decided and as long as it matters.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Planned { plan, .. }
            | Self::Building { plan, .. }
            | Self::Imaging { plan, .. } => Some(plan),
            Self::Begun | Self::Based { .. } | Self::Done { .. } => None,
        }
    }

    /// The builder of this try.
    pub(crate) fn builder(&self) -> Option<&BuilderTry> {
        match self {
            Self::Building { builder, .. } | Self::Imaging { builder, .. } => Some(builder),
            Self::Done { made, .. } => made.as_ref().map(|made| &made.builder),
            Self::Begun | Self::Based { .. } | Self::Planned { .. } => None,
        }
    }

    /// The same, to note what became of it.
    pub(crate) fn builder_mut(&mut self) -> Option<&mut BuilderTry> {
        match self {
            Self::Building { builder, .. } | Self::Imaging { builder, .. } => Some(builder),
            Self::Done { made, .. } => made.as_mut().map(|made| &mut made.builder),
            Self::Begun | Self::Based { .. } | Self::Planned { .. } => None,
        }
    }

    /// The image that is made.
    pub(crate) fn image(&self) -> Option<&ImageTry> {
        match self {
            Self::Imaging { image, .. } => Some(image),
            Self::Done { made, .. } => made.as_ref().map(|made| &made.image),
            Self::Begun | Self::Based { .. } | Self::Planned { .. } | Self::Building { .. } => None,
        }
    }

    /// The same, to note its id.
    pub(crate) fn image_mut(&mut self) -> Option<&mut ImageTry> {
        match self {
            Self::Imaging { image, .. } => Some(image),
            Self::Done { made, .. } => made.as_mut().map(|made| &mut made.image),
            Self::Begun | Self::Based { .. } | Self::Planned { .. } | Self::Building { .. } => None,
        }
    }

    /// Builders that ended without a verdict.
    pub(crate) fn builders_lost(&self) -> u32 {
        match self {
            Self::Building { lost, .. } | Self::Imaging { lost, .. } => *lost,
            Self::Begun | Self::Based { .. } | Self::Planned { .. } | Self::Done { .. } => 0,
        }
    }

    /// The base image was found.
    pub(crate) fn found_base(&mut self, base: Base) {
        *self = match std::mem::take(self) {
            Self::Begun | Self::Based { .. } => Self::Based { base },
            later => later,
        };
    }

    /// It is decided which image is wanted.
    pub(crate) fn planned(&mut self, plan: Plan) {
        *self = match std::mem::take(self) {
            Self::Based { base } => Self::Planned { base, plan },
            other => other,
        };
    }

    /// A builder is about to be started, perhaps after one that was lost.
    pub(crate) fn will_start(&mut self, builder: BuilderTry, lost: u32) {
        *self = match std::mem::take(self) {
            Self::Planned { base, plan }
            | Self::Building { base, plan, .. }
            | Self::Imaging { base, plan, .. } => Self::Building { base, plan, lost, builder },
            other => other,
        };
    }

    /// The builder was not started: there is nothing to look for when cleaning up.
    pub(crate) fn was_not_started(&mut self) {
        *self = match std::mem::take(self) {
            Self::Building { base, plan, .. } => Self::Planned { base, plan },
            other => other,
        };
    }

    /// An image is about to be begun.
    pub(crate) fn will_image(&mut self, image: ImageTry) {
        *self = match std::mem::take(self) {
            Self::Building { base, plan, lost, builder } => {
                Self::Imaging { base, plan, lost, builder, image }
            }
            other => other,
        };
    }

    /// The image was not begun, for its builder was gone.
    pub(crate) fn was_not_imaged(&mut self) {
        *self = match std::mem::take(self) {
            Self::Imaging { base, plan, lost, builder, .. } => {
                Self::Building { base, plan, lost, builder }
            }
            other => other,
        };
    }

    /// The image is there.
    pub(crate) fn done(&mut self, result: BakeResult) {
        let made = match std::mem::take(self) {
            Self::Imaging { builder, image, .. } => Some(Made { builder, image }),
            Self::Done { made, .. } => made,
            Self::Begun | Self::Based { .. } | Self::Planned { .. } | Self::Building { .. } => None,
        };
        *self = Self::Done { result, made };
    }
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
