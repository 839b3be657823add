//! Stages that need no worker of their own, and what a start asks for: preconditions, variables,
//! other pipelines, parameters, artifacts.

use definitions::Pipeline;
use engine::{Document, Input, Origin};
use model::{ExecutionId, ExecutionStatus};
use serde_json::{Value, json};
use wire::{CountGroups, Event, FailureKind, OperationCall, TaskFailure, TaskOutcome};

use crate::world::{World, nth, pipeline};

fn definition(value: &Value) -> Pipeline {
    let mut whole = json!({"application": "shop", "name": "ship"});
    whole.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    let parsed = Pipeline::parse(&whole.to_string());
    parsed.pipeline.unwrap_or_else(|| panic!("{:?}", parsed.problems))
}

fn started(pipeline: &Pipeline, trigger: &Value) -> Document {
    let origin = Origin {
        event_key: "manual/1".to_owned(),
        pipeline_id: "p1".to_owned(),
        trigger: trigger.as_object().unwrap().clone(),
        time_zone: None,
    };
    engine::start(pipeline, origin, 1_000).0
}

#[test]
fn an_execution_that_ends_tells_its_story_and_wakes_the_one_that_waits_for_it() {
    let parent = ExecutionId::of_event("manual/1", "p2");
    let stage =
        json!({ "refId": "1", "type": "checkPreconditions", "name": "None", "preconditions": [] });
    for (trigger, wakes) in [
        (json!({ "parentExecution": { "id": parent } }), vec![parent.clone()]),
        (json!({ "parentExecution": { "id": 7 } }), vec![]),
        (json!({}), vec![]),
    ] {
        let origin = Origin {
            event_key: "child/1".to_owned(),
            pipeline_id: "p1".to_owned(),
            trigger: trigger.as_object().unwrap().clone(),
            time_zone: None,
        };
        let (document, effects) =
            engine::start(&definition(&json!({ "stages": [stage] })), origin, 1_000);
        assert_eq!(document.status, ExecutionStatus::Succeeded);
        assert_eq!(effects.notify, wakes, "{trigger}");
        let told = |event: &str| {
            let of_stage = |line: &&engine::TimelineEvent| {
                line.event == event && line.stage.as_deref() == Some("1")
            };
            effects.timeline.iter().filter(of_stage).count()
        };
        assert_eq!([told("stage_started"), told("stage_ended")], [1, 1]);
    }
}

