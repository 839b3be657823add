//! Pipelines that start when others end: the write that ends an execution starts them.

use model::ExecutionStatus;
use runtime::JenkinsConfig;
use serde_json::{Value, json};

use crate::world::{World, started, stop, until};

/// A pipeline that is over at once, as `good` says.
fn quick(name: &str, good: bool) -> Value {
    let expression = if good { "1 < 2" } else { "1 > 2" };
    json!({ "application": "shop", "name": name, "stages": [{ "refId": "1",
        "type": "checkPreconditions", "name": "Check", "preconditions": [{ "type": "expression",
            "context": { "expression": expression } }] }] })
}

fn after(name: &str, other: &str, statuses: &[&str]) -> Value {
    let mut pipeline = quick(name, true);
    pipeline["triggers"] = json!([{ "type": "pipeline", "enabled": true, "application": "shop",
        "pipeline": other, "status": statuses }]);
    pipeline
}

/// The keys of the ends of executions that were told.
async fn ends(world: &World) -> Vec<String> {
    let events = world.store.event_list(1_000).await.unwrap();
    let keys = events.into_iter().map(|event| event.key);
    keys.filter(|key| key.starts_with("pipeline/")).collect()
}

#[tokio::test]
async fn the_end_of_an_execution_starts_those_who_wait_for_what_it_came_to() {
    let world = World::by_hand();
    world.define("good", &quick("good", true)).await;
    world.define("bad", &quick("bad", false)).await;
    world.define("on-success", &after("on success", "good", &["successful"])).await;
    world.define("on-failure", &after("on failure", "bad", &["failed"])).await;
    world.define("next", &after("next", "on-success", &["successful"])).await;
    let one = world.coordinate(JenkinsConfig::default()).await;
    let two = world.coordinate(JenkinsConfig::default()).await;
    let first =
        started(&world.outcome(&world.start("good", &json!({ "user": "ada" })).await).await);
    world.becomes(&first[0], ExecutionStatus::Succeeded).await;
    let all = until("three executions", async || {
        let all = world.executions().await;
        let over = all.iter().all(|view| view.status == ExecutionStatus::Succeeded);
        (over && all.len() == 3).then_some(all)
    })
    .await;
    let of = |name: &str| all.iter().find(|view| view.name == name).unwrap();
    let follower = of("on success");
    assert_eq!(follower.trigger["parentExecution"]["id"], json!(first[0]));
    assert_eq!(follower.trigger["user"], "ada");
    assert_eq!(of("next").trigger["parentPipelineId"], "on-success");
    // Nobody waits for the end of `next`.
    assert_eq!(ends(&world).await.len(), 2);
    let failed = started(&world.outcome(&world.start("bad", &json!({})).await).await);
    world.becomes(&failed[0], ExecutionStatus::Terminal).await;
    until("the follower of the failure", async || {
        (world.executions().await.len() == 5).then_some(())
    })
    .await;
    stop(one).await;
    stop(two).await;
}

#[tokio::test]
async fn an_end_that_does_not_fit_starts_nothing_and_says_why() {
    let world = World::by_hand();
    world.define("bad", &quick("bad", false)).await;
    world.define("on-success", &after("on success", "bad", &["successful"])).await;
    let coordinator = world.coordinate(JenkinsConfig::default()).await;
    let failed = started(&world.outcome(&world.start("bad", &json!({})).await).await);
    world.becomes(&failed[0], ExecutionStatus::Terminal).await;
    let end = until("the end to be told", async || ends(&world).await.first().cloned()).await;
    let outcome = world.outcome(&end).await;
    assert_eq!(outcome["result"], "ignored");
    assert_eq!(
        outcome["decisions"][0]["reason"],
        "the execution was failed, the trigger waits for successful"
    );
    assert_eq!(world.executions().await.len(), 1);
    stop(coordinator).await;
}
