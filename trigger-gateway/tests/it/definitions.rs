//! Definitions go in and come out as they were written.

use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, answer, problem};

fn pipeline(application: &str, name: &str) -> Value {
    json!({
        "application": application,
        "name": name,
        "stages": [],
        "triggers": [],
        "ours": { "kept": [1, 2.5, null] },
    })
}

#[tokio::test]
async fn a_definition_is_kept_byte_for_byte_but_for_what_the_server_sets() {
    let world = World::open().await;
    let text = "{ \"name\":\"ship it\",\n \"application\" : \"shop\", \"triggers\":[],\n \"stages\":[], \"x-unknown\": {\"big\": 12345678901234567890123, \"n\": 1.10, \"é\": \"\\u00e9\"} }\n";
    let response =
        world.post("/pipelines", text).header("x-spinnaker-user", "ann").send().await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
    let saved: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    let id = saved["id"].as_str().unwrap().to_owned();
    assert_eq!(saved["lastModifiedBy"], "ann");

    let read = world.get("/applications/shop/pipelineConfigs/ship%20it").send().await.unwrap();
    assert!(read.headers().contains_key("etag"));
    let read = read.text().await.unwrap();
    let kept = text.trim_end().strip_suffix(" }").unwrap();
    let ts = saved["updateTs"].as_str().unwrap();
    let expected =
        format!("{kept},\"id\":\"{id}\",\"updateTs\":\"{ts}\",\"lastModifiedBy\":\"ann\" }}\n");
    assert_eq!(read, expected);

    // What was read can be sent back, as `spin pipeline update` does.
    let (status, _) = answer(world.post("/pipelines?staleCheck=true", read)).await;
    assert_eq!(status, 200);
    let (_, list) = answer(world.get("/applications/shop/pipelineConfigs")).await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["id"], id);
}

#[tokio::test]
async fn definitions_are_found_by_application_and_name() {
    let world = World::open().await;
    for (application, name) in [("shop", "a"), ("shop", "b"), ("bank", "a")] {
        let body = pipeline(application, name).to_string();
        assert_eq!(answer(world.post("/pipelines", body)).await.0, 200);
    }
    let count = |list: &Value| list.as_array().unwrap().len();
    assert_eq!(count(&answer(world.get("/pipelineConfigs")).await.1), 3);
    assert_eq!(count(&answer(world.get("/applications/shop/pipelineConfigs")).await.1), 2);
    assert_eq!(
        count(
            &answer(world.get("/applications/shop/pipelineConfigs?pipelineNameFilter=B")).await.1
        ),
        1
    );
    assert_eq!(count(&answer(world.get("/applications/none/pipelineConfigs")).await.1), 0);
    assert_eq!(
        answer(world.get("/applications")).await.1,
        json!([{ "name": "bank" }, { "name": "shop" }])
    );
    assert_eq!(answer(world.get("/applications/shop")).await.1["attributes"]["name"], "shop");
    assert_eq!(problem(world.get("/applications/none")).await.0, 404);
    assert_eq!(problem(world.get("/applications/shop/pipelineConfigs/c")).await.0, 404);

    assert_eq!(answer(world.ask(Method::DELETE, "/pipelines/shop/a")).await.0, 200);
    assert_eq!(problem(world.ask(Method::DELETE, "/pipelines/shop/a")).await.0, 404);
    assert_eq!(count(&answer(world.get("/pipelineConfigs")).await.1), 2);
}

