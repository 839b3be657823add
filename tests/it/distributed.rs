//! The story in both modes: a Jenkins build, told five times, becomes the only server group.

use std::time::Duration;

use processes::{PURPOSE, eventually};
use serde_json::{Value, json};

use crate::world::{Cloud, Mode, Size, World, answer, assert_shipped, get};

const LONG: Duration = Duration::from_mins(1);

const FULL: Mode =
    Mode::Distributed(Size { coordinators: 2, bakers: 3, deployers: 2, gateways: 2 });

/// The world before: one old server group, up and registered.
pub(crate) fn old_group() -> Cloud {
    Cloud::Fake(json!({
        "regions": ["us-east-1"],
        "purposes": [PURPOSE],
        "security_groups": ["default", "shop"],
        "target_groups": ["shop-test"],
        "packages": { "shop-web": ["1.0-h1", "1.0-h2", "1.0-h3"] },
        "groups": [{ "region": "us-east-1", "name": "shop-test-v007", "size": 1,
            "target_groups": ["shop-test"] }]
    }))
}

async fn build_becomes_the_only_server_group(mode: Mode) {
    let world = World::start(mode, old_group()).await;
    world.build(1).await;
    let times = if world.gateways.len() == 1 { 5 } else { 3 };
    let told = world.notify(1, times).await;
    assert!(told.len() >= 5 && told.iter().all(|status| *status == 202), "{told:?}");
    let id = world.new_execution(&[]).await;
    let ended = world.ended(&id, LONG).await;
    assert_shipped(&ended, "shop-test-v007");
    assert_eq!(world.executions().await.len(), 1, "one build makes one execution");
    world.assert_done_once().await;
    forged_build_starts_nothing(&world).await;
    same_package_is_not_baked_again(&world, &id).await;
}

/// A build that Jenkins does not know is looked up, and nothing comes of it.
async fn forged_build_starts_nothing(world: &World) {
    let told = world.notify(999, 1).await;
    assert!(told.iter().all(|status| *status == 202), "{told:?}");
    let url = format!("{}/api/v1/events", world.gateways[0]);
    eventually("the doubt is written down", LONG, || async {
        let events = get(&world.http, &url).await?.to_string();
        events.contains("Jenkins does not know this build").then_some(())
    })
    .await;
    assert_eq!(world.executions().await.len(), 1);
}

/// A start by hand of the same build finds the image, and replaces the group.
async fn same_package_is_not_baked_again(world: &World, first: &str) {
    let url = format!("{}/pipelines/shop/ship", world.gateways[0]);
    let trigger = json!({ "type": "manual", "user": "ann", "master": "ci-main",
        "job": "shop/package", "buildNumber": 1 });
    let (status, body) = answer(world.http.post(url).json(&trigger).send().await.unwrap()).await;
    assert_eq!(status, 202, "{body}");
    let started: Value = serde_json::from_str(&body).unwrap();
    let id = started["ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_ne!(id, first);
    let ended = world.ended(&id, LONG).await;
    assert_shipped(&ended, "shop-test-v008");
    assert_eq!(world.effects("RunInstances", "Created").await, 1, "the image is used again");
    assert_eq!(world.effects("CreateAutoScalingGroup", "Created").await, 2);
    world.assert_safe().await;
}

#[tokio::test]
async fn build_becomes_the_only_server_group_standalone() {
    build_becomes_the_only_server_group(Mode::Standalone).await;
}

#[tokio::test]
async fn build_becomes_the_only_server_group_distributed() {
    build_becomes_the_only_server_group(FULL).await;
}
