//! Health, readiness and metrics over HTTP: the same three paths in every role.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, Value, json};

use crate::{
    Metrics, Tasks,
    http::{self, ListenError},
};

/// A check or a hook that takes longer is given up: whoever asks has a deadline of its own.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often samples are folded into buckets while nobody scrapes.
const FOLD_EVERY: Duration = Duration::from_secs(10);

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Check = Box<dyn Fn() -> Pending<Result<(), String>> + Send + Sync>;
type Hook = Box<dyn Fn() -> Pending<()> + Send + Sync>;

/// `/healthz`, `/readyz` and `/metrics` of one process.
pub struct Admin {
    metrics: Metrics,
    tasks: Tasks,
    checks: Vec<(&'static str, Check)>,
    hooks: Vec<Hook>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<&str> = self.checks.iter().map(|(name, _)| *name).collect();
        f.debug_struct("Admin").field("checks", &checks).finish_non_exhaustive()
    }
}

impl Admin {
    /// Nothing to check yet: ready until `tasks` is told to stop.
    pub fn new(metrics: Metrics, tasks: &Tasks) -> Self {
        let (folded, stop) = (metrics.clone(), tasks.stop().clone());
        tasks.spawn(async move {
            while stop.run_until_cancelled(tokio::time::sleep(FOLD_EVERY)).await.is_some() {
                folded.fold();
            }
        });
        Self { metrics, tasks: tasks.clone(), checks: Vec::new(), hooks: Vec::new() }
    }

    /// Adds something that must answer for this process to be ready; the error says why it does not.
    #[must_use]
    pub fn check<F, P>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> P + Send + Sync + 'static,
        P: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Box::new(move || Box::pin(check()))));
        self
    }

    /// Adds what is to be done before metrics are shown: gauges that are cheaper to compute when
    /// somebody looks than to keep.
    #[must_use]
    pub fn on_scrape<F, P>(mut self, hook: F) -> Self
    where
        F: Fn() -> P + Send + Sync + 'static,
        P: Future<Output = ()> + Send + 'static,
    {
        self.hooks.push(Box::new(move || Box::pin(hook())));
        self
    }

    /// The three paths, to be merged into a router or served alone.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(health))
            .route("/readyz", get(ready))
            .route("/metrics", get(scrape))
            .with_state(Arc::new(self))
    }

    /// Serves the three paths alone, for roles without an API of their own.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn serve(
        self,
        address: std::net::SocketAddr,
    ) -> Result<std::net::SocketAddr, ListenError> {
        let tasks = self.tasks.clone();
        http::serve(address, self.router(), &tasks).await
    }
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "UP" }))
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let draining = admin.tasks.stopping();
    let mut ready = !draining;
    let mut shown = Map::new();
    for (name, check) in &admin.checks {
        let answer = tokio::time::timeout(PATIENCE, check()).await;
        let result = answer.unwrap_or_else(|_| Err("no answer within 2 seconds".to_owned()));
        ready &= result.is_ok();
        let text = result.err().unwrap_or_else(|| "ok".to_owned());
        shown.insert((*name).to_owned(), text.into());
    }
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "draining": draining, "checks": shown }))).into_response()
}

async fn scrape(State(admin): State<Arc<Admin>>) -> Response {
    for hook in &admin.hooks {
        if tokio::time::timeout(PATIENCE, hook()).await.is_err() {
            tracing::warn!("a gauge was not computed in time, the scrape shows its old value");
        }
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, admin.metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn get(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn readiness_follows_its_checks_and_metrics_their_hooks() {
        let tasks = Tasks::new();
        let broken = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&broken);
        let admin = Admin::new(Metrics::install().unwrap(), &tasks)
            .check("store", move || {
                let broken = seen.load(Ordering::SeqCst);
                async move { if broken { Err("gone".to_owned()) } else { Ok(()) } }
            })
            .on_scrape(|| async { ::metrics::gauge!("bowline_hooked").set(7.0) });
        let address = admin.serve(([127, 0, 0, 1], 0).into()).await.unwrap();

        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = get(address, "/metrics").await;
        assert!(metrics.contains("bowline_hooked 7"), "{metrics}");
        assert!(metrics.contains("bowline_build_info{version="), "{metrics}");

        broken.store(true, Ordering::SeqCst);
        let answer = get(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("gone"), "{answer}");

        let drained = tasks.shut_down(Duration::from_secs(5)).await;
        assert_eq!(drained, crate::Drained::Cleanly);
    }
}
