//! Builders that nobody works on any more.

use std::{collections::BTreeMap, sync::Arc};

use model::{ExecutionId, ExecutionStatus, Pool};
use store::{Commit, Committed, SharedStore};
use worker::testing::TestTask;
use worker_bake::{
    Janitor,
    ports::{BuilderOrder, BuilderState, ImageCloud as _, Place, SharedCloud, tag},
};

use crate::{
    cloud::{BASE, TestCloud},
    world::{World, config},
};

fn janitor(world: &World) -> Janitor {
    let cloud: SharedCloud = Arc::<TestCloud>::clone(&world.cloud);
    Janitor::new(&config(), cloud, SharedStore::clone(&world.store))
}

/// An execution with a task in hand.
async fn live(world: &World) -> (TestTask, ExecutionId) {
    let store = SharedStore::clone(&world.store);
    let task = TestTask::new(store, Pool::Bake, "{}").await;
    let id = task.context().task().execution.clone();
    (task, id)
}

async fn end(world: &World, id: &ExecutionId) {
    let end = Commit {
        id: id.clone(),
        expect_version: 1,
        input_id: "end".to_owned(),
        document: "{}".to_owned(),
        schema: 1,
        view: "{}".to_owned(),
        status: ExecutionStatus::Canceled,
        timeline: Vec::new(),
        outbox: Vec::new(),
        tasks: Vec::new(),
        unlock_owners: Vec::new(),
        wake_ms: None,
        slot: None,
        events: Vec::new(),
        notify: Vec::new(),
        reopen: store::Reopen::Never,
    };
    let answer = world.store.execution_commit(end).await.unwrap();
    assert_eq!(answer, Committed::Applied { version: 2 });
}

/// Starts a builder for this execution; says which.
async fn builder(world: &World, execution: &str) -> String {
    let place = Place { account: None, region: "us-east-1".to_owned() };
    let tags = [
        (tag::MANAGED_BY, tag::MANAGED_BY_BOWLINE),
        (tag::BAKE_KEY, "key"),
        (tag::EXECUTION, execution),
    ];
    let order = BuilderOrder {
        client_token: execution.to_owned(),
        image_id: BASE.to_owned(),
        instance_type: "t3.small".to_owned(),
        subnet_id: None,
        security_group_ids: Vec::new(),
        iam_instance_profile: None,
        user_data: String::new(),
        tags: tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    world.cloud.run_builder(&place, &order).await.unwrap().id
}

fn states(world: &World) -> BTreeMap<String, bool> {
    let builders = world.cloud.all().into_iter();
    builders.map(|b| (b.id, b.state == BuilderState::Terminated)).collect()
}

#[tokio::test]
async fn only_old_builders_of_executions_that_are_over_are_ended() {
    let world = World::new().await;
    let (_over, over_id) = live(&world).await;
    let (_busy, busy_id) = live(&world).await;
    end(&world, &over_id).await;
    let left = builder(&world, over_id.as_str()).await;
    let used = builder(&world, busy_id.as_str()).await;
    // Of another installation in the same account, for all this store knows.
    let foreign = builder(&world, "01ARZ3NDEKTSV4RRFFQ69G5FAV").await;
    let nameless = builder(&world, "no id").await;
    janitor(&world).look().await;
    let expected = [(left, true), (used, false), (foreign, false), (nameless, false)];
    assert_eq!(states(&world), BTreeMap::from(expected));
}

#[tokio::test]
async fn a_young_builder_is_left_alone() {
    let world = World::new().await;
    let (_over, id) = live(&world).await;
    end(&world, &id).await;
    let young = builder(&world, id.as_str()).await;
    let now_ms = world.store.now_ms().await.unwrap();
    let two_hours_ms = 2 * 60 * 60 * 1_000;
    world.cloud.started(&young, now_ms - two_hours_ms + 60_000);
    janitor(&world).look().await;
    assert_eq!(states(&world), BTreeMap::from([(young.clone(), false)]));
    world.cloud.started(&young, now_ms - two_hours_ms);
    janitor(&world).look().await;
    assert_eq!(states(&world), BTreeMap::from([(young, true)]));
}
