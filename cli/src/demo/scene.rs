//! Everything the demonstration needs: a fake Jenkins, a pretend AWS, the server between them, and
//! the example's build.

use std::{net::SocketAddr, time::Duration};

use fake_jenkins::{Build, Commit, FakeJenkins};
use runtime::{Drained, Settings, Tasks, telemetry};
use serde_json::Value;
use tempfile::TempDir;
use trigger_gateway::jenkins::{DoneAt, Reading, read_notification};
use wire::EventOutcome;

use crate::{
    clouds::{Pretended, Reach, Repository},
    demo::DemoError,
    output,
    server::{Server, ServerError},
    standalone::{self, Roles},
};

/// What the example pipeline calls the controller.
pub(crate) const CONTROLLER: &str = "ci-main";
/// The job the example pipeline listens to.
pub(crate) const JOB: &str = "shop/shop-package/main";
/// The build that is shown.
pub(crate) const NUMBER: u64 = 118;
/// How often anything is looked at: nobody wants to wait in a demonstration.
pub(crate) const PACE: Duration = Duration::from_millis(100);

/// A running demonstration.
#[derive(Debug)]
pub(crate) struct Scene {
    tasks: Tasks,
    // Removed when the scene is dropped.
    folder: TempDir,
    jenkins: FakeJenkins,
    webhook_token: String,
    api: SocketAddr,
    server: Server,
    client: reqwest::Client,
    cloud: String,
}

/// A build as an event file tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToldBuild {
    /// Full name of its job.
    pub(crate) job: String,
    /// Its number.
    pub(crate) number: u64,
    /// Its result.
    pub(crate) result: Option<String>,
}

impl Scene {
    /// Starts everything.
    pub(crate) async fn set(reach: Reach) -> Result<Self, DemoError> {
        telemetry::init(&telemetry::LogConfig {
            level: "warn".to_owned(),
            format: telemetry::LogFormat::Text,
        });
        let tasks = Tasks::new();
        let folder = TempDir::with_prefix("bowline-demo.").map_err(DemoError::Folder)?;
        let options = fake_jenkins::Options::default();
        let (user, api_token) = (options.user.clone(), options.api_token.clone());
        let jenkins = FakeJenkins::start(&tasks, options).await?;
        // Known to this process only; it guards nothing of worth.
        let webhook_token = ulid::Ulid::new().to_string();
        let pretended = Pretended::start(reach, Repository::Example, &tasks)
            .await
            .map_err(standalone::StartError::Clouds)?;
        let mut roles = roles(&jenkins.url(), [&user, &api_token, &webhook_token])?;
        roles.bake.base_images.extend(pretended.base_images().cloned());
        let store = standalone::in_folder(folder.path());
        let store = store::open(store.url.expose()).await.map_err(standalone::StartError::Store)?;
        let bus = bus::in_process();
        let cloud = pretended.description().to_owned();
        let api = standalone::start(roles, pretended.clouds(), store, bus, &tasks).await?;
        let server = Server::new(&format!("http://{api}"), None)
            .map_err(|error| DemoError::Prepare(error.to_string()))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| DemoError::Prepare(error.to_string()))?;
        Ok(Self { tasks, folder, jenkins, webhook_token, api, server, client, cloud })
    }

    /// The API's root.
    pub(crate) fn api(&self) -> String {
        format!("http://{}", self.api)
    }

    /// A client of the API.
    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The fake controller.
    pub(crate) fn jenkins(&self) -> &FakeJenkins {
        &self.jenkins
    }

    /// What plays AWS, in words.
    pub(crate) fn cloud(&self) -> &str {
        &self.cloud
    }

    /// Where Jenkins sends notifications, credentials included.
    pub(crate) fn webhook(&self) -> String {
        format!("http://jenkins:{}@{}/webhooks/jenkins/{CONTROLLER}", self.webhook_token, self.api)
    }

    /// The build a webhook body tells of, as the gateway reads it.
    pub(crate) fn told_build(&self, body: &str) -> Option<ToldBuild> {
        match read_notification(body.as_bytes(), &self.jenkins.url(), DoneAt::Completed) {
            Reading::Build(build) => {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                let status = body.pointer("/build/status").and_then(Value::as_str);
                Some(ToldBuild {
                    job: build.job,
                    number: build.number,
                    result: Some(status.unwrap_or("SUCCESS").to_owned()),
                })
            }
            Reading::Ignored { .. } | Reading::Invalid { .. } => None,
        }
    }

    /// Sends a body to the webhook as it is; gives status and body of the answer.
    pub(crate) async fn send(&self, body: String) -> (Option<u16>, String) {
        let request = self.client.post(self.webhook()).header("content-type", "application/json");
        let answer = match request.body(body).send().await {
            Ok(answer) => answer,
            Err(error) => return (None, runtime::Chain(&error.without_url()).to_string()),
        };
        let status = answer.status().as_u16();
        (Some(status), answer.text().await.unwrap_or_else(|error| error.to_string()))
    }

    /// Why the newest event started nothing; `None` while that is not decided.
    pub(crate) async fn refusal(&self) -> Result<Option<String>, ServerError> {
        Ok(self.server.events(1).await?.first().and_then(refusal))
    }

    /// Ends everything and removes what it left on disk.
    pub(crate) async fn clear(self, grace: Duration) {
        let Self { tasks, folder, .. } = self;
        match tasks.shut_down(grace).await {
            Drained::Cleanly => {}
            Drained::Abandoned(count) => {
                output::note(&format!("{count} tasks were still running and were dropped"));
            }
        }
        if let Err(error) = folder.close() {
            output::note(&format!("the temporary folder was not removed: {error}"));
        }
    }
}

