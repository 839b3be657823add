//! What `fsck` says of documents and messages: nothing while all is well, and what is wrong of each
//! thing made wrong.

use coordinator::audit::findings;
use model::{ExecutionId, ExecutionStatus, Pool};
use runtime::{JenkinsConfig, Tasks};
use serde_json::{Value, json};
use store::audit::{Audit as _, Body, ExecutionFact, Fact, Rule, Subject, survey};

use crate::{
    crew::{self, Crew, Manners},
    trap::Trap,
    world::{START_MS, World, ship, ship_on, stop},
};

/// A coordinator, and an execution whose bake is claimed and has a lock.
async fn baking() -> (World, Tasks, ExecutionId) {
    let world = World::by_hand();
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let key = world.start("p1", &json!({})).await;
    let message = crew::take(&world, Pool::Bake).await;
    crew::claim(&world.store, &message, "w1").await.unwrap();
    let owner = message.task.owner();
    world.store.lock("image/shop", &message.task.execution, &owner).await.unwrap();
    world.outcome(&key).await;
    (world, coordinator, ExecutionId::of_event(&key, "p1"))
}

async fn fact(world: &World, subject: Subject) -> Fact {
    let mut facts = world.raw.read(&[subject]).await.unwrap();
    facts.pop().expect("the subject is there")
}

async fn assert_clean(world: &World) {
    let survey = survey(&*world.raw, &findings, &mut |_| {}).await.unwrap();
    assert_eq!(survey.findings, []);
    assert!(survey.executions > 0);
}

#[tokio::test]
async fn an_execution_at_work_is_clean() {
    let (world, coordinator, _) = baking().await;
    assert_clean(&world).await;
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn executions_that_ended_well_badly_and_canceled_are_clean() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let key = world.start("p1", &json!({})).await;
    world.outcome(&key).await;
    world.becomes(&ExecutionId::of_event(&key, "p1"), ExecutionStatus::Succeeded).await;
    crew.stop().await;
    assert_clean(&world).await;
    let key = world.start("p1", &json!({})).await;
    world.outcome(&key).await;
    let id = ExecutionId::of_event(&key, "p1");
    let cancel =
        wire::Event::Cancel { execution: id.clone(), user: "bob".to_owned(), reason: None };
    world.accept("cancel/1", &cancel).await;
    world.outcome("cancel/1").await;
    assert_clean(&world).await;
    stop(coordinator).await;
}

/// Changes an execution's fact and judges it.
async fn spoilt(spoil: impl FnOnce(&mut ExecutionFact, &mut Value)) -> Vec<(Rule, String)> {
    let (world, coordinator, id) = baking().await;
    let mut fact = fact(&world, Subject::Execution(id.to_string())).await;
    stop(coordinator).await;
    assert_eq!(findings(&fact), []);
    let Body::Execution(execution) = &mut fact.body else { panic!("{fact:?}") };
    let mut document: Value = serde_json::from_str(execution.document.as_ref().unwrap()).unwrap();
    spoil(execution, &mut document);
    if execution.document.is_some() {
        execution.document = Some(document.to_string());
    }
    findings(&fact).into_iter().map(|finding| (finding.rule, finding.what)).collect()
}

fn stage<'a>(document: &'a mut Value, ref_id: &str) -> &'a mut Value {
    let stages = document["stages"].as_array_mut().unwrap();
    stages.iter_mut().find(|stage| stage["ref_id"] == ref_id).unwrap()
}

/// Fails unless exactly this is found, with these words.
#[track_caller]
fn assert_only(found: &[(Rule, String)], rule: Rule, words: &str) {
    let [(only, what)] = found else { panic!("{found:#?}") };
    assert!(*only == rule && what.contains(words), "{found:#?}");
}

#[tokio::test]
async fn a_snapshot_of_another_execution_is_found() {
    let found = spoilt(|_, document| document["pipeline_id"] = json!("p2")).await;
    assert_only(&found, Rule::DocumentDisagrees, "the pipeline is `p2` in its snapshot");
}

#[tokio::test]
async fn a_status_that_differs_between_snapshot_and_row_is_found() {
    let found = spoilt(|execution, _| execution.row.status = ExecutionStatus::Paused).await;
    assert_only(&found, Rule::DocumentDisagrees, "`RUNNING` in its snapshot, `PAUSED` in its row");
}

