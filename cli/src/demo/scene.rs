//! Everything the demonstration needs: a fake Jenkins, a pretend AWS, the server between them, and
//! the example's build.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use fake_jenkins::{Build, Commit, FakeJenkins};
use runtime::{Settings, Tasks, process, telemetry};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;
use trigger_gateway::jenkins::{DoneAt, Reading, read_notification};

use crate::{
    clouds::Clouds,
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
    pub(crate) async fn set(world: World) -> Result<Self, DemoError> {
        telemetry::init(&telemetry::LogConfig {
            level: "warn".to_owned(),
            format: telemetry::LogFormat::Text,
        });
        let tasks = Tasks::new();
        let folder = TempDir::with_prefix("bowline-demo.").map_err(DemoError::Folder)?;
        let options = fake_jenkins::Options::default();
        let (user, api_token) = (options.user.clone(), options.api_token.clone());
        let jenkins = FakeJenkins::start(&tasks, options).await?;
        // Known to this process and its children only; it guards nothing of worth.
        let webhook_token = ulid::Ulid::new().to_string();
        let pretended = Pretended::start(world, &tasks).await?;
        let mut roles = roles(&jenkins.url(), &user, &api_token, &webhook_token)?;
        pretended.tell(&mut roles.bake);
        let cloud = pretended.description().to_owned();
        let store = standalone::in_folder(folder.path());
        let store = store::open(store.url.expose()).await.map_err(standalone::StartError::Store)?;
        let bus = bus::in_process();
        let api = standalone::start(roles, pretended.clouds(), store, bus, &tasks).await?;
        let server = Server::new(&format!("http://{api}"), None)
            .map_err(|error| DemoError::Prepare(error.to_string()))?;
        Ok(Self { tasks, folder, jenkins, webhook_token, api, server, cloud })
    }
}
