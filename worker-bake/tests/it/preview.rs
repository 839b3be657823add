//! What a bake would come to, asked without baking.

use serde_json::Value;
use wire::{BakeImage, BakePreview, BakeRequest, FailureKind, OperationCall, TaskOutcome};
use worker::{Stop, testing::TestTask};

use crate::{
    cloud::{BASE, Fault},
    world::{World, failure, request, result},
};

async fn task(world: &World, request: &BakeRequest) -> TestTask {
    world.called(&OperationCall::preview::<BakeImage>(request, Vec::new())).await
}

/// Asks, and makes sure that two looks were all that was done.
async fn asked(world: &World, request: &BakeRequest) -> BakePreview {
    let before = world.cloud.log().len();
    let task = task(world, request).await;
    let TaskOutcome::Succeeded { result } = task.run(&world.operations).await.unwrap() else {
        panic!("no answer")
    };
    assert_eq!(world.cloud.log()[before..], ["images", "images"], "the base, and the key");
    let id = &task.context().task().execution;
    let stored = world.store.execution_load(id).await.unwrap().unwrap();
    let lease = &stored.leases[task.context().task()];
    assert_eq!(lease.checkpoints, 0, "nothing is intended");
    serde_json::from_value(Value::Object(result)).unwrap()
}

#[tokio::test]
async fn the_image_that_would_be_taken_or_made_is_named_as_the_bake_then_does() {
    let world = World::new().await;
    let BakePreview::Baked { image_name: Some(name), base_image_id } =
        asked(&world, &request()).await
    else {
        panic!("there is no image yet")
    };
    assert_eq!(base_image_id, BASE);
    let first = result(world.run(&request()).await);
    assert_eq!(first.image_name, name);

    let found = asked(&world, &request()).await;
    let reused = BakePreview::Reused {
        image_id: first.image_id,
        image_name: name.clone(),
        base_image_id: BASE.to_owned(),
    };
    assert_eq!(found, reused);

    let rebake = BakeRequest { rebake: true, ..request() };
    let BakePreview::Baked { image_name: Some(next), .. } = asked(&world, &rebake).await else {
        panic!("a rebake takes nothing that is there")
    };
    assert_eq!(name.strip_suffix("-g1"), next.strip_suffix("-g2"));
    assert_eq!(result(world.run(&rebake).await).image_name, next);
}

#[tokio::test]
async fn a_version_left_to_the_repository_gives_no_name_before_the_bake() {
    let world = World::new().await;
    let mut open = request();
    open.packages[0].version = None;
    for _ in 0..2 {
        let preview = asked(&world, &open).await;
        let base_image_id = BASE.to_owned();
        assert_eq!(preview, BakePreview::Baked { image_name: None, base_image_id });
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_a_bake_is_told_and_nothing_is_begun() {
    let world = World::new().await;
    let mut unknown = request();
    unknown.base.image = Some("ami-0123456789abcdef0".to_owned());
    let mut wrong = request();
    wrong.vm_type = "vm".to_owned();
    for (request, message) in [
        (
            unknown,
            "base image `ami-0123456789abcdef0` does not exist in us-east-1, or is not shared with it",
        ),
        (wrong, "the bake request is wrong: the vm type is `vm`, and `hvm` or `pv` can be"),
    ] {
        let outcome = task(&world, &request).await.run(&world.operations).await.unwrap();
        let failure = failure(outcome);
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::User, message));
    }
    assert_eq!(world.cloud.log(), ["images"]);
}

#[tokio::test]
async fn throttling_is_waited_out_and_a_cancel_ends_the_wait() {
    let world = World::new().await;
    world.cloud.fault_at_next("images", Fault::Throttled);
    let outcome = task(&world, &request()).await.run(&world.operations).await.unwrap();
    assert!(matches!(outcome, TaskOutcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!(world.cloud.log(), ["images"; 3]);

    world.cloud.fault_at_next("images", Fault::Throttled);
    let told = task(&world, &request()).await;
    told.cancel().await;
    assert_eq!(told.run(&world.operations).await, Err(Stop::Canceled));
}
