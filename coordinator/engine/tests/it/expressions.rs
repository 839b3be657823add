//! Expressions in stages: what they see, when they are evaluated, and that data stays data.

use std::collections::BTreeMap;

use definitions::Pipeline;
use engine::{Document, Facts, Input, Origin, Stage};
use serde_json::{Map, Value, json};

/// An execution that has just begun.
fn started(stages: &Value, trigger: Value) -> Document {
    let text = json!({ "application": "shop", "name": "ship", "stages": stages }).to_string();
    let parsed = Pipeline::parse(&text);
    let pipeline = parsed.pipeline.unwrap_or_else(|| panic!("{:?}", parsed.problems));
    let Value::Object(trigger) = trigger else { panic!("a trigger is a map") };
    let origin = Origin {
        event_key: "manual/1".to_owned(),
        pipeline_id: "p1".to_owned(),
        trigger,
        time_zone: Some("UTC".to_owned()),
    };
    engine::start(&pipeline, origin, 1_700_000_000_000).0
}

fn stage<'a>(document: &'a Document, name: &str) -> &'a Stage {
    document.stages.iter().find(|stage| stage.name == name).unwrap()
}

fn judgment(ref_id: &str, fields: &Value) -> Value {
    let mut stage = json!({
        "refId": ref_id, "type": "manualJudgment", "name": format!("ask {ref_id}"),
        "requisiteStageRefIds": [],
    });
    stage.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    stage
}

/// A stage's evaluated configuration.
fn config(document: &Document, name: &str) -> Map<String, Value> {
    stage(document, name).config().clone()
}

#[test]
fn a_stage_is_evaluated_when_it_begins_and_its_definition_is_kept() {
    let stages = json!([
        judgment(
            "1",
            &json!({ "instructions": "deploy ${parameters.env} from ${trigger.buildInfo.number}?",
            "stageTimeoutMs": "${#toInt(parameters.minutes) * 60000}" })
        ),
        judgment("2", &json!({ "requisiteStageRefIds": ["1"], "instructions": "${trigger.user}" })),
    ]);
    let trigger = json!({ "user": "eve", "parameters": { "env": "prod", "minutes": "5" },
        "buildInfo": { "number": 7 } });
    let document = started(&stages, trigger);
    let first = stage(&document, "ask 1");
    assert_eq!(first.config()["instructions"], "deploy prod from 7?");
    assert_eq!(first.config["instructions"], stages[0]["instructions"]);
    assert_eq!(first.run.limits.timeout_ms, Some(300_000));
    assert_eq!(config(&document, "ask 2")["instructions"], "${trigger.user}");
}

#[test]
fn what_a_trigger_brings_is_never_evaluated() {
    let evil = "${#stage('ask 1').context}";
    let stages = json!([judgment(
        "1",
        &json!({
            "instructions": "${parameters.note}",
            "judgmentInputs": [{ "value": "for ${trigger.buildInfo.name}" }],
        })
    )]);
    let trigger = json!({ "parameters": { "note": evil }, "buildInfo": { "name": evil } });
    let document = started(&stages, trigger);
    let config = config(&document, "ask 1");
    assert_eq!(config["instructions"], evil);
    assert_eq!(config["judgmentInputs"][0]["value"], format!("for {evil}"));
    assert!(!stage(&document, "ask 1").run.context.contains_key("expressionEvaluationSummary"));
}

#[test]
fn an_unresolved_expression_stays_as_text_with_a_warning_that_names_what_there_is() {
    let stages = json!([judgment("1", &json!({ "instructions": "${parameters.enviroment}" }))]);
    let document = started(&stages, json!({ "parameters": { "environment": "prod" } }));
    let asked = stage(&document, "ask 1");
    assert_eq!(asked.config()["instructions"], "${parameters.enviroment}");
    let entry = &asked.run.context["expressionEvaluationSummary"]["parameters.enviroment"][0];
    assert_eq!(entry["level"], "INFO");
    assert_eq!(entry["timestamp"], 1_700_000_000_000_u64);
    let text = entry["description"].as_str().unwrap();
    assert!(text.starts_with("Failed to evaluate [instructions]"), "{text}");
    assert!(text.contains("`environment` is"), "{text}");
}

#[test]
fn a_stage_that_wants_its_expressions_resolved_fails_when_they_are_not() {
    let stages = json!([judgment(
        "1",
        &json!({
            "instructions": "${nobody.knows}", "failOnFailedExpressions": true,
        })
    )]);
    let document = started(&stages, json!({}));
    let asked = stage(&document, "ask 1");
    assert_eq!(asked.status().as_str(), "TERMINAL");
    let failure = asked.run.failure.as_ref().unwrap();
    assert!(failure.message.starts_with("Failed Expression Evaluation: "), "{failure:?}");
    assert!(failure.message.contains("nobody"), "{failure:?}");
}

