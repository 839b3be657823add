#![doc = include_str!("../README.md")]

mod access;
mod answer;
mod config;
mod control;
mod definitions;
mod events;
mod executions;
mod gauges;
mod guard;
mod http;
mod intake;
pub mod jenkins;
mod problem;
mod start;
mod state;
mod webhook;

use std::{net::SocketAddr, sync::Arc};

use runtime::{Admin, Metrics, MetricsError, Tasks, http::ListenError};
use store::SharedStore;

pub use config::{Config, GatewayConfig};

use crate::state::Gateway;

/// A gateway could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would be open to strangers.
    #[error("{0}")]
    Open(&'static str),
    /// Its address cannot be used.
    #[error("could not serve the API")]
    Listen(#[source] ListenError),
    /// Its metrics cannot be recorded.
    #[error("could not prepare metrics")]
    Metrics(#[source] MetricsError),
}

/// Starts a gateway in the background, until `tasks` is told to stop; gives the address it listens on.
///
/// # Errors
///
/// Nothing runs when the address cannot be used, or would be reachable from other machines without
/// an API token.
pub async fn run(
    config: Config,
    store: SharedStore,
    tasks: Tasks,
) -> Result<SocketAddr, StartError> {
    if let Some(way_out) = config.gateway.open_to_strangers() {
        return Err(StartError::Open(way_out));
    }
    let metrics = Metrics::install().map_err(StartError::Metrics)?;
    let asked = Arc::clone(&store);
    let measured = Arc::clone(&store);
    let admin = Admin::new(metrics, &tasks)
        .check("store", move || {
            let store = Arc::clone(&asked);
            async move { store.now_ms().await.map(drop).map_err(|error| error.to_string()) }
        })
        .on_scrape(move || gauges::refresh(Arc::clone(&measured)));
    for (name, controller) in &config.jenkins.controllers {
        if controller.webhook_token.is_none() {
            tracing::warn!(
                build.controller = name,
                "webhooks are refused, there is no webhook_token"
            );
        }
    }
    let listen = config.gateway.listen;
    let router = http::router(Gateway::new(config, store), admin.router());
    let address = runtime::http::serve(listen, router, &tasks).await.map_err(StartError::Listen)?;
    tracing::info!(%address, "gateway listens");
    Ok(address)
}

/// The API without a listener, health and metrics: for who calls it in the same process.
pub fn router(config: Config, store: SharedStore) -> axum::Router {
    http::router(Gateway::new(config, store), axum::Router::new())
}
