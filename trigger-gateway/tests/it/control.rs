//! Starting, reading and canceling executions.

use serde_json::{Value, json};
use wire::Event;

use crate::world::{World, answer, events, plan_of, problem};

pub(crate) async fn with_pipeline() -> World {
    let world = World::open().await;
    world.with_coordinator();
    for (name, disabled) in [("ship it", false), ("off", true), ("cancel", false)] {
        let body = json!({ "application": "shop", "name": name, "id": name.replace(' ', "-"), "disabled": disabled, "stages": [], "triggers": [] });
        assert_eq!(answer(world.post("/pipelines", body.to_string())).await.0, 200);
    }
    world
}

pub(crate) async fn started(world: &World, path: &str, trigger: &Value) -> String {
    let (status, body) = answer(world.post(path, trigger.to_string())).await;
    assert_eq!(status, 202, "{body}");
    body["ref"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_started_pipeline_can_be_read_at_once() {
    let world = with_pipeline().await;
    let trigger = json!({ "type": "manual", "parameters": { "who": "${evil}" } });
    let reference = started(&world, "/pipelines/shop/ship%20it", &trigger).await;
    let (status, view) = answer(world.get(&reference)).await;
    assert_eq!((status, &view["trigger"]), (200, &trigger));
    let id = view["id"].as_str().unwrap();
    assert_eq!(reference, format!("/pipelines/{id}"));

    let (_, listed) =
        answer(world.get("/applications/shop/pipelines?limit=5&statuses=RUNNING,SUCCEEDED")).await;
    assert_eq!(listed[0]["id"], id);
    let (_, listed) =
        answer(world.get(&format!("/executions?executionIds={id},nothing,!&limit=1"))).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let (_, listed) =
        answer(world.get("/executions?pipelineConfigIds=ship-it,off&statuses=SUCCEEDED")).await;
    assert_eq!(listed, json!([]));
    assert_eq!(
        problem(world.get("/executions?executionIds=a&statuses=GOOD")).await,
        (400, "bad-status".to_owned())
    );
    let (_, lines) = answer(world.get(&format!("/api/v1/executions/{id}/timeline"))).await;
    assert_eq!(lines[0]["entry"]["what"], "created");

    let (_, decided) = answer(world.get("/api/v1/events?limit=1")).await;
    assert_eq!(
        (&decided[0]["state"], &decided[0]["outcome"]["started"][0]["execution"]),
        (&json!("settled"), &json!(id))
    );
}

#[tokio::test]
async fn an_empty_body_starts_by_name_or_id_and_v2_tells_the_event() {
    let world = with_pipeline().await;
    let (status, body) = answer(world.post("/pipelines/shop/ship-it", "")).await;
    assert_eq!(status, 202, "{body}");
    let (status, body) = answer(world.post("/pipelines/v2/shop/ship%20it", "")).await;
    assert_eq!(status, 202);
    assert!(body["eventId"].as_str().unwrap().starts_with("manual/"), "{body}");
    assert_eq!(answer(world.get(body["ref"].as_str().unwrap())).await.0, 200);
    // A pipeline may be called like a control.
    assert_eq!(answer(world.post("/pipelines/shop/cancel", "")).await.0, 202);
}

#[tokio::test]
async fn one_idempotency_key_starts_one_execution() {
    let world = with_pipeline().await;
    let start = |name: &str, body: &'static str| {
        world.post(&format!("/pipelines/shop/{name}"), body).header("idempotency-key", "deploy-42")
    };
    let (_, first) = answer(start("ship-it", "")).await;
    let (status, again) = answer(start("ship-it", "")).await;
    assert_eq!((status, &again), (202, &first));
    assert_eq!(events(&world.store).await.len(), 1);
    let reused = (409, "idempotency-key-reused".to_owned());
    assert_eq!(problem(start("ship-it", r#"{"parameters":{"a":"b"}}"#)).await, reused);
    assert_eq!(problem(start("cancel", "")).await, reused);
    let odd = world.post("/pipelines/shop/ship-it", "").header("idempotency-key", "a/b");
    assert_eq!(problem(odd).await, (400, "bad-idempotency-key".to_owned()));
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let world = with_pipeline().await;
    let ask = |name: &str, body: &'static str| world.post(&format!("/pipelines/shop/{name}"), body);
    assert_eq!(problem(ask("off", "")).await, (409, "pipeline-disabled".to_owned()));
    assert_eq!(problem(ask("none", "")).await, (404, "not-found".to_owned()));
    assert_eq!(problem(ask("ship-it", "[]")).await, (400, "invalid-trigger".to_owned()));
    assert_eq!(problem(ask("ship-it", "{")).await, (400, "invalid-trigger".to_owned()));
    assert_eq!(
        problem(ask("ship-it", r#"{"parameters":[]}"#)).await,
        (400, "invalid-trigger".to_owned())
    );
    assert_eq!(
        problem(ask("ship-it", r#"{"dryRun":"yes"}"#)).await,
        (400, "invalid-trigger".to_owned()),
        "what may have been meant as a trial is not started"
    );
    assert_eq!(events(&world.store).await, []);
    let (status, body) = answer(ask("ship-it", r#"{"refuse":true}"#)).await;
    assert_eq!(
        (status, &body["code"], &body["detail"]),
        (409, &json!("not-started"), &json!("the pipeline was not started: a reason"))
    );
}

async fn with_parameters(world: &World, disabled: bool, environments: &[&str]) {
    let options: Vec<Value> = environments.iter().map(|value| json!({ "value": value })).collect();
    let body = json!({ "application": "shop", "name": "ask", "id": "ask", "disabled": disabled,
        "stages": [], "triggers": [], "parameterConfig": [
            { "name": "env", "required": true, "hasOptions": true, "options": options },
            { "name": "reason", "required": true },
            { "name": "a/b", "constraint": "date" },
        ] });
    assert_eq!(answer(world.post("/pipelines", body.to_string())).await.0, 200);
}

#[tokio::test]
async fn parameters_that_would_be_refused_start_nothing_and_are_all_named() {
    let world = with_pipeline().await;
    with_parameters(&world, false, &["staging", "production"]).await;
    let wrong = r#"{"parameters":{"env":"mars","a/b":"soon","other":1}}"#;
    let (status, body) = answer(world.post("/pipelines/shop/ask", wrong)).await;
    assert_eq!(
        (status, &body["code"], &body["detail"]),
        (
            400,
            &json!("invalid-parameters"),
            &json!("3 parameters are refused, nothing was started")
        )
    );
    assert_eq!(
        body["errors"],
        json!([
            { "pointer": "/parameters/env", "code": "not-allowed", "parameter": "env",
              "message": "parameter `env` is \"mars\"; allowed are \"staging\", \"production\"",
              "value": "mars", "allowed": ["staging", "production"] },
            { "pointer": "/parameters/reason", "code": "missing", "parameter": "reason",
              "message": "parameter `reason` is required" },
            { "pointer": "/parameters/a~1b", "code": "not-a-date", "parameter": "a/b", "value": "soon",
              "message": "parameter `a/b` is \"soon\"; write a date as YYYY-MM-DD, like 2024-02-29" },
        ])
    );
    let (status, body) = answer(world.post("/pipelines/v2/shop/ask", "")).await;
    assert_eq!((status, body["errors"].as_array().map(Vec::len)), (400, Some(2)));
    assert_eq!(events(&world.store).await, [], "nothing was stored");
    started(
        &world,
        "/pipelines/shop/ask",
        &json!({ "parameters": { "env": "staging", "reason": 1 } }),
    )
    .await;
}

#[tokio::test]
async fn a_start_that_was_accepted_is_answered_alike_when_the_definition_has_changed() {
    let world = with_pipeline().await;
    with_parameters(&world, false, &["staging"]).await;
    let start = || {
        let body = r#"{"parameters":{"env":"staging","reason":"why not"}}"#;
        world.post("/pipelines/shop/ask", body).header("idempotency-key", "deploy-43")
    };
    let (status, first) = answer(start()).await;
    assert_eq!(status, 202, "{first}");
    with_parameters(&world, true, &["production"]).await;
    assert_eq!(answer(start()).await, (202, first));
    assert_eq!(events(&world.store).await.len(), 1);
    let other = world.post("/pipelines/shop/ask", "").header("idempotency-key", "deploy-44");
    assert_eq!(problem(other).await, (409, "pipeline-disabled".to_owned()));
}

#[tokio::test]
async fn a_cancel_is_an_event_and_only_for_what_runs() {
    let world = with_pipeline().await;
    let running = started(&world, "/pipelines/shop/ship-it", &json!({})).await;
    let done = started(&world, "/pipelines/shop/ship-it", &json!({ "done": true })).await;
    let path = format!("{running}/cancel?reason=wrong%20build&force=true");
    assert_eq!(answer(world.put(&path).header("x-spinnaker-user", "ann")).await.0, 200);
    let below = format!("/applications/%7Bapplication%7D{running}/cancel");
    assert_eq!(answer(world.put(&below)).await.0, 200);
    let stored = events(&world.store).await;
    let (key, event, _) = &stored[2];
    let Event::Cancel { execution, user, reason } = event else { panic!("{event:?}") };
    assert_eq!(running, format!("/pipelines/{execution}"));
    assert!(key.starts_with(&format!("cancel/{execution}/")), "{key}");
    assert_eq!((user.as_str(), reason.as_deref()), ("ann", Some("wrong build")));

    assert_eq!(
        problem(world.put(&format!("{done}/cancel"))).await,
        (409, "execution-complete".to_owned())
    );
    assert_eq!(problem(world.put("/pipelines/nothing/cancel")).await.0, 404);
    assert_eq!(problem(world.put(&format!("{running}/dance"))).await.0, 404);
    assert_eq!(events(&world.store).await.len(), 4);
}

#[tokio::test]
async fn a_dry_run_answers_with_the_plan_and_starts_nothing() {
    let world = with_pipeline().await;
    let body = json!({ "dryRun": true, "parameters": { "a": "b" } }).to_string();
    let (status, plan) = answer(world.post("/pipelines/shop/ship-it", body.clone())).await;
    let wanted = plan_of("ship-it", Some(&json!({ "a": "b" })));
    assert_eq!((status, plan), (200, wanted));
    let (status, _) = answer(world.post("/pipelines/v2/shop/off", body)).await;
    assert_eq!(status, 200, "what a disabled pipeline would do can be asked");
    let refused = world.post("/pipelines/shop/ship-it", r#"{"dryRun":true,"refuse":true}"#);
    assert_eq!(problem(refused).await, (409, "not-started".to_owned()));
    let (_, executions) = answer(world.get("/applications/shop/pipelines")).await;
    assert_eq!(executions, json!([]));
}
