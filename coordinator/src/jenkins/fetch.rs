//! One GET to Jenkins: over HTTP, or to a pretend one in the same process.

use std::{error::Error, fmt::Debug, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use reqwest::{Client, redirect};
use secrecy::{ExposeSecret as _, SecretString};

/// Longest answer read; a build with thousands of artifacts stays below.
pub(super) const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Fetches what is at an address.
pub trait Fetch: Debug + Send + Sync + 'static {
    /// One GET, never redirected to another place; tried once.
    fn get<'a>(
        &'a self,
        url: &'a str,
        credentials: Option<Credentials<'a>>,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>>;
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// A user of Jenkins.
    pub user: &'a str,
    /// That user's API token.
    pub token: &'a SecretString,
}

/// An answer. The body of a refusal is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The HTTP status.
    pub status: u16,
    /// What was answered.
    pub body: Vec<u8>,
}

/// There was no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke, or it took too long.
    #[error("no answer")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// More bytes than are read.
    #[error("the answer is over {ANSWER_BYTES_MAX} bytes")]
    TooLarge,
}

/// The real way.
#[derive(Debug)]
pub(super) struct Http(Client);

impl Http {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(20))
            // A redirect would leave the configured host.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("bowline/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    async fn fetch(
        &self,
        url: &str,
        credentials: Option<Credentials<'_>>,
    ) -> Result<Fetched, FetchError> {
        let mut request = self.0.get(url);
        if let Some(Credentials { user, token }) = credentials {
            request = request.basic_auth(user, Some(token.expose_secret()));
        }
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        if status.is_success() {
            while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
                if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                    return Err(FetchError::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
        }
        Ok(Fetched { status: status.as_u16(), body })
    }
}

impl Fetch for Http {
    fn get<'a>(
        &'a self,
        url: &'a str,
        credentials: Option<Credentials<'a>>,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        self.fetch(url, credentials).boxed()
    }
}

/// Without the address, which is part of what was asked already.
fn unreachable(cause: reqwest::Error) -> FetchError {
    FetchError::Unreachable(Box::new(cause.without_url()))
}
