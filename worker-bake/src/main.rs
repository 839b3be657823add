//! `bowline-worker-bake`: a bake worker as a process of its own.

use std::{process::ExitCode, sync::Arc};

use runtime::{Settings, Tasks, process};
use worker::process::{Sections, open, show_health};
use worker_bake::{BakeConfig, aws::Ec2};

fn main() -> ExitCode {
    let program = process::Program {
        name: "bowline-worker-bake",
        about: "Makes machine images of packages",
        sections: model::sections,
    };
    process::main(program, start)
}

async fn start(mut settings: Settings, tasks: Tasks) -> Result<(), process::Failure> {
    let sections = Sections::read(&mut settings);
    let bake: Option<BakeConfig> = settings.section("bake");
    for (path, text) in bake.iter().flat_map(BakeConfig::problems) {
        settings.problem(format!("bake.{path}"), text);
    }
    let (store, bus) = open(settings).await?;
    let (Some(Sections { aws, pace }), Some(mut config)) = (sections, bake) else {
        return Err("the settings were refused without a reason: please report this".into());
    };
    config.pace = pace;
    show_health(config.admin_listen, &store, &bus, &tasks).await?;
    let cloud = Arc::new(Ec2::new(aws));
    worker_bake::run(config, cloud, store, bus, tasks).await?;
    Ok(())
}
