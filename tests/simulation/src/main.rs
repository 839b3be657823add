//! `bowline-sim`: runs seeds, replays one.

use std::process::ExitCode;

use simulation::{Setting, Trace, run, schedule};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let from: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(0);
    let count: u64 = args.next().and_then(|a| a.parse().ok()).unwrap_or(1);
    let trace = args.next().is_some();
    let mut bad = 0;
    let started = std::time::Instant::now();
    for seed in from..from + count {
        let setting = Setting::of_seed(seed);
        let faults = schedule(seed, setting.executions() as u64);
        let report = run(&setting, &faults, if trace { Trace::Kept } else { Trace::Dropped });
        if trace {
            println!("{setting:?}\n{faults:#?}\n{}", report.trace);
            println!("{:#?}", report.story);
            println!("{:#?} {:?}", report.calls, report.virtual_ms);
        }
        if !report.violations.is_empty() {
            bad += 1;
            println!("seed {seed}: {:#?}", report.violations);
        }
    }
    println!("{count} seeds, {bad} bad, {:?}", started.elapsed());
    ExitCode::SUCCESS
}
