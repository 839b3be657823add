//! A store, a bus, a clock, coordinators, and what a gateway does.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bus::{Message, SharedBus};
use coordinator::Config;
use fake_jenkins::{FakeJenkins, Options};
use model::{ExecutionId, ExecutionStatus};
use runtime::{Drained, JenkinsConfig, JenkinsController, Tasks};
use serde_json::{Value, json};
use store::{
    Clock, DefinitionIndex, EmbeddedStore, EventAccepted, EventRow, EventState, ExecutionFilter,
    PipelinePut, PipelineWritten, SharedStore,
};
use tokio::time::Instant;
use triggers::{INDEX_VERSION, index_keys, jenkins::ReportedBuild};
use wire::{Event, ExecutionView, ManualStart, Route};

use crate::{
    trap::Trap,
    watched::{WatchedBus, WatchedStore},
};

/// When every world begins.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// Everything around coordinators.
pub(crate) struct World {
    /// As workers and gateways have it.
    pub(crate) store: SharedStore,
    /// The same, to be looked into.
    pub(crate) raw: Arc<EmbeddedStore>,
    pub(crate) bus: SharedBus,
    /// As coordinators have them.
    pub(crate) watched: Arc<WatchedStore>,
    pub(crate) watched_bus: Arc<WatchedBus>,
    pub(crate) tasks: Tasks,
    by_hand: Arc<AtomicU64>,
}

impl World {
    /// Its time is tokio's, which the test has paused: it runs as fast as everybody waits. The
    /// store's clock jumps ahead of it with [`World::pass`].
    pub(crate) fn paused(trap: Trap) -> Self {
        let start = Instant::now();
        let by_hand = Arc::<AtomicU64>::default();
        let ahead = Arc::clone(&by_hand);
        let clock: Clock =
            Arc::new(move || START_MS + millis(start.elapsed()) + ahead.load(Ordering::SeqCst));
        Self::new(clock, by_hand, trap)
    }

    /// Its time stands still but for [`World::pass`]; for tests with real HTTP, which does not wait
    /// for a paused clock.
    pub(crate) fn by_hand() -> Self {
        let by_hand = Arc::new(AtomicU64::new(START_MS));
        let read = Arc::clone(&by_hand);
        Self::new(Arc::new(move || read.load(Ordering::SeqCst)), by_hand, Trap::none())
    }

    fn new(clock: Clock, by_hand: Arc<AtomicU64>, trap: Trap) -> Self {
        let raw = Arc::new(EmbeddedStore::in_memory(clock).unwrap());
        let store: SharedStore = Arc::<EmbeddedStore>::clone(&raw);
        let (bus, trap, tasks) = (bus::in_process(), Arc::new(trap), Tasks::new());
        let watched = WatchedStore::new(Arc::clone(&store), Arc::clone(&trap), &tasks);
        let watched_bus = WatchedBus::new(Arc::clone(&bus), trap);
        Self { store, raw, bus, watched, watched_bus, tasks, by_hand }
    }

    /// Lets time go by.
    pub(crate) fn pass(&self, span: Duration) {
        self.by_hand.fetch_add(millis(span), Ordering::SeqCst);
        self.watched.ring();
    }

    /// Starts a coordinator on what is watched. It does not poll Jenkins, so that what it asks is known.
    pub(crate) async fn coordinate(&self, jenkins: JenkinsConfig) -> Tasks {
        let config = Config { poll_interval_ms: 0, ..Config::default() };
        self.coordinate_with(config, jenkins).await
    }

    /// Starts a coordinator with these settings on what is watched.
    pub(crate) async fn coordinate_with(&self, config: Config, jenkins: JenkinsConfig) -> Tasks {
        let (store, bus) = (Arc::clone(&self.watched), Arc::clone(&self.watched_bus));
        coordinator_on(config, store, bus, jenkins).await
    }

