//! `bowline-fuzz TARGET --seconds N`: hunts for inputs that break a reader.

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use fuzz::{Hunt, TARGETS, hunt, seeds, target};

/// Hunts for inputs that break a reader; each found one belongs into the target's corpus.
#[derive(Debug, Parser)]
#[command(name = "bowline-fuzz")]
struct Arguments {
    /// Targets; all when none is named.
    targets: Vec<String>,
    /// How long, for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the choices begin; from the clock when it is not given, and told.
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let named = if arguments.targets.is_empty() {
        TARGETS.iter().map(|target| target.name.to_owned()).collect()
    } else {
        arguments.targets
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.seed.unwrap_or(since.as_secs());
    let span = Duration::from_secs(arguments.seconds);
    let mut ended = ExitCode::SUCCESS;
    for name in named {
        let (Some(found), Ok(corpus)) = (target(&name), seeds(&name)) else {
            let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            say(&format!(
                "there is no target `{name}` with a corpus; there are {}",
                known.join(", ")
            ));
            return ExitCode::from(2);
        };
        let corpus: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
        match hunt(found, &corpus, seed, Hunt::Time(span)) {
            Ok(tried) => say(&format!("{name}: {tried} inputs, none breaks it (seed {seed})")),
            Err(broken) => {
                let shown = broken.input.escape_ascii();
                say(&format!("{name}: BROKEN (seed {seed}): {}\n  input: {shown}", broken.how));
                ended = ExitCode::FAILURE;
            }
        }
    }
    ended
}

/// A line of result. A reader that went away is no error of ours.
fn say(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}
