//! A procedure that does as it is told.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use model::Pool;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use wire::TaskOutcome;
use worker::{Procedure, Stop, TaskContext};

/// What to do.
#[derive(Clone, Copy, Debug, Deserialize)]
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

pub(crate) fn succeeded(result: &[(&str, Value)]) -> TaskOutcome {
    let result: Map<String, Value> =
        result.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    TaskOutcome::Succeeded { result }
}

impl Procedure for Probe {
    type Request = Order;
    const KIND: Pool = Pool::Bake;

    async fn run(&self, order: Order, task: &TaskContext) -> Result<TaskOutcome, Stop> {
        let run = format!("{}:{}", task.task().execution, task.epoch());
        self.started.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        match order {
            Order::Succeed => Ok(succeeded(&[("done", true.into())])),
            Order::Panic => panic!("the probe was told to"),
            Order::AwaitPermit => {
                self.permits.acquire().await.unwrap().forget();
                task.may_mutate()?;
                Ok(succeeded(&[]))
            }
            Order::SaveAndWait => {
                if let Some(number) = task.checkpoint::<u32>().unwrap() {
                    return Ok(succeeded(&[("checkpoint", number.into())]));
                }
                task.save(&7).await?;
                task.sleep(Duration::from_hours(1)).await?;
                Ok(succeeded(&[]))
            }
            Order::Sleep => match task.sleep(Duration::from_hours(1)).await {
                Ok(()) => Ok(succeeded(&[])),
                Err(Stop::Canceled) => {
                    assert_eq!(task.may_mutate(), Err(Stop::Canceled));
                    task.may_clean_up()?;
                    Ok(TaskOutcome::Canceled { detail: "cleaned up".to_owned() })
                }
                Err(stop @ (Stop::Lost | Stop::Draining)) => Err(stop),
            },
        }
    }
}
