//! Every reader of what comes from outside, as a plain function that must take any bytes.
//!
//! A [`Target`] reads bytes as one of our readers would, and asserts what must hold whatever they
//! are: it ends, it does not panic, what was written is read back as it was. `corpus/<target>/`
//! holds inputs written by hand, among them every one that once broke something; the tests replay
//! them and some hundred mutations of each ([`mutate()`]), `bowline-fuzz` goes on for as long as it
//! is told to.

mod corpus;
mod hunt;
mod mutate;
mod targets;

pub use corpus::seeds;
pub use hunt::{Broken, Hunt, hunt};
pub use mutate::{Chance, mutate};
pub use targets::{TARGETS, Target, compare_versions, target};
