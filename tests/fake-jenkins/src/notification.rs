//! The Notification plugin: what it sends, and sending it.
//!
//! Source: the plugin's `JobState` and `BuildState`, written by Gson with lower case and
//! underscores, nulls left out.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Build, Shared, controller::Controller, now_ms, path};

/// How long the plugin waits for an answer by default.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// An order to tell of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Full name of the job.
    pub job: String,
    /// Number of the build. One that does not exist makes a forged notification.
    pub number: u64,
    /// Endpoints, each told in turn.
    pub urls: Vec<String>,
    /// How often each is told.
    #[serde(default = "once")]
    pub times: u32,
    /// What to tell of.
    #[serde(default)]
    pub phase: Phase,
    /// Tells this result instead of the true one.
    #[serde(default)]
    pub status: Option<String>,
    /// Whether the controller knows its own address.
    #[serde(default)]
    pub root_url: RootUrl,
    /// The end of the build's log, as `loglines` adds it.
    #[serde(default)]
    pub log: Option<String>,
}

const fn once() -> u32 {
    1
}

impl Notice {
    /// Tells each of `urls` once that a build is finalized.
    pub fn finalized(job: &str, number: u64, urls: Vec<String>) -> Self {
        Self {
            job: job.to_owned(),
            number,
            urls,
            times: once(),
            phase: Phase::default(),
            status: None,
            root_url: RootUrl::default(),
            log: None,
        }
    }
}

/// Where in its life a build is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Sent together with `STARTED`, in truth.
    Queued,
    /// It runs.
    Started,
    /// The result is known, post-build steps are not done.
    Completed,
    /// All is done.
    #[default]
    Finalized,
    /// The name of `FINALIZED` before plugin 1.6.
    Finished,
}

/// Whether `build.full_url` can be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootUrl {
    /// The usual case.
    #[default]
    Configured,
    /// Nobody told Jenkins its own address: relative URLs only.
    Missing,
}

/// What came of one sending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Who was told.
    pub url: String,
    /// What it answered; `None` when nothing came back.
    pub status: Option<u16>,
    /// The answer's body, or why there was none.
    pub body: String,
}

/// Sends a notice to everybody it names.
pub(crate) async fn send(shared: &Shared, notice: &Notice) -> Vec<Told> {
    let body = body(&shared.lock(), notice, now_ms()).to_string();
    let mut told = Vec::new();
    for _ in 0..notice.times {
        for url in &notice.urls {
            told.push(post(shared.client(), url, body.clone()).await);
        }
    }
    told
}

async fn post(client: &reqwest::Client, url: &str, body: String) -> Told {
    let request = client
        .post(url)
        .header("content-type", "application/json;charset=UTF-8")
        .header("accept", "*/*")
        .body(body);
    let reached = |answer: reqwest::Response| async {
        let status = answer.status().as_u16();
        (Some(status), answer.text().await.unwrap_or_else(|error| error.to_string()))
    };
    let (status, body) = match request.send().await {
        Ok(answer) => reached(answer).await,
        Err(error) => (None, runtime::Chain(&error).to_string()),
    };
    tracing::debug!(url, ?status, "notification sent");
    Told { url: url.to_owned(), status, body }
}

/// The body for a notice.
pub(crate) fn body(controller: &Controller, notice: &Notice, now_ms: u64) -> Value {
    let job = notice.job.trim_matches('/');
    let known = controller.build(job, path::Which::Number(notice.number)).cloned();
    let build = known.unwrap_or_else(|| Build::successful(job, notice.number));
    let job_path = path::of_job(job);
    let build_path = format!("{job_path}{}/", notice.number);
    let short = job.rsplit('/').next().unwrap_or(job);

    let mut state = Map::new();
    if notice.root_url == RootUrl::Configured {
        state.insert("full_url".to_owned(), json!(format!("{}{build_path}", controller.root())));
    }
    state.insert("number".to_owned(), json!(notice.number));
    state.insert("queue_id".to_owned(), json!(notice.number));
    state.insert("timestamp".to_owned(), json!(timestamp(&build, notice.phase, now_ms)));
    let over = matches!(notice.phase, Phase::Completed | Phase::Finalized | Phase::Finished);
    state.insert("duration".to_owned(), json!(if over { build.duration_ms } else { 0 }));
    state.insert("phase".to_owned(), json!(notice.phase));
    if let Some(status) = notice.status.as_ref().or(build.result.as_ref()).filter(|_| over) {
        state.insert("status".to_owned(), json!(status));
    }
    state.insert("url".to_owned(), json!(build_path));
    state.insert("scm".to_owned(), scm(&build));
    if !build.parameters.is_empty() {
        state.insert("parameters".to_owned(), json!(build.parameters));
    }
    state.insert("log".to_owned(), json!(notice.log.as_deref().unwrap_or_default()));
    state.insert("notes".to_owned(), json!(""));
    state.insert("artifacts".to_owned(), artifacts(controller, &build, &build_path));
    json!({ "name": short, "display_name": short, "url": job_path, "build": state })
}

