//! `bowline execution …`, as it is typed.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use model::ExecutionId;

use super::Who;
use crate::span;

#[derive(Debug, Subcommand)]
pub(crate) enum Execution {
    /// Lists executions of an application, newest first
    List {
        /// The application.
        application: String,
        /// Only with this status, such as RUNNING; may be repeated.
        #[arg(long = "status", value_name = "STATUS", value_parser = status)]
        statuses: Vec<model::ExecutionStatus>,
        /// At most so many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Prints an execution
    Get {
        /// Its id.
        id: ExecutionId,
    },
    /// Waits for an execution and shows its stages; the exit code tells how it ended
    Watch {
        /// Its id.
        id: ExecutionId,
        /// Give up after this long (`90s`, `30m`, `1h30m`); the execution goes on.
        #[arg(long, value_name = "TIME", value_parser = span::parse)]
        timeout: Option<Duration>,
    },
    /// Asks an execution to stop
    Cancel {
        #[command(flatten)]
        target: Target,
        /// Why, for those who wonder later.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Lets an execution begin nothing more; what runs, runs on
    Pause {
        #[command(flatten)]
        target: Target,
    },
    /// Lets a paused execution go on
    Resume {
        #[command(flatten)]
        target: Target,
    },
    /// Runs a stage, and everything that builds on it, again; also in a finished execution
    Restart {
        #[command(flatten)]
        stage: Stage,
    },
    /// Answers a manual judgment
    #[command(after_help = JUDGE_HELP)]
    Judge {
        #[command(flatten)]
        stage: Stage,
        /// What was decided.
        #[arg(value_enum)]
        decision: Decision,
        /// The choice, where the stage offers choices.
        #[arg(long, value_name = "CHOICE")]
        input: Option<String>,
    },
    /// Ends the waiting of a wait stage or of a time window
    Skip {
        #[command(flatten)]
        stage: Stage,
        /// Leave the whole stage out, where its type allows it.
        #[arg(long)]
        leave_out: bool,
    },
    /// Removes a finished execution and everything known about it
    Delete {
        /// Its id.
        id: ExecutionId,
    },
}

const JUDGE_HELP: &str = "\
Examples:
  bowline execution judge 5Q2V8JMT1GZC0X5Y4N7RD3WKHB 2 continue
  bowline execution judge 5Q2V8JMT1GZC0X5Y4N7RD3WKHB 'Ship it?' stop --input 'not today'";

/// Which execution, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The execution's id.
    pub(crate) id: ExecutionId,
    #[command(flatten)]
    pub(crate) who: Who,
}

/// Which stage of which execution, and who asks.
#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "help calls the argument STAGE")]
pub(crate) struct Stage {
    /// The execution's id.
    pub(crate) id: ExecutionId,
    /// The stage: its ref id, its id, or a name that only one stage has.
    pub(crate) stage: String,
    #[command(flatten)]
    pub(crate) who: Who,
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Decision {
    /// The pipeline goes on.
    Continue,
    /// The stage fails.
    Stop,
}

fn status(text: &str) -> Result<model::ExecutionStatus, String> {
    text.to_ascii_uppercase().parse().map_err(|error: model::StatusError| error.to_string())
}