    /// Starts another coordinator, one that nothing happens to.
    pub(crate) async fn coordinate_unharmed(&self) -> Tasks {
        let trap = Arc::new(Trap::none());
        let store = WatchedStore::new(Arc::clone(&self.store), Arc::clone(&trap), &self.tasks);
        let bus = WatchedBus::new(Arc::clone(&self.bus), trap);
        coordinator_on(Config::default(), store, bus, JenkinsConfig::default()).await
    }

    pub(crate) async fn define(&self, id: &str, body: &Value) {
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        let triggers = triggers::triggers_of(body.as_object().unwrap());
        let put = PipelinePut {
            id: id.to_owned(),
            application: text("application"),
            name: text("name"),
            body: body.to_string(),
            expected_version: Some(0),
            index: DefinitionIndex { version: INDEX_VERSION, keys: index_keys(&triggers) },
            events: Vec::new(),
        };
        let written = self.store.pipeline_put(put).await.unwrap();
        assert!(matches!(written, PipelineWritten::Saved { .. }), "{written:?}");
    }

    pub(crate) async fn accept(&self, key: &str, event: &Event) -> EventAccepted {
        let body = serde_json::to_string(event).unwrap();
        self.store.event_accept(EventRow::new(key, body)).await.unwrap()
    }

    /// What a gateway does with a webhook; the key of the event.
    pub(crate) async fn report(&self, report: ReportedBuild) -> String {
        let signal = report.signal();
        let key = signal.dedupe.clone();
        self.accept(&key, &Event::Signal(signal)).await;
        key
    }

    /// What a gateway does with a start by hand; the key of the event.
    pub(crate) async fn start(&self, pipeline_id: &str, trigger: &Value) -> String {
        let count = self.store.event_list(1_000).await.unwrap().len();
        let key = format!("manual/{count}");
        self.start_as(&key, pipeline_id, trigger).await;
        key
    }

    /// The same, with a key of the test's own.
    pub(crate) async fn start_as(&self, key: &str, pipeline_id: &str, trigger: &Value) {
        let start = ManualStart {
            pipeline_id: pipeline_id.to_owned(),
            user: "ada".to_owned(),
            trigger: trigger.as_object().unwrap().clone(),
        };
        assert_eq!(self.accept(key, &Event::ManualStart(start)).await, EventAccepted::New);
    }

    /// Waits for what came of an event.
    pub(crate) async fn outcome(&self, key: &str) -> Value {
        until(&format!("the outcome of {key}"), async || {
            match self.store.event_get(key).await.unwrap().unwrap().state {
                EventState::Settled { outcome } => Some(serde_json::from_str(&outcome).unwrap()),
                EventState::Pending { .. } => None,
            }
        })
        .await
    }

    /// Waits until an event was deferred at its `tries`-th try; the reason. Beyond the first try
    /// only for a world with no other event that is deferred.
    pub(crate) async fn deferred(&self, key: &str, tries: u32) -> String {
        until(&format!("{key} to be deferred {tries} times"), async || {
            let event = self.store.event_get(key).await.unwrap().unwrap();
            match event.state {
                EventState::Settled { outcome } => panic!("{key} came to its end: {outcome}"),
                EventState::Pending { note } => note.filter(|_| {
                    let deferred = self.watched.answered("event_defer");
                    event.tries == tries
                        && (tries == 1 || deferred >= usize::try_from(tries).unwrap())
                }),
            }
        })
        .await
    }

    /// Every execution, newest first.
    pub(crate) async fn executions(&self) -> Vec<ExecutionView> {
        let filter = ExecutionFilter { limit: 1_000, ..ExecutionFilter::default() };
        let rows = self.store.execution_list(filter).await.unwrap();
        rows.iter().map(|row| serde_json::from_str(&row.view).unwrap()).collect()
    }

    pub(crate) async fn view(&self, id: &ExecutionId) -> ExecutionView {
        let row = self.store.execution_view(id).await.unwrap().unwrap();
        serde_json::from_str(&row.view).unwrap()
    }

