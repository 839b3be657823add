//! Asking Jenkins: the fact behind a hint. The address is always made from the configuration and
//! the job's name, never taken from what somebody sent.

mod fetch;

use std::{collections::BTreeMap, sync::Arc};

use fetch::{ANSWER_BYTES_MAX, Http};
pub use fetch::{Credentials, Fetch, FetchError, Fetched};
use model::jenkins::JobName;
use runtime::{JenkinsConfig, JenkinsController};
use serde_json::Value;
use triggers::jenkins::{
    Build,
    watch::{self, LISTED_TREE, Listed},
};

/// What is asked of a build, and nothing else.
const BUILD_TREE: &str = "number,result,building,timestamp,duration,url,fullDisplayName,description,\
artifacts[displayPath,fileName,relativePath],\
actions[remoteUrls,lastBuiltRevision[branch[name,SHA1]],build[revision[branch[name,SHA1]]]]";

/// The configured controllers, and how they are reached.
#[derive(Clone, Debug)]
pub struct Jenkins {
    controllers: BTreeMap<String, JenkinsController>,
    fetch: Arc<dyn Fetch>,
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
        cause: FetchError,
    },
    #[error("Jenkins answered {status} when asked for {what}")]
    Status { what: String, status: u16 },
    #[error("Jenkins's answer about {what} is over {ANSWER_BYTES_MAX} bytes")]
    TooLarge { what: String },
    #[error("Jenkins's answer about {what} is not what it should be: {detail}")]
    Unreadable { what: String, detail: String },
}

impl Jenkins {
    /// Over HTTP, as configured.
    ///
    /// # Errors
    ///
    /// No HTTP client can be made.
    pub fn over_http(config: JenkinsConfig) -> Result<Self, reqwest::Error> {
        Ok(Self::through(config, Arc::new(Http::new()?)))
    }

    /// Another way to reach the configured controllers: a pretend one in the same process.
    pub fn through(config: JenkinsConfig, fetch: Arc<dyn Fetch>) -> Self {
        Self { controllers: config.controllers, fetch }
    }

    /// Whether there is any controller.
    pub(crate) fn is_configured(&self) -> bool {
        !self.controllers.is_empty()
    }

    /// The names of the configured controllers.
    pub(crate) fn controllers(&self) -> impl Iterator<Item = &str> {
        self.controllers.keys().map(String::as_str)
    }

    /// Whether a controller of this name is configured.
    pub(crate) fn knows(&self, controller: &str) -> bool {
        self.controllers.contains_key(controller)
    }

    /// So many builds of a job, the newest first, behind the first `skip`. `Ok(None)` when there is no such
    /// job.
    pub(crate) async fn builds(
        &self,
        controller: &str,
        job: &JobName,
        (skip, count): (usize, usize),
    ) -> Result<Option<Vec<Listed>>, JenkinsError> {
        let what = format!("builds of {controller}/{job}");
        let (path, end) = (job.url_path(), skip + count);
        let path = format!("{path}/api/json?tree=allBuilds[{LISTED_TREE}]{{{skip},{end}}}");
        let Some(body) = self.get(controller, &path, &what).await? else { return Ok(None) };
        let unreadable = |detail: String| JenkinsError::Unreadable { what: what.clone(), detail };
        let json: Value =
            serde_json::from_slice(&body).map_err(|cause| unreadable(cause.to_string()))?;
        let builds = json.get("allBuilds").and_then(Value::as_array);
        let builds = builds.ok_or_else(|| unreadable("`allBuilds` is missing".to_owned()))?;
        Ok(Some(watch::listed(builds)))
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
        let credentials = match (&config.user, &config.api_token) {
            (Some(user), Some(token)) => Some(Credentials { user, token }),
            (Some(_) | None, Some(_) | None) => None,
        };
        let fetched = self.fetch.get(&url, credentials).await;
        match fetched {
            Ok(Fetched { status: 404, body: _ }) => Ok(None),
            Ok(Fetched { status: 200..=299, body }) => Ok(Some(body)),
            Ok(Fetched { status, body: _ }) => {
                Err(JenkinsError::Status { what: what.to_owned(), status })
            }
            Err(FetchError::TooLarge) => Err(JenkinsError::TooLarge { what: what.to_owned() }),
            Err(cause @ FetchError::Unreachable(_)) => {
                Err(JenkinsError::Unreachable { what: what.to_owned(), cause })
            }
        }
    }
}
