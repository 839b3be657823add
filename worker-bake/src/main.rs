//! `bowline-worker-bake`: a bake worker as a process of its own.

use std::{process::ExitCode, sync::Arc};

use bus::SharedBus;
use runtime::{Admin, Deployment, Metrics, Settings, Tasks, process};
use store::SharedStore;
use worker::{WorkerPace, aws::AwsConfig};
use worker_bake::{BakeConfig, aws::Ec2};

fn main() -> ExitCode {
    let program =
        process::Program { name: "bowline-worker-bake", about: "Makes machine images of packages" };
    process::main(program, start)
}

async fn start(mut settings: Settings, tasks: Tasks) -> Result<(), process::Failure> {
    let (bake, aws) = sections(&mut settings);
    let store = settings.store(Deployment::Distributed);
    let bus = settings.bus(Deployment::Distributed);
    settings.finish()?;
    let (Some(bake), Some(aws), Some(store), Some(bus)) = (bake, aws, store, bus) else {
        return Err("the settings were refused without a reason: please report this".into());
    };
    let store = store::open(store.url.expose()).await?;
    let bus = bus::open(bus.url.expose(), bus::Options::default()).await?;
    if let Some(address) = bake.admin_listen {
        let address = admin(&store, &bus, &tasks)?.serve(address).await?;
        tracing::info!(%address, "health and metrics");
    }
    worker_bake::run(bake, Arc::new(Ec2::new(aws)), store, bus, tasks).await?;
    Ok(())
}

fn sections(settings: &mut Settings) -> (Option<BakeConfig>, Option<AwsConfig>) {
    let mut bake: Option<BakeConfig> = settings.section("bake");
    let pace: Option<WorkerPace> = settings.section("worker");
    for (path, text) in pace.iter().flat_map(WorkerPace::problems) {
        settings.problem(format!("worker.{path}"), text);
    }
    if let (Some(bake), Some(pace)) = (&mut bake, pace) {
        bake.pace = pace;
    }
    for (path, text) in bake.iter().flat_map(BakeConfig::problems) {
        settings.problem(format!("bake.{path}"), text);
    }
    let aws: Option<AwsConfig> = settings.section("aws");
    for (path, text) in aws.iter().flat_map(AwsConfig::problems) {
        settings.problem(format!("aws.{path}"), text);
    }
    (bake, aws)
}

fn admin(store: &SharedStore, bus: &SharedBus, tasks: &Tasks) -> Result<Admin, process::Failure> {
    let (store, bus) = (Arc::clone(store), Arc::clone(bus));
    let admin =
        Admin::new(Metrics::install()?, tasks)
            .check("store", move || {
                let store = Arc::clone(&store);
                async move { store.now_ms().await.map(drop).map_err(|error| error.to_string()) }
            })
            .check("bus", move || {
                let healthy = bus.healthy();
                async move {
                    if healthy { Ok(()) } else { Err("the broker does not answer".to_owned()) }
                }
            });
    Ok(admin)
}
