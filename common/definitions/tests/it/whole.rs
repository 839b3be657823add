//! What a reader gets out of a whole definition.

use definitions::{Pipeline, Severity};
use model::OnFailure;
use model::jenkins::JobName;
use serde_json::json;
use triggers::jenkins;

#[test]
fn a_pipeline_is_read_with_everything_in_it() {
    let text = r#"{
        "application": "shop", "name": "deploy", "id": "p1", "unknown": {"kept": [1, 2.50, null]},
        "maxConcurrentExecutions": "3", "keepWaitingPipelines": true,
        "triggers": [
            {"type": "jenkins", "enabled": true, "master": "ci", "job": "a/job/b", "propertyFile": "",
             "payloadConstraints": {"RELEASE": "yes"}},
            {"type": "git", "enabled": false}
        ],
        "stages": [
            {"refId": 10, "type": "wait", "requisiteStageRefIds": ["b", 20, "b"], "x-own": true},
            {"refId": "b", "type": "wait", "name": "First", "failPipeline": false},
            {"refId": 20, "type": "wait", "failPipeline": false, "completeOtherBranchesThenFail": true},
            {"refId": "last", "type": "wait", "requisiteStageRefIds": [10], "failPipeline": true, "continuePipeline": true}
        ]
    }"#;
    let pipeline = Pipeline::parse(text).pipeline.unwrap();
    assert_eq!((pipeline.id.as_deref(), pipeline.max_concurrent_executions), (Some("p1"), 3));
    assert!(pipeline.keep_waiting_pipelines && !pipeline.limit_concurrent && !pipeline.disabled);
    let expected = jenkins::Config {
        master: "ci".to_owned(),
        job: JobName::parse("a/b"),
        property_file: None,
        payload_constraints: [("RELEASE".to_owned(), "yes".to_owned())].into(),
        expected_artifact_ids: Vec::new(),
    };
    assert!(pipeline.triggers[0].enabled);
    assert_eq!(pipeline.triggers[0].config::<jenkins::Jenkins>(), Some(&expected));
    assert_eq!(pipeline.triggers[1].kind, "git");
    assert_eq!(pipeline.triggers[1].config::<jenkins::Jenkins>(), None);
    let stages: Vec<_> = pipeline
        .stages
        .iter()
        .map(|stage| {
            (stage.ref_id.as_str(), stage.name.as_str(), stage.requires.join(","), stage.on_failure)
        })
        .collect();
    assert_eq!(
        stages,
        [
            ("10", "wait", "b,20".to_owned(), OnFailure::HaltPipeline),
            ("b", "First", String::new(), OnFailure::HaltBranch),
            ("20", "wait", String::new(), OnFailure::HaltBranchThenFail),
            ("last", "wait", "10".to_owned(), OnFailure::Ignore),
        ]
    );
    assert_eq!(pipeline.stage("10").unwrap().config["x-own"], true);
    assert_eq!(pipeline.graph().unwrap().topological(), ["b", "20", "10", "last"]);
    assert_eq!(pipeline.to_value(), serde_json::from_str::<serde_json::Value>(text).unwrap());
}

#[test]
fn stages_without_any_ref_id_are_a_chain() {
    let text = json!({
        "application": "shop", "name": "old",
        "stages": [{"type": "wait"}, {"type": "wait"}, {"type": "wait", "requisiteStageRefIds": ["9"]}],
    })
    .to_string();
    let pipeline = Pipeline::parse(&text).pipeline.unwrap();
    let stages: Vec<_> = pipeline
        .stages
        .iter()
        .map(|stage| (stage.ref_id.as_str(), stage.requires.join(",")))
        .collect();
    assert_eq!(stages, [("1", String::new()), ("2", "1".to_owned()), ("3", "2".to_owned())]);
}

#[test]
fn a_bake_may_leave_its_regions_to_the_deploys_behind_it() {
    let text = json!({
        "application": "shop", "name": "x",
        "stages": [
            {"type": "bake", "package": "shop", "baseOs": "bookworm"},
            {"type": "wait"},
            {"type": "deploy", "clusters": [{"account": "a", "region": "us-east-1", "instanceType": "t3.small",
                "interestingHealthProviderNames": ["Amazon"]}]},
        ],
    })
    .to_string();
    let parsed = Pipeline::parse(&text);
    assert_eq!(parsed.problems, []);
}

#[test]
fn an_exported_pipeline_may_lack_both_names_but_not_one() {
    let codes = |text: &str| -> Vec<_> {
        let parsed = Pipeline::parse_exported(text);
        parsed.problems.iter().map(|p| (p.severity, p.pointer.clone())).collect()
    };
    let stages = r#""stages": [{"type": "wait"}]"#;
    assert!(Pipeline::parse_exported(&format!("{{{stages}}}")).pipeline.is_some());
    assert!(Pipeline::parse(&format!("{{{stages}}}")).pipeline.is_none());
    let one = codes(&format!("{{\"name\": \"x\", {stages}}}"));
    assert!(one.contains(&(Severity::Error, "/application".to_owned())), "{one:?}");
}