#[tokio::test]
async fn a_view_that_shows_another_state_is_found() {
    let found = spoilt(|execution, _| {
        let view = execution.view.take().unwrap();
        execution.view = Some(view.replacen("\"RUNNING\"", "\"SUCCEEDED\"", 1));
    });
    assert_only(&found.await, Rule::DocumentDisagrees, "as SUCCEEDED, its snapshot is of");
}

#[tokio::test]
async fn a_snapshot_that_does_not_read_is_found() {
    let found = spoilt(|_, document| document["stages"] = json!(7)).await;
    assert_only(&found, Rule::Unreadable, "its document is damaged: invalid type");
}

#[tokio::test]
async fn a_snapshot_of_a_newer_program_is_found() {
    let found = spoilt(|execution, _| execution.row.schema = 99).await;
    assert_only(&found, Rule::Unreadable, "form 99");
}

#[tokio::test]
async fn a_stage_that_began_before_its_requirement_ended_is_found() {
    let found = spoilt(|_, document| {
        let run = &mut stage(document, "2")["run"];
        run["started_ms"] = json!(START_MS);
        run["state"] = json!({"running": "parts"});
    });
    assert_only(&found.await, Rule::StartedTooEarly, "stage `1`, which it requires, is RUNNING");
}

#[tokio::test]
async fn a_requirement_of_nothing_is_found() {
    let found = spoilt(|_, document| stage(document, "2")["requires"] = json!(["9"])).await;
    assert_only(&found, Rule::GraphBroken, "requires `9`, which is not there");
}

#[tokio::test]
async fn a_circle_is_found() {
    let found = spoilt(|_, document| stage(document, "2")["requires"] = json!(["2"])).await;
    assert_only(&found, Rule::GraphBroken, "requires itself");
}

#[tokio::test]
async fn a_stage_that_is_there_twice_is_found() {
    let found = spoilt(|_, document| {
        let twin = stage(document, "2").clone();
        document["stages"].as_array_mut().unwrap().push(twin);
    });
    assert_only(&found.await, Rule::GraphBroken, "stage `2` is there twice");
}

#[tokio::test]
async fn a_task_without_a_lease_is_found() {
    let found = spoilt(|execution, _| execution.tasks.clear()).await;
    assert_only(&found, Rule::TaskWithoutLease, "which has no lease");
}

#[tokio::test]
async fn a_lease_without_a_task_is_found() {
    let found = spoilt(|execution, _| {
        let (name, lease) = execution.tasks.first().unwrap().clone();
        execution.tasks.push((name.replace("/1", "/2"), lease));
    });
    assert_only(&found.await, Rule::LeaseWithoutTask, "no stage works at it");
}

#[tokio::test]
async fn a_lease_for_another_request_is_found() {
    let found = spoilt(|execution, _| {
        execution.tasks.first_mut().unwrap().1.digest = model::digest("another");
    });
    assert_only(&found.await, Rule::LeaseWithoutTask, "another request");
}

#[tokio::test]
async fn a_lease_of_another_epoch_is_found() {
    let found = spoilt(|execution, _| execution.tasks.first_mut().unwrap().1.row.epoch = 5).await;
    assert_only(&found, Rule::LeaseWithoutTask, "in epoch 5");
}

#[tokio::test]
async fn a_lock_of_a_stage_that_does_not_work_is_found() {
    let found = spoilt(|execution, _| {
        execution.locks.first_mut().unwrap().1.owner = "E/nobody".to_owned();
    });
    assert_only(
        &found.await,
        Rule::FinishedHoldsOn,
        "the lock `image/shop` is held for `E/nobody`",
    );
}

#[tokio::test]
async fn an_end_of_what_goes_on_is_found() {
    let found = spoilt(|_, document| document["ended_ms"] = json!(START_MS)).await;
    assert_only(&found, Rule::EndingUnclear, "it is RUNNING, and its end is");
}

#[tokio::test]
async fn a_finished_execution_with_a_stage_at_work_is_found() {
    let found = spoilt(|execution, document| {
        execution.row.status = ExecutionStatus::Canceled;
        execution.view = None;
        document["status"] = json!("CANCELED");
        document["ended_ms"] = json!(START_MS);
    });
    let found = found.await;
    assert!(!found.is_empty());
    for (rule, what) in &found {
        assert!(*rule == Rule::EndingUnclear && what.contains("still works"), "{found:#?}");
    }
}

