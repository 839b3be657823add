//! Events to executions. What an event came to is written down for people, also when nothing did.

mod children;
mod orders;
mod plans;
mod signals;
mod starts;

use std::panic::AssertUnwindSafe;

use definitions::Pipeline;
use engine::{Input, Origin};
use futures::{
    FutureExt as _,
    stream::{FuturesUnordered, StreamExt as _},
};
use metrics::counter;
use model::ExecutionId;
use runtime::Chain;
use store::{EventRow, SharedStore, StoreError, StoredEvent};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, instrument, warn};
use wire::{Event, EventOutcome};

use crate::{
    definition_cache::Definitions,
    executions::{ApplyError, Executions},
    hands::Taken,
    jenkins::Jenkins,
    schedule::Schedule,
};

/// Events worked on side by side; each asks Jenkins once or twice.
const EVENTS_AT_ONCE: usize = 16;
/// Longest pause between two tries of one event.
const PAUSE_MAX_MS: u64 = 60_000;

/// Takes events to their end.
#[derive(Debug)]
pub(crate) struct Intake {
    store: SharedStore,
    jenkins: Jenkins,
    executions: Executions,
    definitions: Definitions,
    schedule: Schedule,
    time_zone: Option<String>,
}

/// When an event is worked on.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Now, in epoch milliseconds.
    now_ms: u64,
    /// How long it has been due.
    age_ms: u64,
}

/// What came of an event.
enum Outcome {
    /// It is done: what people see, and the events that follow from it.
    Settled(EventOutcome, Vec<EventRow>),
    /// Not yet; why.
    Later(String),
    /// Not yet, and it is looked at again after a pause that does not grow: something is under way.
    Soon {
        /// What.
        why: String,
        /// The pause.
        pause_ms: u64,
    },
}

/// An event could not be worked on now.
#[derive(Debug, thiserror::Error)]
enum IntakeError {
    #[error("could not read or write definitions and events")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl Intake {
    pub(crate) fn new(
        store: SharedStore,
        jenkins: Jenkins,
        executions: Executions,
        definitions: Definitions,
        time_zone: Option<String>,
    ) -> Self {
        let schedule = Schedule::new(time_zone.as_deref());
        Self { store, jenkins, executions, definitions, schedule, time_zone }
    }

    /// The zone of time triggers that name none.
    fn zone(&self) -> &str {
        self.schedule.zone()
    }

    pub(crate) async fn run(
        self,
        mut due: mpsc::Receiver<Taken<StoredEvent>>,
        stop: CancellationToken,
    ) {
        let mut in_hand = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = in_hand.next() => {}
                Some(event) = due.recv(), if in_hand.len() < EVENTS_AT_ONCE && !stop.is_cancelled() => {
                    let Taken { what, grip } = event;
                    in_hand.push(async {
                        self.handle(what).await;
                        drop(grip);
                    });
                }
                () = stop.cancelled(), if in_hand.is_empty() => return,
                else => return,
            }
        }
    }

    #[instrument(skip_all, fields(event.key = stored.key))]
    async fn handle(&self, stored: StoredEvent) {
        let now_ms = match self.store.now_ms().await {
            Ok(now_ms) => now_ms,
            Err(error) => {
                warn!(error = %Chain(&error), "event left for later");
                return;
            }
        };
        // A bug of the engine in one event must not end the others.
        let acted = AssertUnwindSafe(self.act(&stored, now_ms)).catch_unwind().await;
        let Ok(acted) = acted else {
            error!("an event made the program panic: this is a bug; the event is left for later");
            return;
        };
        let outcome = match acted {
            Ok(outcome) => outcome,
            // It stays hidden for a while and is due again then.
            Err(error) => {
                warn!(error = %Chain(&error), "event left for later");
                return;
            }
        };
        let written = match outcome {
            Outcome::Settled(outcome, then) => {
                let result = outcome.result();
                counter!("bowline_trigger_outcomes_total", "result" => result).increment(1);
                info!(outcome = result, "event settled");
                self.store.event_settle(&stored.key, &text_of(&outcome), then).await
            }
            Outcome::Later(why) => {
                let pause = pause_ms(stored.tries);
                self.store.event_defer(&stored.key, now_ms + pause, &why).await
            }
            Outcome::Soon { why, pause_ms } => {
                self.store.event_defer(&stored.key, now_ms + pause_ms, &why).await
            }
        };
        if let Err(error) = written {
            warn!(error = %Chain(&error), "what came of an event is not written, it is worked on again");
        }
    }

    async fn act(&self, stored: &StoredEvent, now_ms: u64) -> Result<Outcome, IntakeError> {
        let event: Event = match serde_json::from_str(&stored.body) {
            Ok(event) => event,
            Err(cause) => {
                let outcome = EventOutcome::Unreadable { reason: cause.to_string() };
                return Ok(Outcome::Settled(outcome, Vec::new()));
            }
        };
        let age_ms = now_ms.saturating_sub(stored.since_ms);
        match event {
            Event::Signal(signal) => self.signal(&signal, Seen { now_ms, age_ms }).await,
            Event::DefinitionSaved { pipeline_id } => self.plan_runs(&pipeline_id, now_ms).await,
            Event::ManualStart(start) => {
                self.manual_start(&stored.key, start, age_ms, now_ms).await
            }
            Event::Plan(start) => self.plan(&stored.key, start, age_ms, now_ms).await,
            Event::Cancel { execution, user, reason } => {
                let input = Input::Cancel { user, reason };
                self.cancel(&stored.key, &execution, &input, age_ms).await
            }
            Event::Control { execution, user, control } => {
                let input = Input::Control { user, control };
                self.control(&stored.key, &execution, &input).await
            }
            Event::StartChild(start) => self.start_child(start, now_ms).await,
        }
    }

    async fn start(
        &self,
        pipeline: &Pipeline,
        origin: Origin,
        now_ms: u64,
    ) -> Result<ExecutionId, ApplyError> {
        let (document, effects) = engine::start(pipeline, origin, now_ms);
        self.executions.create(&document, effects, now_ms).await?;
        Ok(document.id)
    }
}

impl Outcome {
    /// Done, and nothing follows from it.
    fn settled(outcome: EventOutcome) -> Self {
        Self::Settled(outcome, Vec::new())
    }
}

/// An outcome is plain data: writing it as JSON does not fail.
fn text_of(outcome: &EventOutcome) -> String {
    serde_json::to_string(outcome).unwrap_or_else(|cause| {
        error!(%cause, "could not write the outcome of an event as JSON");
        r#"{"result":"unreadable","reason":"the outcome could not be written"}"#.to_owned()
    })
}

/// 1, 2, 4 … seconds, at most a minute.
fn pause_ms(tries: u32) -> u64 {
    1_000_u64.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(PAUSE_MAX_MS)
}
