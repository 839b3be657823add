//! `fake-jenkins`: a pretend controller for stories in other processes. Its first line of output is
//! its root URL.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Parser;
use fake_jenkins::{FakeJenkins, Options};
use runtime::Tasks;

/// A pretend Jenkins controller. Prints its root URL; control it under `/_fake/`.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The one user who may use the API.
    #[arg(long, default_value = "bowline")]
    user: String,
    /// That user's API token.
    #[arg(long, default_value = "11fake0token")]
    api_token: String,
    /// Path under which Jenkins lives, such as `/jenkins`.
    #[arg(long, default_value = "")]
    context_path: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    runtime::process::install_tls();
    let options = Options {
        listen: args.listen,
        user: args.user,
        api_token: args.api_token,
        context_path: args.context_path.trim_end_matches('/').to_owned(),
    };
    let tasks = Tasks::new();
    match FakeJenkins::start(&tasks, options).await {
        Ok(jenkins) => say(jenkins.url().trim_end_matches('/')),
        Err(error) => {
            complain(&runtime::Chain(&error).to_string());
            return ExitCode::FAILURE;
        }
    }
    if let Err(error) = tokio::signal::ctrl_c().await {
        complain(&format!("could not listen for signals: {error}"));
    }
    tasks.shut_down(Duration::from_secs(2)).await;
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "the address is this program's output")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "no log is set up in this small program")]
fn complain(text: &str) {
    eprintln!("fake-jenkins: {text}");
}
