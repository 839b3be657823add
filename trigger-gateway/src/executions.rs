//! Executions: read, list, delete.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::Response};
use model::{ExecutionId, ExecutionStatus};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{ExecutionFilter, ExecutionRow, Removed};

use crate::{
    answer::{Params, Segments, ask, json_list, json_text},
    events::parsed,
    problem::Problem,
    state::Gateway,
};

/// Most executions in one answer.
const LIST_MAX: u32 = 500;
/// What Gate shows of an application when nobody says how many.
const LIST_DEFAULT: u32 = 10;
/// Most ids in one question.
const IDS_MAX: usize = 100;

/// Which executions, as Gate's callers ask.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listing {
    pipeline_config_ids: Option<String>,
    execution_ids: Option<String>,
    limit: Option<u32>,
    statuses: Option<String>,
}

impl Listing {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIST_DEFAULT).clamp(1, LIST_MAX)
    }

    fn statuses(&self) -> Result<Vec<ExecutionStatus>, Problem> {
        let wrong =
            |error: model::StatusError| Problem::bad_request("bad-status", error.to_string());
        let names = listed(self.statuses.as_ref());
        names.map(|name| name.to_ascii_uppercase().parse().map_err(wrong)).collect()
    }
}

fn listed(text: Option<&String>) -> impl Iterator<Item = &str> {
    let text = text.map(String::as_str).unwrap_or_default();
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// `GET /pipelines/{id}`
pub(crate) async fn one(
    State(gateway): State<Arc<Gateway>>,
    Segments(id): Segments<String>,
) -> Result<Response, Problem> {
    Ok(json_text(existing(&gateway, &id).await?.view))
}

/// `GET /applications/{application}/pipelines`
pub(crate) async fn of_application(
    State(gateway): State<Arc<Gateway>>,
    Segments(application): Segments<String>,
    Params(listing): Params<Listing>,
) -> Result<Response, Problem> {
    let filter = ExecutionFilter {
        application: Some(application),
        statuses: listing.statuses()?,
        limit: listing.limit(),
        ..ExecutionFilter::default()
    };
    let rows = ask(gateway.store.execution_list(filter)).await?;
    Ok(json_list(rows.iter().map(|row| row.view.as_str())))
}

/// `GET /executions?pipelineConfigIds=` or `?executionIds=`: `limit` counts per pipeline.
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Params(listing): Params<Listing>,
) -> Result<Response, Problem> {
    let pipelines: Vec<&str> = listed(listing.pipeline_config_ids.as_ref()).collect();
    let executions: Vec<&str> = listed(listing.execution_ids.as_ref()).collect();
    if pipelines.is_empty() == executions.is_empty() {
        let text = "either pipelineConfigIds or executionIds says which executions are meant";
        return Err(Problem::bad_request("which-executions", text));
    }
    if pipelines.len() + executions.len() > IDS_MAX {
        return Err(Problem::bad_request(
            "too-many-ids",
            format!("more than {IDS_MAX} ids at once"),
        ));
    }
    let statuses = listing.statuses()?;
    let mut rows = Vec::new();
    for id in pipelines {
        let filter = ExecutionFilter {
            pipeline_ids: vec![id.to_owned()],
            statuses: statuses.clone(),
            limit: listing.limit(),
            ..ExecutionFilter::default()
        };
        rows.extend(ask(gateway.store.execution_list(filter)).await?);
    }
    for id in executions {
        // What is no id is no execution's id: Gate leaves out what it does not find.
        let Ok(id) = id.parse() else { continue };
        rows.extend(ask(gateway.store.execution_view(&id)).await?);
    }
    rows.retain(|row| statuses.is_empty() || statuses.contains(&row.status));
    rows.sort_by(|a, b| b.created_ms.cmp(&a.created_ms).then_with(|| b.id.cmp(&a.id)));
    Ok(json_list(rows.iter().map(|row| row.view.as_str())))
}

/// `GET /api/v1/executions/{id}/timeline`
pub(crate) async fn timeline(
    State(gateway): State<Arc<Gateway>>,
    Segments(id): Segments<String>,
) -> Result<Json<Value>, Problem> {
    let row = existing(&gateway, &id).await?;
    let rows = ask(gateway.store.execution_timeline(&row.id)).await?;
    let line = |row: &store::TimelineRow| json!({ "version": row.version, "at": row.at_ms, "entry": parsed(&row.body) });
    Ok(Json(rows.iter().map(line).collect()))
}

/// `DELETE /pipelines/{id}`: a finished execution and everything known about it.
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Segments(id): Segments<String>,
) -> Result<StatusCode, Problem> {
    let row = existing(&gateway, &id).await?;
    match ask(gateway.store.execution_remove(&row.id)).await? {
        Removed::Done => tracing::info!(execution.id = id, "execution deleted"),
        // Somebody else was quicker.
        Removed::Gone => {}
        Removed::Live => {
            let text =
                format!("execution `{id}` is {}: cancel it first, then delete it", row.status);
            return Err(Problem::conflict("execution-live", text));
        }
    }
    Ok(StatusCode::OK)
}

/// An execution that is there.
pub(crate) async fn existing(gateway: &Gateway, id: &str) -> Result<ExecutionRow, Problem> {
    let nothing = || Problem::not_found(format!("there is no execution `{id}`"));
    let id: ExecutionId = id.parse().map_err(|_| nothing())?;
    ask(gateway.store.execution_view(&id)).await?.ok_or_else(nothing)
}
