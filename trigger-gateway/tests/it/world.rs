//! A gateway on a free port, over a store of its own, and a caller.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use model::{ExecutionId, ExecutionStatus};
use reqwest::{Client, Method, RequestBuilder, Response, redirect::Policy};
use runtime::{Settings, Tasks};
use serde_json::{Value, json};
use store::{Commit, Create, Created, EventState, SharedStore};
use trigger_gateway::Config;
use wire::Event;

pub(crate) const HOOK: &str = "hook-token-of-ci";
pub(crate) const OTHER_HOOK: &str = "hook-token-of-other";
pub(crate) const API: &str = "api-token";

/// Two controllers; `ci` is changing its token.
pub(crate) const CONTROLLERS: &str = r#"
    [jenkins.controllers.ci]
    url = "https://ci.example.com/jenkins/"
    webhook_token = ["hook-token-before", "hook-token-of-ci"]
    [jenkins.controllers.other]
    url = "https://other.example.com/"
    webhook_token = "hook-token-of-other"
    [jenkins.controllers.closed]
    url = "https://closed.example.com/"
"#;

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) store: SharedStore,
    pub(crate) tasks: Tasks,
    client: Client,
}

impl World {
    /// Without an API token: this machine only.
    pub(crate) async fn open() -> Self {
        Self::over(store::open("memory:").await.unwrap(), "").await
    }

    /// With one.
    pub(crate) async fn closed() -> Self {
        Self::over(store::open("memory:").await.unwrap(), &format!("api_token = \"{API}\"")).await
    }

