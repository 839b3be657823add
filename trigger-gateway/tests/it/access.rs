//! Who may ask what.

use reqwest::Method;

use crate::world::{API, HOOK, OTHER_HOOK, World, answer, problem};

/// Every path there is that needs the API token, with a method it takes.
const PROTECTED: [(&str, &str); 22] = [
    ("GET", "/applications"),
    ("GET", "/applications/shop"),
    ("GET", "/applications/shop/pipelineConfigs"),
    ("GET", "/applications/shop/pipelineConfigs/ship"),
    ("GET", "/applications/shop/pipelines"),
    ("PUT", "/applications/shop/pipelines/E1/cancel"),
    ("GET", "/pipelineConfigs"),
    ("POST", "/pipelines"),
    ("GET", "/pipelines/E1"),
    ("PUT", "/pipelines/p1"),
    ("POST", "/pipelines/shop/ship"),
    ("DELETE", "/pipelines/shop/ship"),
    ("PUT", "/pipelines/E1/cancel"),
    ("PUT", "/pipelines/E1/pause"),
    ("DELETE", "/pipelines/E1"),
    ("PATCH", "/pipelines/E1/stages/1"),
    ("PUT", "/pipelines/E1/stages/1/restart"),
    ("POST", "/pipelines/v2/shop/ship"),
    ("GET", "/executions?executionIds=E1"),
    ("GET", "/api/v1/executions/E1/timeline"),
    ("GET", "/api/v1/events"),
    ("GET", "/metrics"),
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

#[tokio::test]
async fn every_route_asks_for_its_token() {
    let world = World::closed().await;
    for (name, path) in PROTECTED {
        let request = || world.ask(method(name), path);
        let shown = format!("{name} {path}");
        for refused in [
            request(),
            request().bearer_auth("wrong"),
            request().bearer_auth(""),
            request().bearer_auth(HOOK),
            request().basic_auth(API, Some("wrong")),
            request().header("authorization", API),
        ] {
            assert_eq!(problem(refused).await, (401, "unauthorized".to_owned()), "{shown}");
        }
        for admitted in [request().bearer_auth(API), request().basic_auth("anybody", Some(API))] {
            let (status, _) = answer(admitted).await;
            assert!(![401, 403, 405, 500].contains(&status), "{shown}: {status}");
        }
    }
    // Also what does not exist: strangers do not learn which paths there are.
    assert_eq!(problem(world.get("/nowhere")).await.0, 401);
    assert_eq!(problem(world.get("/nowhere").bearer_auth(API)).await.0, 404);
    for open in ["/healthz", "/readyz", "/version"] {
        assert_eq!(answer(world.get(open)).await.0, 200, "{open}");
    }
}

#[tokio::test]
async fn webhooks_ask_for_the_token_of_their_controller_and_tell_nothing() {
    let world = World::closed().await;
    let refusals = [
        world.post("/webhooks/jenkins/ci", "{}"),
        world.post("/webhooks/jenkins/ci", "{}").bearer_auth("wrong"),
        world.post("/webhooks/jenkins/ci", "{}").bearer_auth(OTHER_HOOK),
        world.post("/webhooks/jenkins/ci", "{}").bearer_auth(API),
        world.post("/webhooks/jenkins/ci/wrong", "{}"),
        world.post(&format!("/webhooks/jenkins/ci/{OTHER_HOOK}"), "{}"),
        world.post(&format!("/webhooks/jenkins/unknown/{HOOK}"), "{}"),
        world.post("/webhooks/jenkins/unknown", "{}").bearer_auth(HOOK),
        world.post("/webhooks/jenkins/closed", "{}"),
        world.post("/webhooks/jenkins/closed", "{}").bearer_auth(""),
    ];
    let mut bodies = Vec::new();
    for refused in refusals {
        let (status, body) = answer(refused).await;
        assert_eq!(status, 401, "{body}");
        bodies.push(body);
    }
    assert!(bodies.iter().all(|body| body == &bodies[0]), "{bodies:?}");
    let (status, _) = answer(world.post(&format!("/webhooks/jenkins/ci/{HOOK}"), "{}")).await;
    assert_eq!(status, 400);
    assert_eq!(problem(world.get(&format!("/webhooks/jenkins/ci/{HOOK}"))).await.0, 405);
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let world = World::open().await;
    for request in [
        world.post("/pipelines", "{}").header("origin", "https://evil.example"),
        world.post("/pipelines/shop/ship", "").header("origin", "null"),
        world.put("/pipelines/E1/cancel").header("sec-fetch-site", "cross-site"),
        world.ask(Method::DELETE, "/pipelines/shop/ship").header("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(problem(request).await, (403, "cross-site".to_owned()));
    }
    // A name that a page has pointed to this machine.
    let rebound = world.get("/pipelineConfigs").header("host", "evil.example");
    assert_eq!(problem(rebound).await, (421, "unknown-host".to_owned()));
    assert_eq!(answer(world.get("/pipelineConfigs")).await.0, 200);
    // `spin` sends what it was told to; without a token configured that is no error.
    assert_eq!(answer(world.get("/pipelineConfigs").basic_auth("a", Some("b"))).await.0, 200);
}

#[tokio::test]
async fn refusals_are_problems_and_answers_are_hardened() {
    let world = World::open().await;
    assert_eq!(problem(world.get("/nowhere")).await, (404, "not-found".to_owned()));
    assert_eq!(problem(world.get("/pipelines")).await, (405, "method-not-allowed".to_owned()));
    assert_eq!(problem(world.get("/executions?limit=many&executionIds=x")).await.0, 400);
    assert_eq!(problem(world.get("/executions")).await, (400, "which-executions".to_owned()));
    assert_eq!(problem(world.get("/applications/%FF/pipelines")).await.0, 400);
    let response = world.get("/pipelines").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    for path in ["/version", "/nowhere", "/pipelineConfigs"] {
        let headers = world.get(path).send().await.unwrap().headers().clone();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert!(
            headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn metrics_show_the_state_of_the_store() {
    let world = World::open().await;
    let text = world.get("/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "bowline_executions_active{status=\"RUNNING\"} 0",
        "bowline_leases_running{kind=\"bake\"} 0",
        "bowline_queue_depth{queue=\"task.bake.v1\",state=\"ready\"} 0",
        "bowline_queue_oldest_age_seconds{queue=\"task.deploy.v1\"} 0",
        "bowline_outbox_depth 0",
        "bowline_outbox_oldest_age_seconds 0",
        "bowline_events_pending 0",
        "bowline_wakes_overdue 0",
        "bowline_build_info{version=",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn an_open_address_without_a_token_is_no_start() {
    let mut settings = runtime::Settings::from_toml("").unwrap();
    let mut config = trigger_gateway::Config::read(&mut settings).unwrap();
    config.gateway.listen = ([0, 0, 0, 0], 0).into();
    let store = store::open("memory:").await.unwrap();
    let error = trigger_gateway::run(config, store, runtime::Tasks::new()).await.unwrap_err();
    assert!(error.to_string().contains("BOWLINE__GATEWAY__API_TOKEN"), "{error}");
}