#[tokio::test]
async fn a_wrong_definition_is_refused_with_every_problem() {
    let world = World::open().await;
    let body = r#"{"name": "", "application": "shop",
        "stages": [{"refId": "1", "requisiteStageRefIds": ["9"], "type": "bake"}]}"#;
    let (status, body) = answer(world.post("/pipelines", body)).await;
    assert_eq!(status, 400);
    assert_eq!(body["code"], "invalid-pipeline");
    let errors = body["errors"].as_array().unwrap();
    assert!(errors.len() >= 2, "{body}");
    assert!(
        errors
            .iter()
            .all(|e| e["line"].is_u64() && e["column"].is_u64() && e["message"].is_string())
    );
    let unreadable = r#"{"name": "", "application": "shop",
        "stages": [{"refId": "1", "type": "wait", "waitTime": "${ ( }"}]}"#;
    let (_, body) = answer(world.post("/pipelines", unreadable)).await;
    let codes: Vec<&str> =
        body["errors"].as_array().unwrap().iter().map(|e| e["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"expression-syntax"), "{body}");
    for hopeless in ["", "[]", "{", "\"x\""] {
        assert_eq!(problem(world.post("/pipelines", hopeless)).await.0, 400, "{hopeless}");
    }
    assert_eq!(problem(world.post("/pipelines", vec![b' '; 1024 * 1024 + 1])).await.0, 413);
    assert_eq!(answer(world.get("/pipelineConfigs")).await.1, json!([]));
}

#[tokio::test]
async fn names_are_unique_and_stale_saves_are_refused() {
    let world = World::open().await;
    let (_, first) = answer(world.post("/pipelines", pipeline("shop", "a").to_string())).await;
    assert_eq!(
        problem(world.post("/pipelines", pipeline("shop", "a").to_string())).await,
        (409, "name-taken".to_owned())
    );
    let mut other = pipeline("shop", "b");
    other["index"] = json!(4);
    let (_, other) = answer(world.post("/pipelines", other.to_string())).await;
    let path = format!("/pipelines/{}", other["id"].as_str().unwrap());

    // Renamed onto the first.
    let taken = world.put(&path).body(pipeline("shop", "a").to_string());
    assert_eq!(problem(taken).await, (409, "name-taken".to_owned()));
    // Renamed freely; the place in the list stays.
    let (status, renamed) = answer(world.put(&path).body(pipeline("shop", "c").to_string())).await;
    assert_eq!((status, &renamed["index"], &renamed["id"]), (200, &json!(4), &other["id"]));

    // Two people: the second one read before the first one saved.
    let read = world.get("/applications/shop/pipelineConfigs/a").send().await.unwrap();
    let tag = read.headers()["etag"].clone();
    let path = format!("/pipelines/{}", first["id"].as_str().unwrap());
    let save = |tag| world.put(&path).header("if-match", tag).body(first.to_string());
    assert_eq!(answer(save(tag.clone())).await.0, 200);
    assert_eq!(problem(save(tag)).await, (412, "changed".to_owned()));
    let old = json!({ "updateTs": "1", "application": "shop", "name": "a", "id": first["id"], "stages": [] });
    let stale = world.post("/pipelines?staleCheck=true", old.to_string());
    assert_eq!(problem(stale).await, (409, "stale".to_owned()));
    assert_eq!(answer(world.post("/pipelines", old.to_string())).await.0, 200);

    let nobody = world.put("/pipelines/nobody").body(pipeline("shop", "z").to_string());
    assert_eq!(problem(nobody).await.0, 404);
    let mismatch = world.put("/pipelines/nobody").body(first.to_string());
    assert_eq!(problem(mismatch).await, (400, "other-id".to_owned()));
}

/// A pipeline that starts when another one ends.
fn after(id: &str, other: &str) -> String {
    let mut pipeline = pipeline("shop", id);
    pipeline["id"] = id.into();
    pipeline["triggers"] = json!([{ "type": "pipeline", "enabled": true, "application": "shop",
        "pipeline": other, "status": ["successful"] }]);
    pipeline.to_string()
}

#[tokio::test]
async fn pipelines_that_start_each_other_in_a_circle_are_warned_of_and_saved() {
    let world = World::open().await;
    let save = async |body: String| {
        let saved = world.post("/pipelines", body).send().await.unwrap();
        assert_eq!(saved.status(), 200);
        let warning = saved.headers().get("warning");
        warning.map(|warning| warning.to_str().unwrap().to_owned())
    };
    assert_eq!(save(after("a", "c")).await, None);
    assert_eq!(save(after("b", "a")).await, None);
    let circle = "299 bowline \"the end of each starts the next: c, a, b, and so on in a circle\"";
    assert_eq!(save(after("c", "b")).await.as_deref(), Some(circle));
    assert_eq!(save(after("d", "b")).await, None, "it hangs on the circle, and is not in it");
    let itself = "299 bowline \"the end of each starts the next: e, and so on in a circle\"";
    assert_eq!(save(after("e", "e")).await.as_deref(), Some(itself));
    let (status, saved) = answer(world.get("/applications/shop/pipelineConfigs/c")).await;
    assert_eq!((status, &saved["id"]), (200, &json!("c")));
}

#[tokio::test]
async fn a_definition_with_moments_is_saved_with_the_event_that_plans_them() {
    let world = World::open().await;
    let mut nightly = pipeline("shop", "nightly");
    nightly["triggers"] = json!([{ "type": "cron", "enabled": true,
        "cronExpression": "0 0 3 * * ?", "timezone": "Europe/Berlin" }]);
    let (status, saved) = answer(world.post("/pipelines", nightly.to_string())).await;
    assert_eq!(status, 200);
    let id = saved["id"].as_str().unwrap();
    let events = crate::world::events(&world.store).await;
    assert!(events[0].0.starts_with(&format!("saved/{id}/")), "{events:?}");
    let marks = world.store.pipelines_keyed(&["time".to_owned()]).await.unwrap();
    assert_eq!(marks[0].id, id);
    nightly["triggers"][0]["cronExpression"] = "0 0 3 31 2 ?".into();
    let (status, refused) = answer(world.post("/pipelines", nightly.to_string())).await;
    let told = refused["errors"].as_array().unwrap().iter();
    let told = told.map(|error| error["code"].as_str().unwrap()).any(|code| code == "cron-never");
    assert!(status == 400 && told, "{refused}");
}
