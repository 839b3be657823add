//! Asking Jenkins: the fact behind a hint. The address is always made from the configuration and
//! the job's name, never taken from what somebody sent.

use std::{collections::BTreeMap, time::Duration};

use engine::Build;
use model::jenkins::JobName;
use reqwest::{Client, StatusCode, redirect};
use runtime::{JenkinsConfig, JenkinsController};
use secrecy::ExposeSecret as _;
use serde_json::Value;

/// Longest answer read; a build with thousands of artifacts stays below.
const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What is asked of a build, and nothing else.
const BUILD_TREE: &str = "number,result,building,timestamp,duration,url,fullDisplayName,description,\
artifacts[displayPath,fileName,relativePath],\
actions[remoteUrls,lastBuiltRevision[branch[name,SHA1]],build[revision[branch[name,SHA1]]]]";

/// The configured controllers.
#[derive(Clone, Debug)]
pub(crate) struct Jenkins {
    controllers: BTreeMap<String, JenkinsController>,
    client: Client,
}

/// What Jenkins says about a build.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// It is over.
    Finished(Box<Build>),
    /// It is still going on.
    Unfinished,
    /// There is no such build.
    NotFound,
}

/// Jenkins could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JenkinsError {
    #[error("no Jenkins controller `{0}` is configured")]
    UnknownController(String),
    #[error("could not ask Jenkins for {what}")]
    Unreachable {
        what: String,
        #[source]
        cause: reqwest::Error,
    },
    #[error("Jenkins answered {status} when asked for {what}")]
    Status { what: String, status: StatusCode },
    #[error("Jenkins's answer about {what} is over {ANSWER_BYTES_MAX} bytes")]
    TooLarge { what: String },
    #[error("Jenkins's answer about {what} is not what it should be: {detail}")]
    Unreadable { what: String, detail: String },
}

impl Jenkins {
    pub(crate) fn new(config: JenkinsConfig) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(20))
            // A redirect would leave the configured host.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("bowline/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { controllers: config.controllers, client })
    }

    /// Asks about one build.
    pub(crate) async fn build(
        &self,
        controller: &str,
        job: &JobName,
        number: u64,
    ) -> Result<Answer, JenkinsError> {
        let what = format!("build {number} of {controller}/{job}");
        let path = format!("{}/{number}/api/json?tree={BUILD_TREE}", job.url_path());
        let Some(body) = self.get(controller, &path, &what).await? else {
            return Ok(Answer::NotFound);
        };
        let json: Value = serde_json::from_slice(&body)
            .map_err(|cause| JenkinsError::Unreadable { what, detail: cause.to_string() })?;
        Ok(Build::read(controller, job, &json)
            .map_or(Answer::Unfinished, |build| Answer::Finished(Box::new(build))))
    }

    /// Reads a property file among a build's artifacts, by its exact name. `Ok(None)` when the build
    /// archived no such file.
    pub(crate) async fn properties(
        &self,
        build: &Build,
        file: &str,
    ) -> Result<Option<BTreeMap<String, String>>, JenkinsError> {
        let Some(artifact) = build.artifacts.iter().find(|found| found.file_name == file) else {
            return Ok(None);
        };
        let what =
            format!("{file} of build {} of {}/{}", build.number, build.controller, build.job);
        let place = model::jenkins::encoded_path(&artifact.relative_path);
        let path = format!("{}/{}/artifact/{place}", build.job.url_path(), build.number);
        let Some(body) = self.get(&build.controller, &path, &what).await? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&body);
        model::jenkins::read_properties(file, &text)
            .map(Some)
            .map_err(|detail| JenkinsError::Unreadable { what, detail: detail.to_string() })
    }

    /// `None` for 404.
    async fn get(
        &self,
        controller: &str,
        path: &str,
        what: &str,
    ) -> Result<Option<Vec<u8>>, JenkinsError> {
        let known = self.controllers.get(controller);
        let config = known.ok_or_else(|| JenkinsError::UnknownController(controller.to_owned()))?;
        let url = format!("{}/{path}", config.url.trim_end_matches('/'));
        let mut request = self.client.get(url);
        if let (Some(user), Some(token)) = (&config.user, &config.api_token) {
            request = request.basic_auth(user, Some(token.expose_secret()));
        }
        let failed = |cause: reqwest::Error| JenkinsError::Unreachable {
            what: what.to_owned(),
            cause: cause.without_url(),
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(JenkinsError::Status { what: what.to_owned(), status });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(JenkinsError::TooLarge { what: what.to_owned() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }
}