#[tokio::test]
async fn more_holders_than_a_definition_allows_are_found() {
    let world = World::by_hand();
    let mut one_at_a_time = ship("ship");
    one_at_a_time["limitConcurrent"] = json!(true);
    world.define("p1", &one_at_a_time).await;
    world.pass(std::time::Duration::from_mins(2));
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let key = world.start("p1", &json!({})).await;
    world.outcome(&key).await;
    stop(coordinator).await;
    let mut fact = fact(&world, Subject::Pipeline("p1".to_owned())).await;
    assert_eq!(findings(&fact), []);
    let Body::Pipeline(_, _, holders) = &mut fact.body else { panic!("{fact:?}") };
    let second = holders.first().expect("it holds a slot").clone();
    holders.push(second);
    let [finding] = &findings(&fact)[..] else { panic!("{fact:?}") };
    assert_eq!(finding.rule, Rule::TooManyRunning);
    assert!(finding.what.starts_with("2 executions hold a slot, 1 may: "), "{}", finding.what);
}

#[tokio::test]
async fn a_definition_with_keys_that_its_triggers_do_not_make_is_found() {
    let world = World::by_hand();
    world.define("p1", &ship_on("ship", "shop/package")).await;
    let mut fact = fact(&world, Subject::Pipeline("p1".to_owned())).await;
    assert_eq!(findings(&fact), []);
    let Body::Pipeline(row, ..) = &mut fact.body else { panic!("{fact:?}") };
    row.index.keys = vec!["jenkins/ci-main/shop/other".to_owned()];
    let mut other_rules = fact.clone();
    let [finding] = &findings(&fact)[..] else { panic!("{fact:?}") };
    assert_eq!(finding.rule, Rule::DocumentDisagrees);
    assert!(finding.what.contains("jenkins/ci-main/shop/package"), "{}", finding.what);
    let Body::Pipeline(row, ..) = &mut other_rules.body else { panic!("{other_rules:?}") };
    row.index.version += 1;
    assert_eq!(findings(&other_rules), [], "it is indexed anew by the next coordinator");
}

#[tokio::test]
async fn messages_and_events_that_do_not_read_are_found() {
    let world = World::by_hand();
    world.define("p1", &ship("ship")).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let key = world.start("p1", &json!({})).await;
    world.outcome(&key).await;
    stop(coordinator).await;
    let mut event = fact(&world, Subject::Event(key)).await;
    assert_eq!(findings(&event), []);
    let Body::Event(row, _) = &mut event.body else { panic!("{event:?}") };
    row.body = r#"{"event":"earthquake"}"#.to_owned();
    assert_eq!(findings(&event).first().unwrap().rule, Rule::Unreadable);
    let mut message = event.clone();
    let task: model::TaskId = "E/S/1".parse().unwrap();
    let body = json!({"v": 2, "task": "E/S/1", "pool": "bake", "epoch": 2, "call": "{}"});
    let row = |route: &str, epoch: u32| store::audit::MessageFields {
        id: "E/S/1/2".to_owned(),
        route: route.to_owned(),
        body: body.to_string(),
        only_if: Some((task.clone(), epoch)),
        added_ms: None,
        due_ms: None,
    };
    let mut judged = |route: &str, epoch: u32| {
        message.body = Body::Message(row(route, epoch), Vec::new());
        findings(&message).first().map(|finding| finding.rule)
    };
    assert_eq!(judged("task/bake", 2), None);
    assert_eq!(judged("task/bake", 1), Some(Rule::DocumentDisagrees));
    assert_eq!(judged("task/deploy", 2), Some(Rule::DocumentDisagrees));
    assert_eq!(judged("task/cook", 2), Some(Rule::Unreadable));
    assert_eq!(judged("result/bake", 2), Some(Rule::Unreadable));
    assert_eq!(judged("cancel", 2), Some(Rule::Unreadable));
}

#[tokio::test]
async fn what_is_found_is_told_by_the_survey() {
    let (world, coordinator, id) = baking().await;
    stop(coordinator).await;
    world.store.lock("image/other", &id, "nobody/at-all").await.unwrap();
    let survey = survey(&*world.raw, &findings, &mut |_| {}).await.unwrap();
    let told: Vec<_> = survey.findings.iter().map(|it| (it.rule, it.subject.clone())).collect();
    assert_eq!(told, [(Rule::FinishedHoldsOn, format!("execution `{id}`"))]);
}
