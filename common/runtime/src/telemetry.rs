//! Logs: one line per event on standard error, for people or for machines.

use std::io::IsTerminal as _;

use serde::Deserialize;
use tracing_subscriber::{EnvFilter, util::SubscriberInitExt as _};

use crate::config::Settings;

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// A level, or a filter such as `info,store=debug`.
    pub level: String,
    /// What a line looks like.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Auto }
    }
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

impl Settings {
    /// Reads `[log]`.
    pub fn log(&mut self) -> Option<LogConfig> {
        let log: LogConfig = self.section("log")?;
        if let Err(error) = EnvFilter::try_new(&log.level) {
            let text = format!("\"{}\" is no level and no filter: {error}", log.level);
            self.problem("log.level", text);
        }
        Some(log)
    }
}

/// Starts logging for this process. Later calls change nothing: the first one wins, so that a test
/// or a program around us may log in its own way.
pub fn init(log: &LogConfig) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let text = match log.format {
        LogFormat::Auto => terminal,
        LogFormat::Json => false,
        LogFormat::Text => true,
    };
    let started = if text {
        lines.with_ansi(terminal).finish().try_init()
    } else {
        lines.json().flatten_event(true).finish().try_init()
    };
    if started.is_err() {
        tracing::debug!("logging was started by somebody else before");
    }
}
