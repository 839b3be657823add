//! Runs a target on mutations of its corpus, and makes what breaks it small.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use crate::{Chance, Target, mutate};

/// Inputs kept as the start of others, beside the corpus.
const KEPT: usize = 256;
/// A reader may take so long whatever the input is: a process that was not run for a while.
const GRACE: Duration = Duration::from_millis(500);
/// And so long for each KiB. Source: the oracle of the fuzz targets.
const PER_KIB: Duration = Duration::from_millis(10);

/// Where a hunt ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hunt {
    /// After so many inputs.
    Inputs(u64),
    /// After so long; then slowness counts, too.
    Time(Duration),
}

/// An input that broke a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The input, made small where that was possible.
    pub input: Vec<u8>,
    /// How it broke.
    pub how: String,
}

/// Runs a target on mutations of these inputs; answers how many were tried.
///
/// # Errors
///
/// The first input that broke it.
pub fn hunt(
    target: &Target,
    corpus: &[Vec<u8>],
    seed: u64,
    until: Hunt,
) -> Result<u64, Box<Broken>> {
    let begin = Instant::now();
    let mut chance = Chance::new(seed);
    let mut pool: Vec<Vec<u8>> = corpus.to_vec();
    let mut tried = 0_u64;
    loop {
        let over = match until {
            Hunt::Inputs(most) => tried >= most,
            Hunt::Time(span) => begin.elapsed() >= span,
        };
        if over {
            return Ok(tried);
        }
        let pick = |chance: &mut Chance| pool.get(chance.below(pool.len())).cloned();
        let (one, other) = (pick(&mut chance), pick(&mut chance));
        let input = mutate(&one.unwrap_or_default(), &other.unwrap_or_default(), &mut chance);
        let started = Instant::now();
        if let Err(how) = run(target, &input) {
            return Err(Box::new(Broken { input: smaller(target, input), how }));
        }
        let kib = u32::try_from(input.len() / 1024).unwrap_or(u32::MAX).saturating_add(1);
        if matches!(until, Hunt::Time(_)) && started.elapsed() > GRACE + PER_KIB * kib {
            let how = format!("it took {} ms", started.elapsed().as_millis());
            return Err(Box::new(Broken { input, how }));
        }
        tried = tried.saturating_add(1);
        // Mutations of mutations go further than those of the corpus alone.
        if chance.below(8) == 0 {
            if pool.len() >= corpus.len().saturating_add(KEPT) {
                let place = corpus.len().saturating_add(chance.below(KEPT));
                drop(pool.swap_remove(place.min(pool.len().saturating_sub(1))));
            }
            pool.push(input);
        }
    }
}

/// Runs a target; the message of its panic, if it does.
fn run(target: &Target, input: &[u8]) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
        text.unwrap_or("it panicked").to_owned()
    })
}

/// Leaves parts out for as long as what is left still breaks the target.
fn smaller(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let mut step = input.len() / 2;
    while step > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut less = input.clone();
            drop(less.drain(at..at.saturating_add(step).min(input.len())));
            if run(target, &less).is_err() {
                input = less;
            } else {
                at = at.saturating_add(step);
            }
        }
        step /= 2;
    }
    input
}
