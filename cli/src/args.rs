//! What can be typed.

mod eval;
mod execution;
mod pipeline;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use eval::Eval;
pub(crate) use execution::{Decision, Execution, Stage, Target};
pub(crate) use pipeline::{Pipeline, Run};

const EXAMPLES: &str = "\
Examples:
  bowline demo                                      see a Jenkins build become a server group, all on this machine
  bowline standalone --data-dir /var/lib/bowline    run the server in one process
  bowline validate pipelines/*.json                 check definitions, offline
  bowline eval 'image ${trigger.buildInfo.number}' --context context.json
  bowline pipeline save shop.json
  bowline pipeline run shop build-bake-deploy --build 118 --wait --timeout 30m
  bowline execution watch 5Q2V8JMT1GZC0X5Y4N7RD3WKHB
  bowline execution list shop -o yaml

Exit codes: 0 succeeded, 1 failed, 2 wrong usage, 3 timeout, 4 canceled (64: bad server configuration).";

/// Heading of the options that every command takes.
const EVERYWHERE: &str = "Options of all commands";

/// From a Jenkins build to a running AWS server group.
#[derive(Debug, Parser)]
#[command(name = "bowline", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Where the server is.
    #[arg(
        long,
        global = true,
        env = "BOWLINE_SERVER",
        default_value = "http://localhost:8084",
        value_name = "URL",
        help_heading = EVERYWHERE
    )]
    pub(crate) server: String,
    /// The server's API token, if it wants one; better given by the variable, which other users cannot see.
    #[arg(
        long,
        global = true,
        env = "BOWLINE_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = EVERYWHERE
    )]
    pub(crate) token: Option<String>,
    /// How to print results.
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t = Format::Table,
        value_name = "FORMAT",
        help_heading = EVERYWHERE
    )]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Who asks; shown in the history, and believed as far as the token goes.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Who asks, for the history.
    #[arg(long, env = "USER", default_value = "anonymous", hide_env = true)]
    pub(crate) user: String,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[value(alias = "text")]
    Table,
    /// For scripts.
    Json,
    /// For scripts, and for people who read it.
    Yaml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs coordinator, workers and gateway in this process, with a file as store
    #[command(after_help = STANDALONE_HELP)]
    Standalone(Standalone),
    /// Shows a whole run on this machine: fake Jenkins, fake AWS, everything else real
    Demo(Demo),
    /// Checks pipeline definitions without a server
    #[command(after_help = VALIDATE_HELP)]
    Validate(Validate),
    /// Evaluates a string or a JSON document with expressions, without a server
    #[command(after_help = eval::EVAL_HELP)]
    Eval(Eval),
    /// Checks that what lies in a store can be true
    #[command(after_help = FSCK_HELP)]
    Fsck(Fsck),
    /// Saves, reads, compares, removes and runs pipelines
    #[command(subcommand)]
    Pipeline(Pipeline),
    /// Looks at, waits for and controls executions
    #[command(subcommand)]
    Execution(Execution),
}

const STANDALONE_HELP: &str = "\
The configuration file is TOML; every key can also be set as BOWLINE__SECTION__KEY. What is given here
beats both. Without a file, the server keeps its data in ./bowline-data and listens on 127.0.0.1:8084.

Examples:
  bowline standalone --fake-aws
  bowline standalone --config /etc/bowline.toml --data-dir /var/lib/bowline";

#[derive(Debug, Args)]
pub(crate) struct Standalone {
    /// Configuration file.
    #[arg(long, env = "BOWLINE_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for the store's file, made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the API.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Bake and deploy in a pretend AWS inside this process, forgotten when it ends.
    #[arg(long)]
    pub(crate) fake_aws: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Leave everything running afterwards, until Ctrl-C.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Send this webhook body instead of the example's.
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Option<PathBuf>,
    /// Reach the pretend AWS through the AWS SDK and the wire instead of in-process calls
    /// (needs a build with `--features aws`).
    #[arg(long)]
    pub(crate) sdk: bool,
    /// The environment holds pretended credentials: set by this program when it calls itself.
    #[arg(long, hide = true)]
    pub(crate) pretended_credentials: bool,
}

const VALIDATE_HELP: &str = "\
Every problem of every file is reported at once. Exit code 0: all can be saved; 1: at least one cannot.

Examples:
  bowline validate pipeline.json
  generate-pipeline | bowline validate - -o json";

const FSCK_HELP: &str = "\
Reads everything and changes nothing; each finding says what is wrong, why it matters and what to do.
A Redis server may be in use meanwhile; a file is read when its server is stopped. Exit code 0: clean; 1: not
clean, or not readable.

Examples:
  bowline fsck --store embedded:./bowline-data
  bowline fsck --store redis://127.0.0.1:6379 -o json";

#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// The store, as in the server's configuration; better given by the variable if it holds a password.
    #[arg(long, env = "BOWLINE__STORE__URL", hide_env_values = true, value_name = "URL")]
    pub(crate) store: String,
}

#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// Definitions to check; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_run_reads_parameters_and_time() {
        let line = [
            "bowline",
            "pipeline",
            "run",
            "shop",
            "p",
            "-p",
            "a=b=c",
            "-p",
            "d=",
            "--build",
            "7",
            "--wait",
            "--timeout",
            "1m30s",
            "-o",
            "json",
        ];
        let cli = Cli::try_parse_from(line).unwrap();
        assert_eq!(cli.output, Format::Json);
        let Command::Pipeline(Pipeline::Run(run)) = cli.command else { panic!("not a run") };
        assert_eq!(
            run.parameters,
            [("a".to_owned(), "b=c".to_owned()), ("d".to_owned(), String::new())]
        );
        assert_eq!(run.timeout, Some(Duration::from_secs(90)));
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            &["bowline", "pipeline", "run", "shop", "p", "-p", "novalue"][..],
            &["bowline", "pipeline", "run", "shop", "p", "--timeout", "1m"],
            &["bowline", "execution", "watch", "not an id"],
            &["bowline", "execution", "list", "shop", "--status", "done"],
            &["bowline", "execution", "list", "shop", "--limit", "0"],
            &["bowline", "validate"],
        ] {
            let error = Cli::try_parse_from(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }
}
