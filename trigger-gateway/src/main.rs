//! `bowline-gateway`: the trigger gateway as a process of its own.

use std::process::ExitCode;

use runtime::{Deployment, process};
use trigger_gateway::Config;

fn main() -> ExitCode {
    let program = process::Program {
        name: "bowline-gateway",
        about: "Takes Jenkins webhooks and serves Bowline's API",
        sections: model::sections,
    };
    process::main(program, |mut settings, tasks| async move {
        let config = Config::read(&mut settings);
        let store = settings.store(Deployment::Distributed);
        settings.finish()?;
        let (Some(config), Some(store)) = (config, store) else {
            return Err("the settings were refused without a reason: please report this".into());
        };
        let store = store::open(store.url.expose()).await?;
        trigger_gateway::run(config, store, tasks).await?;
        Ok(())
    })
}
