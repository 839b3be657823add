//! Why an input was not applied.

/// Why an input was not applied. The document is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The execution is over.
    #[error("the execution is already complete")]
    AlreadyComplete,
    /// Somebody canceled the execution before.
    #[error("the execution was canceled before")]
    AlreadyCanceled,
    /// The document is up to date with the facts.
    #[error("nothing to do")]
    NothingToDo,
    /// The execution does not take this order now; the text gives people the reason.
    #[error("{0}")]
    Unfit(String),
}

/// A refusal with a reason for people.
pub(crate) fn unfit<T>(why: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::Unfit(why.into()))
}