const BROKEN: &str = r#"{
  "name": "",
  "application": "shop",
  "stages": [
    { "refId": "1", "type": "bake", "package": "shop", "baseOs": "bookworm", "region": "us-east-1",
      "requisiteStageRefIds": ["2"] },
    { "refId": "2", "type": "depoly", "requisiteStageRefIds": ["Bake it"], "refId": "two" },
    { "refId": "3", "name": "Bake it", "type": "script", "requisiteStageRefIds": ["3x"] }
  ]
}"#;

#[test]
fn all_problems_come_at_once_in_the_order_of_the_text_with_a_way_out() {
    let parsed = Pipeline::parse(BROKEN);
    let told: Vec<_> = parsed
        .problems
        .iter()
        .map(|p| (p.line, p.column, p.code, p.pointer.as_str(), p.hint.as_deref().unwrap_or("")))
        .collect();
    assert_eq!(
        told,
        [
            (2, 11, "missing-field", "/name", "write a name that is unique in the application"),
            (6, 32, "unknown-requisite", "/stages/0/requisiteStageRefIds/0", "did you mean `1`?"),
            (7, 29, "unknown-stage-type", "/stages/1/type", "did you mean `deploy`?"),
            (
                7,
                64,
                "unknown-requisite",
                "/stages/1/requisiteStageRefIds/0",
                "the stage named `Bake it` has refId `3`"
            ),
            (7, 76, "duplicate-key", "/stages/1/refId", "take one of them away"),
            (
                8,
                48,
                "unknown-stage-type",
                "/stages/2/type",
                "stages of type `bake`, `deploy`, `findImage`, `findImageFromTags`, `wait`, `manualJudgment`, `checkPreconditions`, `evaluateVariables`, `pipeline` run today"
            ),
            (8, 83, "unknown-requisite", "/stages/2/requisiteStageRefIds/0", "did you mean `3`?"),
        ]
    );
}

#[test]
fn a_problem_is_written_as_json_for_scripts() {
    let parsed = Pipeline::parse(BROKEN);
    let expected = json!({
        "severity": "error", "code": "missing-field", "pointer": "/name", "line": 2, "column": 11,
        "message": "`name` is empty", "hint": "write a name that is unique in the application",
    });
    assert_eq!(serde_json::to_value(&parsed.problems[0]).unwrap(), expected);
}

#[test]
fn a_cycle_is_named() {
    let text = json!({
        "application": "shop", "name": "x",
        "stages": [
            {"refId": "a", "type": "wait", "requisiteStageRefIds": ["c"]},
            {"refId": "b", "type": "wait", "requisiteStageRefIds": ["a"]},
            {"refId": "c", "type": "wait", "requisiteStageRefIds": ["b"]},
        ],
    })
    .to_string();
    let parsed = Pipeline::parse(&text);
    let error = parsed.errors().next().unwrap();
    assert_eq!(error.message, "stages wait for each other: a → c → b → a");
}

#[test]
fn five_hundred_stages_are_read_and_one_more_is_refused() {
    let text = |many: usize| {
        let stages: Vec<_> = (0..many)
            .map(|n| {
                let before: Vec<String> = (0..n).map(|n| n.to_string()).collect();
                json!({"refId": n, "type": "wait", "requisiteStageRefIds": before})
            })
            .collect();
        json!({"application": "shop", "name": "x", "stages": stages}).to_string()
    };
    let pipeline = Pipeline::parse(&text(500)).pipeline.unwrap();
    let graph = pipeline.graph().unwrap();
    assert_eq!(graph.ancestors("499").len(), 499);
    assert_eq!(graph.topological().len(), 500);
    let refused = Pipeline::parse(&text(501).replace(' ', ""));
    let codes: Vec<_> = refused.errors().map(|p| (p.code, p.pointer.as_str())).collect();
    assert_eq!(codes, [("too-many-stages", "/stages")]);
}

#[test]
fn hostile_bodies_are_answered_in_bounded_space() {
    let many = "[1],".repeat(200_000);
    let long = "k".repeat(400_000);
    for text in [
        format!("{{\"stages\": [{}1]}}", "7,".repeat(400_000)),
        format!("{{\"name\": \"x\", \"application\": \"x\", \"triggers\": [{many}1]}}"),
        format!("{{\"{long}\": [{}1]}}", "{\"a\":1,\"a\":2},".repeat(40_000)),
        format!("{{{}\"a\": 1}}", "\"a\":1,".repeat(170_000)),
        format!(
            "{{\"stages\": [{{\"refId\": \"1\", \"type\": \"wait\", \"requisiteStageRefIds\": [{}1]}}]}}",
            "\"zzzzzzzz\",".repeat(90_000)
        ),
        format!("{{\"x\": {}1{}}}", "[".repeat(120), "]".repeat(120)),
    ] {
        let parsed = Pipeline::parse(&text);
        assert!(parsed.problems.len() < 500, "{}", parsed.problems.len());
    }
}
