//! `bowline-bench`: figures of one run on one machine, as ratios to the raw limits measured beside
//! them. Run it through `make bench`, which starts the services and builds for release.

mod bakes;
mod expressions;
mod figures;
mod live;
mod matching;
mod pipelines;
mod processes;
mod raw;
mod steps;

use std::{path::PathBuf, process::ExitCode};

use bus::SharedBus;
use clap::Parser;
use store::SharedStore;

/// Why a measurement could not be made.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures Bowline on this machine.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// A private Redis.
    #[arg(long, env = "BOWLINE_TEST_REDIS")]
    redis: String,
    /// A private RabbitMQ.
    #[arg(long, env = "BOWLINE_TEST_AMQP")]
    amqp: String,
    /// Two-stage pipelines per measurement.
    #[arg(long, default_value_t = 500)]
    pipelines: usize,
    /// Bakes held in flight by one worker.
    #[arg(long, default_value_t = 1_000)]
    bakes: usize,
    /// Executions of ten stages that live at the same time.
    #[arg(long, default_value_t = 2_000)]
    live: u32,
    /// Where the programs are; beside this one when absent.
    #[arg(long)]
    programs: Option<PathBuf>,
}

/// One way to run: a store and a bus.
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    pub(crate) store: SharedStore,
    pub(crate) bus: SharedBus,
}

fn main() -> ExitCode {
    runtime::process::install_tls();
    let args = Args::parse();
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = built.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            figures::complain(&runtime::Chain(failure.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Failure> {
    steps::measure()?;
    expressions::measure()?;
    let folder = tempfile::tempdir()?;
    for name in ["embedded + in-process", "Redis + RabbitMQ"] {
        let mode = open(name, args, folder.path()).await?;
        let commits = raw::commits(&mode.store).await?;
        let messages = raw::messages(&mode.bus).await?;
        figures::title(&mode);
        figures::rate("store: bare commits, 64 in flight", commits, None);
        figures::rate("bus: publish, confirm, consume, ack, 128 in flight", messages, None);
        pipelines::measure(&mode, args.pipelines, commits).await?;
        matching::measure(&mode.store).await?;
    }
    bakes::measure(args.bakes).await?;
    live::measure(args).await?;
    processes::measure(args).await?;
    Ok(())
}

async fn open(name: &'static str, args: &Args, folder: &std::path::Path) -> Result<Mode, Failure> {
    let (store, bus) = if name.starts_with("embedded") {
        (store::open(&format!("embedded:{}", folder.display())).await?, bus::in_process())
    } else {
        let options = bus::Options { prefix: "bench.".to_owned(), ..bus::Options::default() };
        let redis = format!("{}?world=bench", args.redis);
        (store::open(&redis).await?, bus::open(&args.amqp, options).await?)
    };
    Ok(Mode { name, store, bus })
}

impl Args {
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = if let Some(folder) = &self.programs {
            folder.clone()
        } else {
            let own = std::env::current_exe()?;
            own.parent().ok_or("this program has no folder")?.to_owned()
        };
        let path = folder.join(name);
        if path.exists() {
            Ok(path)
        } else {
            Err(format!("{} is not built", path.display()).into())
        }
    }
}
