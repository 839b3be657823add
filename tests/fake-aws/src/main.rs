//! The fake cloud as a process.

use std::{
    fs, io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, time::SystemTime,
};

use clap::{Parser, ValueEnum};
use fake_aws::{FakeAws, Seed, SeedError, serve, world::behaviour::Lags};
use runtime::Chain;
use tokio::net::TcpListener;

/// A strict fake of EC2, Auto Scaling and ELB on one port.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A JSON file with what there is at the beginning.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// How slow it is; the seed's delays unless given.
    #[arg(long)]
    profile: Option<Profile>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// A deployment takes seconds.
    Fast,
    /// Delays as at AWS on an ordinary day.
    Realistic,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("reading the seed {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("understanding the seed {path}")]
    Parse {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("building the world of the seed")]
    Seed(#[source] SeedError),
    #[error("serving on {address}")]
    Serve {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if this fails.
            writeln!(std::io::stderr(), "fake-aws: {}", Chain(&failure)).unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut seed = Seed::default().starting_at(u64::try_from(now.as_millis()).unwrap_or_default());
    if let Some(path) = arguments.seed {
        let text = fs::read_to_string(&path)
            .map_err(|source| Failure::Read { path: path.clone(), source })?;
        let start_ms = seed.start_ms;
        seed = serde_json::from_str(&text).map_err(|source| Failure::Parse { path, source })?;
        if seed.start_ms == Seed::default().start_ms {
            seed = seed.starting_at(start_ms);
        }
    }
    match arguments.profile {
        None => {}
        Some(Profile::Fast) => seed.behaviour.lags = Lags::FAST,
        Some(Profile::Realistic) => seed.behaviour.lags = Lags::REALISTIC,
    }
    let aws = FakeAws::seeded(&seed).map_err(Failure::Seed)?;
    let failed = |source| Failure::Serve { address: arguments.listen, source };
    let listener = TcpListener::bind(arguments.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    writeln!(std::io::stdout(), "{address}").map_err(failed)?;
    serve(listener, aws).await.map_err(failed)
}
