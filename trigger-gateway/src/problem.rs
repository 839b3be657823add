//! Every refusal as `application/problem+json` (RFC 9457).

use axum::{
    Json,
    extract::rejection::{PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use runtime::Chain;
use serde_json::{Value, json};
use store::StoreError;

/// How long a caller should wait for a store that is away.
const RETRY_AFTER: &str = "5";

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Option<Box<Value>>,
    choices: Option<Box<Value>>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: None, choices: None }
    }

    /// What was sent cannot be used.
    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// It cannot be done to what is there.
    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// Nobody, or somebody else. One text for all reasons: it must not tell which part was wrong.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "a valid token is needed, as `Authorization: Bearer` or as a basic password",
        )
    }

    /// The store did not answer; the same request may be sent again.
    pub(crate) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store-away",
            "the store does not answer; nothing is lost if this is sent again",
        )
    }

    /// Our own fault; what happened is in the log.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "this is a fault of the gateway; its log says more",
        )
    }

    /// Adds what is wrong, piece by piece.
    #[must_use]
    pub(crate) fn with_errors(mut self, errors: Value) -> Self {
        self.errors = Some(Box::new(errors));
        self
    }

    /// Adds what would have been right.
    #[must_use]
    pub(crate) fn with_choices(mut self, choices: Value) -> Self {
        self.choices = Some(Box::new(choices));
        self
    }

    /// What is said to people.
    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } | StoreError::Unfit { .. } => {
                tracing::warn!(error = %Chain(&error), "request refused, the store cannot be used");
                Self::unavailable()
            }
            StoreError::Unreadable { .. } => {
                tracing::error!(error = %Chain(&error), "request failed");
                Self::internal()
            }
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "bad-path", rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "bad-query", rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if let Some(fields) = body.as_object_mut() {
            let more = [("errors", self.errors), ("choices", self.choices)];
            fields.extend(
                more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), *value?))),
            );
        }
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"bowline\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
