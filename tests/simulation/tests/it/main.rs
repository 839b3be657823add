//! The simulator at work: a bounded part of what `bowline-sim` does at length.

#[cfg(test)]
mod crashes;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod regressions;
#[cfg(test)]
mod seeds;
