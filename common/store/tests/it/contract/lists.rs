//! Lists of executions, from indexes.

use model::ExecutionStatus;
use store::{Create, ExecutionFilter, SharedStore};

use crate::{
    rows::{create, ended},
    worlds::World,
};

super::on_every_store! {
    executions_are_listed_newest_first
    a_filter_restricts_by_all_of_its_fields
    a_list_ends_at_its_limit
    a_status_is_looked_up_as_it_is_now
}

/// Six executions, a second apart, `1` the oldest; `2` and `5` are over.
async fn six(world: &World) {
    for (id, application, pipeline_id, event_key) in [
        ("1", "shop", "p1", "e1"),
        ("2", "shop", "p2", "e1"),
        ("3", "cart", "p3", "e1"),
        ("4", "shop", "p1", "e2"),
        ("5", "shop", "p2", "e2"),
        ("6", "shop", "p4", "e3"),
    ] {
        let row = Create {
            application: application.to_owned(),
            pipeline_id: pipeline_id.to_owned(),
            event_key: event_key.to_owned(),
            ..create(id)
        };
        world.store.execution_create(row).await.unwrap();
        world.advance(1_000).await;
    }
    for id in ["2", "5"] {
        world.store.execution_commit(ended(id, 1, "end")).await.unwrap();
    }
}

async fn ids(store: &SharedStore, filter: ExecutionFilter) -> Vec<String> {
    let rows = store.execution_list(filter).await.unwrap();
    rows.into_iter().map(|row| row.id.to_string()).collect()
}

async fn executions_are_listed_newest_first(world: World) {
    six(&world).await;
    let all = ids(&world.store, ExecutionFilter::default()).await;
    assert_eq!(all, ["6", "5", "4", "3", "2", "1"]);
    let rows = world.store.execution_list(ExecutionFilter::default()).await.unwrap();
    let row = &rows[1];
    assert_eq!((row.application.as_str(), row.pipeline_id.as_str()), ("shop", "p2"));
    assert_eq!((row.status, row.version), (ExecutionStatus::Succeeded, 2));
    assert_eq!(row.view, "view of end");
}

async fn a_filter_restricts_by_all_of_its_fields(world: World) {
    six(&world).await;
    let of = |application: &str| ExecutionFilter {
        application: Some(application.to_owned()),
        ..ExecutionFilter::default()
    };
    let pipelines = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let store = &world.store;
    assert_eq!(ids(store, of("shop")).await, ["6", "5", "4", "2", "1"]);
    assert_eq!(ids(store, of("none")).await, Vec::<String>::new());
    let some = ExecutionFilter { pipeline_ids: pipelines(&["p1", "p2", "p3"]), ..of("shop") };
    assert_eq!(ids(store, some).await, ["5", "4", "2", "1"]);
    let twice = ExecutionFilter { pipeline_ids: pipelines(&["p1", "p1"]), ..of("shop") };
    assert_eq!(ids(store, twice).await, ["4", "1"]);
    let event = ExecutionFilter { event_key: Some("e1".to_owned()), ..ExecutionFilter::default() };
    assert_eq!(ids(store, event.clone()).await, ["3", "2", "1"]);
    let both = ExecutionFilter { application: Some("cart".to_owned()), ..event };
    assert_eq!(ids(store, both).await, ["3"]);
    let live = ExecutionFilter { statuses: vec![ExecutionStatus::Running], ..of("shop") };
    assert_eq!(ids(store, live).await, ["6", "4", "1"]);
    let over = ExecutionFilter {
        statuses: vec![ExecutionStatus::Succeeded, ExecutionStatus::Running],
        pipeline_ids: pipelines(&["p2"]),
        ..ExecutionFilter::default()
    };
    assert_eq!(ids(store, over).await, ["5", "2"]);
}

async fn a_list_ends_at_its_limit(world: World) {
    for number in 0..105 {
        world.store.execution_create(create(&format!("E{number:03}"))).await.unwrap();
    }
    let filter = |limit| ExecutionFilter {
        application: Some("shop".to_owned()),
        limit,
        ..ExecutionFilter::default()
    };
    assert_eq!(ids(&world.store, filter(0)).await.len(), 100);
    assert_eq!(ids(&world.store, filter(104)).await.len(), 104);
    // Of one millisecond: the larger id first.
    assert_eq!(ids(&world.store, filter(2)).await, ["E104", "E103"]);
}

async fn a_status_is_looked_up_as_it_is_now(world: World) {
    six(&world).await;
    let with = |status| ExecutionFilter { statuses: vec![status], ..ExecutionFilter::default() };
    world.store.execution_commit(ended("4", 1, "end")).await.unwrap();
    let running = ids(&world.store, with(ExecutionStatus::Running)).await;
    assert_eq!(running, ["6", "3", "1"]);
    let done = ids(&world.store, with(ExecutionStatus::Succeeded)).await;
    assert_eq!(done, ["5", "4", "2"]);
}
