//! Definitions and events.

use store::{EventAccepted, EventRow, EventState, PipelinePut, PipelineWritten};

use crate::worlds::{START, World};

super::on_every_store! {
    a_definition_is_kept_byte_for_byte
    a_definition_is_written_over_the_expected_version_only
    a_repeated_write_answers_the_same
    names_are_unique_inside_an_application
    a_renamed_or_deleted_definition_leaves_its_name_free
    definitions_are_listed_by_application_index_and_name
    an_event_is_accepted_once_per_key
    an_event_is_due_until_it_is_settled
    a_deferred_event_says_why_and_comes_at_its_time
    the_newest_events_are_listed_first
}

fn put(id: &str, application: &str, name: &str) -> PipelinePut {
    PipelinePut {
        id: id.to_owned(),
        application: application.to_owned(),
        name: name.to_owned(),
        body: "{}".to_owned(),
        ..PipelinePut::default()
    }
}

async fn written(world: &World, put: PipelinePut) -> PipelineWritten {
    world.store.pipeline_put(put).await.unwrap()
}

async fn a_definition_is_kept_byte_for_byte(world: World) {
    let body = "{ \"b\" : 1,\n\t\"a\": \"\u{1F680} ${x}\\u0000\" }";
    let wanted = PipelinePut { body: body.to_owned(), ..put("p", "shop", "Build & Deploy") };
    written(&world, wanted).await;
    let row = world.store.pipeline_get("p").await.unwrap().unwrap();
    assert_eq!((row.body.as_str(), row.version, row.updated_ms), (body, 1, START));
    assert_eq!((row.application.as_str(), row.name.as_str()), ("shop", "Build & Deploy"));
    assert_eq!(world.store.pipeline_get("q").await.unwrap(), None);
}

async fn a_definition_is_written_over_the_expected_version_only(world: World) {
    let over = |expected_version, body: &str| PipelinePut {
        expected_version,
        body: body.to_owned(),
        ..put("p", "shop", "n")
    };
    assert_eq!(written(&world, over(Some(1), "a")).await, PipelineWritten::Stale { version: 0 });
    let saved = |version| PipelineWritten::Saved { version, updated_ms: START };
    assert_eq!(written(&world, over(Some(0), "a")).await, saved(1));
    assert_eq!(written(&world, over(Some(0), "b")).await, PipelineWritten::Stale { version: 1 });
    assert_eq!(written(&world, over(Some(1), "b")).await, saved(2));
    assert_eq!(written(&world, over(None, "c")).await, saved(3));
}

async fn a_repeated_write_answers_the_same(world: World) {
    let first = PipelinePut { expected_version: Some(0), ..put("p", "shop", "n") };
    let answer = written(&world, first.clone()).await;
    world.advance(1_000).await;
    assert_eq!(written(&world, first).await, answer);
    let any = put("p", "shop", "n");
    assert_eq!(written(&world, any).await, answer, "the same again is no new version");
}

async fn names_are_unique_inside_an_application(world: World) {
    written(&world, put("p", "shop", "n")).await;
    let taken = PipelineWritten::NameTaken { id: "p".to_owned() };
    assert_eq!(written(&world, put("q", "shop", "n")).await, taken);
    assert!(matches!(written(&world, put("q", "cart", "n")).await, PipelineWritten::Saved { .. }));
    assert!(matches!(written(&world, put("r", "shop", "m")).await, PipelineWritten::Saved { .. }));
    assert_eq!(written(&world, put("r", "shop", "n")).await, taken);
}

async fn a_renamed_or_deleted_definition_leaves_its_name_free(world: World) {
    let store = &world.store;
    written(&world, put("p", "shop", "n")).await;
    written(&world, put("p", "cart", "m")).await;
    assert!(matches!(written(&world, put("q", "shop", "n")).await, PipelineWritten::Saved { .. }));
    assert!(store.pipeline_delete("p").await.unwrap());
    assert!(!store.pipeline_delete("p").await.unwrap());
    assert_eq!(store.pipeline_get("p").await.unwrap(), None);
    assert!(store.pipeline_list(Some("cart")).await.unwrap().is_empty());
    let again = written(&world, put("r", "cart", "m")).await;
    assert_eq!(again, PipelineWritten::Saved { version: 1, updated_ms: START });
}

