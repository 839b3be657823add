//! Bake requests -> images.

pub mod ports;
