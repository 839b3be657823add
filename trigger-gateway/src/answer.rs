//! Small parts of handlers: reading paths, queries and bodies, asking the store, writing JSON that
//! is text already.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use store::StoreError;

use crate::problem::Problem;

/// A sender of builds waits on us, and a person too: longer is worse than an honest 503.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// A body has to be here by then, whatever its size.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// The variable parts of a path, decoded.
#[derive(Debug)]
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(segments) = Path::from_request_parts(parts, state).await?;
        Ok(Self(segments))
    }
}

/// The query.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(params) = Query::from_request_parts(parts, state).await?;
        Ok(Self(params))
    }
}

/// Asks the store, and gives up in time.
pub(crate) async fn ask<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Problem> {
    if let Ok(answer) = tokio::time::timeout(STORE_TIMEOUT, answer).await {
        return Ok(answer?);
    }
    tracing::warn!("request refused, the store did not answer in time");
    Err(Problem::unavailable())
}

/// Reads a body of at most `limit` bytes, and never more than that into memory.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Vec<u8>, Problem> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if declared
        .and_then(|text| text.parse().ok())
        .is_some_and(|size: usize| size > limit.saturating_mul(2))
    {
        return Err(too_large(limit));
    }
    let reading = tokio::time::timeout(BODY_TIMEOUT, collect(body, limit));
    reading.await.unwrap_or_else(|_| {
        let text = "the body was not here within 5 seconds";
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "slow-body", text))
    })
}

/// Goes on reading a little beyond the limit, into nothing: whoever is closed on while sending may
/// never see why.
async fn collect(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut seen = 0_usize;
    while let Some(chunk) = stream.next().await {
        let broken = |_| Problem::bad_request("broken-body", "the body ended before its end");
        let chunk = chunk.map_err(broken)?;
        seen = seen.saturating_add(chunk.len());
        if seen <= limit {
            kept.extend_from_slice(&chunk);
        } else if seen > limit.saturating_mul(2) {
            break;
        }
    }
    if seen > limit { Err(too_large(limit)) } else { Ok(kept) }
}

fn too_large(limit: usize) -> Problem {
    let text = format!("the body is over {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text)
}

/// An answer that is JSON text already.
pub(crate) fn json_text(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

/// A JSON list of texts that are JSON already.
pub(crate) fn json_list<'a>(items: impl IntoIterator<Item = &'a str>) -> Response {
    let items: Vec<&str> = items.into_iter().collect();
    json_text(format!("[{}]", items.join(",")))
}
