//! What the controller knows: builds by job, what goes wrong next, what was asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Fault, Trouble, now_ms, path::Which};

/// A build, finished unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Full name of its job: `shop/shop-package/main`.
    pub job: String,
    /// Its number.
    pub number: u64,
    /// `SUCCESS`, `UNSTABLE`, `FAILURE`, `NOT_BUILT`, `ABORTED`; `None` while there is none.
    #[serde(default = "success")]
    pub result: Option<String>,
    /// True until the last post-build step is done.
    #[serde(default)]
    pub building: bool,
    /// When it started; `None` is a minute before it is added.
    #[serde(default)]
    pub started_ms: Option<u64>,
    /// How long it took.
    #[serde(default = "a_minute")]
    pub duration_ms: u64,
    /// Archived files by relative path, with placeholder content.
    #[serde(default)]
    pub artifacts: Vec<String>,
    /// Archived files by relative path, with the content that matters.
    #[serde(default)]
    pub property_files: BTreeMap<String, String>,
    /// What it was started with.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// What was checked out.
    #[serde(default)]
    pub commit: Option<Commit>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
fn success() -> Option<String> {
    Some("SUCCESS".to_owned())
}

const fn a_minute() -> u64 {
    60_000
}

/// What a build checked out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// Where from.
    pub remote: String,
    /// `origin/main`.
    pub branch: String,
    /// The hash.
    pub sha1: String,
}

impl Build {
    /// A successful build without artifacts.
    pub fn successful(job: &str, number: u64) -> Self {
        Self {
            job: job.to_owned(),
            number,
            result: success(),
            building: false,
            started_ms: None,
            duration_ms: a_minute(),
            artifacts: Vec::new(),
            property_files: BTreeMap::new(),
            parameters: BTreeMap::new(),
            commit: None,
        }
    }

    /// When it started.
    pub(crate) fn started(&self) -> u64 {
        self.started_ms.unwrap_or_default()
    }

    /// Every archived path, sorted by kind and then as given.
    pub(crate) fn archived(&self) -> impl Iterator<Item = &str> {
        self.artifacts.iter().chain(self.property_files.keys()).map(String::as_str)
    }

    /// The bytes of an archived file.
    pub(crate) fn file(&self, path: &str) -> Option<Vec<u8>> {
        if let Some(text) = self.property_files.get(path) {
            return Some(text.clone().into_bytes());
        }
        let archived = self.artifacts.iter().any(|artifact| artifact == path);
        archived.then(|| format!("content of {path}\n").into_bytes())
    }

    fn completed(&self) -> bool {
        !self.building && self.result.is_some()
    }
}

/// A request to the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// As sent, still encoded.
    pub path: String,
    /// As sent.
    pub query: Option<String>,
    /// False when the credentials were missing or wrong.
    pub authorized: bool,
}

/// The state of one controller.
#[derive(Debug)]
pub(crate) struct Controller {
    root: String,
    jobs: BTreeMap<String, BTreeMap<u64, Build>>,
    faults: Vec<Fault>,
    requests: Vec<Request>,
}

impl Controller {
    pub(crate) fn new(root: String) -> Self {
        Self { root, jobs: BTreeMap::new(), faults: Vec::new(), requests: Vec::new() }
    }

    /// The root URL, with a final slash.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    pub(crate) fn add(&mut self, mut build: Build) {
        let job = build.job.trim_matches('/').to_owned();
        build.job = job;
        build.started_ms.get_or_insert(now_ms().saturating_sub(build.duration_ms));
        self.jobs.entry(build.job.clone()).or_default().insert(build.number, build);
    }

    /// The builds of a job, by number.
    pub(crate) fn job(&self, name: &str) -> Option<&BTreeMap<u64, Build>> {
        self.jobs.get(name)
    }

    /// Names directly inside a folder (or the root, for an empty name), each once.
    pub(crate) fn inside(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for job in self.jobs.keys() {
            let rest = if folder.is_empty() {
                Some(job.as_str())
            } else {
                job.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'))
            };
            let Some(name) = rest.and_then(|rest| rest.split('/').next()) else {
                continue;
            };
            if !name.is_empty() && names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    pub(crate) fn build(&self, job: &str, which: Which) -> Option<&Build> {
        let builds = self.jobs.get(job)?;
        match which {
            Which::Number(number) => builds.get(&number),
            Which::Last => builds.values().next_back(),
            Which::LastCompleted => builds.values().rev().find(|build| build.completed()),
            Which::LastSuccessful => builds
                .values()
                .rev()
                .find(|build| build.completed() && build.result.as_deref() == Some("SUCCESS")),
        }
    }

    pub(crate) fn order(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(crate) fn forget_faults(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn trouble(&mut self, path: &str) -> Option<Trouble> {
        Fault::take(&mut self.faults, path)
    }

    pub(crate) fn note(&mut self, request: Request) {
        self.requests.push(request);
    }

    pub(crate) fn requests(&self) -> &[Request] {
        &self.requests
    }
}
