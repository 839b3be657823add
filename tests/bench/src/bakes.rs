//! One worker process with a thousand bakes in flight: what it holds, what it costs AWS to be asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fake_aws::{
    FakeAws, InProcess, Seed,
    world::behaviour::{Behaviour, Lags},
};
use model::{ExecutionStatus, Pool};
use runtime::{JenkinsConfig, Tasks};
use serde_json::json;
use store::{EventRow, PipelinePut, SharedStore};
use wire::{Event, ManualStart};
use worker_bake::{
    BakeConfig,
    ports::{Answer, Builder, BuilderOrder, Image, ImageCloud, ImageOrder, ImageQuery, Place},
};

use crate::{Failure, figures};

const PIPELINE: &str = "bench-bakes";
const REGION: &str = "us-east-1";
/// Builders install for so long, so that all bakes are in flight together.
const INSTALL_MS: u64 = 30_000;
/// One look at the cloud per interval, however many bakes wait.
const POLL_MS: u64 = 1_000;
const LIMIT: Duration = Duration::from_mins(5);

/// A cloud that counts the questions it is asked.
#[derive(Debug)]
struct Counting {
    cloud: InProcess,
    asked: AtomicU64,
    changed: AtomicU64,
}

impl Counting {
    fn ask(&self) -> &InProcess {
        self.asked.fetch_add(1, Ordering::Relaxed);
        &self.cloud
    }

    fn change(&self) -> &InProcess {
        self.changed.fetch_add(1, Ordering::Relaxed);
        &self.cloud
    }
}

impl ImageCloud for Counting {
    fn images<'a>(&'a self, place: &'a Place, query: ImageQuery) -> Answer<'a, Vec<Image>> {
        self.ask().images(place, query)
    }

    fn builders<'a>(&'a self, place: &'a Place, ids: &'a [String]) -> Answer<'a, Vec<Builder>> {
        self.ask().builders(place, ids)
    }

    fn all_builders<'a>(&'a self, place: &'a Place) -> Answer<'a, Vec<Builder>> {
        self.ask().all_builders(place)
    }

    fn places(&self) -> Vec<Place> {
        self.cloud.places()
    }

    fn builder_of_token<'a>(
        &'a self,
        place: &'a Place,
        client_token: &'a str,
    ) -> Answer<'a, Option<Builder>> {
        self.ask().builder_of_token(place, client_token)
    }

    fn run_builder<'a>(&'a self, place: &'a Place, order: &'a BuilderOrder) -> Answer<'a, Builder> {
        self.change().run_builder(place, order)
    }

    fn console<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, String> {
        self.ask().console(place, builder_id)
    }

    fn enable_ena<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.change().enable_ena(place, builder_id)
    }

    fn create_image<'a>(&'a self, place: &'a Place, order: &'a ImageOrder) -> Answer<'a, String> {
        self.change().create_image(place, order)
    }

    fn terminate_builder<'a>(&'a self, place: &'a Place, builder_id: &'a str) -> Answer<'a, ()> {
        self.change().terminate_builder(place, builder_id)
    }
}

pub(crate) async fn measure(count: usize) -> Result<(), Failure> {
    figures::heading(&format!("{count} bakes in flight in one worker process"));
    let tasks = Tasks::new();
    let store = store::open("memory:").await?;
    let bus = bus::in_process();
    let cloud = Arc::new(Counting {
        cloud: InProcess::new(FakeAws::seeded(&seed(count))?),
        asked: AtomicU64::new(0),
        changed: AtomicU64::new(0),
    });
    let jenkins = JenkinsConfig::default();
    let config = coordinator::Config::default();
    coordinator::run(config, jenkins, Arc::clone(&store), Arc::clone(&bus), tasks.clone()).await?;
    let config = BakeConfig { slots: count, poll_interval_ms: POLL_MS, ..BakeConfig::default() };
    let (a, b) = (Arc::clone(&store), Arc::clone(&bus));
    let shared = Arc::<Counting>::clone(&cloud);
    worker_bake::run(config, shared, a, b, tasks.clone()).await?;
    let begun = Instant::now();
    begin(&store, count).await?;

    let (mut most, mut asked_waiting) = (0, None);
    loop {
        let stats = store.stats().await?;
        let flying = stats.leases_running.get(&Pool::Bake).copied().unwrap_or(0);
        most = most.max(flying);
        // Ten intervals in which nothing happens but waiting.
        let asked = cloud.asked.load(Ordering::Relaxed);
        if flying >= u64::try_from(count)? && asked_waiting.is_none() {
            asked_waiting = Some((asked, Instant::now()));
        }
        if let Some((before, since)) = asked_waiting
            && since.elapsed() >= Duration::from_millis(POLL_MS * 10)
            && before != u64::MAX
        {
            figures::plain(
                "describing calls per look, all bakes waiting",
                &per_look(asked - before),
            );
            asked_waiting = Some((u64::MAX, since));
        }
        let good = stats.executions.get(&ExecutionStatus::Succeeded).copied().unwrap_or(0);
        if good >= u64::try_from(count)? {
            break;
        }
        if begun.elapsed() > LIMIT {
            return Err(format!("only {good} of {count} bakes ended: {stats:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    figures::plain("most in flight", &most.to_string());
    let took = begun.elapsed().as_secs_f64();
    figures::plain(
        "from first start to last image",
        &format!("{took:.1} s, {INSTALL_MS} ms of it installing"),
    );
    let asked = cloud.asked.load(Ordering::Relaxed);
    let changed = cloud.changed.load(Ordering::Relaxed);
    figures::plain("describing and changing calls in all", &format!("{asked} and {changed}"));
    tasks.shut_down(Duration::from_secs(5)).await;
    Ok(())
}

fn per_look(calls: u64) -> String {
    format!("{}.{}", calls / 10, calls % 10)
}

fn seed(count: usize) -> Seed {
    let lags = Lags { install: INSTALL_MS, ..Lags::FAST };
    let behaviour = Behaviour { lags, instance_quota: 10_000, ..Behaviour::default() };
    (0..count).fold(Seed::default().with_behaviour(behaviour), |seed, number| {
        seed.with_package("bench", &version(number))
    })
}

fn version(number: usize) -> String {
    format!("1.0-h{number}")
}

async fn begin(store: &SharedStore, count: usize) -> Result<(), Failure> {
    let base = Seed::base_image_id(REGION, "debian-12-amd64-20251112-2294");
    let body = json!({
        "application": "bench", "name": "bakes", "id": PIPELINE,
        "stages": [{ "refId": "1", "type": "bake", "package": "bench", "regions": [REGION],
            "baseAmi": base }]
    });
    let put = PipelinePut {
        id: PIPELINE.to_owned(),
        application: "bench".to_owned(),
        name: "bakes".to_owned(),
        body: body.to_string(),
        expected_version: None,
        ..PipelinePut::default()
    };
    store.pipeline_put(put).await?;
    for number in 0..count {
        let file = format!("bench_{}_all.deb", version(number));
        let trigger = json!({ "buildInfo": { "artifacts": [{ "fileName": file }] } });
        let start = ManualStart {
            pipeline_id: PIPELINE.to_owned(),
            user: "bench".to_owned(),
            trigger: trigger.as_object().cloned().unwrap_or_default(),
        };
        let body = serde_json::to_string(&Event::ManualStart(start))?;
        store.event_accept(EventRow::new(format!("manual/bakes/{number}"), body)).await?;
    }
    Ok(())
}
