//! The questions of a dry run: what is asked, and what of the answers stands in the plan.

use engine::{Document, Effects, Facts, Input, Lease};
use model::{ExecutionStatus, Pool};
use serde_json::{Value, json};
use wire::{
    BakePreview, Capacity, CreateGroupPreview, FailureKind, GroupPreview, PlannedAction,
    PlannedOutcome, RunPlan, TaskFailure, TaskOutcome,
};

use crate::{
    dry_run::{NOW_MS, planned},
    world::{World, nth, pipeline},
};

const KEY: &str = "plan/1";
const NOBODY_BAKES: &str =
    "no bake worker answered within 15 s: is one running, and has it a free slot?";
const NOBODY_DEPLOYS: &str =
    "no deploy worker answered within 15 s: is one running, and has it a free slot?";

/// Bakes in one region, and deploys there what was baked and, elsewhere, an image of its own.
fn ship() -> RunPlan {
    let cluster = |region: &str, more: &Value| {
        let mut cluster = json!({ "account": "test", "application": "shop", "stack": "test",
            "strategy": "highlander", "instanceType": "t3.small", "targetGroups": ["shop"],
            "capacity": { "min": 1, "desired": 1, "max": 1 } });
        cluster["availabilityZones"] = json!({ region: [] });
        cluster.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cluster
    };
    let definition = json!({ "limitConcurrent": true, "stages": [
        { "refId": "1", "type": "bake", "name": "Bake", "package": "shop-web", "baseOs": "bookworm",
          "regions": ["us-east-1"], "skipRegionDetection": true },
        { "refId": "2", "type": "manualJudgment", "name": "Ask", "requisiteStageRefIds": ["1"] },
        { "refId": "3", "type": "deploy", "name": "Ship", "requisiteStageRefIds": ["2"], "clusters": [
            cluster("us-east-1", &json!({})),
            cluster("us-west-2", &json!({ "amiName": "shop-web-0.9", "strategy": "" })) ] },
    ] });
    let build = json!({ "artifacts": [{ "fileName": "shop-web_1.2_all.deb" }] });
    planned(&definition, &json!({ "job": "shop/package", "buildNumber": 7, "buildInfo": build }))
}

/// The survey of [`ship`].
fn asked() -> (Document, Effects) {
    engine::survey(&ship(), KEY, NOW_MS).unwrap()
}

/// What the store says while nobody has claimed anything, but for the answers.
fn facts(effects: &Effects, answers: &[Option<TaskOutcome>]) -> Facts {
    let lease = |result: &Option<TaskOutcome>| Lease {
        epoch: 1,
        until_ms: None,
        claimed: result.is_some(),
        checkpoints: 0,
        result: result.clone(),
    };
    let tasks = effects.dispatch.iter().map(|dispatch| dispatch.task.clone());
    Facts { leases: tasks.zip(answers.iter().map(lease)).collect(), ..Facts::default() }
}

fn look(document: &mut Document, facts: &Facts, after_ms: u64) -> Effects {
    engine::step(document, &Input::Look, facts, NOW_MS + after_ms).unwrap()
}

fn answer(preview: &Value) -> TaskOutcome {
    TaskOutcome::Succeeded { result: preview.as_object().unwrap().clone() }
}

fn failure(kind: FailureKind, message: &str, hint: Option<&str>) -> TaskOutcome {
    let hint = hint.map(str::to_owned);
    let failure = TaskFailure { kind, message: message.to_owned(), detail: None, hint };
    TaskOutcome::Failed { failure }
}

/// What is known and not known of each action of a plan that can be asked about.
fn known(plan: &RunPlan) -> Vec<(Option<Value>, Option<&str>)> {
    let mut known = Vec::new();
    for action in plan.stages.iter().flat_map(|stage| &stage.actions) {
        if let PlannedAction::Operation { preview, unknown, .. } = action {
            known.push((preview.clone(), unknown.as_deref()));
        }
    }
    known
}