    /// Waits until an execution has this status.
    pub(crate) async fn becomes(&self, id: &ExecutionId, status: ExecutionStatus) {
        until(&format!("{id} to be {status}"), async || {
            let row = self.store.execution_view(id).await.unwrap();
            row.filter(|row| row.status == status).map(drop)
        })
        .await;
    }

    /// `version event stage` of every line of an execution's history.
    pub(crate) async fn timeline(&self, id: &ExecutionId) -> Vec<String> {
        let rows = self.store.execution_timeline(id).await.unwrap();
        let line = |row: &store::TimelineRow| {
            let body: Value = serde_json::from_str(&row.body).unwrap();
            let (event, stage) = (body["event"].as_str().unwrap(), body["stage"].as_str());
            let line = format!("{} {event} {}", row.version, stage.unwrap_or_default());
            line.trim_end().to_owned()
        };
        rows.iter().map(line).collect()
    }

    pub(crate) async fn publish(&self, route: Route, id: &str, body: Vec<u8>) {
        let message = Message { route, id: id.to_owned(), body, park: None };
        self.bus.publish(message).await.unwrap();
    }
}

async fn coordinator_on(
    config: Config,
    store: SharedStore,
    bus: SharedBus,
    jenkins: JenkinsConfig,
) -> Tasks {
    runtime::process::install_tls();
    let tasks = Tasks::new();
    coordinator::run(config, jenkins, store, bus, tasks.clone()).await.unwrap();
    tasks
}

/// Ends a coordinator, which must end by itself.
pub(crate) async fn stop(coordinator: Tasks) {
    assert_eq!(coordinator.shut_down(Duration::from_secs(5)).await, Drained::Cleanly);
}

/// A Jenkins named `ci-main`, and what a coordinator must know to ask it.
pub(crate) async fn jenkins(tasks: &Tasks) -> (FakeJenkins, JenkinsConfig) {
    runtime::process::install_tls();
    let options = Options::default();
    let (user, token) = (options.user.clone(), options.api_token.clone());
    let jenkins = FakeJenkins::start(tasks, options).await.unwrap();
    let controller = JenkinsController {
        url: jenkins.url(),
        user: Some(user),
        api_token: Some(token.into()),
        webhook_token: None,
    };
    let controllers = BTreeMap::from([("ci-main".to_owned(), controller)]);
    (jenkins, JenkinsConfig { controllers })
}

/// Bake in one region, then deploy there. Two tasks.
pub(crate) fn ship(name: &str) -> Value {
    json!({
        "application": "shop", "name": name, "stages": [
            { "refId": "1", "type": "bake", "name": "Bake", "package": "shop-web",
              "regions": ["us-east-1"], "baseOs": "bookworm",
              "allowMissingPackageInstallation": true },
            { "refId": "2", "type": "deploy", "name": "Deploy", "requisiteStageRefIds": ["1"],
              "clusters": [{ "account": "test", "application": "shop", "strategy": "highlander",
                "instanceType": "t3.small", "targetGroups": ["shop"],
                "capacity": { "min": 1, "max": 1, "desired": 1 },
                "availabilityZones": { "us-east-1": ["us-east-1a"] } }] }
        ]
    })
}

/// The same, started by builds of a job on `ci-main`.
pub(crate) fn ship_on(name: &str, job: &str) -> Value {
    let mut pipeline = ship(name);
    pipeline["triggers"] =
        json!([{ "type": "jenkins", "enabled": true, "master": "ci-main", "job": job }]);
    pipeline
}

/// Ids of the executions an event's outcome names.
pub(crate) fn started(outcome: &Value) -> Vec<ExecutionId> {
    let id = |entry: &Value| entry["execution"].as_str().unwrap().parse().unwrap();
    outcome["started"].as_array().unwrap().iter().map(id).collect()
}

/// Asks again and again until there is an answer: ten seconds of real time, or ten minutes of
/// paused time, whichever is over first.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let (real, paused) = (std::time::Instant::now(), Instant::now());
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        let over = real.elapsed() > Duration::from_secs(10);
        assert!(!over && paused.elapsed() < Duration::from_mins(10), "waited in vain for {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}