    pub(crate) async fn over(store: SharedStore, gateway: &str) -> Self {
        let text = format!("[gateway]\nlisten = \"127.0.0.1:0\"\n{gateway}\n{CONTROLLERS}");
        let mut settings = Settings::from_toml(&text).unwrap();
        let config = Config::read(&mut settings).unwrap();
        settings.finish().unwrap();
        runtime::process::install_tls();
        let tasks = Tasks::new();
        let address =
            trigger_gateway::run(config, Arc::clone(&store), tasks.clone()).await.unwrap();
        let client = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { address, store, tasks, client }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.ask(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.ask(Method::POST, path).body(body)
    }

    pub(crate) fn put(&self, path: &str) -> RequestBuilder {
        self.ask(Method::PUT, path)
    }

    /// Carries out manual starts the way the coordinator does, as far as reads can see.
    pub(crate) fn with_coordinator(&self) {
        let (store, stop) = (Arc::clone(&self.store), self.tasks.stop().clone());
        self.tasks.spawn(async move {
            let mut bell = store.bell();
            while !stop.is_cancelled() {
                bell.mark_unchanged();
                for event in store.due(10, 60_000).await.unwrap().events {
                    let outcome = carry_out(&store, &event.key, &event.body).await;
                    store.event_settle(&event.key, &outcome, Vec::new()).await.unwrap();
                }
                let rung = tokio::time::timeout(Duration::from_secs(5), bell.changed());
                if stop.run_until_cancelled(rung).await.is_none() {
                    break;
                }
            }
        });
    }
}

/// A plan of no stages.
pub(crate) fn plan_of(pipeline_id: &str, parameters: Option<&Value>) -> Value {
    json!({ "application": "shop", "name": "planned", "pipelineConfigId": pipeline_id, "obstacles": [],
        "parameters": parameters, "limit": null, "stages": [] })
}

async fn carry_out(store: &SharedStore, key: &str, body: &str) -> String {
    let start = match serde_json::from_str(body).unwrap() {
        Event::ManualStart(start) => start,
        Event::Plan(start) if start.trigger.contains_key("refuse") => {
            return json!({ "result": "rejected", "reason": "a reason" }).to_string();
        }
        Event::Plan(start) => {
            return json!({ "result": "planned", "plan": plan_of(&start.pipeline_id, start.trigger.get("parameters")) })
                .to_string();
        }
        Event::Control { user, execution, .. } if user == "late" => {
            return json!({ "result": "refused", "execution": execution,
                "reason": "somebody was quicker" })
            .to_string();
        }
        Event::Control { execution, .. } | Event::Cancel { execution, .. } => {
            return json!({ "result": "applied", "execution": execution }).to_string();
        }
        other @ (Event::Signal(_) | Event::DefinitionSaved { .. } | Event::StartChild(_)) => {
            panic!("{other:?}")
        }
    };
    let row = store.pipeline_get(&start.pipeline_id).await.unwrap().unwrap();
    if start.trigger.contains_key("refuse") {
        return json!({ "result": "rejected", "reason": "a reason" }).to_string();
    }
    let id = ExecutionId::of_event(key, &row.id);
    let status = if start.trigger.contains_key("done") {
        ExecutionStatus::Succeeded
    } else {
        ExecutionStatus::Running
    };
    let stages = start.trigger.get("stages").cloned().unwrap_or_else(|| json!([]));
    let status = start
        .trigger
        .get("status")
        .map_or(status, |status| serde_json::from_value(status.clone()).unwrap());
    let orders = if status == ExecutionStatus::Running {
        json!(["cancel", "pause"])
    } else if status == ExecutionStatus::Paused {
        json!(["cancel", "resume"])
    } else {
        json!([])
    };
    let view = json!({ "id": id, "type": "PIPELINE", "application": row.application,
        "name": row.name, "pipelineConfigId": row.id, "status": status, "buildTime": 1,
        "canceled": false, "trigger": start.trigger, "orders": orders, "stages": stages });
    let created = create(store, &id, (&row.application, &row.id, key), status, &view).await;
    assert_eq!(created, Created::New);
    let started =
        [json!({ "pipeline": row.name, "application": row.application, "execution": id })];
    json!({ "result": "started", "started": started }).to_string()
}

async fn create(
    store: &SharedStore,
    id: &ExecutionId,
    (application, pipeline_id, event_key): (&str, &str, &str),
    status: ExecutionStatus,
    view: &Value,
) -> Created {
    let wake_ms = store.now_ms().await.unwrap() + 60_000;
    let first = Commit {
        id: id.clone(),
        expect_version: 0,
        input_id: "create".to_owned(),
        document: "{}".to_owned(),
        schema: 1,
        view: view.to_string(),
        status,
        timeline: vec![json!({ "what": "created" }).to_string()],
        outbox: Vec::new(),
        tasks: Vec::new(),
        unlock_owners: Vec::new(),
        wake_ms: (!status.is_complete()).then_some(wake_ms),
        slot: None,
        events: Vec::new(),
        notify: Vec::new(),
        reopen: store::Reopen::Never,
    };
    let create = Create {
        id: id.clone(),
        application: application.to_owned(),
        pipeline_id: pipeline_id.to_owned(),
        event_key: event_key.to_owned(),
        first,
        slot: store::SlotRequest { limit: None },
    };
    store.execution_create(create).await.unwrap()
}

/// The status and the JSON of an answer.
pub(crate) async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, body)
}

/// The code of a refusal, which must be a problem document and nothing else.
pub(crate) async fn problem(request: RequestBuilder) -> (u16, String) {
    let response: Response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").cloned();
    assert_eq!(
        kind.as_ref().map(reqwest::header::HeaderValue::as_bytes),
        Some(&b"application/problem+json"[..])
    );
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(body["status"], status);
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    (status, body["code"].as_str().unwrap().to_owned())
}

/// What was accepted, oldest first.
pub(crate) async fn events(store: &SharedStore) -> Vec<(String, Event, bool)> {
    let mut events = store.event_list(1000).await.unwrap();
    events.reverse();
    let read = |event: store::StoredEvent| {
        let settled = matches!(event.state, EventState::Settled { .. });
        (event.key, serde_json::from_str(&event.body).unwrap(), settled)
    };
    events.into_iter().map(read).collect()
}
