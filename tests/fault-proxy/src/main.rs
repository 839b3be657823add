//! The proxy as a program: listens, prints where, and obeys orders from standard input.

use std::{convert::Infallible, io::Write as _, net::SocketAddr, process::ExitCode};

use clap::Parser;
use fault_proxy::{Order, Proxy};
use runtime::{Chain, Tasks};
use tokio::sync::mpsc;

/// A TCP proxy that breaks connections on request.
///
/// Orders come as arguments, and as lines on standard input: `both hold`, `to-server swallow`,
/// `to-client delay 500`, `to-server drip 1`, `to-client cut-after 7`, `door refuse`, `door silent`,
/// `cut`, `reset`, `heal`. The line `counts` prints what happened so far.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server behind it.
    #[arg(long)]
    upstream: SocketAddr,
    /// What to do from the beginning.
    orders: Vec<Order>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("could not listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        cause: std::io::Error,
    },
    #[error("could not write answers")]
    Terminal(#[from] std::io::Error),
    #[error("could not write the counts")]
    Counts(#[from] serde_json::Error),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(never) => match never {},
        Err(failure) => {
            // Nobody is left to tell if this fails.
            writeln!(std::io::stderr(), "fault-proxy: {}", Chain(&failure)).unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<Infallible, Failure> {
    let tasks = Tasks::new();
    let address = arguments.listen;
    let proxy = Proxy::start(address, arguments.upstream, &tasks)
        .await
        .map_err(|cause| Failure::Listen { address, cause })?;
    for order in arguments.orders {
        proxy.obey(order);
    }
    let mut out = std::io::stdout();
    writeln!(out, "{}", proxy.address())?;
    let mut lines = typed();
    while let Some(line) = lines.recv().await {
        if line.trim() == "counts" {
            writeln!(out, "{}", serde_json::to_string(&proxy.counts())?)?;
            continue;
        }
        match line.parse::<Order>() {
            Ok(order) => proxy.obey(order),
            Err(error) => writeln!(std::io::stderr(), "fault-proxy: {error}")?,
        }
    }
    // Whoever gave orders is gone; the proxy goes on as it was told, until it is ended.
    Ok(std::future::pending().await)
}

/// Lines of standard input, read by a thread of its own: nothing else waits for a keyboard.
fn typed() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
