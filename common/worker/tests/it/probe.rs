//! An operation whose request says what happens to it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use model::Pool;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use wire::{NoPreview, Operation, OperationCall, TaskOutcome};
use worker::{End, Handler, Operations, Stop, TaskContext};

/// The operation.
#[derive(Debug)]
pub(crate) enum Act {}

impl Operation for Act {
    const NAME: &'static str = "test.act/1";
    const POOL: Pool = Pool::Bake;
    type Request = Order;
    type Result = Map<String, Value>;
    type Preview = NoPreview;

    fn describe(order: &Order) -> String {
        format!("does {order:?}")
    }

    fn preview_lines(preview: &NoPreview) -> Vec<String> {
        match *preview {}
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Nothing.
    Succeed,
    /// A bug.
    Panic,
    /// Succeed when a permit is given.
    AwaitPermit,
    /// Save a checkpoint and wait for long; with a checkpoint, succeed with it.
    SaveAndWait,
    /// Sleep for long; clean up after a cancel.
    Sleep,
}

/// Does as told, and notes what it began.
#[derive(Debug)]
pub(crate) struct Probe {
    started: Mutex<Vec<String>>,
    pub(crate) permits: Semaphore,
}

impl Default for Probe {
    fn default() -> Self {
        Self { started: Mutex::default(), permits: Semaphore::new(0) }
    }
}

impl Probe {
    /// `execution:epoch` of every run so far.
    pub(crate) fn started(&self) -> Vec<String> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The text of a call that does this.
pub(crate) fn call(order: Order) -> String {
    OperationCall::run::<Act>(&order).text()
}

pub(crate) fn operations(probe: &Arc<Probe>) -> Operations {
    Operations::new(Pool::Bake).with::<Act>(probe)
}

pub(crate) fn succeeded(result: &[(&str, Value)]) -> TaskOutcome {
    TaskOutcome::Succeeded { result: object(result) }
}

fn object(result: &[(&str, Value)]) -> Map<String, Value> {
    result.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

impl Handler<Act> for Probe {
    async fn run(&self, order: Order, task: &TaskContext) -> Result<Map<String, Value>, End> {
        let run = format!("{}:{}", task.task().execution, task.epoch());
        self.started.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        match order {
            Order::Succeed => Ok(object(&[("done", true.into())])),
            Order::Panic => panic!("the probe was told to"),
            Order::AwaitPermit => {
                self.permits.acquire().await.unwrap().forget();
                task.may_mutate()?;
                Ok(object(&[]))
            }
            Order::SaveAndWait => {
                if let Some(number) = task.checkpoint::<u32>().unwrap() {
                    return Ok(object(&[("checkpoint", number.into())]));
                }
                task.save(&7).await?;
                task.sleep(Duration::from_hours(1)).await?;
                Ok(object(&[]))
            }
            Order::Sleep => match task.sleep(Duration::from_hours(1)).await {
                Ok(()) => Ok(object(&[])),
                Err(Stop::Canceled) => {
                    assert_eq!(task.may_mutate(), Err(Stop::Canceled));
                    task.may_clean_up()?;
                    Err(End::Canceled("cleaned up".to_owned()))
                }
                Err(stop @ (Stop::Lost | Stop::Draining)) => Err(stop.into()),
            },
        }
    }
}
