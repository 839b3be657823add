//! Pipeline definitions: read, save, delete, by Gate's paths.

mod circles;
mod members;
mod saving;

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use store::PipelineRow;

use crate::{
    answer::{Params, Segments, ask, json_list, json_text},
    problem::Problem,
    state::Gateway,
};

pub(crate) use saving::{save, update};

/// Which definitions to list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    pipeline_name_filter: Option<String>,
}

impl Filter {
    fn fits(&self, row: &PipelineRow) -> bool {
        let part = self.pipeline_name_filter.as_deref().unwrap_or_default();
        row.name.to_lowercase().contains(&part.to_lowercase())
    }
}

/// `GET /pipelineConfigs`
pub(crate) async fn all(
    State(gateway): State<Arc<Gateway>>,
    Params(filter): Params<Filter>,
) -> Result<Response, Problem> {
    let rows = ask(gateway.store.pipeline_list(None)).await?;
    Ok(json_list(rows.iter().filter(|row| filter.fits(row)).map(|row| row.body.as_str())))
}

/// `GET /applications/{application}/pipelineConfigs`
pub(crate) async fn of_application(
    State(gateway): State<Arc<Gateway>>,
    Segments(application): Segments<String>,
    Params(filter): Params<Filter>,
) -> Result<Response, Problem> {
    let rows = ask(gateway.store.pipeline_list(Some(&application))).await?;
    Ok(json_list(rows.iter().filter(|row| filter.fits(row)).map(|row| row.body.as_str())))
}

/// `GET /applications/{application}/pipelineConfigs/{name}`
pub(crate) async fn one(
    State(gateway): State<Arc<Gateway>>,
    Segments((application, name)): Segments<(String, String)>,
) -> Result<Response, Problem> {
    let row = find(&gateway, &application, |row| row.name == name).await?;
    let row = row.ok_or_else(|| no_pipeline(&application, &name))?;
    Ok(definition(&row))
}

/// `DELETE /pipelines/{application}/{name}`
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Segments((application, name)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let row = find(&gateway, &application, |row| row.name == name).await?;
    let row = row.ok_or_else(|| no_pipeline(&application, &name))?;
    if_match(&headers, Some(&row))?;
    ask(gateway.store.pipeline_delete(&row.id)).await?;
    tracing::info!(application, pipeline.name = name, "pipeline deleted");
    Ok(StatusCode::OK)
}

/// `GET /applications`: whoever has a pipeline is an application.
pub(crate) async fn applications(
    State(gateway): State<Arc<Gateway>>,
) -> Result<Json<Value>, Problem> {
    let rows = ask(gateway.store.pipeline_list(None)).await?;
    let names: BTreeSet<String> = rows.into_iter().map(|row| row.application).collect();
    Ok(Json(names.into_iter().map(|name| json!({ "name": name })).collect()))
}

/// `GET /applications/{application}`
pub(crate) async fn application(
    State(gateway): State<Arc<Gateway>>,
    Segments(name): Segments<String>,
) -> Result<Json<Value>, Problem> {
    let rows = ask(gateway.store.pipeline_list(Some(&name))).await?;
    if rows.is_empty() {
        return Err(Problem::not_found(format!("no application `{name}` has pipelines")));
    }
    Ok(Json(json!({ "name": name, "attributes": { "name": name } })))
}

/// A pipeline of an application, by its name or, if none is called so, by its id.
pub(crate) async fn named(
    gateway: &Gateway,
    application: &str,
    name: &str,
) -> Result<PipelineRow, Problem> {
    let rows = ask(gateway.store.pipeline_list(Some(application))).await?;
    let by_name = rows.iter().find(|row| row.name == name);
    let row = by_name.or_else(|| rows.iter().find(|row| row.id == name));
    row.cloned().ok_or_else(|| no_pipeline(application, name))
}

async fn find(
    gateway: &Gateway,
    application: &str,
    fits: impl Fn(&PipelineRow) -> bool,
) -> Result<Option<PipelineRow>, Problem> {
    let rows = ask(gateway.store.pipeline_list(Some(application))).await?;
    Ok(rows.into_iter().find(fits))
}

fn no_pipeline(application: &str, name: &str) -> Problem {
    Problem::not_found(format!("application `{application}` has no pipeline `{name}`"))
}

/// A definition as it was written, with what `If-Match` will ask for.
fn definition(row: &PipelineRow) -> Response {
    let mut response = json_text(row.body.clone());
    if let Ok(tag) = HeaderValue::from_str(&tag(row.version, row.updated_ms)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.into_response()
}

/// Versions begin again when a pipeline is deleted and made anew; the time tells the two apart.
fn tag(version: u64, updated_ms: u64) -> String {
    format!("\"{version}-{updated_ms}\"")
}

/// Checks `If-Match`; true when there was one.
fn if_match(headers: &HeaderMap, row: Option<&PipelineRow>) -> Result<bool, Problem> {
    let Some(wanted) = headers.get(header::IF_MATCH) else {
        return Ok(false);
    };
    let wanted = wanted.to_str().unwrap_or_default();
    let current = row.map(|row| tag(row.version, row.updated_ms));
    let fits = current.is_some_and(|current| {
        wanted.split(',').map(str::trim).any(|one| one == "*" || one == current)
    });
    if fits {
        return Ok(true);
    }
    let text =
        "the pipeline is not the one named by If-Match: read it again, and repeat the change";
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "changed", text))
}
