//! What is old goes, what is new or live stays.

use std::{fs, path::Path, slice, time::Duration};

use coordinator::{Config, RetentionConfig};
use model::{ExecutionId, ExecutionStatus};
use runtime::{JenkinsConfig, Settings, Tasks};
use serde_json::{Value, json};

use crate::{
    crew::{Crew, Manners},
    trap::{Counted, Trap, Trip},
    world::{World, ship, stop, until},
};

const DAY: Duration = Duration::from_hours(24);

async fn coordinate(world: &World, retention: RetentionConfig) -> Tasks {
    let config = Config { retention, ..Config::default() };
    world.coordinate_with(config, JenkinsConfig::default()).await
}

/// Starts a pipeline and waits until it has succeeded.
async fn shipped(world: &World, pipeline_id: &str) -> ExecutionId {
    let key = world.start(pipeline_id, &json!({})).await;
    let id = ExecutionId::of_event(&key, pipeline_id);
    world.becomes(&id, ExecutionStatus::Succeeded).await;
    id
}

async fn ids(world: &World) -> Vec<ExecutionId> {
    world.executions().await.into_iter().map(|view| view.id).collect()
}

async fn gone(world: &World, id: &ExecutionId) {
    // A round begins every hour.
    tokio::time::sleep(Duration::from_hours(1)).await;
    until(&format!("{id} to be removed"), async || {
        world.store.execution_view(id).await.unwrap().is_none().then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn old_finished_executions_and_events_go_and_the_newest_and_the_live_stay() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    world.define("p2", &ship("live")).await;
    let retention = RetentionConfig { keep_per_pipeline: 2, ..RetentionConfig::default() };
    let coordinator = coordinate(&world, retention).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let mut shipped_ids = Vec::new();
    for _ in 0..4 {
        shipped_ids.push(shipped(&world, "p1").await);
    }
    crew.stop().await;
    let key = world.start("p2", &json!({})).await;
    let live = ExecutionId::of_event(&key, "p2");
    world.becomes(&live, ExecutionStatus::Running).await;

    world.pass(29 * DAY);
    tokio::time::sleep(Duration::from_mins(20)).await;
    assert_eq!(ids(&world).await.len(), 5, "younger than 30 days");

    world.pass(DAY);
    let [a, b, c, d] = shipped_ids.try_into().unwrap();
    gone(&world, &b).await;
    assert_eq!(ids(&world).await, [live, d, c], "the newest two of p1, and the live one");
    assert_eq!(world.store.event_list(100).await.unwrap(), [], "what they came from is settled");

    // The first start is told once more, as a sender with a long memory does.
    let key = world.start("p1", &json!({})).await;
    assert_eq!(ExecutionId::of_event(&key, "p1"), a);
    world.outcome(&key).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(world.store.execution_view(&a).await.unwrap(), None, "it does not run again");
    stop(coordinator).await;
}

fn lines(directory: &Path) -> Vec<Value> {
    let text = fs::read_to_string(directory.join("executions.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn executions_are_in_the_archive_before_they_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let archive = directory.path().join("archive");
    // Something is in the way of the archive at first.
    fs::write(&archive, "in the way").unwrap();
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let retention = RetentionConfig {
        keep_per_pipeline: 0,
        archive_dir: Some(archive.clone()),
        ..RetentionConfig::default()
    };
    let coordinator = coordinate(&world, retention).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let id = shipped(&world, "p1").await;
    let (view, timeline) = (world.view(&id).await, world.timeline(&id).await);

    world.pass(31 * DAY);
    tokio::time::sleep(Duration::from_mins(20)).await;
    assert_eq!(ids(&world).await, slice::from_ref(&id), "what cannot be archived is kept");
    fs::remove_file(&archive).unwrap();
    gone(&world, &id).await;
    let [line] = lines(&archive).try_into().unwrap();
    assert_eq!(line["id"], id.as_str());
    assert_eq!(line["status"], "SUCCEEDED");
    assert_eq!(line["view"], serde_json::to_value(&view).unwrap());
    assert_eq!(line["timeline"].as_array().unwrap().len(), timeline.len());
    let last = line["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!(last["event"]["event"], "execution_ended");
    crew.stop().await;
    stop(coordinator).await;
}

#[tokio::test(start_paused = true)]
async fn a_round_that_was_interrupted_is_taken_up_again_and_two_coordinators_do_no_harm() {
    let world = World::paused(Trap::at(2, Counted::Only("execution_remove"), Trip::FailsAfter));
    world.define("p1", &ship("ship")).await;
    let retention = RetentionConfig { keep_per_pipeline: 0, ..RetentionConfig::default() };
    let one = coordinate(&world, retention.clone()).await;
    let two = coordinate(&world, retention).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    for _ in 0..5 {
        shipped(&world, "p1").await;
    }
    world.pass(31 * DAY);
    until("everything to be removed", async || {
        tokio::time::sleep(Duration::from_mins(1)).await;
        ids(&world).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(world.watched.tripped(), Some("execution_remove"));
    crew.stop().await;
    stop(one).await;
    stop(two).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_when_that_is_switched_off() {
    let world = World::paused(Trap::none());
    world.define("p1", &ship("ship")).await;
    let retention =
        RetentionConfig { enabled: false, keep_per_pipeline: 0, ..RetentionConfig::default() };
    let coordinator = coordinate(&world, retention).await;
    let crew = Crew::start(&world, Manners::Tells).await;
    let id = shipped(&world, "p1").await;
    world.pass(1_000 * DAY);
    tokio::time::sleep(Duration::from_mins(80)).await;
    assert_eq!(ids(&world).await, [id]);
    crew.stop().await;
    stop(coordinator).await;
}

#[test]
fn settings_of_retention_have_a_section_of_their_own() {
    let read = |text: &str| {
        let mut settings = Settings::from_toml(text).unwrap();
        let config = Config::read(&mut settings);
        settings.finish().map_err(|error| error.to_string())?;
        Ok::<_, String>(config.unwrap().retention)
    };
    let plain = read("").unwrap();
    assert!(plain.enabled, "on by default");
    assert_eq!((plain.age_days.get(), plain.events_days.get()), (30, 30));
    assert_eq!((plain.keep_per_pipeline, plain.archive_dir), (5, None));
    let other = read("[retention]\nage_days = 7\narchive_dir = \"/var/lib/x\"").unwrap();
    assert_eq!(other.age_days.get(), 7);
    assert_eq!(other.archive_dir.as_deref(), Some(Path::new("/var/lib/x")));
    let refused = read("[retention]\nage_days = 0\ndays = 1").unwrap_err();
    assert!(refused.contains("retention.age_days: "), "{refused}");
    assert!(refused.contains("retention.days: "), "{refused}");
}
