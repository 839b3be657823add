//! Saving a definition: checked as a whole, then written as it was sent, with the few members which
//! Gate sets as well.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use definitions::{Parsed, Pipeline};
use model::limits::PIPELINE_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{DefinitionIndex, EventRow, PipelinePut, PipelineRow, PipelineWritten};
use triggers::{BY_TIME, INDEX_VERSION, Trigger, index_keys};
use wire::Event;

use super::{circles, definition, if_match, members::with_members};
use crate::{
    access,
    answer::{Params, Segments, ask, read_body},
    problem::Problem,
    state::Gateway,
    webhook::encode,
};

/// How a save is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    #[serde(default)]
    stale_check: bool,
}

/// What must hold for a save over something that is there.
struct Conditions<'a> {
    headers: &'a HeaderMap,
    stale_check: bool,
}

/// `POST /pipelines`: new without an `id`, or over the pipeline that has it.
pub(crate) async fn save(
    State(gateway): State<Arc<Gateway>>,
    Params(options): Params<Options>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let draft = Draft::read(&headers, body).await?;
    let conditions = Conditions { headers: &headers, stale_check: options.stale_check };
    let id = draft.pipeline.id.clone().filter(|id| !id.is_empty());
    let Some(id) = id else {
        if_match(&headers, None)?;
        return draft.write(&gateway, ulid::Ulid::new().to_string(), None, Some(0)).await;
    };
    check_id(&id)?;
    let row = ask(gateway.store.pipeline_get(&id)).await?;
    draft.replace(&gateway, id, row.as_ref(), &conditions).await
}

/// `PUT /pipelines/{id}`: over a pipeline that is there.
pub(crate) async fn update(
    State(gateway): State<Arc<Gateway>>,
    Segments(id): Segments<String>,
    Params(options): Params<Options>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let draft = Draft::read(&headers, body).await?;
    let conditions = Conditions { headers: &headers, stale_check: options.stale_check };
    check_id(&id)?;
    if let Some(other) =
        draft.pipeline.id.as_deref().filter(|other| !other.is_empty() && *other != id)
    {
        let text = format!("the path names pipeline `{id}`, the body `{other}`");
        return Err(Problem::bad_request("other-id", text));
    }
    let row = ask(gateway.store.pipeline_get(&id)).await?;
    let row =
        row.ok_or_else(|| Problem::not_found(format!("there is no pipeline with the id `{id}`")))?;
    draft.replace(&gateway, id, Some(&row), &conditions).await
}

/// A definition that is fit to be stored.
struct Draft {
    text: String,
    pipeline: Pipeline,
    user: String,
}

