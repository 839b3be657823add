//! Dry runs: what a start would do, said without doing it.

use definitions::Pipeline;
use engine::Origin;
use serde_json::{Value, json};
use wire::{PlannedAction, PlannedOutcome, RunPlan};

pub(crate) const NOW_MS: u64 = 1_700_000_000_000;

pub(crate) fn planned(definition: &Value, trigger: &Value) -> RunPlan {
    let mut whole = json!({"application": "shop", "name": "ship"});
    whole.as_object_mut().unwrap().extend(definition.as_object().unwrap().clone());
    let parsed = Pipeline::parse(&whole.to_string());
    let pipeline = parsed.pipeline.unwrap_or_else(|| panic!("{:?}", parsed.problems));
    let origin = Origin {
        event_key: "plan/1".to_owned(),
        pipeline_id: "p1".to_owned(),
        trigger: trigger.as_object().unwrap().clone(),
        time_zone: Some("UTC".to_owned()),
    };
    engine::plan_run(&pipeline, origin, NOW_MS)
}

fn outcomes(plan: &RunPlan) -> Vec<(&str, PlannedOutcome)> {
    plan.stages.iter().map(|stage| (stage.ref_id.as_str(), stage.outcome)).collect()
}

/// The name of the operation of a stage, and what it does.
fn operation(plan: &RunPlan, stage: usize) -> String {
    let action = &plan.stages[stage].actions[0];
    let PlannedAction::Operation { operation, summary, .. } = action else { panic!("{action:?}") };
    format!("{operation}: {summary}")
}

#[test]
fn a_bake_and_a_deploy_are_told_with_what_they_would_use() {
    let definition = json!({
        "limitConcurrent": true,
        "parameterConfig": [{"name": "size", "default": "2"}],
        "stages": [
            {"refId": "2", "type": "deploy", "name": "Ship", "requisiteStageRefIds": ["1"], "clusters": [{
                "account": "test", "application": "shop", "stack": "${ parameters.stack }", "strategy": "highlander",
                "instanceType": "t3.small", "targetGroups": ["shop"],
                "capacity": {"min": 1, "desired": "${ #toInt(parameters.size) }", "max": 3},
                "availabilityZones": {"us-east-1": []}}]},
            {"refId": "1", "type": "bake", "name": "Bake", "package": "shop-web", "regions": ["us-east-1"],
             "baseOs": "bookworm"},
        ],
    });
    let trigger = json!({"parameters": {"stack": "blue"},
        "buildInfo": {"artifacts": [{"fileName": "shop-web_1.2_all.deb"}]}});
    let plan = planned(&definition, &trigger);
    assert_eq!((plan.obstacles.len(), plan.limit), (0, Some(1)));
    assert_eq!(Value::Object(plan.parameters.clone()), json!({"stack": "blue", "size": "2"}));
    assert_eq!(outcomes(&plan), [("1", PlannedOutcome::Runs), ("2", PlannedOutcome::Runs)]);
    assert_eq!(
        operation(&plan, 0),
        "image.bake/1: bakes an image with shop-web=1.2 in us-east-1, or takes one that was baked from the same"
    );
    assert_eq!(
        operation(&plan, 1),
        "group.create/1: deploys (the image that stage `Bake` makes in us-east-1) to cluster shop-blue in \
         test/us-east-1 (highlander), then destroys every other server group of cluster `shop-blue` in \
         test/us-east-1"
    );
    let PlannedAction::Operation { request, .. } = &plan.stages[1].actions[0] else {
        panic!("{:?}", plan.stages[1])
    };
    assert_eq!(request["capacity"]["desired"], 2);
    let told = serde_json::to_value(&plan.stages[1].expressions).unwrap();
    assert_eq!(
        told,
        json!([
            {"pointer": "/clusters/0/stack", "text": "${ parameters.stack }", "value": "blue", "problem": null},
            {"pointer": "/clusters/0/capacity/desired", "text": "${ #toInt(parameters.size) }", "value": 2,
             "problem": null},
        ])
    );
    let shape = serde_json::to_value(&plan).unwrap();
    assert_eq!(shape["stages"][1]["actions"][0]["action"], "operation");
    assert_eq!(shape["pipelineConfigId"], "p1");
}

