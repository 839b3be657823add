//! A finished build as Jenkins itself tells it.

use model::jenkins::JobName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Config;
use crate::Properties;

/// A finished build, confirmed by the configured controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Configured name of the controller.
    pub controller: String,
    /// The job.
    pub job: JobName,
    /// Build number.
    pub number: u64,
    /// When it started; tells a number used again after the job was recreated.
    pub started_ms: u64,
    /// `SUCCESS`, `UNSTABLE`, `FAILURE`, `ABORTED`, `NOT_BUILT`, or a word we do not know.
    pub result: String,
    /// Its page, as Jenkins says it; shown to people, never fetched.
    pub url: String,
    /// What it archived.
    pub artifacts: Vec<BuildArtifact>,
    /// Everything else Jenkins said that pipelines may read.
    pub info: Map<String, Value>,
}

/// A file a build archived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildArtifact {
    /// Last part of the path.
    pub file_name: String,
    /// Path below the build's artifacts.
    pub relative_path: String,
}

impl Build {
    /// Reads one build from Jenkins's JSON API. `None` while the build is not over: it is over when
    /// it is not building *and* has a result (a result appears while post-build steps still run).
    pub fn read(controller: &str, job: &JobName, json: &Value) -> Option<Self> {
        let text = |key: &str| json.get(key).and_then(Value::as_str);
        if json.get("building").and_then(Value::as_bool).unwrap_or(false) {
            return None;
        }
        let result = text("result")?.to_owned();
        let artifacts = json.get("artifacts").and_then(Value::as_array);
        let artifacts = artifacts.map_or(&[][..], Vec::as_slice).iter().filter_map(artifact);
        let number = json.get("number").and_then(Value::as_u64)?;
        let started_ms = json.get("timestamp").and_then(Value::as_u64).unwrap_or(0);
        let artifacts: Vec<BuildArtifact> = artifacts.collect();
        let mut build = Self {
            controller: controller.to_owned(),
            job: job.clone(),
            number,
            started_ms,
            result,
            url: text("url").unwrap_or_default().to_owned(),
            artifacts,
            info: Map::new(),
        };
        build.info = build.info_from(json);
        Some(build)
    }

    /// Spinnaker's `buildInfo`.
    fn info_from(&self, json: &Value) -> Map<String, Value> {
        let mut info = Map::new();
        info.insert("building".to_owned(), false.into());
        info.insert("name".to_owned(), self.job.to_string().into());
        info.insert("number".to_owned(), self.number.into());
        info.insert("result".to_owned(), self.result.as_str().into());
        info.insert("timestamp".to_owned(), self.started_ms.into());
        info.insert("url".to_owned(), self.url.as_str().into());
        for key in ["fullDisplayName", "duration", "description"] {
            if let Some(value) = json.get(key) {
                info.insert(key.to_owned(), value.clone());
            }
        }
        let files = self.artifacts.iter().map(|artifact| {
            json!({
                "fileName": artifact.file_name,
                "displayPath": artifact.file_name,
                "relativePath": artifact.relative_path,
            })
        });
        info.insert("artifacts".to_owned(), Value::Array(files.collect()));
        info.insert("scm".to_owned(), Value::Array(scm(json)));
        info
    }

    /// What makes it this build and no other, however often and by whomever it is told.
    pub fn event_key(&self) -> String {
        event_key(&self.controller, &self.job, self.number, self.started_ms)
    }

    /// When it ended, in epoch milliseconds.
    pub fn ended_ms(&self) -> u64 {
        let duration = self.info.get("duration").and_then(Value::as_u64).unwrap_or(0);
        self.started_ms.saturating_add(duration)
    }
}

/// What makes a build this one and no other.
pub(super) fn event_key(controller: &str, job: &JobName, number: u64, started_ms: u64) -> String {
    format!("jenkins/{controller}/{job}/{number}/{started_ms}/done")
}

fn artifact(json: &Value) -> Option<BuildArtifact> {
    let relative_path = json.get("relativePath")?.as_str()?.to_owned();
    let last = relative_path.rsplit('/').next().unwrap_or_default().to_owned();
    let file_name = json.get("fileName").and_then(Value::as_str).map_or(last, str::to_owned);
    Some(BuildArtifact { file_name, relative_path })
}

/// The git revisions, wherever this version of the git plugin puts them.
fn scm(json: &Value) -> Vec<Value> {
    let actions = json.get("actions").and_then(Value::as_array);
    let mut found: Vec<Value> = Vec::new();
    for action in actions.map_or(&[][..], Vec::as_slice) {
        for place in ["lastBuiltRevision", "build"] {
            let revision = match place {
                "build" => action.get("build").and_then(|build| build.get("revision")),
                _ => action.get(place),
            };
            let branches = revision.and_then(|revision| revision.get("branch"));
            for branch in branches.and_then(Value::as_array).map_or(&[][..], Vec::as_slice) {
                let name = branch.get("name").and_then(Value::as_str).unwrap_or_default();
                let short = name.rsplit('/').next().unwrap_or_default();
                let sha1 = branch.get("SHA1").cloned().unwrap_or(Value::Null);
                let entry = json!({ "name": name, "branch": short, "sha1": sha1 });
                if !found.contains(&entry) {
                    found.push(entry);
                }
            }
        }
    }
    found
}

/// The trigger an execution carries when `build` started it by `trigger`.
pub fn trigger_of_build(
    build: &Build,
    trigger: Option<&Config>,
    properties: &Properties,
) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    put("type", "jenkins".into());
    put("master", build.controller.as_str().into());
    put("job", build.job.to_string().into());
    put("buildNumber", build.number.into());
    put("link", build.url.as_str().into());
    put("user", "[anonymous]".into());
    put("buildInfo", Value::Object(build.info.clone()));
    put("properties", json!(properties));
    put("parameters", json!({}));
    put("artifacts", json!([]));
    if let Some(file) = trigger.and_then(|trigger| trigger.property_file.as_ref()) {
        put("propertyFile", file.as_str().into());
    }
    let expected = trigger.map(|trigger| trigger.expected_artifact_ids.clone()).unwrap_or_default();
    if !expected.is_empty() {
        put("expectedArtifactIds", expected.into());
    }
    map
}
