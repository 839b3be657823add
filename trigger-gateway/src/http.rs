//! The router: every path there is.

use std::{any::Any, sync::Arc};

use axum::{
    Json, Router,
    http::{Method, StatusCode, Uri},
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, patch, post, put},
};
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    control, definitions, events, executions, guard, problem::Problem, start, state::Gateway,
    webhook,
};

/// The whole API, and the paths of `admin`. Paths and bodies are Gate's where Gate has them,
/// `/api/v1` where it has not.
pub(crate) fn router(gateway: Gateway, admin: Router) -> Router {
    let gateway = Arc::new(gateway);
    let api = Router::new()
        .route("/version", get(version))
        .route("/webhooks/jenkins/{controller}", post(webhook::with_header))
        .route("/webhooks/jenkins/{controller}/{token}", post(webhook::with_path))
        .route("/applications", get(definitions::applications))
        .route("/applications/{application}", get(definitions::application))
        .route("/applications/{application}/pipelineConfigs", get(definitions::of_application))
        .route("/applications/{application}/pipelineConfigs/{name}", get(definitions::one))
        .route("/applications/{application}/pipelines", get(executions::of_application))
        .route(
            "/applications/{application}/pipelines/{id}/cancel",
            put(control::cancel_below_application),
        )
        .route("/pipelineConfigs", get(definitions::all))
        .route("/pipelines", post(definitions::save))
        // The first segment is an execution, a definition or an application, by method and length.
        .route(
            "/pipelines/{first}",
            get(executions::one).put(definitions::update).delete(executions::delete),
        )
        .route(
            "/pipelines/{first}/{second}",
            post(start::start).delete(definitions::delete).put(control::execution),
        )
        .route("/pipelines/{first}/stages/{stage}", patch(control::stage))
        .route("/pipelines/{first}/stages/{stage}/restart", put(control::restart))
        .route("/pipelines/v2/{first}/{second}", post(start::start_with_event_id))
        .route("/executions", get(executions::list))
        .route("/api/v1/executions/{id}/timeline", get(executions::timeline))
        .route("/api/v1/events", get(events::newest))
        .with_state(Arc::clone(&gateway));
    api.merge(admin)
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(middleware::from_fn_with_state(gateway, guard::admit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::map_response(guard::harden))
}

async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

async fn nowhere(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

async fn not_so(method: Method, uri: Uri) -> Problem {
    let text = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", text)
}

#[expect(clippy::needless_pass_by_value, reason = "tower-http hands over the box")]
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(error = text, "a request handler panicked");
    Problem::internal().into_response()
}