#[test]
fn each_bake_and_each_deploy_is_a_question_to_its_worker() {
    let (document, effects) = asked();
    let questions: Vec<(Pool, Value)> = effects
        .dispatch
        .iter()
        .map(|dispatch| (dispatch.pool, serde_json::from_str(&dispatch.call).unwrap()))
        .collect();
    assert_eq!(
        questions.iter().map(|(pool, _)| *pool).collect::<Vec<_>>(),
        [Pool::Bake, Pool::Deploy, Pool::Deploy]
    );
    let operations = ["image.bake/1", "group.create/1", "group.create/1"];
    for ((_, question), operation) in questions.iter().zip(operations) {
        assert_eq!(question["operation"], operation);
        assert!(question["mode"]["preview"].is_object(), "{question}");
        assert_eq!(question["request"]["application"], "shop");
    }
    assert_eq!(questions[0].1["request"]["packages"][0]["version"], "1.2");
    let (baked, named) = (&questions[1].1, &questions[2].1);
    let to_come = |question: &Value| question["mode"]["preview"]["to_come"].clone();
    let image = &baked["request"]["image"];
    assert_eq!(to_come(baked), json!([image]), "nobody can look for what is not baked");
    assert_eq!((to_come(named), &named["request"]["image"]), (json!([]), &json!("shop-web-0.9")));

    let shown: Vec<(&str, &str)> =
        document.stages.iter().map(|stage| (stage.kind.as_str(), stage.name.as_str())).collect();
    assert_eq!(
        shown,
        [
            (
                "preview",
                "bakes an image with shop-web=1.2 in us-east-1, or takes one that was baked from the same"
            ),
            (
                "preview",
                "deploys (the image that stage `Bake` makes in us-east-1) to cluster shop-test in \
                 test/us-east-1 (highlander), then destroys every other server group of cluster \
                 `shop-test` in test/us-east-1"
            ),
            ("preview", "deploys shop-web-0.9 to cluster shop-test in test/us-west-2 (none)"),
        ]
    );
    assert_eq!(document.id, engine::survey_of(KEY));
    assert!(document.purpose == engine::Purpose::DryRun);
    assert_eq!(
        (document.application.as_str(), document.pipeline_id.as_str()),
        ("(dry run)", "(dry run)")
    );
    assert_eq!((document.status, document.policy.limit), (ExecutionStatus::Running, None));
    assert_eq!(document.stages.len(), 3);
}

#[test]
fn what_nobody_can_say_anything_about_is_not_asked() {
    for (definition, actions) in [
        (json!({ "stages": [{ "refId": "1", "type": "wait" }] }), 1),
        // It would not start.
        (
            json!({ "disabled": true, "stages": [{ "refId": "1", "type": "bake", "package": "p",
            "baseOs": "b", "regions": ["us-east-1"] }] }),
            0,
        ),
        // It is skipped.
        (
            json!({ "stages": [{ "refId": "1", "type": "bake", "package": "p", "baseOs": "b",
            "regions": ["us-east-1"], "stageEnabled": { "type": "expression", "expression": "1 == 2" } }] }),
            0,
        ),
    ] {
        let plan = planned(&definition, &json!({}));
        assert_eq!(plan.stages[0].actions.len(), actions, "{plan:#?}");
        assert_eq!(engine::survey(&plan, KEY, NOW_MS), None, "{definition}");
    }
}

#[test]
fn stages_that_do_not_run_are_not_asked_about() {
    for outcome in [PlannedOutcome::Skipped, PlannedOutcome::Fails, PlannedOutcome::NotReached] {
        let mut plan = ship();
        plan.stages[0].outcome = outcome;
        let (document, _) = engine::survey(&plan, KEY, NOW_MS).unwrap();
        assert_eq!(document.stages.len(), 2, "{outcome:?}");
        plan.stages[2].outcome = outcome;
        assert_eq!(engine::survey(&plan, KEY, NOW_MS), None, "{outcome:?}");
        engine::leave_unknown(&mut plan, "it was too late");
        assert_eq!(known(&plan), [(None, None), (None, None), (None, None)]);
    }
    let mut plan = ship();
    plan.stages[0].outcome = PlannedOutcome::Open;
    assert_eq!(engine::survey(&plan, KEY, NOW_MS).unwrap().0.stages.len(), 3);
}

