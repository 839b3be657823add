//! The index by which signals find definitions, and events that depend on it.

use store::{DefinitionIndex, EventAccepted, EventRow, EventState, PipelineMark, PipelinePut};

use crate::worlds::{START, World};

super::on_every_store! {
    definitions_are_found_under_their_keys_and_no_others
    a_changed_or_deleted_definition_leaves_its_keys
    definitions_indexed_by_other_rules_are_listed_until_they_are_indexed_anew
    an_index_is_replaced_only_for_the_definition_that_was_read
    a_write_of_the_same_definition_still_renews_its_index
    an_event_for_those_under_a_key_is_accepted_only_if_there_are_some
    an_event_for_later_is_due_then_and_counts_as_waiting_from_then
    what_follows_an_event_is_accepted_with_its_outcome_and_once
    what_follows_a_saved_definition_is_accepted_with_it
}

fn indexed(version: u32, keys: &[&str]) -> DefinitionIndex {
    DefinitionIndex { version, keys: keys.iter().map(|key| (*key).to_owned()).collect() }
}

fn put(id: &str, version: u32, keys: &[&str]) -> PipelinePut {
    PipelinePut {
        id: id.to_owned(),
        application: "shop".to_owned(),
        name: id.to_owned(),
        body: "{}".to_owned(),
        index: indexed(version, keys),
        ..PipelinePut::default()
    }
}

async fn save(world: &World, put: PipelinePut) {
    world.store.pipeline_put(put).await.unwrap();
}

async fn under(world: &World, keys: &[&str]) -> Vec<String> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let marks = world.store.pipelines_keyed(&keys).await.unwrap();
    marks.into_iter().map(|mark| mark.id).collect()
}