/// What an event came to, if it came to nothing.
fn refusal(event: &Value) -> Option<String> {
    let outcome = event.get("outcome").filter(|outcome| outcome.is_object())?;
    let Ok(read) = serde_json::from_value::<EventOutcome>(outcome.clone()) else {
        return Some(outcome.to_string());
    };
    if !read.executions().is_empty() {
        return None;
    }
    Some(read.reason().map_or_else(|| "no pipeline waits for it".to_owned(), str::to_owned))
}

/// Settings of the four roles, with nothing to wait for.
fn roles(jenkins: &str, [user, api_token, webhook_token]: [&str; 3]) -> Result<Roles, DemoError> {
    let wrong = |error: runtime::ConfigError| DemoError::Prepare(error.to_string());
    let text = format!(
        r#"
        [gateway]
        listen = "127.0.0.1:0"
        build_done_at = "completed"
        [jenkins.controllers.{CONTROLLER}]
        url = "{jenkins}"
        user = "{user}"
        api_token = "{api_token}"
        webhook_token = "{webhook_token}"
        [bake]
        poll_interval_ms = {pace}
        [deploy]
        poll_interval_ms = {pace}
        disabled_seconds = 0
        "#,
        pace = PACE.as_millis(),
    );
    let mut settings = Settings::from_toml(&text).map_err(wrong)?;
    let roles = Roles::read(&mut settings);
    settings.finish().map_err(wrong)?;
    roles.ok_or_else(|| DemoError::Prepare("the settings were refused".to_owned()))
}

/// The build that is shown: a package, and the property file the trigger wants.
pub(crate) fn example_build() -> Build {
    let mut build = Build::successful(JOB, NUMBER);
    build.artifacts = vec![format!("target/shop-web_1.4.2-{NUMBER}_all.deb")];
    build
        .property_files
        .insert("build.properties".to_owned(), "CHANNEL=stable\nRELEASE=true\n".to_owned());
    build.commit = Some(Commit {
        remote: "https://git.example.com/shop/web.git".to_owned(),
        branch: "origin/main".to_owned(),
        sha1: "8f2c1e0d9b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e".to_owned(),
    });
    build
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_settings_are_accepted() {
        let roles = roles("http://127.0.0.1:1/", ["u", "t", "w"]).unwrap();
        assert!(roles.gateway.jenkins.controllers.contains_key(CONTROLLER));
    }

    #[test]
    fn an_event_that_started_nothing_says_why() {
        let event = |outcome: Value| json!({"state": "settled", "outcome": outcome});
        let missed = json!({"result": "ignored", "started": [], "decisions": [{
            "pipelineId": "p", "pipeline": "ship", "application": "shop", "trigger": 0,
            "decision": "not_started", "reason": "another branch", "condition": "branch"}]});
        assert_eq!(refusal(&event(missed)), Some("another branch".to_owned()));
        let nobody = json!({"result": "ignored", "started": []});
        assert_eq!(refusal(&event(nobody)), Some("no pipeline waits for it".to_owned()));
        let unverified = json!({"result": "unverified", "reason": "unknown build"});
        assert_eq!(refusal(&event(unverified)), Some("unknown build".to_owned()));
        let started = json!({"result": "started", "started": [{"pipeline": "ship",
            "application": "shop", "execution": "E"}]});
        assert_eq!(refusal(&event(started)), None);
        assert_eq!(refusal(&json!({"state": "pending", "outcome": null})), None);
    }
}
