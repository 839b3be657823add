//! `bowline-sim`: runs seeds, replays one, enumerates crashes, looks for planted bugs.

#![expect(clippy::print_stdout, reason = "what a run shows is what this program is for")]

use std::{num::NonZero, process::ExitCode, thread, time::Instant};

use clap::Parser;
use simulation::{
    Bug, Canonical, Fault, Findings, SHAPES, Trace, of_seed, run, run_seed, search, smallest,
};

/// Seeds that say something about how often things were seen.
const SEEDS_FOR_COVERAGE: u64 = 10_000;
/// How often each thing must have been seen in so many.
const SEEN_LEAST: u64 = 50;

/// The whole of Bowline on one thread and a virtual clock, with faults.
#[derive(Debug, Parser)]
#[command(name = "bowline-sim", version)]
struct Args {
    /// Runs so many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads; each runs its own seeds. All cores unless given.
    #[arg(long)]
    threads: Option<usize>,
    /// Replays one seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Prints every step of the replayed seed.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Every crash, lost answer and repeat at every I/O point of the canonical pipeline.
    #[arg(long)]
    singles: bool,
    /// Crashes at two points, so many pairs, drawn from all of them.
    #[arg(long)]
    pairs: Option<u64>,
    /// Looks for each planted bug in at most `seeds` seeds.
    #[arg(long)]
    planted: bool,
    /// With a planted bug, by its name.
    #[arg(long)]
    bug: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let threads =
        args.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
    let bug = args.bug.as_ref().and_then(|name| Bug::ALL.iter().find(|bug| bug.name() == name));
    if let (Some(name), None) = (&args.bug, bug) {
        let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
        println!("no bug is called `{name}`; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    let bug = bug.copied();
    let good = if let Some(seed) = args.seed {
        replay(seed, bug, args.trace)
    } else if args.planted {
        planted(args.from, args.seeds, threads)
    } else if args.singles {
        singles()
    } else if let Some(count) = args.pairs {
        pairs(args.from, count)
    } else {
        seeds(&args, threads, bug)
    };
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn seeds(args: &Args, threads: usize, bug: Option<Bug>) -> bool {
    let started = Instant::now();
    let findings = search(args.from, args.seeds, threads, bug);
    for seed in findings.broken.keys() {
        explain(*seed, bug);
    }
    let least = findings.seeds.saturating_mul(SEEN_LEAST) / SEEDS_FOR_COVERAGE;
    let missing = findings.missing(least);
    for what in &missing {
        println!("seen too seldom: {what}");
    }
    summary(&findings, started, threads);
    findings.broken.is_empty() && missing.is_empty()
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "figures for people, far below where precision ends"
)]
fn summary(findings: &Findings, started: Instant, threads: usize) {
    let seconds = started.elapsed().as_secs_f64().max(0.001);
    let faults: u64 = simulation::What::KINDS.iter().map(|kind| findings.faults(kind)).sum();
    println!(
        "{} seeds in {seconds:.1} s on {threads} threads: {:.1} schedules/s, {:.0} times real time, \
         {} I/O points, {faults} faults, {} broken",
        findings.seeds,
        findings.seeds as f64 / seconds,
        findings.virtual_ms as f64 / 1_000.0 / seconds,
        findings.points,
        findings.broken.len(),
    );
}

/// Everything a person needs to begin with a broken seed.
fn explain(seed: u64, bug: Option<Bug>) {
    let (setting, faults) = of_seed(seed, bug);
    let least: Vec<Fault> = smallest(&setting, &faults);
    let report = run(&setting, &least, Trace::Kept);
    println!("seed {seed}, version {}", env!("CARGO_PKG_VERSION"));
    println!("setting: {setting:?}");
    println!("smallest schedule that still fails ({} of {} faults):", least.len(), faults.len());
    for fault in &least {
        println!("  {fault:?}");
    }
    println!("timeline:");
    print!("{}", report.trace);
    for violation in &report.violations {
        println!("BROKEN {violation}");
    }
    println!("replay: bowline-sim --seed {seed} --trace");
}

fn replay(seed: u64, bug: Option<Bug>, trace: bool) -> bool {
    let report = run_seed(seed, bug, if trace { Trace::Kept } else { Trace::Dropped });
    if trace {
        let (setting, faults) = of_seed(seed, bug);
        println!("{setting:?}");
        for fault in faults {
            println!("{fault:?}");
        }
        print!("{}", report.trace);
        for line in &report.story {
            println!("{line}");
        }
    }
    for violation in &report.violations {
        println!("BROKEN {violation}");
    }
    println!("seed {seed}: {} ms, {} broken", report.virtual_ms, report.violations.len());
    report.violations.is_empty()
}

fn singles() -> bool {
    let (canonical, started) = (Canonical::new(), Instant::now());
    let (mut tried, mut broken) = (0_u64, 0_u64);
    for (face, nth) in canonical.points() {
        for what in SHAPES {
            tried += 1;
            let wrong = canonical.wrong_with(&[Fault { face, nth, what }]);
            if !wrong.is_empty() {
                broken += 1;
                println!("{what:?} at call {nth} of {face:?}: {wrong:#?}");
            }
        }
    }
    println!("{tried} single faults in {:?}: {broken} broken", started.elapsed());
    broken == 0
}

fn pairs(from: u64, count: u64) -> bool {
    let (canonical, started) = (Canonical::new(), Instant::now());
    let points = canonical.points();
    let (mut tried, mut broken) = (0_u64, 0_u64);
    for seed in from..from.saturating_add(count) {
        let mut rng = simulation::Rng::new(seed, "pairs");
        let mut fault = || {
            let (face, nth) = rng.pick(&points).copied()?;
            let what = rng.pick(&SHAPES).copied()?;
            Some(Fault { face, nth, what })
        };
        let (Some(first), Some(second)) = (fault(), fault()) else { break };
        tried += 1;
        let wrong = canonical.wrong_with(&[first, second]);
        if !wrong.is_empty() {
            broken += 1;
            println!("pair {seed}, {first:?} and {second:?}: {wrong:#?}");
        }
    }
    println!("{tried} pairs in {:?}: {broken} broken", started.elapsed());
    broken == 0
}

fn planted(from: u64, seeds: u64, threads: usize) -> bool {
    let mut missed = 0;
    for bug in Bug::ALL {
        let findings = search(from, seeds, threads, Some(*bug));
        if let Some((seed, broken)) = findings.broken.first_key_value() {
            let first = broken.first().map_or("", String::as_str);
            let first: String = first.chars().take(110).collect();
            println!("{:26} seed {seed:>4}  {first}", bug.name());
        } else {
            missed += 1;
            println!("{:26} NOT CAUGHT in {} seeds: {}", bug.name(), findings.seeds, bug.what());
        }
    }
    println!("{} planted bugs, {missed} not caught", Bug::ALL.len());
    missed == 0
}
