//! A crash, a lost answer or a repeat at every I/O point of the canonical pipeline.

use crate::{
    fault::{Face, Fault, What},
    ground::Trace,
    run::{Report, run},
    setting::Setting,
};

/// The four shapes a point is tried with.
pub const SHAPES: [What; 4] =
    [What::CrashBefore(500), What::CrashAfter(500), What::Silent, What::Twice];
/// A coordinator asks once a second what is due; a crash at one idle question is like one at the
/// next.
const PULSES: u64 = 25;

/// The canonical pipeline without a fault, and what may go wrong with it.
#[derive(Debug)]
pub struct Canonical {
    setting: Setting,
    calm: Report,
    story: Vec<String>,
}

impl Canonical {
    /// Runs it once.
    pub fn new() -> Self {
        let setting = Setting::canonical();
        let calm = run(&setting, &[], Trace::Dropped);
        let story = effects(&calm.story);
        Self { setting, calm, story }
    }

    /// The run in which nothing goes wrong.
    pub fn calm(&self) -> &Report {
        &self.calm
    }

    /// Every I/O point of it.
    pub fn points(&self) -> Vec<(Face, u64)> {
        let mut points = Vec::new();
        for (face, count) in &self.calm.calls {
            let step = if *face == Face::Pulse { PULSES } else { 1 };
            let nth = (1..=*count).filter(|nth| nth % step == 1 % step);
            points.extend(nth.map(|nth| (*face, nth)));
        }
        points
    }

    /// Runs it with these faults; what was wrong. Whatever happens on the way, it does the same to
    /// the cloud, repeats without effect left out.
    pub fn wrong_with(&self, faults: &[Fault]) -> Vec<String> {
        let report = run(&self.setting, faults, Trace::Dropped);
        let mut wrong = report.violations.clone();
        if report.fired.is_empty() {
            wrong.push("no fault happened".to_owned());
        }
        let story = effects(&report.story);
        if wrong.is_empty() && story != self.story {
            wrong.push(format!("it did {story:#?} and should have done {:#?}", self.story));
        }
        wrong
    }
}

impl Default for Canonical {
    fn default() -> Self {
        Self::new()
    }
}

/// The story without ids and times, which differ.
fn effects(story: &[String]) -> Vec<String> {
    let word = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        if digits > 6 { "#".to_owned() } else { word.to_owned() }
    };
    story
        .iter()
        .map(|line| line.split([' ', ',']).map(word).collect::<Vec<_>>().join(" "))
        .collect()
}
