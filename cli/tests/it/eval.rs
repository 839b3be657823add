//! `bowline eval`.

use serde_json::json;

use crate::bowline::{run, text};

#[tokio::test]
async fn an_expression_keeps_its_type_and_sees_the_context() {
    let folder = tempfile::tempdir().unwrap();
    let context = folder.path().join("context.json");
    let roots = json!({
        "trigger": { "buildInfo": { "number": 7 }, "parameters": { "env": "prod" } },
        "execution": { "id": "e", "stages": [{ "id": "s", "name": "Bake", "status": "SUCCEEDED" }] },
    });
    std::fs::write(&context, roots.to_string()).unwrap();
    for (expression, result) in [
        ("${trigger.buildInfo.number}", json!(7)),
        ("build ${trigger.buildInfo.number} to ${parameters.env}", json!("build 7 to prod")),
        ("${#stage('Bake').status == 'SUCCEEDED'}", json!(true)),
        ("plain", json!("plain")),
        ("-${1}", json!("-1")),
    ] {
        let ended = run(&["eval", expression, "--context", text(&context)]).await.with_code(0);
        assert_eq!((ended.json(), ended.stderr.as_str()), (result, ""), "{expression}");
    }
}

#[tokio::test]
async fn a_document_is_evaluated_whole_and_what_stays_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("stage.json");
    let stage = json!({ "${1 + 1}": ["${2 * 3}", { "deep": "${nobody}" }], "bad": "${1 +}" });
    std::fs::write(&document, stage.to_string()).unwrap();

    let ended = run(&["eval", "--document", text(&document)]).await.with_code(0);
    let result = json!({ "2": [6, { "deep": "${nobody}" }], "bad": "${1 +}" });
    assert_eq!(ended.json(), result);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("error: /bad, column 6: ")), "{lines:?}");
    let place = "unresolved: /${1 + 1}/1/deep, column 3: ";
    assert!(lines.iter().any(|line| line.starts_with(place)), "{lines:?}");

    run(&["eval", "--strict", "-d", text(&document)]).await.with_code(1);
}

#[tokio::test]
async fn files_that_cannot_be_used_and_wrong_usage_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.json");
    std::fs::write(&list, "[1]").unwrap();
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{").unwrap();
    let ended = run(&["eval", "x", "-c", text(&list)]).await.with_code(1);
    assert!(ended.stderr.contains("is not a JSON object"), "{}", ended.stderr);
    let ended = run(&["eval", "-d", text(&broken)]).await.with_code(1);
    assert!(ended.stderr.contains("is not JSON: EOF"), "{}", ended.stderr);
    run(&["eval"]).await.with_code(2);
    run(&["eval", "x", "-d", text(&list)]).await.with_code(2);
}
