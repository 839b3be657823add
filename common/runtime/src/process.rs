//! The life of a process: settings, logs, work, a signal, a bounded drain, an exit code.

use std::{error::Error, fmt, future::Future, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Arg, ArgMatches, Command, value_parser};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    Chain, Drained, Tasks,
    config::{ConfigError, Settings},
    telemetry,
};

/// Exit code for settings or arguments that cannot be used (`EX_USAGE`).
pub const EXIT_CONFIG: u8 = 64;
/// What is in hand gets this long: below the 30 s that Kubernetes, and the 90 s that systemd wait.
pub const GRACE: Duration = Duration::from_secs(25);

/// Why a process could not start.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What a binary says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name: `bowline-gateway`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The sections that the settings may have: those of the other programs, too, as one file serves all.
    pub sections: fn() -> Vec<&'static str>,
}

/// The whole of a role's `main`: reads `--config`, starts logging, lets `start` begin the work on
/// `tasks`, waits for SIGTERM or SIGINT, drains.
///
/// A second signal ends the process at once. If the work cancels `tasks.stop()` itself, the process
/// drains and fails. The last line on standard error says what was abandoned, if anything was.
pub fn main<S, F>(program: Program, start: S) -> ExitCode
where
    S: FnOnce(Settings, Tasks) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let arguments = match command(program).try_get_matches() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_CONFIG } else { 0 };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::FAILURE,
            };
        }
    };
    let file: Option<&PathBuf> = arguments.get_one("config");
    match Settings::load(file.map(PathBuf::as_path)) {
        Ok(mut settings) => {
            settings.allow((program.sections)());
            serve(program, settings, grace(&arguments), start)
        }
        Err(error) => report(program, &Failure::from(error)),
    }
}

/// The same for a program that has read its own arguments and settings.
pub fn serve<S, F>(program: Program, settings: Settings, grace: Duration, start: S) -> ExitCode
where
    S: FnOnce(Settings, Tasks) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let mut settings = settings;
    match prepare(&mut settings) {
        Ok(runtime) => {
            let code = runtime.block_on(live(program, start, settings, grace));
            // What did not drain is dropped, not waited for.
            runtime.shutdown_background();
            code
        }
        Err(error) => report(program, &Failure::from(error)),
    }
}

/// Installs the one TLS implementation for the whole process. Later calls change nothing.
pub fn install_tls() {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
}

fn command(program: Program) -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .env("BOWLINE_CONFIG")
        .value_parser(value_parser!(PathBuf))
        .help("Settings in TOML; every key also as BOWLINE__SECTION__KEY");
    let grace = Arg::new("grace")
        .long("grace")
        .value_name("SECONDS")
        .value_parser(value_parser!(u64))
        .help("How long work in hand may take once told to stop [default: 25]");
    Command::new(program.name)
        .about(program.about)
        .version(env!("CARGO_PKG_VERSION"))
        .args([config, grace])
}

fn grace(arguments: &ArgMatches) -> Duration {
    arguments.get_one("grace").copied().map_or(GRACE, Duration::from_secs)
}

fn prepare(settings: &mut Settings) -> std::io::Result<tokio::runtime::Runtime> {
    // A wrong [log] is told with all the rest, by whoever finishes the settings.
    telemetry::init(&settings.log().unwrap_or_default());
    install_tls();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn live<S, F>(program: Program, start: S, settings: Settings, grace: Duration) -> ExitCode
where
    S: FnOnce(Settings, Tasks) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return report(program, &Failure::from(error)),
    };
    let tasks = Tasks::new();
    let started = tokio::select! {
        started = start(settings, tasks.clone()) => started,
        name = signals.next() => {
            say(program, &format!("{name} before it had started"));
            return ExitCode::FAILURE;
        }
    };
    if let Err(failure) = started {
        let code = report(program, &failure);
        tasks.shut_down(Duration::from_secs(1)).await;
        return code;
    }
    tracing::info!(program = program.name, version = env!("CARGO_PKG_VERSION"), "started");
    let asked = tokio::select! {
        name = signals.next() => Some(name),
        () = tasks.stop().cancelled() => None,
    };
    if let Some(signal) = asked {
        tracing::info!(signal, grace_seconds = grace.as_secs(), "draining");
    } else {
        tracing::error!("the work cannot go on, draining");
    }
    tokio::select! {
        drained = tasks.shut_down(grace) => finish(program, asked, drained),
        name = signals.next() => {
            say(program, &format!("{name} while draining: stopped at once"));
            ExitCode::FAILURE
        }
    }
}

fn finish(program: Program, asked: Option<&'static str>, drained: Drained) -> ExitCode {
    match (asked, drained) {
        (Some(_), Drained::Cleanly) => {
            tracing::info!("stopped, nothing was abandoned");
            ExitCode::SUCCESS
        }
        (None, Drained::Cleanly) => {
            say(program, &"stopped because the work could not go on; the log says why");
            ExitCode::FAILURE
        }
        (Some(_) | None, Drained::Abandoned(count)) => {
            say(
                program,
                &format!("stopped with {count} tasks abandoned; others will take them over"),
            );
            ExitCode::FAILURE
        }
    }
}

fn report(program: Program, failure: &Failure) -> ExitCode {
    say(program, &Chain(failure.as_ref()));
    if failure.is::<ConfigError>() { ExitCode::from(EXIT_CONFIG) } else { ExitCode::FAILURE }
}

#[expect(
    clippy::print_stderr,
    reason = "the last words of a process are for whoever started it, logs or not"
)]
fn say(program: Program, text: &dyn fmt::Display) {
    eprintln!("{}: {text}", program.name);
}

/// The two ways to ask a process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
