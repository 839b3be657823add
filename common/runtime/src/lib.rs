//! Process furniture: configuration, logs, metrics, health, task tracking and shutdown. Knows
//! nothing of the domain.

mod admin;
pub mod config;
pub mod http;
mod metrics;
pub mod process;
mod tasks;
pub mod telemetry;

pub use admin::Admin;
pub use config::{
    BusConfig, ConfigError, ConnectionUrl, Deployment, JenkinsConfig, JenkinsController, Settings,
    StoreConfig, WebhookTokens,
};
pub use metrics::{Metrics, MetricsError};
pub use tasks::{Drained, Tasks};

/// Shows an error with all its causes: `outer: middle: root`.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