fn preconditions(list: &str) -> String {
    format!(r#"{{"preconditions":{list}}}"#)
}

#[test]
fn a_precondition_fails_its_stage_by_its_own_choice() {
    // The conditions, the stage's own choice, how it ends, the statuses of the parts.
    for (list, choice, end, parts) in [
        ("[]", "", "SUCCEEDED [1=SKIPPED]", vec![]),
        (
            r#"[{"type":"expression","context":{"expression":"true"}}]"#,
            "",
            "SUCCEEDED [1=SUCCEEDED]",
            vec!["SUCCEEDED"],
        ),
        (
            r#"[{"type":"expression","expression":true}]"#,
            "",
            "SUCCEEDED [1=SUCCEEDED]",
            vec!["SUCCEEDED"],
        ),
        (
            r#"[{"type":"expression","context":{"expression":"false"}}]"#,
            "",
            "TERMINAL [1=TERMINAL]",
            vec!["TERMINAL"],
        ),
        (
            r#"[{"type":"expression","failPipeline":false,"context":{"expression":"false"}},{"type":"expression","context":{"expression":"true"}}]"#,
            "",
            "SUCCEEDED [1=STOPPED]",
            vec!["STOPPED", "SUCCEEDED"],
        ),
        (
            r#"[{"type":"expression","failPipeline":true,"context":{"expression":"false"}}]"#,
            "!branch",
            "SUCCEEDED [1=STOPPED]",
            vec!["TERMINAL"],
        ),
        (
            r#"[{"type":"expression","context":{"expression":"false"}}]"#,
            "!branch",
            "SUCCEEDED [1=STOPPED]",
            vec!["STOPPED"],
        ),
        (
            r#"[{"type":"expression","failPipeline":false,"context":{"expression":"false"}}]"#,
            "!late",
            "TERMINAL [1=STOPPED]",
            vec!["STOPPED"],
        ),
        (
            r#"[{"type":"expression","context":{"expression":"false"}}]"#,
            "!ignore",
            "SUCCEEDED [1=FAILED_CONTINUE]",
            vec!["FAILED_CONTINUE"],
        ),
    ] {
        let words = format!("1:checkPreconditions{choice}@{}", preconditions(list));
        let world = World::start(&pipeline(&words));
        assert_eq!(world.statuses(), end, "{list} {choice}");
        let view = engine::view(&world.document);
        let seen: Vec<&str> = view.stages[1..].iter().map(|part| part.status.as_str()).collect();
        assert_eq!(seen, parts, "{list} {choice}");
    }
}

#[test]
fn a_precondition_says_what_it_wanted_and_its_author_comes_first() {
    for (list, message) in [
        (
            r#"[{"type":"expression","context":{"expression":"false","failureMessage":"Use\u0020the\u0020other\u0020one."}}]"#,
            "Use the other one. (the precondition is false: false)",
        ),
        (
            r#"[{"type":"stageStatus","context":{"stageName":"1","stageStatus":"SUCCEEDED"}}]"#,
            "stage `1` is NOT_STARTED, and SUCCEEDED is wanted",
        ),
        (
            r#"[{"type":"stageStatus","context":{"stageName":"none","stageStatus":"SUCCEEDED"}}]"#,
            "there is no stage named `none` in this execution",
        ),
    ] {
        let world =
            World::start(&pipeline(&format!("1:checkPreconditions@{}", preconditions(list))));
        assert_eq!(world.stage("1").run.failure.as_ref().unwrap().message, message);
    }
    let list =
        r#"[{"type":"stageStatus","context":{"stageName":"0","stageStatus":"FAILED_CONTINUE"}}]"#;
    let words = format!(
        r#"0:bake!ignore@{{"stageEnabled":{{"expression":"x"}}}} 1:checkPreconditions@{}<0"#,
        preconditions(list)
    );
    assert_eq!(
        World::start(&pipeline(&words)).statuses(),
        "SUCCEEDED [0=FAILED_CONTINUE 1=SUCCEEDED]"
    );
}

#[test]
fn a_cluster_is_counted_by_a_worker() {
    let list = r#"[{"type":"clusterSize","failPipeline":false,"context":{"cluster":"shop-test","credentials":"test","regions":["us-east-1"],"comparison":"==","expected":"2","onlyEnabledServerGroups":true}}]"#;
    let words = format!("1:checkPreconditions@{} 2:judge", preconditions(list));
    let mut world = World::start(&pipeline(&words));
    assert_eq!(world.statuses(), "RUNNING [1=RUNNING 2=RUNNING]");
    let task = world.task("1");
    let call = OperationCall::parse(&world.requests[&task].call).unwrap();
    let check = call.request::<CountGroups>().unwrap();
    assert_eq!((check.cluster.as_str(), check.account.as_str()), ("shop-test", "test"));
    assert_eq!((check.comparison.as_str(), check.expected, check.only_enabled), ("==", 2, true));
    let failure = TaskFailure {
        kind: FailureKind::User,
        message: "there are 3".to_owned(),
        detail: None,
        hint: None,
    };
    world.finish(&task, TaskOutcome::Failed { failure });
    world.step(&Input::Look).unwrap();
    assert_eq!(world.statuses(), "RUNNING [1=STOPPED 2=RUNNING]");
    assert_eq!(world.stage("1").run.failure.as_ref().unwrap().message, "there are 3");
}

#[test]
fn variables_are_outputs_by_key() {
    let words = r#"1:evaluateVariables@{"variables":[{"key":"a","value":"x"},{"key":"b","value":[1,{"c":true}]},{"key":"a","value":"y"}]}"#;
    let world = World::start(&pipeline(words));
    assert_eq!(world.statuses(), "SUCCEEDED [1=SUCCEEDED]");
    assert_eq!(
        Value::Object(world.stage("1").run.outputs.clone()),
        json!({"a": "y", "b": [1, {"c": true}]})
    );
    let view = engine::view(&world.document);
    assert_eq!(
        view.stages[0].context["variables"][1],
        json!({"key": "b", "value": [1, {"c": true}], "sourceValue": [1, {"c": true}]})
    );
}

#[test]
fn variables_are_evaluated_in_order_and_what_a_trigger_brings_is_never_an_expression() {
    let pipeline = definition(&json!({"stages": [
        {"refId": "1", "type": "evaluateVariables", "name": "vars", "failOnFailedExpressions": true, "variables": [
            {"key": "n", "value": "${ trigger.count + 1 }"},
            {"key": "m", "value": "${ n * 2 }"},
            {"key": "text", "value": "${ trigger.evil }"},
        ]},
        {"refId": "2", "type": "checkPreconditions", "requisiteStageRefIds": ["1"], "preconditions": [
            {"type": "expression", "context": {"expression": "${ m == 8 }"}},
            {"type": "expression", "context": {"expression": "m == 8 and n == 4"}},
            {"type": "expression", "failPipeline": false, "context": {"expression": "trigger.evil == 'x'",
                "failureMessage": "evil is ${ trigger.evil }"}},
        ]},
    ]}));
    let document = started(&pipeline, &json!({"count": 3, "evil": "${ 1 + 1 }"}));
    let by = |ref_id: &str| document.stages.iter().find(|stage| stage.ref_id == ref_id).unwrap();
    assert_eq!(
        Value::Object(by("1").run.outputs.clone()),
        json!({"n": 4, "m": 8, "text": "${ 1 + 1 }"})
    );
    assert_eq!(by("1").run.context["variables"][0]["sourceValue"], "{ trigger.count + 1 }");
    let ends: Vec<_> = ["2<1", "2<2", "2<3"].map(|part| by(part).status()).into();
    let (good, stopped) = (ExecutionStatus::Succeeded, ExecutionStatus::Stopped);
    assert_eq!(ends, [good, good, stopped]);
    let told = &by("2").run.failure.as_ref().unwrap().message;
    assert!(told.starts_with("evil is ${ 1 + 1 } ("), "{told}");
}

#[test]
fn a_variable_that_cannot_be_evaluated_keeps_its_text_or_fails_the_stage() {
    let stage = |strict: bool| {
        definition(
            &json!({"stages": [{"refId": "1", "type": "evaluateVariables", "failOnFailedExpressions": strict,
            "variables": [{"key": "a", "value": "${ nobody.knows }"}, {"key": "b", "value": "${ 1 }"}]}]}),
        )
    };
    let document = started(&stage(false), &json!({}));
    assert_eq!(document.status, ExecutionStatus::Succeeded);
    assert_eq!(
        Value::Object(nth(&document, 0).run.outputs.clone()),
        json!({"a": "${ nobody.knows }", "b": 1})
    );
    assert!(nth(&document, 0).run.context.contains_key("expressionEvaluationSummary"));
    let document = started(&stage(true), &json!({}));
    assert_eq!(document.status, ExecutionStatus::Terminal);
    let told = &nth(&document, 0).run.failure.as_ref().unwrap().message;
    assert!(told.contains("nobody"), "{told}");
}

/// The one event of a step that starts another pipeline.
fn child_of(pipeline: &Pipeline, trigger: &Value) -> (Document, Option<wire::StartChild>) {
    let origin = Origin {
        event_key: "manual/1".to_owned(),
        pipeline_id: "p1".to_owned(),
        trigger: trigger.as_object().unwrap().clone(),
        time_zone: None,
    };
    let (document, effects) = engine::start(pipeline, origin, 1_000);
    // One that ends at once tells of its end, too.
    let child = effects.events.into_iter().find_map(|(key, event)| {
        if let Event::StartChild(start) = event {
            assert_eq!(key, start.key());
            return Some(start);
        }
        assert!(matches!(event, Event::Signal(_)), "{event:?}");
        None
    });
    (document, child)
}

#[test]
fn another_pipeline_is_started_by_reference() {
    let stages = json!([{"refId": "1", "type": "pipeline", "pipeline": "p2",
        "pipelineParameters": {"n": 5, "who": "eve"}}]);
    let (document, child) = child_of(
        &definition(&json!({ "stages": stages })),
        &json!({"type": "manual", "user": "eve"}),
    );
    let child = child.unwrap();
    assert_eq!((child.pipeline_id.as_str(), child.application.as_str()), ("p2", "shop"));
    let trigger = Value::Object(child.trigger.clone());
    assert_eq!(trigger["type"], "pipeline");
    assert_eq!(trigger["parameters"], json!({"n": 5, "who": "eve"}));
    assert_eq!(trigger["parentExecution"]["id"], document.id.as_str());
    assert_eq!(trigger["parentExecution"]["trigger"], json!({"type": "manual", "user": "eve"}));
    assert_eq!(trigger["parentPipelineStageId"], nth(&document, 0).id.as_str());
    assert_eq!(
        (&trigger["pipelineDepth"], &trigger["waitingPipelines"]),
        (&json!(1), &json!(["p1"]))
    );
}

#[test]
fn pipelines_do_not_start_each_other_for_ever_nor_wait_for_themselves() {
    let stages = json!([{"refId": "1", "type": "pipeline", "pipeline": "p1"}]);
    let free = definition(&json!({ "stages": stages }));
    let (_, child) = child_of(&free, &json!({"pipelineDepth": 49, "waitingPipelines": []}));
    assert_eq!(child.unwrap().trigger["pipelineDepth"], 50);
    let (document, child) = child_of(&free, &json!({"pipelineDepth": 50}));
    assert!(child.is_none());
    let told = &nth(&document, 0).run.failure.as_ref().unwrap().message;
    assert!(told.starts_with("50 executions above this one"), "{told}");

    let limited = definition(&json!({ "stages": stages, "maxConcurrentExecutions": 2 }));
    let waiting = |above: &[&str]| started(&limited, &json!({ "waitingPipelines": above }));
    assert_eq!(waiting(&["p1", "p2"]).status, ExecutionStatus::NotStarted);
    let refused = waiting(&["p1", "p2", "p1"]);
    assert_eq!(refused.status, ExecutionStatus::Terminal);
    assert!(refused.startup_failure.unwrap().contains("an execution of itself that waits for it"));
}

#[test]
fn parameters_are_filled_in_and_checked_before_anything_runs() {
    let pipeline = definition(&json!({
        "parameterConfig": [
            {"name": "env", "hasOptions": true, "options": [{"value": "test"}, {"value": "prod"}], "default": "test"},
            {"name": "reason", "required": true},
        ],
        "stages": [{"refId": "1", "type": "manualJudgment"}],
    }));
    let document = started(&pipeline, &json!({"parameters": {"reason": "r", "more": 1}}));
    assert_eq!(document.status, ExecutionStatus::Running);
    assert_eq!(document.trigger["parameters"], json!({"reason": "r", "more": 1, "env": "test"}));
    let refused = started(&pipeline, &json!({"parameters": {"env": "moon"}}));
    assert_eq!(
        refused.startup_failure.as_deref(),
        Some(
            "failed on startup: parameter `env` is \"moon\"; allowed are \"test\", \"prod\"; parameter `reason` is required"
        )
    );
    assert_eq!(refused.trigger["parameters"], json!({"env": "moon"}));
    assert!(started(&pipeline, &json!({"parameters": "x"})).startup_failure.is_some());
}

#[test]
fn expected_artifacts_are_bound_to_what_the_build_archived() {
    let pipeline = definition(&json!({
        "expectedArtifacts": [
            {"id": "web", "matchArtifact": {"type": "deb", "name": "shop-web"}},
            {"id": "conf", "matchArtifact": {"name": "shop-conf"}, "useDefaultArtifact": true,
             "defaultArtifact": {"type": "deb", "name": "shop-conf", "version": "1"}},
        ],
        "stages": [{"refId": "1", "type": "manualJudgment"}],
    }));
    let trigger = json!({"expectedArtifactIds": ["web"],
        "buildInfo": {"artifacts": [{"fileName": "shop-web_2.0_all.deb"}, {"fileName": "notes.txt"}]}});
    let document = started(&pipeline, &trigger);
    let bound = |index: usize| {
        &document.trigger["resolvedExpectedArtifacts"][index]["boundArtifact"]["version"]
    };
    assert_eq!((bound(0), bound(1)), (&json!("2.0"), &json!("1")));
    assert_eq!(document.trigger["artifacts"].as_array().unwrap().len(), 2);
    let refused = started(&pipeline, &json!({"expectedArtifactIds": ["web"]}));
    assert!(refused.startup_failure.unwrap().contains("expected artifact `web` was not found"));
}

#[test]
fn the_end_of_an_execution_is_told_in_the_write_that_ends_it() {
    let pipeline =
        definition(&json!({ "stages": [{ "refId": "1", "type": "wait", "waitTime": 5 }] }));
    let trigger = json!({ "user": "ada", "parentExecution": { "id": "E0" } });
    let origin = Origin {
        event_key: "manual/1".to_owned(),
        pipeline_id: "p1".to_owned(),
        trigger: trigger.as_object().unwrap().clone(),
        time_zone: None,
    };
    let (mut document, effects) = engine::start(&pipeline, origin.clone(), 1_000);
    assert_eq!(effects.events, []);
    let effects =
        engine::step(&mut document, &Input::Look, &engine::Facts::default(), 6_000).unwrap();
    let [(key, Event::Signal(signal))] = &effects.events[..] else { panic!("{effects:?}") };
    assert_eq!(*key, format!("pipeline/{}/6000", document.id));
    assert_eq!((key, &signal.keys[..]), (&signal.dedupe, &["pipeline/p1".to_owned()][..]));
    assert_eq!(signal.body["status"], "SUCCEEDED");
    assert_eq!(signal.body["trigger"], json!({ "user": "ada" }), "small");
    let (_, effects) = engine::fail_on_startup(&pipeline, origin, "of a reason", 7);
    assert!(matches!(&effects.events[..], [(_, Event::Signal(_))]), "{effects:?}");
}