impl Draft {
    async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let bytes = read_body(headers, body, PIPELINE_BYTES_MAX).await?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Problem::bad_request("not-utf-8", "a definition is JSON in UTF-8"))?;
        let mut parsed = Pipeline::parse(&text);
        parsed.check_expressions(&text);
        let count = parsed.errors().count();
        let Parsed { pipeline, problems, body: _ } = parsed;
        let Some(pipeline) = pipeline else {
            let detail = format!("the definition cannot be used, errors: {count}; see `errors`");
            let refused = Problem::bad_request("invalid-pipeline", detail);
            return Err(refused.with_errors(json!(problems)));
        };
        let user = access::user(headers).unwrap_or_else(|| "anonymous".to_owned());
        Ok(Self { text, pipeline, user })
    }

    async fn replace(
        self,
        gateway: &Gateway,
        id: String,
        row: Option<&PipelineRow>,
        conditions: &Conditions<'_>,
    ) -> Result<Response, Problem> {
        let tagged = if_match(conditions.headers, row)?;
        if conditions.stale_check {
            self.check_stale(row)?;
        }
        let version = row.map_or(0, |row| row.version);
        let expected = (tagged || conditions.stale_check || row.is_none()).then_some(version);
        self.write(gateway, id, row, expected).await
    }

    /// Whether somebody saved since the caller read: `updateTs` is the mark Gate's callers send back.
    fn check_stale(&self, row: Option<&PipelineRow>) -> Result<(), Problem> {
        let stored = row.and_then(|row| member(&row.body, "updateTs"));
        let sent = self.pipeline.body.get("updateTs");
        let fits = match (&stored, sent) {
            (None, _) => true,
            (Some(stored), Some(sent)) => words(stored) == words(sent),
            (Some(_), None) => false,
        };
        if fits { Ok(()) } else { Err(stale()) }
    }

    async fn write(
        self,
        gateway: &Gateway,
        id: String,
        before: Option<&PipelineRow>,
        expected_version: Option<u64>,
    ) -> Result<Response, Problem> {
        let now_ms = ask(gateway.store.now_ms()).await?;
        let mut set = vec![
            ("id", json!(id)),
            ("updateTs", json!(now_ms.to_string())),
            ("lastModifiedBy", json!(self.user)),
        ];
        // The place in the list stays when the caller does not say otherwise, as Orca has it.
        let index = before.and_then(|row| member(&row.body, "index"));
        if let (None, Some(index)) = (self.pipeline.body.get("index"), index) {
            set.push(("index", index));
        }
        let triggers = &self.pipeline.triggers;
        let events = plan_runs(&id, triggers)?;
        let circle = circles::circle(gateway, (&id, &self.pipeline.name), triggers).await?;
        let put = PipelinePut {
            id,
            application: self.pipeline.application,
            name: self.pipeline.name,
            body: with_members(&self.text, &set),
            expected_version,
            index: DefinitionIndex { version: INDEX_VERSION, keys: index_keys(triggers) },
            events,
        };
        match ask(gateway.store.pipeline_put(put.clone())).await? {
            PipelineWritten::Saved { version, updated_ms } => {
                tracing::info!(
                    application = put.application,
                    pipeline.name = put.name,
                    version,
                    "pipeline saved"
                );
                let PipelinePut { id, application, name, body, .. } = put;
                let row = PipelineRow { id, application, name, body, version, updated_ms };
                Ok(warned(definition(&row), circle.as_deref()))
            }
            PipelineWritten::Stale { .. } => Err(stale()),
            PipelineWritten::NameTaken { id } => {
                let text = format!(
                    "application `{}` has another pipeline called `{}` (id `{id}`): names are unique; \
                     send that id to change it",
                    put.application, put.name
                );
                Err(Problem::conflict("name-taken", text))
            }
        }
    }
}

/// Adds a warning to the answer when pipelines start each other in a circle.
fn warned(mut response: Response, circle: Option<&[String]>) -> Response {
    let Some(circle) = circle else { return response };
    let text =
        format!("the end of each starts the next: {}, and so on in a circle", circle.join(", "));
    let ascii = text.replace(|c: char| !c.is_ascii() || c.is_ascii_control() || c == '"', "?");
    if let Ok(value) = HeaderValue::from_str(&format!("299 bowline \"{ascii}\"")) {
        response.headers_mut().insert(header::WARNING, value);
    }
    response
}

/// The event by which a coordinator plans the next runs of the time triggers, where there are some.
fn plan_runs(pipeline_id: &str, triggers: &[Trigger]) -> Result<Vec<EventRow>, Problem> {
    let by_time = triggers.iter().filter(|trigger| trigger.enabled).flat_map(Trigger::keys);
    if !by_time.into_iter().any(|key| key == BY_TIME) {
        return Ok(Vec::new());
    }
    let event = encode(&Event::DefinitionSaved { pipeline_id: pipeline_id.to_owned() })?;
    let key = format!("saved/{pipeline_id}/{}", ulid::Ulid::new());
    Ok(vec![EventRow::new(key, event)])
}

fn stale() -> Problem {
    let text = "somebody saved this pipeline in between: read it again, and repeat the change";
    Problem::conflict("stale", text)
}

/// Ids go into paths and keys.
fn check_id(id: &str) -> Result<(), Problem> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=128).contains(&id.len()) && id.bytes().all(plain) {
        return Ok(());
    }
    let text = "a pipeline's id is 1 to 128 letters, digits, `-`, `_` or `.`";
    Err(Problem::bad_request("bad-id", text))
}

fn member(body: &str, key: &str) -> Option<Value> {
    let body: Value = serde_json::from_str(body).ok()?;
    body.get(key).filter(|value| !value.is_null()).cloned()
}

/// Some callers send numbers back as numbers, some as text.
fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
