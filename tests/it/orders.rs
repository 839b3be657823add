//! People at the wheel, over HTTP, in both modes: a judgment between bake and deploy, a restart after a
//! failure, a pause, a turn to wait for, a pipeline that starts another.

use std::time::Duration;

use processes::eventually;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    distributed::old_group,
    world::{Mode, Size, World, answer, assert_shipped, shipping},
};

const LONG: Duration = Duration::from_mins(1);
/// Longer than any test: what waits so long ends only because it is told to.
const FOREVER_S: u64 = 3600;

const FULL: Mode =
    Mode::Distributed(Size { coordinators: 2, bakers: 1, deployers: 1, gateways: 2 });

/// Asks the gateways in turn, as a load balancer would.
async fn ask(world: &World, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let gateway = world.gateways.iter().cycle().nth(path.len()).unwrap();
    let request = world.http.request(method, format!("{gateway}{path}"));
    let request = request.header("x-spinnaker-user", "ann").json(body);
    let (status, text) = answer(request.send().await.unwrap()).await;
    (status.as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Asks for what must be granted; the execution as it is then.
async fn order(world: &World, method: Method, path: &str, body: &Value) -> Value {
    let (status, view) = ask(world, method, path, body).await;
    assert_eq!(status, 200, "{path} {body}: {view:#}");
    view
}

async fn save(world: &World, definition: &Value) {
    order(world, Method::POST, "/pipelines", definition).await;
}

async fn start(world: &World, name: &str, trigger: &Value) -> String {
    let path = format!("/pipelines/shop/{name}");
    let (status, started) = ask(world, Method::POST, &path, trigger).await;
    assert_eq!(status, 202, "{started:#}");
    started["ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn stage<'a>(execution: &'a Value, ref_id: &str) -> &'a Value {
    let stages = execution["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["refId"] == ref_id).unwrap_or(&Value::Null)
}

/// Waits until an execution is as described.
async fn until(world: &World, id: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let found = eventually(&format!("{id}: {what}"), LONG, || async {
        let found = world.execution(id).await?;
        let over = ["TERMINAL", "CANCELED"].contains(&found["status"].as_str().unwrap());
        (is(&found) || over).then_some(found)
    })
    .await;
    assert!(is(&found), "{what}: {found:#}");
    found
}

/// The canonical pipeline with a person between image and server group.
fn asked() -> Value {
    let mut definition = shipping();
    definition["name"] = json!("asked");
    definition["triggers"] = json!([]);
    let stages = definition["stages"].as_array_mut().unwrap();
    stages[1]["refId"] = json!("3");
    stages[1]["requisiteStageRefIds"] = json!(["2"]);
    stages.insert(
        1,
        json!({ "refId": "2", "requisiteStageRefIds": ["1"], "type": "manualJudgment",
            "name": "Ship it?", "instructions": "Look at the image.",
            "judgmentInputs": [{ "value": "now" }, { "value": "at night" }] }),
    );
    definition
}

async fn judged_between_bake_and_deploy_and_restarted_after_a_failure(mode: Mode) {
    let world = World::start(mode, old_group()).await;
    world.build(1).await;
    save(&world, &asked()).await;
    // The account may not make groups yet.
    let fault = json!({ "call": "CreateAutoScalingGroup", "fault": { "kind": "refuse",
        "code": "AccessDenied", "message": "not authorized to perform this action" } });
    let faults = format!("{}/_fake/faults", world.cloud);
    assert!(world.http.post(&faults).json(&fault).send().await.unwrap().status().is_success());

    let trigger = json!({ "type": "manual", "master": "ci-main", "job": "shop/package",
        "buildNumber": 1 });
    let id = start(&world, "asked", &trigger).await;
    let asks = until(&world, &id, "it asks", |e| stage(e, "2")["status"] == "RUNNING").await;
    assert_eq!(
        (&asks["status"], &stage(&asks, "1")["status"]),
        (&json!("RUNNING"), &json!("SUCCEEDED"))
    );
    assert_eq!(stage(&asks, "3")["status"], "NOT_STARTED");
    let judgment = format!("/pipelines/{id}/stages/2");
    let never = json!({ "judgmentStatus": "continue", "judgmentInput": "never" });
    let (status, problem) = ask(&world, Method::PATCH, &judgment, &never).await;
    assert_eq!((status, &problem["choices"]), (400, &json!(["now", "at night"])));
    assert_eq!(world.effects("CreateLaunchTemplate", "Created").await, 0, "nobody has agreed yet");

    let now = json!({ "judgmentStatus": "continue", "judgmentInput": "now" });
    let judged = order(&world, Method::PATCH, &judgment, &now).await;
    let context = &stage(&judged, "2")["context"];
    assert_eq!(
        (&context["judgmentInput"], &context["lastModified"]["user"]),
        (&json!("now"), &json!("ann"))
    );
    let (status, _) = ask(&world, Method::PATCH, &judgment, &now).await;
    assert_eq!(status, 409, "it is judged once");

    let failed = world.ended(&id, LONG).await;
    assert_eq!(
        (&failed["status"], &stage(&failed, "3")["status"]),
        (&json!("TERMINAL"), &json!("TERMINAL"))
    );
    assert!(failed.to_string().contains("not authorized to perform this action"), "{failed:#}");

    let path = format!("/pipelines/{id}/stages/Deploy/restart");
    let restarted = order(&world, Method::PUT, &path, &json!({})).await;
    assert!(
        ["RUNNING", "SUCCEEDED"].contains(&restarted["status"].as_str().unwrap()),
        "{restarted:#}"
    );
    let ended = world.ended(&id, LONG).await;
    assert_shipped(&ended, "shop-test-v007");
    let context = &stage(&ended, "3")["context"];
    assert_eq!(context["restartDetails"]["restartedBy"], "ann", "{context:#}");
    assert_eq!(
        context["previousRuns"].as_array().unwrap().len(),
        1,
        "the failed run stays visible"
    );
    assert_eq!(stage(&ended, "2")["context"]["judgmentInput"], "now", "nobody is asked twice");
    world.assert_safe().await;
    for call in ["RunInstances", "CreateImage", "CreateAutoScalingGroup"] {
        assert_eq!(world.effects(call, "Created").await, 1, "{call}: nothing is done twice");
    }
}

#[tokio::test]
async fn judged_between_bake_and_deploy_and_restarted_after_a_failure_standalone() {
    judged_between_bake_and_deploy_and_restarted_after_a_failure(Mode::Standalone).await;
}

#[tokio::test]
async fn judged_between_bake_and_deploy_and_restarted_after_a_failure_distributed() {
    judged_between_bake_and_deploy_and_restarted_after_a_failure(FULL).await;
}

fn waits(name: &str, more: &Value) -> Value {
    let mut definition = json!({ "application": "shop", "name": name, "id": format!("{name}-id"),
        "triggers": [], "stages": [
            { "refId": "1", "requisiteStageRefIds": [], "type": "wait", "name": "Long", "waitTime": FOREVER_S },
            { "refId": "2", "requisiteStageRefIds": ["1"], "type": "wait", "name": "Short", "waitTime": 1 },
        ] });
    definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    definition
}

async fn skip_long_wait(world: &World, id: &str) -> Value {
    let path = format!("/pipelines/{id}/stages/Long");
    order(world, Method::PATCH, &path, &json!({ "skipRemainingWait": true })).await
}

async fn a_paused_execution_begins_nothing_until_it_is_resumed(world: &World) {
    save(world, &waits("calm", &json!({}))).await;
    let id = start(world, "calm", &json!({})).await;
    until(world, &id, "it waits", |e| stage(e, "1")["status"] == "RUNNING").await;
    let (status, problem) =
        ask(world, Method::PUT, &format!("/pipelines/{id}/resume"), &json!({})).await;
    assert_eq!((status, &problem["code"]), (409, &json!("not-paused")));
    let paused = order(world, Method::PUT, &format!("/pipelines/{id}/pause"), &json!({})).await;
    assert_eq!(
        (&paused["status"], &paused["paused"]["pausedBy"]),
        (&json!("PAUSED"), &json!("ann"))
    );
    let skipped = skip_long_wait(world, &id).await;
    assert_eq!(
        (&stage(&skipped, "1")["status"], &stage(&skipped, "2")["status"]),
        (&json!("SUCCEEDED"), &json!("NOT_STARTED"))
    );
    order(world, Method::PUT, &format!("/pipelines/{id}/resume"), &json!({})).await;
    let ended = world.ended(&id, LONG).await;
    assert_eq!(
        (&ended["status"], &ended["paused"]["resumedBy"]),
        (&json!("SUCCEEDED"), &json!("ann"))
    );
    let path = format!("/pipelines/{id}");
    assert_eq!(ask(world, Method::DELETE, &path, &json!({})).await.0, 200);
    assert_eq!(world.execution(&id).await, None);
}

async fn one_runs_at_a_time_and_the_newest_is_next(world: &World) {
    save(world, &waits("one", &json!({ "limitConcurrent": true }))).await;
    let first = start(world, "one", &json!({})).await;
    until(world, &first, "it runs", |e| e["status"] == "RUNNING").await;
    let second = start(world, "one", &json!({})).await;
    let place = |position: u64| json!({ "position": position, "waitingFor": [first] });
    until(world, &second, "it waits", |e| e["queue"] == place(1)).await;
    let third = start(world, "one", &json!({})).await;
    let waits = until(world, &third, "it waits behind", |e| e["queue"] == place(2)).await;
    assert_eq!(waits["status"], "NOT_STARTED");
    skip_long_wait(world, &first).await;
    until(world, &third, "it runs", |e| e["status"] == "RUNNING").await;
    let superseded = world.ended(&second, LONG).await;
    assert_eq!(superseded["status"], "CANCELED");
    let reason = superseded["cancellationReason"].as_str().unwrap();
    assert!(reason.contains(&third), "it says by whom: {reason}");
    assert_eq!(world.ended(&first, LONG).await["status"], "SUCCEEDED");
    let path = format!("/pipelines/{third}/cancel?reason=enough");
    assert_eq!(ask(world, Method::PUT, &path, &json!({})).await.0, 200);
    assert_eq!(world.ended(&third, LONG).await["cancellationReason"], "enough");
}

async fn a_pipeline_starts_another_and_stops_it_with_itself(world: &World) {
    save(world, &waits("inner", &json!({}))).await;
    let outer = json!({ "application": "shop", "name": "outer", "triggers": [], "stages": [
        { "refId": "1", "requisiteStageRefIds": [], "type": "pipeline", "name": "Inner",
          "application": "shop", "pipeline": "inner-id", "waitForCompletion": true,
          "pipelineParameters": { "color": "green" } } ] });
    save(world, &outer).await;
    let child_of = async |id: &str| {
        let waits = until(world, id, "it has a child", |e| {
            stage(e, "1")["context"]["executionId"].is_string()
        })
        .await;
        let child = stage(&waits, "1")["context"]["executionId"].as_str().unwrap().to_owned();
        eventually("the child", LONG, || async { world.execution(&child).await }).await;
        child
    };
    let id = start(world, "outer", &json!({})).await;
    let child = child_of(&id).await;
    let running = until(world, &child, "it runs", |e| stage(e, "1")["status"] == "RUNNING").await;
    assert_eq!(running["trigger"]["parentExecution"]["id"], json!(id));
    assert_eq!(running["trigger"]["parameters"], json!({ "color": "green" }));
    skip_long_wait(world, &child).await;
    assert_eq!(world.ended(&id, LONG).await["status"], "SUCCEEDED");
    assert_eq!(world.ended(&child, LONG).await["status"], "SUCCEEDED");

    let id = start(world, "outer", &json!({})).await;
    let child = child_of(&id).await;
    assert_eq!(
        ask(world, Method::PUT, &format!("/pipelines/{id}/cancel"), &json!({})).await.0,
        200
    );
    assert_eq!(world.ended(&child, LONG).await["status"], "CANCELED");
    assert_eq!(world.ended(&id, LONG).await["status"], "CANCELED");
}

async fn a_dry_run_tells_what_would_happen_and_starts_nothing(world: &World) {
    save(world, &asked()).await;
    world.build(1).await;
    let known = world.executions().await.len();
    let changes = world.ledger().await.len();
    let trigger = json!({ "type": "manual", "master": "ci-main", "job": "shop/package",
        "buildNumber": 1, "dryRun": true });
    let plan = order(world, Method::POST, "/pipelines/shop/asked", &trigger).await;
    assert_eq!(plan["obstacles"], json!([]), "{plan:#}");
    let stages = plan["stages"].as_array().unwrap();
    let of = |key: &str| -> Vec<&Value> { stages.iter().map(|stage| &stage[key]).collect() };
    assert_eq!(of("refId"), ["1", "2", "3"]);
    assert_eq!(of("outcome"), ["runs", "runs", "runs"], "{plan:#}");
    let acts = |at: usize| &stages[at]["actions"][0];
    assert_eq!(
        (&acts(0)["operation"], &acts(0)["summary"]),
        (
            &json!("image.bake/1"),
            &json!(
                "bakes an image with shop-web=1.0-h1 in us-east-1, or takes one that was baked from the same"
            )
        ),
        "{plan:#}"
    );
    assert_eq!(acts(1)["action"], "judge");
    assert_eq!(
        (&acts(2)["operation"], &acts(2)["request"]["stack"], &acts(2)["request"]["strategy"]),
        (&json!("group.create/1"), &json!("test"), &json!("highlander"))
    );
    // What the workers see: no image yet, and the group that would go.
    let image = &acts(0)["preview"];
    assert_eq!(image["image"], "baked", "{plan:#}");
    let name = image["imageName"].as_str().unwrap();
    assert!(name.starts_with("shop-web-1.0-h1-") && name.ends_with("-g1"), "{name}");
    let groups = &acts(2)["preview"];
    assert_eq!(groups["serverGroup"], "shop-test-v008", "{plan:#}");
    assert_eq!(
        groups["destroys"],
        json!([{ "name": "shop-test-v007", "instances": 1, "enabled": true }]),
        "{plan:#}"
    );
    assert_eq!((&acts(0)["unknown"], &acts(2)["unknown"]), (&Value::Null, &Value::Null));
    assert_eq!(world.executions().await.len(), known);
    assert_eq!(world.ledger().await.len(), changes, "nothing was changed, or tried");
}

async fn orders_are_followed(mode: Mode) {
    let world = World::start(mode, old_group()).await;
    a_paused_execution_begins_nothing_until_it_is_resumed(&world).await;
    one_runs_at_a_time_and_the_newest_is_next(&world).await;
    a_pipeline_starts_another_and_stops_it_with_itself(&world).await;
    a_dry_run_tells_what_would_happen_and_starts_nothing(&world).await;
    world.assert_safe().await;
}

#[tokio::test]
async fn orders_are_followed_standalone() {
    orders_are_followed(Mode::Standalone).await;
}

#[tokio::test]
async fn orders_are_followed_distributed() {
    orders_are_followed(FULL).await;
}
