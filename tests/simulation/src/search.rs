//! Many seeds at once, what they showed together, and the smallest schedule that still fails.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    fault::{Fault, schedule},
    ground::Trace,
    plant::Bug,
    run::{Report, run},
    setting::Setting,
};

/// What many seeds showed.
#[derive(Debug, Default)]
pub struct Findings {
    /// Seeds that were run.
    pub seeds: u64,
    /// The first seeds that broke an invariant, with what they broke.
    pub broken: BTreeMap<u64, Vec<String>>,
    /// How often each answer and each fault was seen.
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
    /// Virtual time in all, milliseconds.
    pub virtual_ms: u64,
    /// I/O points in all.
    pub points: u64,
}

/// Runs a seed.
pub fn run_seed(seed: u64, bug: Option<Bug>, trace: Trace) -> Report {
    let (setting, faults) = of_seed(seed, bug);
    run(&setting, &faults, trace)
}

/// Setting and schedule of a seed.
pub fn of_seed(seed: u64, bug: Option<Bug>) -> (Setting, Vec<Fault>) {
    let setting = Setting { bug, ..Setting::of_seed(seed) };
    let executions = u64::try_from(setting.executions()).unwrap_or(1);
    let faults = schedule(seed, executions);
    (setting, faults)
}

/// Runs so many seeds from one on, on so many threads; stops early after a few broken ones.
pub fn search(from: u64, seeds: u64, threads: usize, bug: Option<Bug>) -> Findings {
    const BROKEN_MAX: usize = 5;
    let findings = Mutex::new(Findings::default());
    on_threads(threads, |number| {
        let enough = {
            let findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
            let most = if bug.is_some() { 1 } else { BROKEN_MAX };
            findings.broken.len() >= most
        };
        if enough || number >= seeds {
            return false;
        }
        let seed = from.saturating_add(number);
        let report = run_seed(seed, bug, Trace::Dropped);
        let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
        findings.take(seed, report);
        true
    });
    findings.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `one` with 0, 1, 2 and so on, each once, on so many threads; a thread ends when it is told
/// `false`.
pub fn on_threads(threads: usize, one: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| while one(next.fetch_add(1, Ordering::Relaxed)) {});
        }
    });
}

impl Findings {
    /// Adds what one seed showed.
    pub fn take(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        self.virtual_ms += report.virtual_ms;
        self.points += report.calls.values().sum::<u64>();
        for (key, count) in report.counts {
            *self.counts.entry(key).or_default() += count;
        }
        if !report.violations.is_empty() {
            self.broken.insert(seed, report.violations);
        }
    }

    /// How often a fault of this kind happened.
    pub fn faults(&self, kind: &str) -> u64 {
        let of_kind =
            self.counts.iter().find(|((group, what), _)| *group == "fault" && *what == kind);
        of_kind.map_or(0, |(_, count)| *count)
    }

    /// What was not seen so often as it should have been.
    pub fn missing(&self, least: u64) -> Vec<String> {
        let seen = |group: &str, what: &str| {
            self.counts.iter().find(|((g, w), _)| *g == group && *w == what).map_or(0, |(_, n)| *n)
        };
        crate::coverage::WANTED
            .iter()
            .copied()
            .chain(crate::fault::What::KINDS.iter().map(|kind| ("fault", *kind)))
            .filter(|(group, what)| seen(group, what) < least)
            .map(|(group, what)| format!("{group}: {what} ({})", seen(group, what)))
            .collect()
    }
}

/// Leaves out one fault after another as long as the run still breaks what it broke.
pub fn smallest(setting: &Setting, faults: &[Fault]) -> Vec<Fault> {
    let broken = |faults: &[Fault]| {
        let report = run(setting, faults, Trace::Dropped);
        report.violations.first().and_then(|text| text.split(':').next().map(str::to_owned))
    };
    let mut rest = faults.to_vec();
    let Some(invariant) = broken(&rest) else { return rest };
    let mut place = 0;
    while place < rest.len() {
        let mut fewer = rest.clone();
        fewer.remove(place);
        if broken(&fewer).as_ref() == Some(&invariant) {
            rest = fewer;
        } else {
            place += 1;
        }
    }
    rest
}
