//! The controller over HTTP: the API behind credentials, and the control paths for tests.

use std::time::Duration;

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Build, Core, Fault, Notice, Shared, Told, Trouble, api,
    controller::{self, Controller},
    notification,
    path::{self, Part, Target},
    tree,
};

/// All routes. The control paths are at the root and under Jenkins' own path, so that whoever knows
/// only the latter finds them.
pub(crate) fn router(shared: Shared) -> Router {
    let control = Router::new()
        .route("/builds", post(add_build))
        .route("/notify", post(notify))
        .route("/faults", post(order).delete(forget))
        .route("/requests", get(requests));
    let mut router = Router::new().nest("/_fake", control.clone());
    let context_path = &shared.core().options().context_path;
    if !context_path.is_empty() {
        router = router.nest(&format!("{context_path}/_fake"), control);
    }
    router.fallback(api).with_state(shared)
}

async fn add_build(State(shared): State<Shared>, Json(build): Json<Build>) -> StatusCode {
    shared.lock().add(build);
    StatusCode::NO_CONTENT
}

async fn notify(State(shared): State<Shared>, Json(notice): Json<Notice>) -> Json<Vec<Told>> {
    Json(notification::send(&shared, &notice).await)
}

async fn order(State(shared): State<Shared>, Json(fault): Json<Fault>) -> StatusCode {
    shared.lock().order(fault);
    StatusCode::NO_CONTENT
}

async fn forget(State(shared): State<Shared>) -> StatusCode {
    shared.lock().forget_faults();
    StatusCode::NO_CONTENT
}

async fn requests(State(shared): State<Shared>) -> Json<Vec<controller::Request>> {
    Json(shared.lock().requests().to_vec())
}

#[derive(Deserialize)]
struct ApiQuery {
    tree: Option<String>,
}

/// Every path of Jenkins itself.
async fn api(
    State(shared): State<Shared>,
    Query(query): Query<ApiQuery>,
    request: Request<Body>,
) -> Response {
    respond(
        shared.core(),
        request.method(),
        request.uri(),
        query.tree.as_deref(),
        request.headers(),
    )
    .await
}

/// The answer to one question.
pub(crate) async fn respond(
    core: &Core,
    method: &Method,
    uri: &Uri,
    tree: Option<&str>,
    headers: &HeaderMap,
) -> Response {
    let path = uri.path();
    let authorized = authorized(core, headers);
    let trouble = {
        let mut controller = core.lock();
        controller.note(controller::Request {
            method: method.to_string(),
            path: path.to_owned(),
            query: uri.query().map(str::to_owned),
            authorized,
        });
        if authorized { controller.trouble(path) } else { None }
    };
    if !authorized {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Jenkins\"")];
        return (StatusCode::UNAUTHORIZED, challenge, page("Authentication required"))
            .into_response();
    }
    if let Some(trouble) = &trouble
        && let Some(answer) = instead(trouble).await
    {
        return answer;
    }
    let inside = path.strip_prefix(core.options().context_path.as_str());
    let Some(target) = inside.and_then(path::parse) else {
        return not_found();
    };
    answer(&core.lock(), &target, tree, trouble.as_ref())
}

fn authorized(core: &Core, headers: &HeaderMap) -> bool {
    let options = core.options();
    let text = format!("{}:{}", options.user, options.api_token);
    let wanted = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    headers.get(header::AUTHORIZATION).is_some_and(|given| given.as_bytes() == wanted.as_bytes())
}

/// What is answered in place of the truth; `None` when the trouble lies in the content.
async fn instead(trouble: &Trouble) -> Option<Response> {
    match trouble {
        Trouble::Status { status } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some((status, page("Oops! A problem occurred")).into_response())
        }
        Trouble::Slow { delay_ms } => {
            tokio::time::sleep(Duration::from_millis(*delay_ms)).await;
            None
        }
        Trouble::Redirect { location } => {
            Some((StatusCode::FOUND, [(header::LOCATION, location.clone())]).into_response())
        }
        Trouble::LoginPage => Some(page("Sign in to Jenkins").into_response()),
        Trouble::Unknown => Some(not_found()),
        Trouble::StillBuilding | Trouble::PostBuild => None,
    }
}

fn answer(
    controller: &Controller,
    target: &Target,
    tree: Option<&str>,
    trouble: Option<&Trouble>,
) -> Response {
    let tree = match tree.map(tree::parse).transpose() {
        Ok(tree) => tree,
        Err(problem) => return (StatusCode::BAD_REQUEST, page(&problem)).into_response(),
    };
    let detail = if tree.is_some() { api::Detail::Whole } else { api::Detail::Shallow };
    let document = match &target.part {
        Part::Item => api::item(controller, &target.item, detail),
        Part::Build(which) => controller
            .build(&target.item, *which)
            .map(|build| api::build(controller, &disturbed(build, trouble))),
        Part::Artifact(which, path) => {
            let file = controller.build(&target.item, *which).and_then(|build| build.file(path));
            let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
            return file.map_or_else(not_found, |bytes| (kind, bytes).into_response());
        }
    };
    let Some(document) = document else {
        return not_found();
    };
    let shown: Value = tree.map_or_else(|| document.clone(), |tree| tree::select(&document, &tree));
    Json(shown).into_response()
}

/// A build as a fault makes it look.
fn disturbed(build: &Build, trouble: Option<&Trouble>) -> Build {
    let mut build = build.clone();
    match trouble {
        Some(Trouble::StillBuilding) => {
            build.building = true;
            build.result = None;
            build.artifacts.clear();
            build.property_files.clear();
        }
        Some(Trouble::PostBuild) => build.building = true,
        Some(
            Trouble::Status { .. }
            | Trouble::Slow { .. }
            | Trouble::Redirect { .. }
            | Trouble::LoginPage
            | Trouble::Unknown,
        )
        | None => {}
    }
    build
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, page("Not Found")).into_response()
}

fn page(title: &str) -> Html<String> {
    Html(format!("<html><head><title>{title}</title></head><body>{title}</body></html>"))
}
