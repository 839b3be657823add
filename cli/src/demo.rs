//! `bowline demo`: a whole run on this machine. Only the two ends are pretended, Jenkins and AWS;
//! between them everything is real, HTTP included, and nothing leaves the loopback interface.

mod scene;

use std::{os::unix::process::CommandExt as _, path::Path, time::Duration};

use fake_jenkins::{Build, Notice};
use model::ExecutionId;
use serde_json::Value;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};
use wire::ExecutionView;

use crate::{
    CommandError,
    args::Demo,
    clouds::Reach,
    demo::scene::{CONTROLLER, Scene},
    display::Display,
    exit::Exit,
    output, progress,
    server::Definition,
    source, standalone,
    watch::{self, Waited},
};

/// The pipeline that is shown.
const PIPELINE: &str = include_str!("../../deploy/examples/pipeline.json");
/// A build is confirmed and its execution created within this, or something is wrong.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// The whole run takes seconds; whatever takes longer does not end.
const RUN_TIMEOUT: Duration = Duration::from_mins(2);
/// What drains at the end gets this long.
const GRACE: Duration = Duration::from_secs(5);

/// The demonstration could not be set up, or did not show what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// No temporary folder.
    #[error("could not make a temporary folder for the store")]
    Folder(#[source] std::io::Error),
    /// No signals.
    #[error("could not listen for signals")]
    Signals(#[source] std::io::Error),
    /// A pretended end or the settings.
    #[error("could not prepare the demonstration: {0}")]
    Prepare(String),
    /// The server.
    #[error("could not start the server")]
    Start(#[from] standalone::StartError),
    /// Jenkins.
    #[error("could not start the fake Jenkins")]
    Jenkins(#[from] fake_jenkins::StartError),
    /// The gateway did not take the notification.
    #[error("the gateway did not accept the notification: {0}")]
    NotAccepted(String),
    /// No execution came of the notification.
    #[error("no pipeline started: {reason}")]
    NotStarted { reason: String },
    /// The command could not be started again.
    #[error("could not start the demonstration again with pretended credentials")]
    Again(#[source] std::io::Error),
    /// No SDK in this build.
    #[error("this program was built without the AWS SDK")]
    NoSdk,
}

impl DemoError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoSdk => {
                Some("leave --sdk out, or build with `--features aws` (`make demo AWS=sdk`)")
            }
            Self::NotStarted { .. } => Some(
                "only a finished, successful build starts a pipeline; with --keep, ask the API for /api/v1/events",
            ),
            Self::Folder(_)
            | Self::Signals(_)
            | Self::Prepare(_)
            | Self::Start(_)
            | Self::Jenkins(_)
            | Self::Again(_)
            | Self::NotAccepted(_) => None,
        }
    }
}

/// How this process can show a run.
pub(crate) fn reach(demo: &Demo) -> Result<Reach, DemoError> {
    match (demo.sdk, cfg!(feature = "aws")) {
        (false, _) => Ok(Reach::InProcess),
        (true, false) => Err(DemoError::NoSdk),
        (true, true) if demo.pretended_credentials => Ok(Reach::Sdk),
        (true, true) => Err(DemoError::Again(again())),
    }
}

/// Becomes the same command with credentials that are worth nothing: the SDK finds credentials in
/// the environment only, and somebody's real ones have no place in a demonstration.
fn again() -> std::io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--pretended-credentials")
        .env("AWS_ACCESS_KEY_ID", "PRETENDED")
        .env("AWS_SECRET_ACCESS_KEY", "pretended")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .exec()
}

/// Shows a run from the notification to the server group.
pub(crate) async fn run(demo: Demo, reach: Reach) -> Result<Exit, CommandError> {
    let began = Instant::now();
    let body = demo.event.as_deref().map(source::read).transpose()?;
    let mut stop = Stop::listen()?;
    let scene = Scene::set(reach).await?;
    let shown = tokio::select! {
        shown = show(&scene, body.as_deref(), demo.event.as_deref()) => shown,
        () = stop.asked() => {
            scene.clear(GRACE).await;
            return Ok(Exit::Failed);
        }
    };
    if let Ok(Exit::Succeeded) = shown {
        output::line(&format!("\nDone in {:.1} s.", began.elapsed().as_secs_f64()));
    }
    if demo.keep {
        if let Err(error) = &shown {
            output::note(&format!("error: {}", runtime::Chain(error)));
        }
        invite(&scene);
        stop.asked().await;
    }
    scene.clear(GRACE).await;
    shown
}

