//! What a bake does in a calm world, and in one that is wrong.

use wire::{FailureKind, TaskOutcome};
use worker_bake::{BakeConfig, user_data};

use crate::{
    cloud::{BASE, Builders, Fault},
    world::{World, config, failure, request, result},
};

#[tokio::test]
async fn a_bake_makes_one_tagged_image_and_leaves_no_builder() {
    let world = World::new().await;
    let result = result(world.run(&request()).await);
    assert_eq!(result.base_image_id, BASE);
    assert_eq!((result.reused, result.generation), (false, 1));
    assert!(result.image_name.starts_with("shop-web-1.4.2-h118-"), "{}", result.image_name);
    let images = world.cloud.made_images();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].id, result.image_id);
    assert_eq!(images[0].tags["bowline:bake-key"], result.bake_key);
    assert_eq!(images[0].tags["appversion"], "shop-web-1.4.2-h118");
    assert_eq!((world.cloud.builders_started(), world.cloud.builders_alive()), (1, 0));
    let order = world.cloud.last_order();
    assert_eq!(order.subnet_id.as_deref(), Some("subnet-1"));
    assert_eq!(order.tags["managed-by"], "bowline");
    assert_eq!(user_data::read_back(&order.user_data).unwrap().key, result.bake_key);
}

#[tokio::test]
async fn the_same_packages_again_reuse_the_image() {
    let world = World::new().await;
    let first = result(world.run(&request()).await);
    let second = result(world.run(&request()).await);
    assert!(second.reused);
    assert_eq!(second.image_id, first.image_id);
    assert_eq!(world.cloud.builders_started(), 1);
}

#[tokio::test]
async fn a_rebake_makes_the_next_generation_and_the_next_bake_reuses_that() {
    let world = World::new().await;
    let first = result(world.run(&request()).await);
    let mut again = request();
    again.rebake = true;
    let second = result(world.run(&again).await);
    assert_eq!((second.generation, second.reused), (2, false));
    assert_ne!(second.image_id, first.image_id);
    assert_eq!(result(world.run(&request()).await).image_id, second.image_id);
}

#[tokio::test]
async fn many_bakes_of_one_key_at_once_make_one_image() {
    let world = World::new().await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        tasks.push(world.task(&request()).await);
    }
    let outcomes =
        futures::future::join_all(tasks.iter().map(|task| task.run(&world.operations))).await;
    let results = outcomes.into_iter().map(|outcome| result(outcome.unwrap()));
    let reused = results.filter(|result| result.reused).count();
    assert_eq!(reused, 7);
    assert_eq!(world.cloud.made_images().len(), 1);
    assert_eq!(world.cloud.builders_started(), 1);
}

#[tokio::test]
async fn many_waiting_bakes_share_one_look() {
    let world = World::with(BakeConfig { poll_interval_ms: 300, ..config() }).await;
    let mut tasks = Vec::new();
    for number in 0..40 {
        let mut request = request();
        request.attributes.insert("number".to_owned(), number.to_string());
        tasks.push(world.task(&request).await);
    }
    let outcomes =
        futures::future::join_all(tasks.iter().map(|task| task.run(&world.operations))).await;
    for outcome in outcomes {
        assert!(!result(outcome.unwrap()).reused);
    }
    assert_eq!(world.cloud.made_images().len(), 40);
    // Each needs four looks; alone, forty bakes would make 160.
    let looks = world.cloud.calls("builders");
    assert!(looks <= 24, "{looks} looks at builders");
}

#[tokio::test]
async fn a_package_that_is_not_there_is_the_users_failure_with_the_console() {
    let world = World::new().await;
    let mut missing = request();
    missing.packages[0].version = Some("9.9".to_owned());
    let failure = failure(world.run(&missing).await);
    assert_eq!(failure.kind, FailureKind::User);
    assert_eq!(failure.message, "package `shop-web=9.9` is not in the repositories");
    assert!(failure.detail.unwrap().contains("E: not found"));
    assert!(failure.hint.is_some());
    assert_eq!((world.cloud.builders_started(), world.cloud.builders_alive()), (1, 0));
    assert_eq!(world.cloud.made_images(), []);
}

#[tokio::test]
async fn a_builder_that_never_stops_is_a_timeout_and_is_terminated() {
    let world = World::with(BakeConfig { builder_timeout_seconds: 1, ..config() }).await;
    world.cloud.builders_will(Builders::Hang);
    let failure = failure(world.run(&request()).await);
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(failure.message.contains("did not stop within 1 seconds"), "{}", failure.message);
    assert_eq!(world.cloud.builders_alive(), 0);
}

#[tokio::test]
async fn a_lost_builder_is_replaced() {
    let world = World::new().await;
    world.cloud.builders_will(Builders::FirstDies);
    let result = result(world.run(&request()).await);
    assert_eq!(result.generation, 1);
    assert_eq!((world.cloud.builders_started(), world.cloud.builders_alive()), (2, 0));
    assert_eq!(world.cloud.made_images().len(), 1);
}