#[test]
fn the_nearest_ancestors_outputs_are_seen_and_own_keys_come_first() {
    let stages = json!([
        judgment("1", &json!({})),
        judgment("2", &json!({ "requisiteStageRefIds": ["1"] })),
        judgment(
            "3",
            &json!({ "requisiteStageRefIds": ["2"], "own": "mine",
            "instructions": "${color}, ${size}, ${own}, ${#stage('ask 1')['outputs']['color']}, ${execution.stages.size()}" })
        ),
    ]);
    let document = started(&stages, json!({}));
    let far = json!({ "color": "red", "size": 7, "own": "theirs" });
    let near = json!({ "color": "blue" });
    let mut stored = serde_json::to_value(&document).unwrap();
    for (place, outputs) in [(0, far), (1, near)] {
        let run = &mut stored["stages"][place]["run"];
        run["outputs"] = outputs;
        run["state"] = json!({ "done": "SUCCEEDED" });
        run["ended_ms"] = 1_700_000_000_001_u64.into();
    }
    let mut document: Document = serde_json::from_value(stored).unwrap();
    let facts =
        Facts { leases: BTreeMap::new(), slot: None, policy: None, children: BTreeMap::new() };
    engine::step(&mut document, &Input::Look, &facts, 1_700_000_001_000).unwrap();
    assert_eq!(config(&document, "ask 3")["instructions"], "blue, 7, mine, red, 3");
}

#[test]
fn conditions_look_at_parameters_and_at_other_stages() {
    let with = |expression: &str, env: &str| {
        let stages = json!([judgment(
            "1",
            &json!({
                "stageEnabled": { "type": "expression", "expression": expression },
            })
        )]);
        let document = started(&stages, json!({ "parameters": { "env": env } }));
        stage(&document, "ask 1").status().to_string()
    };
    for (expression, env, status) in [
        ("parameters.env == 'prod'", "prod", "RUNNING"),
        ("parameters.env == 'prod'", "dev", "SKIPPED"),
        ("${ parameters.env == 'prod' }", "prod", "RUNNING"),
        ("\"${ parameters.env == 'prod' }\"", "dev", "SKIPPED"),
        ("'${parameters.env}' == 'prod'", "prod", "RUNNING"),
        ("${parameters.env} > 5", "7", "RUNNING"),
        ("execution.stages.?[name == 'ask 1'].size() == 1", "", "RUNNING"),
        ("#stageExists('deploy')", "", "SKIPPED"),
        ("parameters.missing == null", "", "RUNNING"),
        ("parameters.env", "TRUE", "RUNNING"),
        ("parameters.env", "perhaps", "TERMINAL"),
        ("parameters.missing", "", "TERMINAL"),
        ("#stage('deploy').status == 'SUCCEEDED'", "", "TERMINAL"),
        ("${parameters.env}", "' == '' or 'a' == 'a", "TERMINAL"),
        ("'${parameters.env}' == 'prod'", "' == '' or 'a' == 'a", "SKIPPED"),
    ] {
        assert_eq!(with(expression, env), status, "{expression} with {env}");
    }
}

#[test]
fn random_ids_differ_from_expression_to_expression_and_stay_when_the_step_is_repeated() {
    let stages = json!([judgment(
        "1",
        &json!({
            "a": "${T(java.util.UUID).randomUUID()}", "b": "${T(java.util.UUID).randomUUID()}",
            "day": "${new java.text.SimpleDateFormat('yyyy-MM-dd').format(new java.util.Date())}",
        })
    )]);
    let first = config(&started(&stages, json!({})), "ask 1");
    let again = config(&started(&stages, json!({})), "ask 1");
    assert_eq!(first, again);
    assert_ne!(first["a"], first["b"]);
    assert_eq!(first["a"].as_str().unwrap().len(), 36);
    assert_eq!(first["day"], "2023-11-14");
}

#[test]
fn random_ids_differ_from_stage_to_stage() {
    let own = json!({ "a": "${T(java.util.UUID).randomUUID()}" });
    let stages = json!([judgment("1", &own), judgment("2", &own), judgment("3", &own)]);
    let document = started(&stages, json!({}));
    let [first, second, third] =
        ["ask 1", "ask 2", "ask 3"].map(|name| config(&document, name)["a"].clone());
    assert_ne!(first, second);
    assert_ne!(first, third);
    assert_ne!(second, third);
}

#[test]
fn an_expression_sees_who_started_the_execution_and_which_stage_it_stands_in() {
    let own = json!({ "instructions": "${#currentUser()} is asked by ${#currentStage().name}" });
    let stages = json!([judgment("1", &own), judgment("2", &own)]);
    let by_eve = started(&stages, json!({ "user": "eve" }));
    assert_eq!(config(&by_eve, "ask 1")["instructions"], "eve is asked by ask 1");
    assert_eq!(config(&by_eve, "ask 2")["instructions"], "eve is asked by ask 2");
    let by_nobody = started(&stages, json!({}));
    assert_eq!(config(&by_nobody, "ask 1")["instructions"], "anonymous is asked by ask 1");
}