async fn show(
    scene: &Scene,
    body: Option<&str>,
    file: Option<&Path>,
) -> Result<Exit, CommandError> {
    let definition = save(scene, body).await?;
    let application = text(&definition, "application");
    let name = text(&definition, "name");
    output::line(&format!(
        "Bowline  {}   (API and health; one process, data in a temporary folder)",
        scene.api()
    ));
    output::line(&format!("Jenkins  {}   (fake; told to notify Bowline)", scene.jenkins().url()));
    output::line(&format!("AWS      {}", scene.cloud()));
    output::line(&format!(
        "Pipeline {application}/{name}: bake, then deploy with strategy highlander\n"
    ));

    match body {
        None => {
            let said = notify(scene).await?;
            output::line(&format!(
                "Jenkins: {} #{} is finalized -> gateway: {said}",
                scene::JOB,
                scene::NUMBER
            ));
        }
        Some(body) => {
            let said = accepted(scene.send(body.to_owned()).await)?;
            let file = file.unwrap_or_else(|| Path::new("-"));
            output::line(&format!("Body of {} sent -> gateway: {said}", file.display()));
        }
    }
    let id = started(scene, application).await?;
    output::line(&format!("Execution {id}\n"));
    let waited =
        watch::wait(scene.server(), &id, Some(RUN_TIMEOUT), &mut Display::for_people()).await?;
    let exit = watch::conclude(&id, &waited);
    if let (Waited::Over(view), Exit::Succeeded) = (&waited, exit) {
        conclude(scene, view);
    }
    Ok(exit)
}

/// Saves the example, listening to the job that the event is about.
async fn save(scene: &Scene, body: Option<&str>) -> Result<Definition, CommandError> {
    let mut definition: Definition = serde_json::from_str(PIPELINE)
        .map_err(|error| DemoError::Prepare(format!("the example pipeline: {error}")))?;
    let mut build = scene::example_build();
    if let Some(told) = body.and_then(|body| scene.told_build(body)) {
        build = Build { job: told.job, number: told.number, result: told.result, ..build };
        let trigger = definition.get_mut("triggers").and_then(|triggers| triggers.get_mut(0));
        if let Some(trigger) = trigger.and_then(Value::as_object_mut) {
            trigger.insert("master".to_owned(), CONTROLLER.into());
            trigger.insert("job".to_owned(), build.job.clone().into());
        }
    }
    scene.jenkins().add_build(build);
    let name = text(&definition, "name").to_owned();
    scene.server().save(&name, Value::Object(definition.clone()).to_string()).await?;
    Ok(definition)
}

/// Lets the fake Jenkins tell the gateway; gives the gateway's words.
async fn notify(scene: &Scene) -> Result<String, DemoError> {
    let notice = Notice::finalized(scene::JOB, scene::NUMBER, vec![scene.webhook()]);
    let told = scene.jenkins().notify(&notice).await;
    let mut answers = told.into_iter().map(|told| (told.status, told.body));
    accepted(answers.next_back().unwrap_or((None, "nothing was sent".to_owned())))
}

/// What the gateway said, if it took the notification.
fn accepted((status, body): (Option<u16>, String)) -> Result<String, DemoError> {
    let said = match status {
        Some(status) => format!("{status} {}", body.trim()),
        None => body,
    };
    match status {
        Some(202) => Ok(said),
        Some(_) | None => Err(DemoError::NotAccepted(said)),
    }
}

/// Waits for the execution that the event makes.
async fn started(scene: &Scene, application: &str) -> Result<ExecutionId, CommandError> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let found = scene.server().executions(application, &[], 1).await?;
        if let Some(view) = found.first() {
            return Ok(view.id.clone());
        }
        if let Some(reason) = scene.refusal().await? {
            return Err(DemoError::NotStarted { reason }.into());
        }
        if deadline < Instant::now() {
            let reason = format!("not decided after {} s", START_TIMEOUT.as_secs());
            return Err(DemoError::NotStarted { reason }.into());
        }
        tokio::time::sleep(scene::PACE).await;
    }
}

fn conclude(scene: &Scene, view: &ExecutionView) {
    let made = progress::result(view);
    let list = |names: &[String]| {
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    output::line(&format!("\nexecution               {}", view.id));
    output::line(&format!("image                   {}", list(&made.images)));
    output::line(&format!("new server group        {}", list(&made.server_groups)));
    output::line(&format!("destroyed server group  {}", list(&made.destroyed)));
    output::line(&format!("address                 {}", scene.api()));
}

/// Says what can be done with what still runs.
fn invite(scene: &Scene) {
    output::line(&format!(
        "\nStill running; Ctrl-C ends it. Try, in another terminal:\n  BOWLINE_SERVER={0} bowline execution list shop\n  BOWLINE_SERVER={0} bowline pipeline run shop build-bake-deploy --build {1} --rebake --wait",
        scene.api(),
        scene::NUMBER,
    ));
}

/// The ways to be told to end. Without them the temporary folder would stay behind.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> Result<Self, DemoError> {
        let listen = |kind| signal(kind).map_err(DemoError::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn text<'a>(definition: &'a Definition, key: &str) -> &'a str {
    definition.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_pipeline_is_valid_and_waits_for_the_example_build() {
        let parsed = definitions::Pipeline::parse(PIPELINE);
        assert_eq!(parsed.problems, []);
        let definition: Value = serde_json::from_str(PIPELINE).unwrap();
        assert_eq!(definition["triggers"][0]["master"], CONTROLLER);
        assert_eq!(definition["triggers"][0]["job"], scene::JOB);
        let build = scene::example_build();
        let package = definition["stages"][0]["package"].as_str().unwrap();
        assert!(build.artifacts.iter().any(|path| path.contains(package)));
    }

    #[test]
    fn only_an_accepted_notification_goes_on() {
        assert!(accepted((Some(202), "{}".to_owned())).is_ok());
        for refused in [Some(200), Some(401), None] {
            assert!(accepted((refused, String::new())).is_err());
        }
    }
}
