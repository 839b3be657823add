//! `bowline validate`.

use serde_json::json;

use crate::bowline::{run, text};

#[tokio::test]
async fn every_problem_of_every_file_is_told_and_the_exit_code_says_whether_one_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.json"), folder.path().join("bad.json"));
    let example = include_str!("../../../deploy/examples/pipeline.json");
    std::fs::write(&good, example).unwrap();
    let broken = json!({"application": "shop", "name": "p", "stages": [
        {"refId": "1", "type": "bake", "requisiteStageRefIds": ["2"], "package": "a", "regions": ["us-east-1"]},
        {"refId": "2", "type": "bake", "requisiteStageRefIds": ["1"], "package": "a", "regions": ["us-east-1"]},
    ]});
    std::fs::write(&bad, serde_json::to_string_pretty(&broken).unwrap()).unwrap();

    let ended = run(&["validate", text(&good)]).await.with_code(0);
    assert_eq!(ended.stdout, format!("{}: valid, 0 errors, 0 warnings\n", good.display()));

    let ended = run(&["validate", text(&good), text(&bad), "-o", "json"]).await.with_code(1);
    let reports = ended.json();
    assert_eq!((&reports[0]["valid"], &reports[1]["valid"]), (&json!(true), &json!(false)));
    let problems = reports[1]["problems"].as_array().unwrap();
    assert!(problems.iter().any(|problem| problem["code"] == "cycle"), "{problems:?}");

    let ended = run(&["validate", text(&bad)]).await.with_code(1);
    assert!(ended.stdout.contains("error[cycle]"), "{}", ended.stdout);
}

#[tokio::test]
async fn an_expression_that_cannot_be_read_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.json");
    let odd = r#"{"application": "shop", "name": "p", "stages": [
        {"refId": "1", "type": "wait", "waitTime": "${ #toInt('4' }"}]}"#;
    std::fs::write(&file, odd).unwrap();
    let ended = run(&["validate", text(&file)]).await.with_code(0);
    let shown = file.display();
    assert_eq!(
        ended.stdout,
        format!(
            "{shown}:2:52: warning[expression-syntax]: the expression `${{ #toInt('4' }}` cannot be read: \
             `(` is closed by `}}` (character 10 of the text) (at /stages/0/waitTime)\n    hint: the whole text stays \
             as it is when the stage runs; `bowline eval` tries expressions out\n{shown}: valid, 0 errors, 1 warning\n"
        )
    );
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let ended = run(&["validate", "nowhere.json"]).await.with_code(1);
    assert!(ended.stderr.starts_with("error: could not read `nowhere.json`: "), "{}", ended.stderr);
}