/// The plugin's timestamp means another thing in each phase.
fn timestamp(build: &Build, phase: Phase, now_ms: u64) -> u64 {
    let started = build.started_ms.unwrap_or(now_ms);
    match phase {
        Phase::Queued | Phase::Started => started,
        Phase::Completed => started.saturating_add(build.duration_ms),
        Phase::Finalized | Phase::Finished => now_ms,
    }
}

fn scm(build: &Build) -> Value {
    build.commit.as_ref().map_or_else(
        || json!({"changes": [], "culprits": []}),
        |commit| {
            json!({
                "url": commit.remote, "branch": commit.branch, "commit": commit.sha1,
                "changes": [], "culprits": [],
            })
        },
    )
}

fn artifacts(controller: &Controller, build: &Build, build_path: &str) -> Value {
    let one = |path: &str| {
        let encoded: Vec<String> = path.split('/').map(path::encode).collect();
        let url = format!("{}{build_path}artifact/{}", controller.root(), encoded.join("/"));
        (path.to_owned(), json!({ "archive": url }))
    };
    Value::Object(build.archived().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller() -> Controller {
        let mut controller = Controller::new("http://ci.test/jenkins/".to_owned());
        let mut build = Build::successful("shop/web/feature%2Fx", 7);
        build.started_ms = Some(1_000_000);
        build.artifacts = vec!["out/shop web_1.0_all.deb".to_owned()];
        build.parameters.insert("REASON".to_owned(), "x".to_owned());
        controller.add(build);
        controller
    }

    #[test]
    fn a_finalized_body_has_the_shape_the_plugin_writes() {
        let notice = Notice::finalized("shop/web/feature%2Fx", 7, Vec::new());
        assert_eq!(
            body(&controller(), &notice, 2_000_000),
            json!({
                "name": "feature%2Fx",
                "display_name": "feature%2Fx",
                "url": "job/shop/job/web/job/feature%252Fx/",
                "build": {
                    "full_url": "http://ci.test/jenkins/job/shop/job/web/job/feature%252Fx/7/",
                    "number": 7,
                    "queue_id": 7,
                    "timestamp": 2_000_000,
                    "duration": 60_000,
                    "phase": "FINALIZED",
                    "status": "SUCCESS",
                    "url": "job/shop/job/web/job/feature%252Fx/7/",
                    "scm": {"changes": [], "culprits": []},
                    "parameters": {"REASON": "x"},
                    "log": "",
                    "notes": "",
                    "artifacts": {"out/shop web_1.0_all.deb": {"archive":
                        "http://ci.test/jenkins/job/shop/job/web/job/feature%252Fx/7/artifact/out/shop%20web_1.0_all.deb"}},
                },
            })
        );
    }

    #[test]
    fn phases_differ_in_time_and_status() {
        let mut notice = Notice::finalized("shop/web/feature%2Fx", 7, Vec::new());
        notice.phase = Phase::Started;
        notice.root_url = RootUrl::Missing;
        let started = body(&controller(), &notice, 2_000_000);
        assert_eq!(started["build"]["timestamp"], 1_000_000);
        assert_eq!(started["build"].get("status"), None);
        assert_eq!(started["build"].get("full_url"), None);
        notice.phase = Phase::Completed;
        notice.status = Some("FAILURE".to_owned());
        let completed = body(&controller(), &notice, 2_000_000);
        assert_eq!(completed["build"]["timestamp"], 1_060_000);
        assert_eq!(completed["build"]["status"], "FAILURE");
    }

    #[test]
    fn a_build_that_never_was_can_be_told_of() {
        let notice = Notice::finalized("shop/web", 999, Vec::new());
        let forged = body(&controller(), &notice, 5);
        assert_eq!(forged["build"]["number"], 999);
        assert_eq!(forged["build"]["status"], "SUCCESS");
    }
}