#[test]
fn answers_stand_in_the_plan_beside_what_was_asked() {
    let (mut document, effects) = asked();
    let capacity = Capacity { min: 1, desired: 1, max: 1 };
    let image = BakePreview::Reused {
        image_id: "ami-7".to_owned(),
        image_name: "shop-web-1.2-k-g1".to_owned(),
        base_image_id: "ami-base".to_owned(),
    };
    let old = GroupPreview { name: "shop-test-v003".to_owned(), instances: 2, enabled: true };
    let groups = CreateGroupPreview {
        server_group: "shop-test-v004".to_owned(),
        capacity,
        destroys: vec![old],
        notes: Vec::new(),
    };
    let answers = [
        Some(answer(&json!(image))),
        Some(answer(&json!(groups))),
        Some(failure(FailureKind::User, "no such account", Some("see [aws.accounts]"))),
    ];
    look(&mut document, &facts(&effects, &answers), 400);
    assert_eq!(document.status, ExecutionStatus::Succeeded, "a question that fails is no failure");
    let plan = engine::surveyed(&document).unwrap();
    assert_eq!(
        known(&plan),
        [
            (
                Some(json!({ "image": "reused", "imageId": "ami-7",
                    "imageName": "shop-web-1.2-k-g1", "baseImageId": "ami-base" })),
                None
            ),
            (
                Some(json!({ "serverGroup": "shop-test-v004",
                    "capacity": { "min": 1, "desired": 1, "max": 1 },
                    "destroys": [{ "name": "shop-test-v003", "instances": 2, "enabled": true }],
                    "notes": [] })),
                None
            ),
            (None, Some("no such account (see [aws.accounts])")),
        ]
    );
    // The rest of the plan is what it was.
    let mut bare = plan;
    for action in bare.stages.iter_mut().flat_map(|stage| &mut stage.actions) {
        if let PlannedAction::Operation { preview, preview_lines, unknown, .. } = action {
            (*preview, *unknown) = (None, None);
            preview_lines.clear();
        }
    }
    assert_eq!(bare, ship());
}

#[test]
fn when_nobody_answers_the_survey_ends_and_the_plan_says_so() {
    let (mut document, effects) = asked();
    let facts = facts(&effects, &[None, None, None]);
    let nobody =
        [(None, Some(NOBODY_BAKES)), (None, Some(NOBODY_DEPLOYS)), (None, Some(NOBODY_DEPLOYS))];
    assert_eq!(engine::survey_ends_ms(&document), NOW_MS + 15_000);
    assert_eq!(known(&engine::surveyed(&document).unwrap()), nobody);

    assert_eq!(engine::next_look(&document, &facts, NOW_MS), Some(NOW_MS + 15_000));
    let told = look(&mut document, &facts, 15_000);
    assert_eq!(told.cancel.len(), 3, "whoever may have begun is told to stop");
    assert_eq!(known(&engine::surveyed(&document).unwrap()), nobody);
    look(&mut document, &facts, 18_000);
    assert_eq!(document.status, ExecutionStatus::Succeeded);
    assert_eq!(known(&engine::surveyed(&document).unwrap()), nobody);
}

#[test]
fn a_question_that_was_tried_in_vain_says_what_was_in_the_way() {
    let (mut document, effects) = asked();
    let throttled = failure(FailureKind::Transient, "DescribeImages was throttled", None);
    look(&mut document, &facts(&effects, &[Some(throttled), None, None]), 400);
    assert_eq!(document.status, ExecutionStatus::Running, "it is tried again");
    let plan = engine::surveyed(&document).unwrap();
    assert_eq!(
        known(&plan)[0],
        (None, Some("no answer within 15 s: DescribeImages was throttled"))
    );
}

#[test]
fn an_answer_of_another_version_is_told_as_unreadable() {
    let (mut document, effects) = asked();
    let odd = answer(&json!({ "image": "painted" }));
    look(&mut document, &facts(&effects, &[Some(odd), None, None]), 400);
    let plan = engine::surveyed(&document).unwrap();
    let why = known(&plan)[0].1.unwrap();
    assert!(why.starts_with("the answer of the bake worker is unreadable: "), "{why}");
}

#[test]
fn an_image_for_an_answer_is_kept_as_it_came_and_is_none() {
    let (mut document, effects) = asked();
    let image = json!({ "region": "us-east-1", "image_id": "ami-1", "image_name": "shop-web-1",
        "base_image_id": "ami-base", "reused": false, "bake_key": "k", "generation": 1 });
    look(&mut document, &facts(&effects, &[Some(answer(&image)), None, None]), 400);
    assert_eq!(Value::Object(nth(&document, 0).run.outputs.clone()), image);
    let plan = engine::surveyed(&document).unwrap();
    assert!(known(&plan)[0].1.unwrap().contains("is unreadable"), "{:?}", known(&plan)[0]);
}

#[test]
fn a_plan_whose_questions_are_not_asked_says_why() {
    let mut plan = ship();
    engine::leave_unknown(&mut plan, "it was too late");
    let late = (None, Some("it was too late"));
    assert_eq!(known(&plan), [late.clone(), late.clone(), late]);
}

#[test]
fn what_is_no_survey_has_no_plan() {
    let (mut document, _) = asked();
    document.trigger.clear();
    assert_eq!(engine::surveyed(&document), None);
    let run = World::start(&pipeline("1:judge")).document;
    assert!(run.purpose == engine::Purpose::Run);
    assert_eq!(engine::surveyed(&run), None);
}
