//! `bowline-coordinator`: one coordinator of a distributed installation.

use std::{process::ExitCode, sync::Arc};

use bus::SharedBus;
use coordinator::Config;
use runtime::{
    Admin, Metrics, Settings, Tasks,
    config::Deployment,
    process::{Failure, Program, main as run_process},
};
use store::SharedStore;

const PROGRAM: Program = Program {
    name: "bowline-coordinator",
    about: "Turns events into executions, moves them along, publishes their tasks",
    sections: model::sections,
};

fn main() -> ExitCode {
    run_process(PROGRAM, start)
}

async fn start(mut settings: Settings, tasks: Tasks) -> Result<(), Failure> {
    let config = Config::read(&mut settings);
    let jenkins = settings.jenkins();
    let (store, bus) =
        (settings.store(Deployment::Distributed), settings.bus(Deployment::Distributed));
    settings.finish()?;
    let (Some(config), Some(jenkins), Some(store), Some(bus)) = (config, jenkins, store, bus)
    else {
        return Err("the settings were refused without a reason: please report this".into());
    };
    let store = store::open(store.url.expose()).await?;
    let bus = bus::open(bus.url.expose(), bus::Options::default()).await?;
    if let Some(address) = config.admin_listen {
        let address = admin(&store, &bus, &tasks)?.serve(address).await?;
        tracing::info!(%address, "health and metrics");
    }
    coordinator::run(config, jenkins, store, bus, tasks).await?;
    Ok(())
}

fn admin(store: &SharedStore, bus: &SharedBus, tasks: &Tasks) -> Result<Admin, Failure> {
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