#[test]
fn what_a_failure_would_cause_is_told() {
    let cluster = |rollback: Value| {
        json!({"account": "test", "application": "shop", "strategy": "highlander", "amiName": "ami-1",
            "instanceType": "t3.small", "targetGroups": ["shop"], "region": "us-east-1", "rollback": rollback})
    };
    for (rollback, told) in [
        (json!(null), None),
        (json!({"onFailure": true}), None),
        (
            json!({"onFailure": true, "destroyLatest": true}),
            Some("the new server group is destroyed, unless it has begun to take over"),
        ),
    ] {
        let stage = json!({"refId": "1", "type": "deploy", "clusters": [cluster(rollback)]});
        let plan = planned(&json!({"stages": [stage]}), &json!({}));
        let undone = operation(&plan, 0)
            .split_once("; if that fails, ")
            .map(|(_, undone)| undone.to_owned());
        assert_eq!(undone.as_deref(), told);
    }
}

#[test]
fn conditions_windows_and_what_is_not_known_are_told_apart() {
    let on = |text: &str| json!({"type": "expression", "expression": text});
    let definition = json!({"stages": [
        {"refId": "1", "type": "evaluateVariables", "variables": [{"key": "n", "value": "${ 1 + 1 }"}]},
        {"refId": "2", "type": "wait", "waitTime": "${ n }", "requisiteStageRefIds": ["1"]},
        {"refId": "3", "type": "manualJudgment", "instructions": "go?", "requisiteStageRefIds": ["1"],
         "stageEnabled": on("n == 3")},
        {"refId": "4", "type": "wait", "stageEnabled": on("#stage('3').context.judgmentStatus.foo == 'x'"),
         "requisiteStageRefIds": ["3"]},
        {"refId": "5", "type": "wait", "failPipeline": false, "stageEnabled": on("nobody.knows == 1")},
        {"refId": "6", "type": "wait", "requisiteStageRefIds": ["5"]},
        {"refId": "7", "type": "pipeline", "pipeline": "p2", "pipelineParameters": {"n": "${ n }"},
         "requisiteStageRefIds": ["1"], "restrictExecutionDuringTimeWindow": true,
         "restrictedExecutionWindow": {"whitelist": [{"startHour": 23, "endHour": 23, "endMin": 30}]}},
    ]});
    let plan = planned(&definition, &json!({}));
    let by = |ref_id: &str| plan.stages.iter().find(|stage| stage.ref_id == ref_id).unwrap();
    let outcome = |ref_id: &str| by(ref_id).outcome;
    assert_eq!(outcome("1"), PlannedOutcome::Runs);
    assert_eq!(by("2").actions, [PlannedAction::Wait { time_ms: 2_000 }]);
    assert_eq!(outcome("3"), PlannedOutcome::Skipped);
    assert_eq!(by("3").reason.as_deref(), Some("its condition is false: n == 3"));
    assert_eq!(outcome("4"), PlannedOutcome::Open);
    assert_eq!((outcome("5"), outcome("6")), (PlannedOutcome::Fails, PlannedOutcome::NotReached));
    // 14 November 2023, 22:13 UTC: the window opens at 23:00.
    assert_eq!(by("7").waits_until, Some(1_700_002_800_000));
    let PlannedAction::Pipeline { parameters, waits, .. } = &by("7").actions[0] else {
        panic!("{:?}", by("7"))
    };
    assert_eq!((&parameters["n"], *waits), (&json!(2), true));
}

