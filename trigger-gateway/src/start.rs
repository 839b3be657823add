//! Starting a pipeline by hand: an event like any other, so that a repeated request starts nothing
//! twice and a crash forgets nothing. A dry run is one as well, whose outcome is the answer.

use std::{sync::Arc, time::Duration};

use ::definitions::Pipeline;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use metrics::counter;
use model::{
    ExecutionId,
    limits::{SURVEY_TIMEOUT, WEBHOOK_BYTES_MAX},
    parameters::{ParameterProblem, resolve_parameters},
};
use serde_json::{Map, Value, json};
use store::PipelineRow;
use wire::{Event, EventOutcome, ManualStart};

use crate::{
    access,
    answer::{Segments, ask, read_body},
    definitions,
    events::parsed,
    intake::{self, Accepted, PATIENCE, Settling},
    problem::Problem,
    state::Gateway,
};

/// How long a dry run may take: it may have to ask Jenkins for the build, and workers what they see.
const PLAN_PATIENCE: Duration = Duration::from_secs(25);
const _: () = assert!(SURVEY_TIMEOUT.as_secs() + 5 < PLAN_PATIENCE.as_secs());

/// `POST /pipelines/{application}/{nameOrId}`
pub(crate) async fn start(
    State(gateway): State<Arc<Gateway>>,
    Segments((application, name)): Segments<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let request = Request::read(&gateway, &application, &name, &headers, body).await?;
    if request.dry_run {
        return request.plan(&gateway).await;
    }
    let started = request.begin(&gateway).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "ref": started.reference() }))).into_response())
}

/// `POST /pipelines/v2/{application}/{nameOrId}`: the same, and tells the event as well.
pub(crate) async fn start_with_event_id(
    State(gateway): State<Arc<Gateway>>,
    Segments((application, name)): Segments<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let request = Request::read(&gateway, &application, &name, &headers, body).await?;
    if request.dry_run {
        return request.plan(&gateway).await;
    }
    let started = request.begin(&gateway).await?;
    let answer = json!({ "eventId": started.event_key, "ref": started.reference() });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

struct Started {
    event_key: String,
    execution: ExecutionId,
}

impl Started {
    fn reference(&self) -> String {
        format!("/pipelines/{}", self.execution)
    }
}

/// A start, read and fit to be stored.
struct Request {
    /// What makes it this request and no other.
    key: String,
    pipeline: PipelineRow,
    user: String,
    trigger: Map<String, Value>,
    dry_run: bool,
}

impl Request {
    async fn read(
        gateway: &Gateway,
        application: &str,
        name: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, Problem> {
        let key = intake::idempotency_key(headers)?;
        let mut trigger = trigger(&read_body(headers, body, WEBHOOK_BYTES_MAX).await?)?;
        let dry_run = dry_run(&mut trigger)?;
        let pipeline = definitions::named(gateway, application, name).await?;
        let user = access::user(headers)
            .or_else(|| trigger.get("user").and_then(Value::as_str).map(ToOwned::to_owned))
            .unwrap_or_else(|| "anonymous".to_owned());
        Ok(Self { key, pipeline, user, trigger, dry_run })
    }

    async fn begin(self, gateway: &Gateway) -> Result<Started, Problem> {
        let Self { key, pipeline, user, trigger, dry_run: _ } = self;
        let event_key = format!("manual/{key}");
        // What was accepted once is answered as it was, whatever the definition says by now.
        if !intake::is_known(gateway, &event_key).await? {
            check_enabled(&pipeline)?;
            check_parameters(&pipeline, &trigger)?;
        }
        let execution = ExecutionId::of_event(&event_key, &pipeline.id);
        let PipelineRow { id, application, name, .. } = pipeline;
        let event = Event::ManualStart(ManualStart { pipeline_id: id, user, trigger });
        count(intake::accept(gateway, &event_key, &event).await?);
        tracing::info!(execution.id = %execution, application, pipeline.name = name, "pipeline started by hand");
        await_execution(gateway, &event_key, &execution).await?;
        Ok(Started { event_key, execution })
    }

    /// What a start would do. The coordinator knows; nothing is started.
    async fn plan(self, gateway: &Gateway) -> Result<Response, Problem> {
        let Self { key, pipeline, user, trigger, dry_run: _ } = self;
        let event_key = format!("plan/{key}");
        let event = Event::Plan(ManualStart { pipeline_id: pipeline.id, user, trigger });
        intake::accept(gateway, &event_key, &event).await?;
        match intake::settled(gateway, &event_key, PLAN_PATIENCE).await? {
            Settling::Settled(EventOutcome::Planned { plan }) => Ok(Json(plan).into_response()),
            Settling::Settled(outcome) => Err(not_started(&outcome)),
            Settling::Pending => {
                let text = format!(
                    "no coordinator has answered within {} s: is one running, and can it reach Jenkins?",
                    PLAN_PATIENCE.as_secs()
                );
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no-plan-yet", text))
            }
        }
    }
}

/// Takes the wish for a dry run out of a trigger.
fn dry_run(trigger: &mut Map<String, Value>) -> Result<bool, Problem> {
    match trigger.remove("dryRun") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(false),
        Some(Value::Bool(true)) => Ok(true),
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            // To start for real what was meant as a trial is the worst that could be done.
            let text = "`dryRun` is true or false; nothing was started";
            let errors = json!([{ "pointer": "/dryRun", "code": "wrong-type", "message": text }]);
            Err(Problem::bad_request("invalid-trigger", text).with_errors(errors))
        }
    }
}

