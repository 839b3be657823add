//! A person who tells an execution what to do, at a gateway, until it is clear what came of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Router,
    http::{Method, StatusCode},
};
use model::{ExecutionId, ExecutionStatus};
use tokio::time::{Duration, Instant, timeout};

use crate::{
    crew::{Heard, cancel_path, request},
    feature::{Decision, Feature, Order, Skip, When},
    ground::Ground,
};

/// How long a person looks at a page that does not answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who tends one execution.
#[derive(Debug)]
pub(crate) struct Person {
    orders: Vec<(When, Order)>,
    /// Which order is next.
    next: usize,
    /// New requests for this order: a refused one is history, a new try needs a key of its own.
    tries: u32,
    /// When the execution was there, or the last order was carried out.
    since: Option<Instant>,
    line: Arc<Mutex<Line>>,
}

/// A request on its way.
#[derive(Debug, Default)]
enum Line {
    #[default]
    Free,
    Asking,
    Answered(Heard),
}

/// What an answer means.
enum Meaning {
    /// It is done, or can never be.
    Settled,
    /// Nobody knows: the same request again.
    Unknown,
    /// Not now: a new request later.
    NotNow,
    /// It should never be said.
    Wrong(String),
}

impl Person {
    pub(crate) fn new(feature: Feature) -> Self {
        let (orders, line) = (feature.orders(), Arc::default());
        Self { orders, next: 0, tries: 0, since: None, line }
    }

    /// Whether there is nothing left to say.
    pub(crate) fn rests(&self) -> bool {
        self.next >= self.orders.len()
    }

    /// Takes an answer, asks at a gateway if it is time.
    pub(crate) fn look(
        &mut self,
        ground: &Arc<Ground>,
        (id, status): (&ExecutionId, ExecutionStatus),
        router: impl FnOnce() -> Option<Router>,
    ) {
        let Some((when, order)) = self.orders.get(self.next).copied() else { return };
        let since = *self.since.get_or_insert_with(Instant::now);
        let line = Arc::clone(&self.line);
        let mut line = lock(&line);
        match std::mem::take(&mut *line) {
            Line::Asking => {
                *line = Line::Asking;
                return;
            }
            Line::Free => {}
            Line::Answered(heard) => match meaning(&heard, status.is_complete()) {
                Meaning::Settled => {
                    ground.note(&format!("a person is done with {order:?}"));
                    (self.next, self.tries, self.since) = (self.next + 1, 0, Some(Instant::now()));
                    return;
                }
                Meaning::Unknown => {}
                Meaning::NotNow => self.tries += 1,
                Meaning::Wrong(text) => {
                    ground.judge(|oracle| oracle.violate("answer", &format!("{order:?}: {text}")));
                    self.next = self.orders.len();
                    return;
                }
            },
        }
        let due = match when {
            When::After(ms) => since.elapsed() >= Duration::from_millis(ms),
            When::Over => status.is_complete() || self.tries > 0,
        };
        if due {
            *line = Line::Asking;
            self.ask(ground, id, order, router());
        }
    }

    fn ask(&self, ground: &Arc<Ground>, id: &ExecutionId, order: Order, router: Option<Router>) {
        let (method, path, body) = spoken(id, order);
        let key = format!("{id}-{}-{}", self.next, self.tries);
        let line = Arc::clone(&self.line);
        ground.note(&format!("a person says {order:?} ({key})"));
        // The handle is not needed: the answer is written down.
        drop(ground.tasks.spawn(async move {
            let headers =
                [("idempotency-key", key), ("content-type", "application/json".to_owned())];
            let sent = request(router, (method, &path), &headers, body.to_owned());
            let heard = timeout(PATIENCE, sent).await.unwrap_or(Heard::Nobody);
            *lock(&line) = Line::Answered(heard);
        }));
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spoken(id: &ExecutionId, order: Order) -> (Method, String, &'static str) {
    let stage = |ref_id: &str| format!("/pipelines/{id}/stages/{ref_id}");
    match order {
        Order::Judge(Decision::Continue) => {
            (Method::PATCH, stage("judge"), r#"{"judgmentStatus":"continue"}"#)
        }
        Order::Judge(Decision::Stop) => {
            (Method::PATCH, stage("judge"), r#"{"judgmentStatus":"stop"}"#)
        }
        Order::Skip(Skip::Rest) => (Method::PATCH, stage("wait"), r#"{"skipRemainingWait":true}"#),
        Order::Skip(Skip::Stage) => (Method::PATCH, stage("wait"), r#"{"manualSkip":true}"#),
        Order::Pause => (Method::PUT, format!("/pipelines/{id}/pause"), ""),
        Order::Resume => (Method::PUT, format!("/pipelines/{id}/resume"), ""),
        Order::Cancel => (Method::PUT, cancel_path(id), ""),
        Order::Restart => (Method::PUT, format!("{}/restart", stage("2")), ""),
    }
}

/// What an answer means to somebody who can see whether the execution is over.
fn meaning(heard: &Heard, over: bool) -> Meaning {
    match heard {
        Heard::Nobody => Meaning::Unknown,
        Heard::Status(status, body) => match *status {
            // Stored, and not yet carried out.
            StatusCode::ACCEPTED => Meaning::Unknown,
            status if status.is_success() => Meaning::Settled,
            status if status.is_server_error() => Meaning::Unknown,
            StatusCode::CONFLICT if over => Meaning::Settled,
            StatusCode::CONFLICT => Meaning::NotNow,
            status => Meaning::Wrong(format!("answered with {status}: {body}")),
        },
    }
}
