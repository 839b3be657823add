//! The controller without a socket: the same answers, by a call.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Uri, header},
};
use base64::Engine as _;
use serde_json::Value;

use crate::{Build, Core, Fault, Notice, Options, http, notification};

/// Longest answer taken over.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A controller that is asked by calls. Cheap to clone; clones are the same controller.
#[derive(Clone, Debug)]
pub struct InProcess {
    core: Core,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl InProcess {
    /// A controller without jobs that believes to live at `root`, final slash included.
    pub fn new(root: &str, options: Options) -> Self {
        Self { core: Core::new(root.to_owned(), options) }
    }

    /// Adds a build, or replaces the one with the same job and number.
    pub fn add_build(&self, build: Build) {
        self.core.lock().add(build);
    }

    /// Orders something to go wrong.
    pub fn order(&self, fault: Fault) {
        self.core.lock().order(fault);
    }

    /// What the Notification plugin would send at this time, epoch milliseconds.
    pub fn notification(&self, notice: &Notice, now_ms: u64) -> Value {
        notification::body(&self.core.lock(), notice, now_ms)
    }

    /// Answers a GET of an address below the root, with these Basic credentials.
    pub async fn get(&self, url: &str, credentials: Option<(&str, &str)>) -> Answer {
        let refused = |body: &str| Answer { status: 400, body: body.as_bytes().to_vec() };
        let Ok(uri) = url.parse::<Uri>() else { return refused("not an address") };
        let mut headers = HeaderMap::new();
        if let Some((user, token)) = credentials {
            let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{token}"));
            let Ok(value) = HeaderValue::try_from(format!("Basic {text}")) else {
                return refused("not credentials");
            };
            headers.insert(header::AUTHORIZATION, value);
        }
        let tree = uri.query().and_then(|query| query.strip_prefix("tree=")).map(str::to_owned);
        let response =
            http::respond(&self.core, &Method::GET, &uri, tree.as_deref(), &headers).await;
        let status = response.status().as_u16();
        let body = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
        Answer { status, body: body.map(|bytes| bytes.to_vec()).unwrap_or_default() }
    }
}
