//! The client commands against a server that says what it is told to say.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::bowline::run;

pub(crate) const ID: &str = "5Q2V8JMT1GZC0X5Y4N7RD3WKHB";

/// Method and path of a request, and its idempotency key.
pub(crate) type Asked = (String, Option<String>);

/// Answers with one prepared answer after the other, the last one again and again.
#[derive(Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Script {
    pub(crate) async fn serve(answers: impl IntoIterator<Item = (u16, Value)>) -> (Self, String) {
        let script = Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            asked: Arc::default(),
            bodies: Arc::default(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script.clone());
        let serving = axum::serve(listener, router).into_future();
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(serving);
        (script, address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The bodies of the requests; null for none.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let key = request.headers().get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    script.asked.lock().unwrap().push((format!("{} {}", request.method(), request.uri()), key));
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    script.bodies.lock().unwrap().push(serde_json::from_slice(&body).unwrap_or_default());
    let mut answers = script.answers.lock().unwrap();
    let (status, body) = if answers.len() > 1 {
        answers.pop_front().unwrap()
    } else {
        answers.front().cloned().unwrap()
    };
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

pub(crate) fn execution(status: &str) -> Value {
    json!({
        "id": ID, "type": "PIPELINE", "application": "shop", "name": "p", "pipelineConfigId": "c",
        "status": status, "buildTime": 1, "startTime": 1_000, "endTime": 3_000, "canceled": false,
        "trigger": {}, "stages": [{
            "id": "S1", "refId": "1", "type": "bake", "name": "Bake", "status": status,
            "startTime": 1_000, "endTime": 3_000, "requisiteStageRefIds": [], "context": {},
            "outputs": {}, "tasks": [],
        }],
    })
}

#[tokio::test]
async fn waiting_tells_by_its_exit_code_how_the_execution_ended() {
    for (status, code) in [("SUCCEEDED", 0), ("TERMINAL", 1), ("CANCELED", 4)] {
        let (_, server) =
            Script::serve([(200, execution("RUNNING")), (200, execution(status))]).await;
        let ended = run(&["execution", "watch", ID, "--server", &server]).await.with_code(code);
        assert_eq!(ended.stdout, "", "progress is not a result");
        assert!(ended.stderr.contains("RUNNING"), "{}", ended.stderr);
        let last = format!("execution {ID} {status} after 2.0s\n");
        assert!(ended.stderr.ends_with(&last), "{}", ended.stderr);
    }
    let (_, server) = Script::serve([(200, execution("RUNNING"))]).await;
    let arguments = ["execution", "watch", ID, "--timeout", "300ms", "--server", &server];
    let ended = run(&arguments).await.with_code(3);
    assert!(ended.stderr.contains("execution watch"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_server_that_restarts_does_not_end_the_waiting() {
    let away = json!({"title": "Service Unavailable"});
    let (_, server) =
        Script::serve([(200, execution("RUNNING")), (503, away), (200, execution("SUCCEEDED"))])
            .await;
    run(&["execution", "watch", ID, "--server", &server]).await.with_code(0);
}

#[tokio::test]
async fn a_start_is_repeated_under_one_key_and_prints_the_id_alone() {
    let (script, server) = Script::serve([
        (503, json!({"title": "Service Unavailable"})),
        (202, json!({"ref": format!("/pipelines/{ID}")})),
        (404, json!({"title": "Not Found"})),
        (200, execution("RUNNING")),
    ])
    .await;
    let arguments = ["pipeline", "run", "shop", "build it", "-p", "a=b", "--server", &server];
    let ended = run(&arguments).await.with_code(0);
    assert_eq!((ended.stdout, ended.stderr), (format!("{ID}\n"), String::new()));
    let asked = script.asked();
    let read = format!("GET /pipelines/{ID}");
    assert_eq!((asked.len(), &asked[2].0, &asked[3].0), (4, &read, &read));
    assert_eq!(asked[0].0, "POST /pipelines/shop/build%20it");
    assert!(asked[0].1.is_some() && asked[0] == asked[1], "{asked:?}");
}

#[tokio::test]
async fn a_start_that_is_refused_says_why_and_fails() {
    let errors = json!([{
        "pointer": "/parameters/env", "code": "not-allowed", "parameter": "env", "value": "mars",
        "allowed": ["moon"], "message": "parameter `env` is \"mars\"; allowed are \"moon\"",
    }]);
    let refusal =
        json!({ "detail": "1 parameter is refused, nothing was started", "errors": errors });
    let (_, server) = Script::serve([(400, refusal)]).await;
    let arguments = ["pipeline", "run", "shop", "p", "-p", "env=mars", "--server", &server];
    let ended = run(&arguments).await.with_code(1);
    assert_eq!(ended.stdout, "", "there is no id");
    assert_eq!(
        ended.stderr,
        "error: could not start the pipeline `p` of `shop`: 1 parameter is refused, nothing was started\n  \
         /parameters/env: parameter `env` is \"mars\"; allowed are \"moon\"\n"
    );
}

#[tokio::test]
async fn a_start_that_failed_before_it_began_says_why_and_fails() {
    let mut failed = execution("TERMINAL");
    failed["startTime"] = Value::Null;
    failed["cancellationReason"] = json!("failed on startup: stage type `x` is not known here");
    let accepted = json!({"ref": format!("/pipelines/{ID}")});
    for more in [&[][..], &["--wait"]] {
        let (_, server) = Script::serve([(202, accepted.clone()), (200, failed.clone())]).await;
        let start = ["pipeline", "run", "shop", "p", "--server", &server];
        let ended = run(&[&start[..], more].concat()).await.with_code(1);
        assert_eq!(ended.stdout, format!("{ID}\n"));
        let why = "TERMINAL: failed on startup: stage type `x` is not known here\n";
        assert!(ended.stderr.ends_with(why), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_start_that_nobody_carries_out_is_told_so() {
    let accepted = json!({"ref": format!("/pipelines/{ID}")});
    let missing = (404, json!({"title": "Not Found"}));
    let (_, server) = Script::serve([(202, accepted), missing]).await;
    let arguments =
        ["pipeline", "run", "shop", "p", "--wait", "--timeout", "300ms", "--server", &server];
    let ended = run(&arguments).await.with_code(3);
    assert_eq!(ended.stdout, format!("{ID}\n"));
    assert!(ended.stderr.contains("is a coordinator running?"), "{}", ended.stderr);
}

#[tokio::test]
async fn errors_say_what_was_tried_why_it_failed_and_what_to_do() {
    let (_, server) = Script::serve([(401, json!({"title": "Unauthorized"}))]).await;
    let ended = run(&["pipeline", "list", "--server", &server]).await.with_code(1);
    assert_eq!(
        ended.stderr,
        "error: could not list the pipelines: Unauthorized\n\
         hint: set BOWLINE_TOKEN to the server's API token (`gateway.api_token` in its configuration)\n"
    );

    let (_, server) = Script::serve([(200, json!([]))]).await;
    let ended = run(&["execution", "list", "shop", "--server", &server]).await.with_code(0);
    let nothing = "there are no executions in application `shop`\n".to_owned();
    assert_eq!((ended.stdout, ended.stderr), (String::new(), nothing));

    let (_, server) = Script::serve([(404, json!({"title": "Not Found"}))]).await;
    let ended = run(&["pipeline", "get", "shop", "x", "--server", &server]).await.with_code(1);
    assert!(ended.stderr.contains("there is no pipeline `x` in application `shop`"), "{ended:?}");

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = format!("http://{free}");
    let ended = run(&["execution", "list", "shop", "--server", &nobody]).await.with_code(1);
    assert!(ended.stderr.contains("no answer from"), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: is it running?"), "{}", ended.stderr);

    run(&["execution", "list", "shop", "--server", "localhost:8084"]).await.with_code(2);
    run(&["execution", "watch", "not an id"]).await.with_code(2);
    run(&["--help"]).await.with_code(0);
}

#[tokio::test]
async fn lists_are_tables_for_people_and_json_for_scripts() {
    let (script, server) = Script::serve([(200, json!([execution("SUCCEEDED")]))]).await;
    let arguments = [
        "execution",
        "list",
        "shop",
        "--status",
        "succeeded",
        "--status",
        "RUNNING",
        "--server",
        &server,
    ];
    let ended = run(&arguments).await.with_code(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0].starts_with("ID  ") && lines[1].starts_with(ID), "{}", ended.stdout);
    assert_eq!(
        script.asked()[0].0,
        "GET /applications/shop/pipelines?limit=20&statuses=SUCCEEDED%2CRUNNING"
    );
    let ended = run(&["execution", "list", "shop", "-o", "json", "--server", &server]).await;
    assert_eq!(ended.json()[0]["id"], ID);
    let ended = run(&["execution", "list", "shop", "-o", "yaml", "--server", &server]).await;
    assert!(ended.stdout.starts_with(&format!("---\n- id: {ID}\n  type: PIPELINE\n")), "{ended:?}");
}