/// The trigger as sent; nothing at all is a manual trigger without parameters.
fn trigger(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let mut trigger = if body.trim_ascii().is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(body).map_err(|error| {
            Problem::bad_request("invalid-trigger", format!("a trigger is a JSON object: {error}"))
        })?
    };
    for key in ["parameters", "artifacts"] {
        let wanted = trigger.get(key);
        let fits = match key {
            "parameters" => wanted.is_none_or(|value| value.is_object() || value.is_null()),
            _ => wanted.is_none_or(|value| value.is_array() || value.is_null()),
        };
        if !fits {
            let text = format!("`{key}` of a trigger has the wrong shape");
            let errors =
                json!([{ "pointer": format!("/{key}"), "code": "wrong-type", "message": text }]);
            return Err(Problem::bad_request("invalid-trigger", text).with_errors(errors));
        }
    }
    trigger.entry("type").or_insert_with(|| "manual".into());
    Ok(trigger)
}

fn check_enabled(row: &PipelineRow) -> Result<(), Problem> {
    if parsed(&row.body).get("disabled") == Some(&Value::Bool(true)) {
        let text = format!("pipeline `{}` is disabled: enable it to start it", row.name);
        return Err(Problem::conflict("pipeline-disabled", text));
    }
    Ok(())
}

/// Refuses what the coordinator would refuse by the same rule, before anything is stored. A definition
/// that cannot be read is left to the coordinator, which says so.
fn check_parameters(row: &PipelineRow, trigger: &Map<String, Value>) -> Result<(), Problem> {
    let Some(pipeline) = Pipeline::parse(&row.body).pipeline else { return Ok(()) };
    let nothing = Map::new();
    let given = trigger.get("parameters").and_then(Value::as_object).unwrap_or(&nothing);
    let Err(problems) = resolve_parameters(&pipeline.parameters, given) else { return Ok(()) };
    let text = match problems.len() {
        1 => "1 parameter is refused, nothing was started".to_owned(),
        more => format!("{more} parameters are refused, nothing was started"),
    };
    let errors = problems.iter().map(|problem| parameter_error(problem, given)).collect();
    Err(Problem::bad_request("invalid-parameters", text).with_errors(errors))
}

/// One refused parameter, for people (`message`) and for scripts (the rest).
fn parameter_error(problem: &ParameterProblem, given: &Map<String, Value>) -> Value {
    let (code, name, allowed) = match problem {
        ParameterProblem::Missing { name } => ("missing", name, None),
        ParameterProblem::NotAllowed { name, value: _, allowed } => {
            ("not-allowed", name, Some(allowed))
        }
        ParameterProblem::NotADate { name, value: _ } => ("not-a-date", name, None),
    };
    let place = name.replace('~', "~0").replace('/', "~1");
    let mut error = json!({ "pointer": format!("/parameters/{place}"), "code": code,
        "parameter": name, "message": problem.to_string() });
    if let Some(error) = error.as_object_mut() {
        error.extend(given.get(name).map(|value| ("value".to_owned(), value.clone())));
        error.extend(allowed.map(|allowed| ("allowed".to_owned(), json!(allowed))));
    }
    error
}

/// Waits until a read of the execution will find it. When the coordinator decided against it, that
/// is told; when it takes longer, the answer is the same as if it existed: it will.
async fn await_execution(
    gateway: &Gateway,
    key: &str,
    execution: &ExecutionId,
) -> Result<(), Problem> {
    let look = || async {
        // The event is read first: if it was settled by then, there is no execution to come.
        let outcome = intake::outcome(gateway, key).await?;
        if ask(gateway.store.execution_view(execution)).await?.is_some() {
            return Ok(Some(()));
        }
        outcome.map_or(Ok(None), |outcome| Err(not_started(&outcome)))
    };
    if intake::until(gateway, PATIENCE, look).await?.is_none() {
        tracing::warn!(execution.id = %execution, "a start was accepted and is not yet carried out");
    }
    Ok(())
}

fn not_started(outcome: &EventOutcome) -> Problem {
    let text = match outcome.reason() {
        Some(reason) => format!("the pipeline was not started: {reason}"),
        None => "the pipeline was not started, see `errors`".to_owned(),
    };
    Problem::conflict("not-started", text).with_errors(json!([outcome]))
}

fn count(accepted: Accepted) {
    let result = match accepted {
        Accepted::New => "accepted",
        Accepted::Repeated => "duplicate",
    };
    counter!("bowline_trigger_events_total", "source" => "manual", "result" => result).increment(1);
}