async fn definitions_are_listed_by_application_index_and_name(world: World) {
    for (id, application, name, body) in [
        ("1", "shop", "b", "{}"),
        ("2", "shop", "a", r#"{"index": 7}"#),
        ("3", "shop", "z", r#"{"index": 2}"#),
        ("4", "cart", "q", "{}"),
        ("5", "shopping", "a", "{}"),
    ] {
        written(&world, PipelinePut { body: body.to_owned(), ..put(id, application, name) }).await;
    }
    let ids =
        |rows: Vec<store::PipelineRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let all = world.store.pipeline_list(None).await.unwrap();
    assert_eq!(ids(all), ["4", "3", "2", "1", "5"]);
    let one = world.store.pipeline_list(Some("shop")).await.unwrap();
    assert_eq!(ids(one), ["3", "2", "1"]);
}

fn event(key: &str) -> EventRow {
    EventRow::new(key.to_owned(), format!("body of {key}"))
}

async fn an_event_is_accepted_once_per_key(world: World) {
    let store = &world.store;
    assert_eq!(store.event_accept(event("k")).await.unwrap(), EventAccepted::New);
    world.advance(1_000).await;
    let other = EventRow { body: "another".to_owned(), ..event("k") };
    assert_eq!(store.event_accept(other.clone()).await.unwrap(), EventAccepted::Duplicate);
    let stored = store.event_get("k").await.unwrap().unwrap();
    assert_eq!((stored.body.as_str(), stored.accepted_ms), ("body of k", START));
    store.event_settle("k", "done", Vec::new()).await.unwrap();
    assert_eq!(store.event_accept(other).await.unwrap(), EventAccepted::Duplicate);
    assert_eq!(store.event_get("l").await.unwrap(), None);
}

async fn an_event_is_due_until_it_is_settled(world: World) {
    let store = &world.store;
    store.event_accept(event("k")).await.unwrap();
    for tries in 1..=2 {
        let due = store.due(9, 10_000).await.unwrap().events;
        assert_eq!(due.len(), 1);
        let taken = due.first().unwrap();
        assert_eq!((taken.key.as_str(), taken.tries), ("k", tries));
        assert_eq!(taken.state, EventState::Pending { note: None });
        assert!(store.due(9, 10_000).await.unwrap().events.is_empty());
        world.advance(10_000).await;
    }
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.events_pending, stats.events_oldest_ms), (1, 20_000));
    store.event_settle("k", "first", Vec::new()).await.unwrap();
    store.event_settle("k", "second", Vec::new()).await.unwrap();
    store.event_settle("unknown", "x", Vec::new()).await.unwrap();
    store.event_defer("k", START, "late").await.unwrap();
    assert!(store.due(9, 10_000).await.unwrap().events.is_empty());
    let stored = store.event_get("k").await.unwrap().unwrap();
    assert_eq!(stored.state, EventState::Settled { outcome: "first".to_owned() });
    assert_eq!(store.stats().await.unwrap().events_pending, 0);
}

async fn a_deferred_event_says_why_and_comes_at_its_time(world: World) {
    let store = &world.store;
    store.event_accept(event("k")).await.unwrap();
    store.due(9, 10_000).await.unwrap();
    store.event_defer("k", START + 70_000, "Jenkins is away").await.unwrap();
    store.event_defer("unknown", START, "x").await.unwrap();
    world.advance(69_999).await;
    assert!(store.due(9, 10_000).await.unwrap().events.is_empty());
    world.advance(1).await;
    let due = store.due(9, 10_000).await.unwrap().events;
    let note = Some("Jenkins is away".to_owned());
    assert_eq!(due.first().unwrap().state, EventState::Pending { note });
}

async fn the_newest_events_are_listed_first(world: World) {
    for key in ["b", "c", "a"] {
        world.store.event_accept(event(key)).await.unwrap();
    }
    let keys =
        |rows: Vec<store::StoredEvent>| rows.into_iter().map(|row| row.key).collect::<Vec<_>>();
    assert_eq!(keys(world.store.event_list(0).await.unwrap()), ["a", "c", "b"]);
    assert_eq!(keys(world.store.event_list(2).await.unwrap()), ["a", "c"]);
}
