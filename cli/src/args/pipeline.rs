//! `bowline pipeline …`, as it is typed.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use super::Who;
use crate::span;

#[derive(Debug, Subcommand)]
pub(crate) enum Pipeline {
    /// Lists pipelines, of one application or of all
    List {
        /// Only this application's.
        application: Option<String>,
    },
    /// Prints a definition as it was saved
    Get {
        /// Its application.
        application: String,
        /// Its name.
        name: String,
    },
    /// Creates or replaces pipelines; a definition without id replaces the one of its name
    Save {
        /// Definitions, or a list of them as `list -o json` prints it; `-` is standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Shows what saving definitions would change on the server; exit code 1 if anything
    #[command(after_help = DIFF_HELP)]
    Diff {
        /// Definitions; `-` is standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Removes a pipeline; its executions stay
    Delete {
        /// Its application.
        application: String,
        /// Its name.
        name: String,
    },
    /// Starts a pipeline and prints the execution's id
    #[command(after_help = RUN_HELP)]
    Run(Run),
}

const DIFF_HELP: &str = "\
Each line is a place (a JSON pointer, in which stages go by their ref id), then before and after.
What the server sets on its own (id, updateTs, lastModifiedBy, index) is not compared.

Examples:
  bowline pipeline diff shop.json
  generate-pipeline | bowline pipeline diff - -o json";

const RUN_HELP: &str = "\
With --build, the number is that of the job of the pipeline's Jenkins trigger. A start that is refused (a
parameter with a value that is not allowed, a stage type that is not known) says why, and ends with exit code 1.

Examples:
  bowline pipeline run shop build-bake-deploy --build 118
  bowline pipeline run shop build-bake-deploy --build 118 --plan
  bowline pipeline run shop build-bake-deploy -p reason=hotfix --rebake --wait --timeout 45m";

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The pipeline's application.
    pub(crate) application: String,
    /// The pipeline's name or id.
    pub(crate) name: String,
    /// A parameter.
    #[arg(short, long = "parameter", value_name = "KEY=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Run as if this build had just finished.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) build: Option<u64>,
    /// Bake new images even where ones with the same content exist.
    #[arg(long)]
    pub(crate) rebake: bool,
    /// Show what would run, with images and server groups as they are now, and start nothing; exit code 1
    /// if it would not start.
    #[arg(long, conflicts_with_all = ["wait", "timeout"])]
    pub(crate) plan: bool,
    /// Stay until the execution is over, and show its stages.
    #[arg(long)]
    pub(crate) wait: bool,
    /// Give up waiting after this long (`90s`, `30m`, `1h30m`); the execution goes on.
    #[arg(long, value_name = "TIME", value_parser = span::parse, requires = "wait")]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) who: Who,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("a parameter is KEY=VALUE".to_owned()),
    }
}
