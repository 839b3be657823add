//! Answers that are not what was asked for.

use crate::rules::Rule;

/// A refusal, as it is answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The row of the table it comes from; `None` for a scripted one.
    pub rule: Option<Rule>,
    /// The error code.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// Text for people.
    pub message: String,
}

impl ApiError {
    /// A refusal by a rule.
    pub fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self {
            rule: Some(rule),
            code: rule.code().to_owned(),
            status: rule.status(),
            message: message.into(),
        }
    }
}

/// Why a caller did not get what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The cloud said no.
    #[error(transparent)]
    Refused(ApiError),
    /// The caller never hears what became of the call. Whether it was carried out stands in the
    /// ledger, not here: the caller cannot know.
    #[error("no answer")]
    NoAnswer,
}

impl From<ApiError> for CallError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}