#[tokio::test]
async fn builders_are_not_lost_for_ever() {
    let world = World::new().await;
    world.cloud.builders_will(Builders::Die);
    let failure = failure(world.run(&request()).await);
    assert_eq!(failure.kind, FailureKind::Transient);
    assert_eq!((world.cloud.builders_started(), world.cloud.builders_alive()), (3, 0));
    // Another attempt finds the tokens used, and still comes to its image.
    world.cloud.builders_will(Builders::Work);
    assert_eq!(result(world.run(&request()).await).generation, 1);
}

#[tokio::test]
async fn a_foreign_image_with_our_name_is_not_touched_and_not_used() {
    let world = World::new().await;
    let name = result(world.run(&request()).await).image_name;
    let other = World::new().await;
    other.cloud.add_image(&name);
    let failure = failure(other.run(&request()).await);
    assert_eq!(failure.kind, FailureKind::User);
    assert!(failure.message.contains("is not of this bake"), "{}", failure.message);
    assert_eq!(other.cloud.builders_alive(), 0);
}

#[tokio::test]
async fn a_base_image_that_does_not_fit_is_refused_before_anything_starts() {
    let world = World::new().await;
    let mut wrong = request();
    wrong.packages[0].arch = Some("arm64".to_owned());
    wrong.base.image = Some("debian-12".to_owned());
    let refused = failure(world.run(&wrong).await);
    assert!(
        refused.message.contains("it is amd64, and a package is for arm64"),
        "{}",
        refused.message
    );
    wrong.base.image = Some("ami-0123".to_owned());
    let refused = failure(world.run(&wrong).await);
    assert!(refused.message.contains("does not exist"), "{}", refused.message);
    assert_eq!(world.cloud.builders_started(), 0);
}

#[tokio::test]
async fn a_canceled_bake_ends_its_builder() {
    let world = World::new().await;
    world.cloud.builders_will(Builders::Hang);
    let task = world.task(&request()).await;
    let (outcome, ()) = tokio::join!(task.run(&world.operations), async {
        while world.cloud.builders_started() == 0 {
            tokio::task::yield_now().await;
        }
        task.cancel().await;
    });
    let TaskOutcome::Canceled { detail } = outcome.unwrap() else { panic!("not canceled") };
    assert_eq!(detail, "builder `i-1` was terminated");
    assert_eq!(world.cloud.builders_alive(), 0);
}

/// Found by the simulator (seed 56): AWS says "not found" of an instance that was just started.
#[tokio::test]
async fn a_builder_that_is_not_visible_yet_is_ended_as_soon_as_it_is() {
    let world = World::new().await;
    world.cloud.builders_will(Builders::Hang);
    let task = world.task(&request()).await;
    let (outcome, ()) = tokio::join!(task.run(&world.operations), async {
        while world.cloud.calls("builders") == 0 {
            tokio::task::yield_now().await;
        }
        world.cloud.fault_at_next("terminate_builder", Fault::Unseen);
        task.cancel().await;
    });
    let TaskOutcome::Canceled { detail } = outcome.unwrap() else { panic!("not canceled") };
    assert_eq!(detail, "builder `i-1` was terminated");
    assert_eq!(world.cloud.builders_alive(), 0);
    assert_eq!(world.cloud.calls("terminate_builder"), 2);
}

#[tokio::test]
async fn a_cancel_finds_the_builder_nobody_told_of() {
    let world = World::new().await;
    world.cloud.builders_will(Builders::Hang);
    // Base image, images of the key, then the builder.
    world.cloud.fault_after(2, Fault::DieAfter);
    let task = world.task(&request()).await;
    tokio::select! {
        _ = task.run(&world.operations) => panic!("did not die"),
        () = world.cloud.death.notified() => {}
    }
    let heir = task.taken_over().await;
    heir.cancel().await;
    let TaskOutcome::Canceled { detail } = heir.run(&world.operations).await.unwrap() else {
        panic!("not canceled")
    };
    assert_eq!(detail, "builder `i-1` was terminated");
    assert_eq!(world.cloud.builders_alive(), 0);
}

#[tokio::test]
async fn a_drained_bake_goes_on_elsewhere_with_the_same_builder() {
    let world = World::new().await;
    world.cloud.builders_will(Builders::Hang);
    let task = world.task(&request()).await;
    let (stopped, ()) = tokio::join!(task.run(&world.operations), async {
        while world.cloud.calls("builders") == 0 {
            tokio::task::yield_now().await;
        }
        task.drain();
    });
    assert_eq!(stopped.unwrap_err(), worker::Stop::Draining);
    world.cloud.builders_will(Builders::Work);
    let heir = task.taken_over().await;
    assert!(!result(heir.run(&world.operations).await.unwrap()).reused);
    assert_eq!((world.cloud.builders_started(), world.cloud.builders_alive()), (1, 0));
}

#[tokio::test]
async fn watchers_end_when_nobody_waits() {
    let world = World::new().await;
    result(world.run(&request()).await);
    let drained = world.tasks.shut_down(std::time::Duration::from_secs(5)).await;
    assert_eq!(drained, runtime::Drained::Cleanly);
}
