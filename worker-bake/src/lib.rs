//! Bake requests -> images.
//!
//! A bake starts a builder from a base image, lets a fixed script install packages on it, makes an
//! image of it and ends it. Everything is found again by keys, names, tokens and tags
//! ([`identity`]), so a bake that is repeated joins itself.
//!
//! **Invariant:** nothing here deregisters an image, and nothing is terminated but builders this
//! room started.

#[cfg(feature = "aws")]
pub mod aws;
mod config;
mod console;
mod grammar;
mod identity;
mod order;
pub mod ports;
mod procedure;
pub mod user_data;
mod watcher;

use std::sync::Arc;

use bus::SharedBus;
use runtime::Tasks;
use store::SharedStore;

pub use crate::{
    config::{BakeConfig, BaseImageConfig, PackageType},
    procedure::Bake,
};
use crate::ports::SharedCloud;
