//! Every call, going wrong in every way: in the end there is one image, one builder was started,
//! and none is left.

use crate::{
    cloud::Fault,
    world::{World, request, result},
};

/// Runs a bake with a fault at its call number `number`; false when it made fewer calls.
///
/// A rebake: which generation it makes must be decided once, whoever goes on.
async fn survives(number: usize, fault: Fault) -> bool {
    let mut world = World::new().await;
    world.cloud.fault_after(number, fault);
    let mut rebake = request();
    rebake.rebake = true;
    let mut task = world.task(&rebake).await;
    let outcome = loop {
        tokio::select! {
            outcome = task.run(&world.operations) => break outcome.unwrap(),
            () = world.cloud.death.notified() => {
                world.restart();
                task = task.taken_over().await;
            }
        }
    };
    let happened = !world.cloud.fault_is_left();
    let baked = result(outcome);
    let case = format!("{fault:?} at call {number}");
    assert_eq!(baked.generation, 1, "{case}");
    assert_eq!(world.cloud.made_images().len(), 1, "{case}");
    assert_eq!(world.cloud.made_images()[0].id, baked.image_id, "{case}");
    assert_eq!(world.cloud.builders_started(), 1, "{case}");
    assert_eq!(world.cloud.builders_alive(), 0, "{case}");
    // The result again, from a worker that was not heard: nothing happens twice.
    world.cloud.forget_faults();
    let again = result(task.taken_over().await.run(&world.operations).await.unwrap());
    assert_eq!(again, baked, "{case}");
    assert_eq!(world.cloud.builders_started(), 1, "{case}");
    happened
}

async fn survives_everywhere(fault: Fault) {
    let mut number = 0;
    while survives(number, fault).await {
        number += 1;
    }
    // Base, key, run, looks at the builder, console, create, look at the image, terminate.
    assert!(number >= 10, "only {number} calls were tried");
}

#[tokio::test]
async fn a_worker_may_die_before_any_call() {
    survives_everywhere(Fault::DieBefore).await;
}

#[tokio::test]
async fn a_worker_may_die_after_any_call() {
    survives_everywhere(Fault::DieAfter).await;
}

#[tokio::test]
async fn any_call_may_happen_without_a_clear_answer() {
    survives_everywhere(Fault::UnclearAfter).await;
}

#[tokio::test]
async fn any_call_may_not_happen_without_a_clear_answer() {
    survives_everywhere(Fault::UnclearBefore).await;
}

#[tokio::test]
async fn any_call_may_be_throttled() {
    survives_everywhere(Fault::Throttled).await;
}