async fn otherwise(world: &World, version: u32, limit: u32) -> Vec<String> {
    let rows = world.store.pipelines_indexed_otherwise(version, limit).await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

async fn definitions_are_found_under_their_keys_and_no_others(world: World) {
    save(&world, put("p2", 1, &["jenkins/ci/a:b c", "x"])).await;
    save(&world, put("p1", 1, &["jenkins/ci/a:b c"])).await;
    save(&world, put("p3", 1, &[])).await;
    assert_eq!(under(&world, &["jenkins/ci/a:b c"]).await, ["p1", "p2"]);
    assert_eq!(under(&world, &["x", "jenkins/ci/a:b c", "x"]).await, ["p1", "p2"], "each once");
    assert_eq!(under(&world, &["jenkins/ci/a", "jenkins/ci/a:b", ""]).await, [""; 0]);
    assert_eq!(under(&world, &[]).await, [""; 0]);
    let mark = PipelineMark { id: "p1".to_owned(), version: 1, updated_ms: START };
    let found = world.store.pipelines_keyed(&["jenkins/ci/a:b c".to_owned()]).await.unwrap();
    assert_eq!(found[0], mark);
    let row = world.store.pipeline_get("p1").await.unwrap().unwrap();
    assert_eq!(PipelineMark::of(&row), mark);
}

async fn a_changed_or_deleted_definition_leaves_its_keys(world: World) {
    save(&world, put("p1", 1, &["a", "b"])).await;
    save(&world, PipelinePut { body: "{ }".to_owned(), ..put("p1", 1, &["b", "c"]) }).await;
    assert_eq!(under(&world, &["a"]).await, [""; 0]);
    assert_eq!(under(&world, &["b"]).await, ["p1"]);
    assert_eq!(under(&world, &["c"]).await, ["p1"]);
    assert!(world.store.pipeline_delete("p1").await.unwrap());
    assert_eq!(under(&world, &["b", "c"]).await, [""; 0]);
    assert_eq!(otherwise(&world, 2, 9).await, [""; 0]);
}

async fn definitions_indexed_by_other_rules_are_listed_until_they_are_indexed_anew(world: World) {
    save(&world, put("p1", 1, &["a"])).await;
    save(&world, put("p2", 2, &["a"])).await;
    save(&world, put("p3", 3, &["a"])).await;
    save(&world, put("p0", 0, &[])).await;
    assert_eq!(otherwise(&world, 2, 9).await, ["p0", "p1", "p3"]);
    assert_eq!(otherwise(&world, 2, 2).await, ["p0", "p1"], "at most so many");
    for row in world.store.pipelines_indexed_otherwise(2, 9).await.unwrap() {
        let mark = PipelineMark::of(&row);
        assert!(world.store.pipeline_index(&mark, indexed(2, &["b"])).await.unwrap());
    }
    assert_eq!(otherwise(&world, 2, 9).await, [""; 0]);
    assert_eq!(under(&world, &["a"]).await, ["p2"]);
    assert_eq!(under(&world, &["b"]).await, ["p0", "p1", "p3"]);
    let row = world.store.pipeline_get("p1").await.unwrap().unwrap();
    assert_eq!((row.version, row.updated_ms, row.body.as_str()), (1, START, "{}"));
}

async fn an_index_is_replaced_only_for_the_definition_that_was_read(world: World) {
    save(&world, put("p1", 1, &["a"])).await;
    let mark = PipelineMark { id: "p1".to_owned(), version: 1, updated_ms: START };
    save(&world, PipelinePut { body: "{ }".to_owned(), ..put("p1", 2, &["new"]) }).await;
    assert!(!world.store.pipeline_index(&mark, indexed(2, &["stale"])).await.unwrap());
    assert_eq!(under(&world, &["new"]).await, ["p1"]);
    assert_eq!(under(&world, &["stale"]).await, [""; 0]);
    let gone = PipelineMark { id: "nobody".to_owned(), ..mark };
    assert!(!world.store.pipeline_index(&gone, indexed(2, &["stale"])).await.unwrap());
    assert_eq!(under(&world, &["stale"]).await, [""; 0]);
}

async fn a_write_of_the_same_definition_still_renews_its_index(world: World) {
    save(&world, put("p1", 1, &["a"])).await;
    save(&world, put("p1", 2, &["b"])).await;
    assert_eq!(under(&world, &["a"]).await, [""; 0]);
    assert_eq!(under(&world, &["b"]).await, ["p1"]);
    assert_eq!(otherwise(&world, 2, 9).await, [""; 0]);
    assert_eq!(world.store.pipeline_get("p1").await.unwrap().unwrap().version, 1);
}

async fn an_event_for_those_under_a_key_is_accepted_only_if_there_are_some(world: World) {
    let store = &world.store;
    let event = |key: &str| EventRow {
        if_indexed: vec!["none".to_owned(), "pipeline/p1".to_owned()],
        ..EventRow::new(key, "body")
    };
    assert_eq!(store.event_accept(event("e1")).await.unwrap(), EventAccepted::Unwanted);
    assert_eq!(store.event_get("e1").await.unwrap(), None);
    assert!(store.due(9, 1_000).await.unwrap().events.is_empty());
    save(&world, put("p2", 1, &["pipeline/p1"])).await;
    assert_eq!(store.event_accept(event("e1")).await.unwrap(), EventAccepted::New);
    assert_eq!(store.event_accept(event("e1")).await.unwrap(), EventAccepted::Duplicate);
    store.pipeline_delete("p2").await.unwrap();
    assert_eq!(store.event_accept(event("e1")).await.unwrap(), EventAccepted::Duplicate);
    assert_eq!(store.event_accept(event("e2")).await.unwrap(), EventAccepted::Unwanted);
}

fn later(key: &str, at_ms: u64) -> EventRow {
    EventRow { not_before_ms: Some(at_ms), ..EventRow::new(key, "body") }
}

async fn an_event_for_later_is_due_then_and_counts_as_waiting_from_then(world: World) {
    let store = &world.store;
    assert_eq!(store.event_accept(later("e1", START + 60_000)).await.unwrap(), EventAccepted::New);
    store.event_accept(later("past", START - 60_000)).await.unwrap();
    let due = store.due(9, 1_000).await.unwrap();
    let keys: Vec<&str> = due.events.iter().map(|event| event.key.as_str()).collect();
    assert_eq!((keys, due.events[0].since_ms), (vec!["past"], START));
    store.event_settle("past", "done", Vec::new()).await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.events_pending, stats.events_oldest_ms), (0, 0));
    assert_eq!(store.due(9, 1_000).await.unwrap().next_ms, Some(START + 60_000));
    world.advance(59_999).await;
    assert!(store.due(9, 1_000).await.unwrap().events.is_empty());
    world.advance(1).await;
    let due = store.due(9, 1_000).await.unwrap();
    assert_eq!((due.events[0].accepted_ms, due.events[0].since_ms), (START, START + 60_000));
    world.advance(5_000).await;
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.events_pending, stats.events_oldest_ms), (1, 5_000));
    store.event_settle("e1", "done", Vec::new()).await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.events_pending, stats.events_oldest_ms), (0, 0));
}

async fn what_follows_an_event_is_accepted_with_its_outcome_and_once(world: World) {
    let store = &world.store;
    store.event_accept(EventRow::new("e1", "body")).await.unwrap();
    store.event_settle("e1", "done", vec![later("e2", START + 1_000)]).await.unwrap();
    let pending = EventState::Pending { note: None };
    assert_eq!(store.event_get("e2").await.unwrap().unwrap().state, pending);
    store.event_settle("e1", "again", vec![later("e3", START)]).await.unwrap();
    assert_eq!(store.event_get("e3").await.unwrap(), None, "e1 was settled before");
}

async fn what_follows_a_saved_definition_is_accepted_with_it(world: World) {
    let store = &world.store;
    let with = |expected_version, event: &str| PipelinePut {
        expected_version,
        events: vec![EventRow::new(event, "body")],
        ..put("p1", 1, &[])
    };
    save(&world, with(Some(7), "refused")).await;
    assert_eq!(store.event_get("refused").await.unwrap(), None);
    save(&world, with(Some(0), "saved/1")).await;
    save(&world, with(None, "saved/2")).await;
    assert!(store.event_get("saved/1").await.unwrap().is_some());
    assert!(store.event_get("saved/2").await.unwrap().is_some(), "it is as it was");
}
