//! The `bowline` command: everything in one process, the demo, and the client of a server.
//!
//! Results go to standard output and progress to standard error, so that
//! `id=$(bowline pipeline run …)` works; see [`main`] for the exit codes.

mod args;
mod clouds;
mod demo;
mod diff;
mod display;
mod eval;
mod execution;
mod exit;
mod fsck;
mod output;
mod pipeline;
mod plan;
mod progress;
mod server;
mod source;
mod span;
mod standalone;
mod standing;
mod validate;
mod watch;

use std::{future::Future, process::ExitCode};

use clap::Parser as _;
use runtime::Chain;

use crate::{
    args::{Cli, Command},
    exit::Exit,
    server::{Server, ServerError},
};

/// Runs the command line.
///
/// Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 timeout, 4 canceled; `standalone` adds 64,
/// a configuration that cannot be used.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(wrong) => {
            let exit = if wrong.use_stderr() { Exit::Usage } else { Exit::Succeeded };
            // Help that cannot be printed has no reader.
            drop(wrong.print());
            return exit.into();
        }
    };
    match cli.command {
        Command::Standalone(standalone) => standalone::main(&standalone),
        Command::Demo(demo) => match demo::reach(&demo) {
            Ok(reach) => on_runtime(demo::run(demo, reach)),
            Err(error) => finish(Err(error.into())),
        },
        Command::Validate(validate) => finish(validate::run(&validate, cli.output)),
        Command::Eval(eval) => finish(eval::run(&eval, cli.output)),
        Command::Fsck(fsck) => on_runtime(fsck::run(fsck, cli.output)),
        Command::Pipeline(command) => on_runtime(async move {
            pipeline::run(command, &Server::new(&cli.server, cli.token)?, cli.output).await
        }),
        Command::Execution(command) => on_runtime(async move {
            execution::run(command, &Server::new(&cli.server, cli.token)?, cli.output).await
        }),
    }
}

/// Runs a command that waits for something.
fn on_runtime(command: impl Future<Output = Result<Exit, CommandError>>) -> ExitCode {
    runtime::process::install_tls();
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    finish(match built {
        Ok(runtime) => {
            let ended = runtime.block_on(command);
            // Whatever is left runs for nobody.
            runtime.shutdown_background();
            ended
        }
        Err(cause) => Err(CommandError::Runtime(cause)),
    })
}

fn finish(ended: Result<Exit, CommandError>) -> ExitCode {
    match ended {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::note(&format!("error: {}", Chain(&error)));
            if let Some(hint) = error.hint() {
                output::note(&format!("hint: {hint}"));
            }
            error.exit().into()
        }
    }
}

/// A command could not do its work.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The server was asked in vain.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A file could not be read.
    #[error("could not read `{path}`")]
    Read {
        path: String,
        #[source]
        cause: std::io::Error,
    },
    /// A file that should hold JSON does not.
    #[error("`{path}` is not JSON")]
    Json {
        path: String,
        #[source]
        cause: serde_json::Error,
    },
    /// A context that has no names.
    #[error("`{path}` is not a JSON object: its keys are the names that expressions can see")]
    NoObject { path: String },
    /// A definition has errors; they were printed.
    #[error("`{path}` cannot be used: it has {}", output::count(*.errors, "error"))]
    Invalid { path: String, errors: usize },
    /// No pipeline of that name.
    #[error("there is no pipeline `{name}` in application `{application}`")]
    NoSuchPipeline { application: String, name: String },
    /// A build number without a job it could be of.
    #[error(
        "pipeline `{name}` has no Jenkins trigger that is enabled, so a build number means nothing to it"
    )]
    NoJenkinsTrigger { name: String },
    /// The demonstration could not be set up, or did not show what it should.
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    /// The store could not be checked.
    #[error("could not check the store")]
    Store(#[source] store::StoreError),
    /// No runtime for asynchronous work.
    #[error("could not start the asynchronous runtime")]
    Runtime(#[source] std::io::Error),
}

impl CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Server(ServerError::Address { .. }) => Exit::Usage,
            Self::Server(_)
            | Self::Read { .. }
            | Self::Json { .. }
            | Self::NoObject { .. }
            | Self::Invalid { .. }
            | Self::NoSuchPipeline { .. }
            | Self::NoJenkinsTrigger { .. }
            | Self::Demo(_)
            | Self::Store(_)
            | Self::Runtime(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Server(error) => error.hint().map(str::to_owned),
            Self::NoSuchPipeline { application, .. } => {
                Some(format!("`bowline pipeline list {application}` shows those there are"))
            }
            Self::NoJenkinsTrigger { .. } => Some(
                "leave --build out, or add a trigger of type `jenkins` to the pipeline".to_owned(),
            ),
            Self::Demo(error) => error.hint().map(str::to_owned),
            Self::Read { .. }
            | Self::Json { .. }
            | Self::NoObject { .. }
            | Self::Invalid { .. }
            | Self::Store(_)
            | Self::Runtime(_) => None,
        }
    }
}
