//! `bowline standalone`: all four roles in one process, over one store and one bus.

use std::{net::SocketAddr, path::Path, process::ExitCode, sync::Arc};

use bus::{BusError, SharedBus};
use runtime::{
    Deployment, Settings, StoreConfig, Tasks,
    process::{self, Failure, Program},
};
use store::{SharedStore, StoreError};
use worker::WorkerPace;
use worker_bake::BakeConfig;
use worker_deploy::DeployConfig;

use crate::{
    args::Standalone,
    clouds::{Clouds, CloudsError, Pretended, Reach, Repository},
    exit::Exit,
    output,
};

const PROGRAM: Program = Program {
    name: "bowline standalone",
    about: "Runs coordinator, workers and gateway in one process",
    sections: model::sections,
};

/// Settings of every role.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    /// `[gateway]` and `[jenkins]`.
    pub(crate) gateway: trigger_gateway::Config,
    /// `[coordinator]` and `[retention]`.
    pub(crate) coordinator: coordinator::Config,
    /// `[bake]`.
    pub(crate) bake: BakeConfig,
    /// `[deploy]`.
    pub(crate) deploy: DeployConfig,
}

/// The server could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// No folder for the store's file.
    #[error("could not make the data folder `{folder}`")]
    Folder {
        folder: String,
        #[source]
        cause: std::io::Error,
    },
    /// No store.
    #[error("could not open the store")]
    Store(#[source] StoreError),
    /// No bus.
    #[error("could not open the bus")]
    Bus(#[source] BusError),
    /// No cloud.
    #[error("could not reach a cloud")]
    Clouds(#[from] CloudsError),
    /// The coordinator.
    #[error("could not start the coordinator")]
    Coordinator(#[source] coordinator::StartError),
    /// The bake worker.
    #[error("could not start the bake worker")]
    Bake(#[source] worker_bake::StartError),
    /// The deploy worker.
    #[error("could not start the deploy worker")]
    Deploy(#[source] worker_deploy::StartError),
    /// The gateway.
    #[error("could not start the gateway")]
    Gateway(#[source] trigger_gateway::StartError),
}

/// Runs the server until it is told to stop.
pub(crate) fn main(args: &Standalone) -> ExitCode {
    if !args.fake_aws && !cfg!(feature = "aws") {
        output::note(
            "error: this program was built without AWS\nhint: bake and deploy in a pretend AWS with --fake-aws, or build with `--features aws`",
        );
        return Exit::Usage.into();
    }
    let settings = match Settings::load(args.config.as_deref()) {
        Ok(mut settings) => {
            settings.allow((PROGRAM.sections)());
            settings
        }
        Err(error) => {
            output::note(&format!("error: {error}"));
            return Exit::Configuration.into();
        }
    };
    process::serve(PROGRAM, settings, process::GRACE, |settings, tasks| {
        serve(args, settings, tasks)
    })
}

async fn serve(args: &Standalone, mut settings: Settings, tasks: Tasks) -> Result<(), Failure> {
    let (Some(mut roles), Some(mut store), Some(bus)) = (
        Roles::read(&mut settings),
        settings.store(Deployment::Standalone),
        settings.bus(Deployment::Standalone),
    ) else {
        settings.finish()?;
        return Err("the settings were refused without a reason: please report this".into());
    };
    let clouds = clouds(args, &mut settings, &mut roles, &tasks).await?;
    settings.finish()?;
    let Some(clouds) = clouds else {
        return Err("the settings were refused without a reason: please report this".into());
    };
    if let Some(listen) = args.listen {
        roles.gateway.gateway.listen = listen;
    }
    if let Some(folder) = &args.data_dir {
        store = in_folder(folder);
    }
    make_folder(&store)?;
    let store = store::open(store.url.expose()).await.map_err(StartError::Store)?;
    let bus =
        bus::open(bus.url.expose(), bus::Options::default()).await.map_err(StartError::Bus)?;
    let address = start(roles, clouds, store, bus, &tasks).await?;
    output::line(&format!("listening on http://{address}"));
    Ok(())
}

/// What bakes and deploys happen in; `None` when the settings are wrong.
async fn clouds(
    args: &Standalone,
    settings: &mut Settings,
    roles: &mut Roles,
    tasks: &Tasks,
) -> Result<Option<Clouds>, CloudsError> {
    if !args.fake_aws {
        return amazon(settings);
    }
    let pretended = Pretended::start(Reach::InProcess, Repository::Everything, tasks).await?;
    for base in pretended.base_images() {
        // A row of the user's own for the same system names an image the pretended AWS has not.
        roles.bake.base_images.retain(|own| own.os != base.os);
        roles.bake.base_images.push(base.clone());
    }
    Ok(Some(pretended.clouds()))
}

#[cfg(feature = "aws")]
#[expect(clippy::unnecessary_wraps, reason = "without the SDK this fails")]
fn amazon(settings: &mut Settings) -> Result<Option<Clouds>, CloudsError> {
    Ok(crate::clouds::amazon(settings))
}

#[cfg(not(feature = "aws"))]
fn amazon(_: &mut Settings) -> Result<Option<Clouds>, CloudsError> {
    Err(CloudsError::NoSdk)
}

/// Starts the four roles; ends when `tasks` is told to stop. Gives the API's address.
///
/// # Errors
///
/// When one of them cannot start; the ones before it run until `tasks` is told to stop.
pub(crate) async fn start(
    roles: Roles,
    clouds: Clouds,
    store: SharedStore,
    bus: SharedBus,
    tasks: &Tasks,
) -> Result<SocketAddr, StartError> {
    let Roles { gateway, coordinator, bake, deploy } = roles;
    let jenkins = gateway.jenkins.clone();
    coordinator::run(coordinator, jenkins, Arc::clone(&store), Arc::clone(&bus), tasks.clone())
        .await
        .map_err(StartError::Coordinator)?;
    worker_bake::run(bake, clouds.images, Arc::clone(&store), Arc::clone(&bus), tasks.clone())
        .await
        .map_err(StartError::Bake)?;
    worker_deploy::run(deploy, clouds.server_groups, Arc::clone(&store), bus, tasks.clone())
        .await
        .map_err(StartError::Deploy)?;
    // Last, so that an answer of the API means that everything behind it runs.
    trigger_gateway::run(gateway, store, tasks.clone()).await.map_err(StartError::Gateway)
}

impl Roles {
    /// Reads the sections of every role; `None` when something is wrong, which
    /// `settings.finish()` then tells.
    pub(crate) fn read(settings: &mut Settings) -> Option<Self> {
        let gateway = trigger_gateway::Config::read(settings);
        let coordinator = coordinator::Config::read(settings);
        let pace = WorkerPace::read(settings);
        let mut bake: Option<BakeConfig> = settings.section("bake");
        for (path, text) in bake.iter().flat_map(BakeConfig::problems) {
            settings.problem(format!("bake.{path}"), text);
        }
        let mut deploy: Option<DeployConfig> = settings.section("deploy");
        for (path, text) in deploy.iter().flat_map(DeployConfig::problems) {
            settings.problem(format!("deploy.{path}"), text);
        }
        if let (Some(bake), Some(deploy), Some(pace)) = (&mut bake, &mut deploy, pace) {
            bake.pace = pace;
            deploy.pace = pace;
        }
        Some(Self { gateway: gateway?, coordinator: coordinator?, bake: bake?, deploy: deploy? })
    }
}

/// The store in a data folder.
pub(crate) fn in_folder(folder: &Path) -> StoreConfig {
    let url = format!("embedded:{}", folder.display());
    StoreConfig { url: url.as_str().into() }
}

/// Makes the folder of an embedded store.
pub(crate) fn make_folder(store: &StoreConfig) -> Result<(), StartError> {
    let Some(folder) = store.url.expose().strip_prefix("embedded:") else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|cause| StartError::Folder { folder: folder.to_owned(), cause })
}
