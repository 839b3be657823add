//! The engine's rules: golden traces for people, properties for the rest.

mod builds;
mod properties;
mod traces;
mod world;
