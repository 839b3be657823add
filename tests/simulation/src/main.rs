//! `bowline-sim`: runs seeds, replays one, enumerates crashes, looks for planted bugs.

#![expect(clippy::print_stdout, reason = "what a run shows is what this program is for")]

use std::{
    num::NonZero,
    process::{Command, ExitCode},
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use clap::Parser;
use simulation::{
    Bug, Canonical, Fault, Findings, SHAPES, Trace, of_seed, on_threads, run, run_seed, search,
    smallest,
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
    /// Two of those faults in one run: so many pairs, drawn, or `all` of them.
    #[arg(long, value_name = "N|all")]
    pairs: Option<Pairs>,
    /// Looks for each planted bug, or the one that `bug` names, in at most `seeds` seeds.
    #[arg(long)]
    planted: bool,
    /// With a planted bug, by its name.
    #[arg(long)]
    bug: Option<String>,
}

/// Which pairs of faults are tried.
#[derive(Clone, Copy, Debug)]
enum Pairs {
    All,
    Drawn(u64),
}

impl FromStr for Pairs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            number => number
                .parse()
                .map(Self::Drawn)
                .map_err(|_| format!("`{number}` is neither a number nor `all`")),
        }
    }
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
        let all = Bug::ALL.iter().copied().filter(|one| bug.is_none_or(|bug| *one == bug));
        planted(&all.collect::<Vec<_>>(), (args.from, args.seeds), threads)
    } else if args.singles {
        singles(threads)
    } else if let Some(which) = args.pairs {
        pairs(args.from, which, threads)
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
    println!("seed {seed}, version {}, {}", env!("CARGO_PKG_VERSION"), commit());
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

/// The commit of the sources beside this program, as far as Git can tell.
fn commit() -> String {
    let mut git = Command::new("git");
    // Checkouts may share a folder of build results: where it runs counts.
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    git.arg("-C").arg(here.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()));
    git.args(["describe", "--always", "--dirty", "--abbrev=40"]);
    match git.output() {
        Ok(said) if said.status.success() => {
            format!("commit {}", String::from_utf8_lossy(&said.stdout).trim())
        }
        Ok(_) | Err(_) => "commit unknown".to_owned(),
    }
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

fn singles(threads: usize) -> bool {
    let canonical = Canonical::new();
    let faults = single_faults(&canonical);
    enumerate(&canonical, threads, "single faults", |number| {
        usize::try_from(number).ok().and_then(|place| faults.get(place)).map(|fault| vec![*fault])
    })
}

fn pairs(from: u64, which: Pairs, threads: usize) -> bool {
    let canonical = Canonical::new();
    let faults = single_faults(&canonical);
    let all = u64::try_from(faults.len()).unwrap_or(u64::MAX);
    let at = |place: u64| usize::try_from(place).ok().and_then(|place| faults.get(place)).copied();
    enumerate(&canonical, threads, "pairs", |number| match which {
        // Each two once: those next to each other on a ring, then those two apart, and so on.
        Pairs::All if number < all * all.saturating_sub(1) / 2 => {
            let first = number % all;
            Some(vec![at(first)?, at((first + number / all + 1) % all)?])
        }
        Pairs::Drawn(count) if number < count => {
            let mut rng = simulation::Rng::new(from.saturating_add(number), "pairs");
            Some(vec![*rng.pick(&faults)?, *rng.pick(&faults)?])
        }
        Pairs::All | Pairs::Drawn(_) => None,
    })
}

/// One fault of each shape at each I/O point of the canonical pipeline.
fn single_faults(canonical: &Canonical) -> Vec<Fault> {
    let points = canonical.points().into_iter();
    points.flat_map(|(face, nth)| SHAPES.map(|what| Fault { face, nth, what })).collect()
}

/// Runs the canonical pipeline with the faults of each number until there are none.
fn enumerate(
    canonical: &Canonical,
    threads: usize,
    name: &str,
    faults_of: impl Fn(u64) -> Option<Vec<Fault>> + Sync,
) -> bool {
    let started = Instant::now();
    let (tried, broken) = (AtomicU64::new(0), AtomicU64::new(0));
    on_threads(threads, |number| {
        let Some(faults) = faults_of(number) else { return false };
        tried.fetch_add(1, Ordering::Relaxed);
        let wrong = canonical.wrong_with(&faults);
        if !wrong.is_empty() {
            broken.fetch_add(1, Ordering::Relaxed);
            println!("{faults:?}: {wrong:#?}");
        }
        true
    });
    let (tried, broken) = (tried.into_inner(), broken.into_inner());
    println!("{tried} {name} in {:.1} s: {broken} broken", started.elapsed().as_secs_f64());
    broken == 0
}

fn planted(bugs: &[Bug], (from, seeds): (u64, u64), threads: usize) -> bool {
    let mut missed = 0;
    for bug in bugs {
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
    println!("{} planted bugs, {missed} not caught", bugs.len());
    missed == 0
}
