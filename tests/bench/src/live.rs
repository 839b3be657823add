//! Many executions that live at the same time, and what one coordinator needs for them.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use model::ExecutionStatus;
use serde_json::{Value, json};
use store::{EventRow, PipelinePut, SharedStore, Stats};
use wire::{Event, ManualStart};

use crate::{
    Args, Failure, figures,
    processes::{self, Running},
};

const PIPELINE: &str = "bench-live";
const STAGES: u64 = 10;
/// Executions that end in a minute, once they end.
const ENDINGS_PER_MINUTE: u32 = 500;
/// Before the first one passes its first stage all have begun.
const HEAD_START: Duration = Duration::from_secs(30);
/// What the stages behind the first take.
const CHAIN: Duration = Duration::from_secs(STAGES - 1);
/// The endings are watched for so long.
const WATCHED: Duration = Duration::from_mins(1);
const START_MAX: Duration = Duration::from_mins(1);

pub(crate) async fn measure(args: &Args) -> Result<(), Failure> {
    let count = args.live;
    figures::heading(&format!(
        "{count} live executions of {STAGES} stages, one coordinator, Redis"
    ));
    let url = format!("{}?world=live", args.redis);
    let store = store::open(&url).await?;
    save(&store).await?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("bowline.toml");
    let text = format!("[store]\nurl = \"{url}\"\n[bus]\nurl = \"{}\"\n", args.amqp);
    std::fs::write(&config, text)?;
    let mut command = Command::new(args.program("bowline-coordinator")?);
    command.arg("--config").arg(&config);
    let coordinator = processes::start(command, "BOWLINE__COORDINATOR__ADMIN_LISTEN").await?;

    let begun = Instant::now();
    for number in 0..count {
        begin(&store, number).await?;
    }
    all_live(&store, count).await?;
    figures::plain("all of them begun after", &format!("{:.1} s", begun.elapsed().as_secs_f64()));
    figures::plain("resident, all alive", &resident(&coordinator)?);

    tokio::time::sleep_until((begun + HEAD_START + CHAIN).into()).await;
    let before = store.stats().await?;
    let since = Instant::now();
    let mut most = 0;
    while since.elapsed() < WATCHED {
        most = most.max(coordinator.resident_kib()?);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let after = store.stats().await?;
    let ended = succeeded(&after).saturating_sub(succeeded(&before));
    let planned = format!("{ended} of {ENDINGS_PER_MINUTE}");
    figures::plain("ended well in their minute", &planned);
    figures::plain("resident at most in that minute", &processes::mebibytes(most));
    figures::plain("wakes overdue by more than a minute", &after.wakes_overdue.to_string());
    Ok(())
}

fn resident(coordinator: &Running) -> Result<String, Failure> {
    Ok(processes::mebibytes(coordinator.resident_kib()?))
}

/// A chain of waits; the first takes as long as the starter says, the others a second each.
async fn save(store: &SharedStore) -> Result<(), Failure> {
    let stages: Vec<Value> = (1..=STAGES)
        .map(|number| {
            let first = number == 1;
            let time = if first { json!("${ parameters.first }") } else { json!(1) };
            let requires = if first { json!([]) } else { json!([(number - 1).to_string()]) };
            json!({ "refId": number.to_string(), "type": "wait", "name": format!("Wait {number}"),
                "waitTime": time, "requisiteStageRefIds": requires })
        })
        .collect();
    let body =
        json!({ "application": "bench", "name": PIPELINE, "id": PIPELINE, "stages": stages });
    let put = PipelinePut {
        id: PIPELINE.to_owned(),
        application: "bench".to_owned(),
        name: PIPELINE.to_owned(),
        body: body.to_string(),
        expected_version: None,
        ..PipelinePut::default()
    };
    store.pipeline_put(put).await?;
    Ok(())
}

/// Starts one whose end falls into its place in the row of endings.
async fn begin(store: &SharedStore, number: u32) -> Result<(), Failure> {
    let place = Duration::from_mins(1) * number / ENDINGS_PER_MINUTE;
    let first = (HEAD_START + place).as_secs().to_string();
    let trigger = json!({ "parameters": { "first": first } });
    let Value::Object(trigger) = trigger else { return Err("a trigger is an object".into()) };
    let start = ManualStart { pipeline_id: PIPELINE.to_owned(), user: "bench".to_owned(), trigger };
    let body = serde_json::to_string(&Event::ManualStart(start))?;
    store.event_accept(EventRow::new(format!("manual/live/{number}"), body)).await?;
    Ok(())
}

async fn all_live(store: &SharedStore, count: u32) -> Result<(), Failure> {
    let since = Instant::now();
    loop {
        let stats = store.stats().await?;
        let live = stats.executions.get(&ExecutionStatus::Running).copied().unwrap_or_default();
        if live >= u64::from(count) {
            return Ok(());
        }
        if since.elapsed() > START_MAX {
            return Err(format!("only {live} of {count} executions had begun").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn succeeded(stats: &Stats) -> u64 {
    stats.executions.get(&ExecutionStatus::Succeeded).copied().unwrap_or_default()
}
