//! What Jenkins says, or somebody who says to be Jenkins.

use model::jenkins::{JobName, read_properties};
use serde_json::Value;
use trigger_gateway::jenkins::{DoneAt, Reading, read_notification};
use triggers::{
    File, Files, Match, Moment, Properties,
    jenkins::{self, Build},
    triggers_of,
};

use super::text;

/// A body of the Notification plugin. A job it names can be asked for, and is asked for below the
/// controller.
pub(super) fn notification(data: &[u8]) {
    for done_at in [DoneAt::Finalized, DoneAt::Completed] {
        let reading = read_notification(data, "https://ci.example.com/jenkins", done_at);
        match reading {
            Reading::Build(build) => {
                let job = JobName::parse(&build.job);
                assert!(!job.segments().is_empty(), "a job without a name: {:?}", build.job);
                for segment in job.segments() {
                    assert!(segment != "." && segment != "..", "{:?} leads elsewhere", build.job);
                    assert!(!segment.chars().any(char::is_control), "{:?}", build.job);
                }
                let path = job.url_path();
                assert!(path.starts_with("job/") && !path.contains(['?', '#', ' ']), "{path}");
            }
            Reading::Ignored { reason } | Reading::Invalid { pointer: _, reason } => {
                assert!(!reason.is_empty() && reason.len() < 4096, "{reason}");
                assert!(!reason.chars().any(|c| c == '\u{1b}'), "{reason:?} moves cursors");
            }
        }
    }
}

/// What the JSON API says of a build, and what a pipeline makes of it.
pub(super) fn build(data: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Value>(data) else { return };
    let job = JobName::parse("shop/package/main");
    let Some(build) = Build::read("ci-main", &job, &json) else { return };
    assert_eq!(json.get("number").and_then(Value::as_u64), Some(build.number));
    assert!(build.event_key().starts_with("jenkins/ci-main/shop/package/main/"));
    let mut files = Files::new();
    for artifact in &build.artifacts {
        let read = Properties::from([(artifact.file_name.clone(), artifact.relative_path.clone())]);
        files.insert(artifact.file_name.clone(), File::Read(read));
    }
    let number = build.number;
    let definition: Value =
        serde_json::from_str(include_str!("../../corpus/pipeline/bake-deploy.json"))
            .unwrap_or_default();
    let occurrence = jenkins::occurrence(build);
    let moment = Moment { now_ms: 0, zone: "UTC" };
    for trigger in definition.as_object().map(triggers_of).unwrap_or_default() {
        if let Some(Match::Start(made)) = trigger.judge(&occurrence, &files, moment) {
            assert_eq!(made.get("buildNumber").and_then(Value::as_u64), Some(number));
        }
    }
}

/// Names of jobs in every form: what is read is written and read again as the same.
pub(super) fn job_name(data: &[u8]) {
    let Some(text) = text(data) else { return };
    drop(JobName::from_url_path(text));
    let job = JobName::parse(text);
    // A name that is all dots has an address that leads nowhere, on purpose.
    let leads_somewhere = |name: &String| !matches!(name.as_str(), "." | "..");
    if job.segments().is_empty() || !job.segments().iter().all(leads_somewhere) {
        return;
    }
    let path = format!("/{}/", job.url_path());
    assert_eq!(JobName::from_url_path(&path).ok(), Some(job), "by way of {path}");
}

/// A property file under each kind of name. Java properties that are written are read as they were.
pub(super) fn properties(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for name in ["build.json", "build.yml", "build"] {
        drop(read_properties(name, &text));
    }
    let Ok(read) = read_properties("build.properties", &text) else { return };
    let mut written = String::new();
    for (key, value) in &read {
        written.extend([escaped(key), "=".to_owned(), escaped(value), "\n".to_owned()]);
    }
    assert_eq!(read_properties("build.properties", &written).ok(), Some(read), "{written}");
}

/// A text in which nothing has a meaning to a reader of properties.
fn escaped(text: &str) -> String {
    let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    units.concat()
}
