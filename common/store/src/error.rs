//! Why the store did not answer.

/// The store could not be used. Refusals of a rule are replies, never errors.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No answer: the call may or may not have happened. Repeat the same call with the same ids.
    #[error("no answer from the store while it {doing}")]
    Unavailable {
        /// What was asked, as a verb phrase: "committed a transition".
        doing: &'static str,
        /// What failed underneath.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store holds or sent something this version cannot read.
    #[error("the store answered something unreadable while it {doing}: {detail}")]
    Unreadable {
        /// What was asked, as a verb phrase.
        doing: &'static str,
        /// What was unreadable.
        detail: String,
    },
    /// The store is not set up for us: durability is off, the functions are another version.
    #[error("the store is not fit for use: {detail}")]
    Unfit {
        /// What is wrong and how to mend it.
        detail: String,
    },
}

impl StoreError {
    /// True when the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Unreadable { .. } | Self::Unfit { .. } => false,
        }
    }
}
