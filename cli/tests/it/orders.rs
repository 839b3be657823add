//! Telling executions what to do, and comparing and planning pipelines, against a server that says what it
//! is told to say.

use serde_json::{Value, json};

use crate::{
    bowline::{run, text},
    client::{ID, Script, execution},
};

#[tokio::test]
async fn every_order_is_sent_to_its_place_with_what_was_said() {
    let stage = |rest: &str| format!("/pipelines/{ID}/stages/{rest}");
    for (arguments, request, body) in [
        (&["pause", ID][..], format!("PUT /pipelines/{ID}/pause"), Value::Null),
        (&["resume", ID], format!("PUT /pipelines/{ID}/resume"), Value::Null),
        (
            &["restart", ID, "Deploy it"],
            format!("PUT {}", stage("Deploy%20it/restart")),
            Value::Null,
        ),
        (
            &["judge", ID, "2", "continue"],
            format!("PATCH {}", stage("2")),
            json!({ "judgmentStatus": "continue" }),
        ),
        (
            &["judge", ID, "2", "stop", "--input", "not today"],
            format!("PATCH {}", stage("2")),
            json!({ "judgmentStatus": "stop", "judgmentInput": "not today" }),
        ),
        (
            &["skip", ID, "1<1"],
            format!("PATCH {}", stage("1%3C1")),
            json!({ "skipRemainingWait": true }),
        ),
        (
            &["skip", ID, "2", "--leave-out"],
            format!("PATCH {}", stage("2")),
            json!({ "manualSkip": true }),
        ),
    ] {
        let away = json!({ "title": "Service Unavailable" });
        let (script, server) = Script::serve([(503, away), (200, execution("RUNNING"))]).await;
        let arguments: Vec<&str> =
            ["execution"].iter().chain(arguments).chain(&["--server", &server]).copied().collect();
        let ended = run(&arguments).await.with_code(0);
        assert!(ended.stdout.contains(&format!("execution {ID} RUNNING")), "{}", ended.stdout);
        let asked = script.asked();
        assert_eq!(
            (asked.len(), &asked[0].0),
            (2, &request),
            "it is sent again when nobody answers"
        );
        assert!(asked[0].1.is_some() && asked[0] == asked[1], "under one key: {asked:?}");
        assert_eq!(script.bodies()[1], body);
    }
    let (script, server) = Script::serve([(200, Value::Null)]).await;
    run(&["execution", "delete", ID, "--server", &server]).await.with_code(0);
    assert_eq!(script.asked()[0].0, format!("DELETE /pipelines/{ID}"));
}

#[tokio::test]
async fn a_refused_order_shows_what_would_be_right() {
    let refused = json!({ "title": "Bad Request", "status": 400, "detail": "`never` is not among the choices of stage `2` (Ship it?): now, at night",
        "choices": ["now", "at night"] });
    let (_, server) = Script::serve([(400, refused)]).await;
    let arguments =
        ["execution", "judge", ID, "2", "continue", "--input", "never", "--server", &server];
    let ended = run(&arguments).await.with_code(1);
    assert_eq!(
        ended.stderr,
        format!(
            "error: could not judge stage `2` of execution {ID}: `never` is not among the choices of stage `2` (Ship it?): now, at night\n"
        )
    );
    let accepted = json!({ "eventId": "control/1", "ref": format!("/pipelines/{ID}") });
    let (_, server) = Script::serve([(202, accepted)]).await;
    let ended = run(&["execution", "pause", ID, "--server", &server]).await.with_code(0);
    assert!(ended.stderr.contains("not carried out yet"), "{}", ended.stderr);
    run(&["execution", "judge", ID, "2", "perhaps"]).await.with_code(2);
}

#[tokio::test]
async fn what_holds_an_execution_is_shown() {
    let mut waits = execution("NOT_STARTED");
    waits["queue"] = json!({ "position": 2, "waitingFor": ["E1"] });
    let (_, server) = Script::serve([(200, waits)]).await;
    let ended = run(&["execution", "get", ID, "--server", &server]).await.with_code(0);
    assert!(
        ended.stdout.contains("waits for its turn, position 2, running: E1"),
        "{}",
        ended.stdout
    );
}

#[tokio::test]
async fn a_diff_names_each_place_and_its_exit_code_tells_whether_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.json");
    let stage = |max: u32| json!({ "refId": "1", "type": "wait", "name": "Wait", "waitTime": max });
    let definition = |max: u32| json!({ "application": "shop", "name": "p", "stages": [stage(max)], "triggers": [] });
    std::fs::write(&file, definition(20).to_string()).unwrap();
    let diff = async |answer: (u16, Value), code: i32, more: &[&str]| {
        let (_, server) = Script::serve([answer]).await;
        let arguments: Vec<&str> = ["pipeline", "diff", text(&file), "--server", &server]
            .iter()
            .chain(more)
            .copied()
            .collect();
        run(&arguments).await.with_code(code)
    };
    let ended = diff((200, definition(10)), 1, &[]).await;
    assert!(
        ended.stdout.contains("differs in 1 place\n  ~ /stages/1/waitTime: 10 -> 20\n"),
        "{}",
        ended.stdout
    );
    let ended = diff((200, definition(10)), 1, &["-o", "json"]).await.json();
    let change = json!({ "pointer": "/stages/1/waitTime", "before": 10, "after": 20 });
    assert_eq!((&ended[0]["exists"], &ended[0]["changes"]), (&json!(true), &json!([change])));
    assert!(diff((200, definition(20)), 0, &[]).await.stdout.contains("is the same"));
    let missing = json!({ "title": "Not Found" });
    assert!(diff((404, missing), 1, &[]).await.stdout.contains("would be new"));
}

#[tokio::test]
async fn a_plan_is_asked_for_as_a_dry_run() {
    let (script, server) = Script::serve([(200, json!({ "stages": [] }))]).await;
    let arguments =
        ["pipeline", "run", "shop", "p", "-p", "a=b", "--plan", "-o", "json", "--server", &server];
    assert_eq!(run(&arguments).await.with_code(0).json(), json!({ "stages": [] }));
    let body = &script.bodies()[0];
    assert_eq!((&body["dryRun"], &body["parameters"]), (&json!(true), &json!({ "a": "b" })));
    let plan = json!({ "application": "shop", "name": "p", "pipelineConfigId": "p1", "limit": null,
        "obstacles": ["it is disabled"], "parameters": {}, "stages": [] });
    let (_, server) = Script::serve([(200, plan)]).await;
    let ended = run(&["pipeline", "run", "shop", "p", "--plan", "--server", &server]).await;
    let ended = ended.with_code(1);
    assert_eq!(ended.stdout, "pipeline `p` of `shop` would not start\n  ✘ it is disabled\n");
    run(&["pipeline", "run", "shop", "p", "--plan", "--wait"]).await.with_code(2);
}