#[test]
fn a_failure_that_is_certain_ends_the_plan_and_one_that_is_not_leaves_it_open() {
    let waits = |ref_id: &str, more: Value| {
        let mut stage = json!({"refId": ref_id, "type": "wait", "waitTime": 7});
        stage.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        stage
    };
    let unclear = json!({"type": "expression", "expression": "nobody.knows == 1"});
    let first = waits("1", json!({"stageEnabled": unclear}));
    let plan = planned(&json!({"stages": [first, waits("2", json!({}))]}), &json!({}));
    assert_eq!(outcomes(&plan), [("1", PlannedOutcome::Fails), ("2", PlannedOutcome::NotReached)]);
    assert_eq!((plan.stages[0].actions.len(), plan.stages[1].actions.len()), (0, 0));

    // The first one may bring what the second one asks for.
    let later = waits("2", json!({"requisiteStageRefIds": ["1"], "stageEnabled": unclear}));
    let plan = planned(&json!({"stages": [waits("1", json!({})), later]}), &json!({}));
    assert_eq!(outcomes(&plan), [("1", PlannedOutcome::Runs), ("2", PlannedOutcome::Open)]);
    assert!(plan.stages[1].reason.as_ref().unwrap().contains("nobody.knows"), "{plan:?}");
    assert_eq!(plan.stages[1].actions, [PlannedAction::Wait { time_ms: 7_000 }]);
}

#[test]
fn a_bake_takes_an_image_there_is_only_if_every_version_is_known_and_nobody_wants_a_new_one() {
    let build = json!({"buildInfo": {"artifacts": [{"fileName": "shop-web_1.2_all.deb"}]}});
    for (rebake, trigger, expected) in [
        (false, &build, true),
        (true, &build, false),
        (false, &json!({}), false),
        (true, &json!({}), false),
    ] {
        let stage = json!({"refId": "1", "type": "bake", "package": "shop-web", "baseOs": "bookworm",
            "regions": ["us-east-1"], "rebake": rebake});
        let plan = planned(&json!({"stages": [stage]}), trigger);
        let reuses = operation(&plan, 0).ends_with(", or takes one that was baked from the same");
        assert_eq!(reuses, expected, "{rebake} {trigger}");
    }
}

#[test]
fn each_precondition_is_told_with_whether_it_holds() {
    let check = |text: &str| json!({"type": "expression", "context": {"expression": text}});
    let stage = json!({"refId": "1", "type": "checkPreconditions",
        "preconditions": [check("1 == 1"), check("1 == 2")]});
    let plan = planned(&json!({"stages": [stage]}), &json!({}));
    let told = |holds: bool, reason: Option<&str>| PlannedAction::Check {
        name: "Check precondition (expression)".to_owned(),
        holds,
        reason: reason.map(str::to_owned),
    };
    let why = "the precondition is false: 1 == 2";
    assert_eq!(plan.stages[0].actions, [told(true, None), told(false, Some(why))]);
    assert_eq!(
        (plan.stages[0].outcome, plan.stages[0].reason.as_deref()),
        (PlannedOutcome::Fails, Some(why))
    );
}

#[test]
fn an_expression_that_stays_as_it_is_says_why_wherever_it_stands() {
    let stage = json!({"refId": "1", "type": "manualJudgment", "instructions": "plain",
        "a/b": ["${ 1 + 1 }", "${ nobody.knows }"], "c~d": {"e": "${ nobody.knows }"}});
    let plan = planned(&json!({"stages": [stage]}), &json!({}));
    let told: Vec<_> = plan.stages[0]
        .expressions
        .iter()
        .map(|found| (found.pointer.as_str(), found.value.clone(), found.problem.is_some()))
        .collect();
    assert_eq!(
        told,
        [("/a~1b/0", Some(json!(2)), false), ("/a~1b/1", None, true), ("/c~0d/e", None, true),]
    );
    let problem = plan.stages[0].expressions[1].problem.as_ref().unwrap();
    assert!(problem.contains("nobody"), "{problem}");
}

#[test]
fn what_would_not_start_says_why_and_runs_nothing() {
    let definition = json!({
        "disabled": true, "parameterConfig": [{"name": "why", "required": true}],
        "stages": [{"refId": "1", "type": "webhook"}],
    });
    let plan = planned(&definition, &json!({}));
    assert_eq!(plan.obstacles.len(), 3, "{:?}", plan.obstacles);
    assert_eq!(outcomes(&plan), [("1", PlannedOutcome::NotReached)]);
    assert!(plan.stages[0].actions.is_empty());
}
