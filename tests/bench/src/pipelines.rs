//! Two-stage pipelines through the real coordinator, with workers that do nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use model::{ExecutionId, Pool};
use runtime::{JenkinsConfig, Tasks};
use serde_json::{Map, Value, json};
use store::{EventRow, ExecutionFilter, PipelinePut};
use tokio::sync::mpsc;
use wire::{
    BakeImage, BakeRequest, BakeResult, Capacity, CreateGroup, DeployRequest, DeployResult, Event,
    ManualStart,
};
use worker::{End, Handler, Operations, TaskContext, WorkerConfig};

use crate::{Failure, Mode, figures, raw};

const PIPELINE: &str = "bench-pipeline";
const GRACE: Duration = Duration::from_secs(10);

/// When bakes ended, and how long after that the deploys of the same executions were delivered.
#[derive(Debug, Default)]
struct Times {
    baked: BTreeMap<ExecutionId, Instant>,
    handed_over: Vec<Duration>,
}

#[derive(Debug)]
struct Bake(Arc<Mutex<Times>>);

#[derive(Debug)]
struct Deploy {
    times: Arc<Mutex<Times>>,
    done: mpsc::Sender<()>,
}

impl Handler<BakeImage> for Bake {
    async fn run(&self, _: BakeRequest, task: &TaskContext) -> Result<BakeResult, End> {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A moment before the result is committed: the figure includes that commit.
        times.baked.insert(task.task().execution.clone(), Instant::now());
        Ok(BakeResult {
            region: "us-east-1".to_owned(),
            image_id: "ami-1".to_owned(),
            image_name: "bench".to_owned(),
            base_image_id: "ami-0".to_owned(),
            reused: false,
            bake_key: "bench".to_owned(),
            generation: 1,
        })
    }
}

impl Handler<CreateGroup> for Deploy {
    async fn run(&self, _: DeployRequest, task: &TaskContext) -> Result<DeployResult, End> {
        {
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(baked) = times.baked.remove(&task.task().execution) {
                times.handed_over.push(baked.elapsed());
            }
        }
        // The receiver is gone once everything was counted.
        _ = self.done.send(()).await;
        Ok(DeployResult {
            region: "us-east-1".to_owned(),
            account: "test".to_owned(),
            server_group: "bench-v000".to_owned(),
            image_id: "ami-1".to_owned(),
            capacity: Capacity { min: 1, desired: 1, max: 1 },
            destroyed: Vec::new(),
            disabled: Vec::new(),
            notes: Vec::new(),
        })
    }
}

fn definition() -> Value {
    json!({
        "application": "bench", "name": "bench", "id": PIPELINE,
        "stages": [
            { "refId": "1", "type": "bake", "package": "bench", "regions": ["us-east-1"],
              "baseOs": "bookworm" },
            { "refId": "2", "type": "deploy", "requisiteStageRefIds": ["1"], "clusters": [{
                "account": "test", "application": "bench", "strategy": "", "instanceType": "t3.small",
                "capacity": { "min": 1, "max": 1, "desired": 1 }, "targetGroups": ["bench"],
                "availabilityZones": { "us-east-1": ["us-east-1a"] } }] }
        ]
    })
}

pub(crate) async fn measure(mode: &Mode, count: usize, commits: f64) -> Result<(), Failure> {
    let tasks = Tasks::new();
    let times = Arc::new(Mutex::new(Times::default()));
    let (done, mut finished) = mpsc::channel(1_024);
    start(mode, &times, done, &tasks).await?;
    let put = PipelinePut {
        id: PIPELINE.to_owned(),
        application: "bench".to_owned(),
        name: "bench".to_owned(),
        body: definition().to_string(),
        expected_version: None,
        ..PipelinePut::default()
    };
    mode.store.pipeline_put(put).await?;

    let begun = Instant::now();
    for number in 0..count {
        accept(mode, &format!("full/{number}")).await?;
    }
    drain(&mut finished, count).await?;
    let rate = raw::per_second(count, begun);
    figures::rate("two-stage pipelines, workers that do nothing", rate, None);
    // create, two results applied: three commits of the coordinator for each.
    figures::rate("  commits of executions", rate * 3.0, Some((commits, "the store's bare rate")));

    times.lock().unwrap_or_else(PoisonError::into_inner).handed_over.clear();
    let pause = Duration::from_secs_f64(2.0 / rate);
    let mut beat = tokio::time::interval(pause);
    let paced = count.min(300);
    for number in 0..paced {
        beat.tick().await;
        accept(mode, &format!("half/{number}")).await?;
    }
    drain(&mut finished, paced).await?;
    let mut handed_over = {
        let mut times = times.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut times.handed_over)
    };
    figures::times("stage's result to next task's delivery, at half load", &mut handed_over);
    let unfinished = settled(mode, count + paced).await?;
    figures::plain("executions that did not succeed", &unfinished.to_string());
    tasks.shut_down(GRACE).await;
    Ok(())
}

async fn start(
    mode: &Mode,
    times: &Arc<Mutex<Times>>,
    done: mpsc::Sender<()>,
    tasks: &Tasks,
) -> Result<(), Failure> {
    let (store, bus) = (&mode.store, &mode.bus);
    let config = coordinator::Config::default();
    let none = JenkinsConfig::default();
    coordinator::run(config, none, Arc::clone(store), Arc::clone(bus), tasks.clone()).await?;
    let bake = Arc::new(Bake(Arc::clone(times)));
    let bake = Operations::new(Pool::Bake).with::<BakeImage>(&bake);
    let deploy = Arc::new(Deploy { times: Arc::clone(times), done });
    let deploy = Operations::new(Pool::Deploy).with::<CreateGroup>(&deploy);
    let config = |name: &str| WorkerConfig::new(name, 100);
    let (a, b) = (Arc::clone(store), Arc::clone(bus));
    drop(tasks.spawn(worker::serve(bake, config("bench-bake"), a, b, tasks.clone())));
    let (a, b) = (Arc::clone(store), Arc::clone(bus));
    drop(tasks.spawn(worker::serve(deploy, config("bench-deploy"), a, b, tasks.clone())));
    Ok(())
}

async fn accept(mode: &Mode, key: &str) -> Result<(), Failure> {
    let start = ManualStart {
        pipeline_id: PIPELINE.to_owned(),
        user: "bench".to_owned(),
        trigger: Map::new(),
    };
    let body = serde_json::to_string(&Event::ManualStart(start))?;
    mode.store.event_accept(EventRow::new(format!("manual/{key}"), body)).await?;
    Ok(())
}

async fn drain(finished: &mut mpsc::Receiver<()>, count: usize) -> Result<(), Failure> {
    for seen in 0..count {
        let next = tokio::time::timeout(Duration::from_mins(2), finished.recv()).await;
        if !matches!(next, Ok(Some(()))) {
            return Err(format!("only {seen} of {count} executions were deployed").into());
        }
    }
    Ok(())
}

/// Waits until all have ended; how many did so without success.
async fn settled(mode: &Mode, count: usize) -> Result<usize, Failure> {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let filter = ExecutionFilter {
            pipeline_ids: vec![PIPELINE.to_owned()],
            limit: u32::try_from(count)?,
            ..ExecutionFilter::default()
        };
        let rows = mode.store.execution_list(filter).await?;
        let over = rows.iter().filter(|row| row.status.is_complete()).count();
        if over >= count || Instant::now() > limit {
            let good = model::ExecutionStatus::Succeeded;
            return Ok(count - rows.iter().filter(|row| row.status == good).count());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
