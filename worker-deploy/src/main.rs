//! `bowline-worker-deploy`: a deploy worker as a process of its own.

use std::{process::ExitCode, sync::Arc};

use runtime::{Settings, Tasks, process};
use worker::process::{Sections, open, show_health};
use worker_deploy::{DeployConfig, aws::AwsCloud};

fn main() -> ExitCode {
    let program = process::Program {
        name: "bowline-worker-deploy",
        about: "Deploys machine images as server groups",
        sections: model::sections,
    };
    process::main(program, start)
}

async fn start(mut settings: Settings, tasks: Tasks) -> Result<(), process::Failure> {
    let sections = Sections::read(&mut settings);
    let deploy: Option<DeployConfig> = settings.section("deploy");
    for (path, text) in deploy.iter().flat_map(DeployConfig::problems) {
        settings.problem(format!("deploy.{path}"), text);
    }
    let (store, bus) = open(settings).await?;
    let (Some(Sections { aws, pace }), Some(mut config)) = (sections, deploy) else {
        return Err("the settings were refused without a reason: please report this".into());
    };
    config.pace = pace;
    show_health(config.admin_listen, &store, &bus, &tasks).await?;
    let cloud = Arc::new(AwsCloud::new(aws));
    worker_deploy::run(config, cloud, store, bus, tasks).await?;
    Ok(())
}
