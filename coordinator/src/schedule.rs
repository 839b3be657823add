//! Runs by time: the next one of each time trigger is an event in the store that becomes due at its moment, so
//! that no coordinator keeps any in memory. Its key is made of definition, trigger and moment: however often
//! and by however many coordinators it is planned, there is one.

use store::EventRow;
use tracing::error;
use triggers::{DEFAULT_ZONE, Trigger};
use wire::{Event, Fired, NextRuns, Signal};

use crate::definition_cache::Definition;

/// How many runs ahead are told to people.
const SHOWN: usize = 5;

/// Plans runs by time.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    zone: String,
}

impl Schedule {
    pub(crate) fn new(zone: Option<&str>) -> Self {
        Self { zone: zone.unwrap_or(DEFAULT_ZONE).to_owned() }
    }

    /// The zone of triggers that name none.
    pub(crate) fn zone(&self) -> &str {
        &self.zone
    }

    /// The next run of each time trigger that is on: for people, and as events to accept.
    pub(crate) fn plan(
        &self,
        definition: Option<&Definition>,
        now_ms: u64,
    ) -> (Vec<NextRuns>, Vec<EventRow>) {
        let Some((definition, triggers)) = on(definition) else { return Default::default() };
        let next = triggers::schedule(triggers, now_ms, &self.zone);
        let runs = next.iter().map(|(trigger, _)| NextRuns {
            trigger: trigger.place,
            description: trigger.describe(&self.zone),
            at: trigger.next_fires(now_ms, &self.zone, SHOWN),
        });
        let events = next.iter().map(|(trigger, at_ms)| run(definition, trigger, *at_ms));
        (runs.collect(), events.collect())
    }

    /// The run after the one that a signal was for, if its trigger is still there and on.
    pub(crate) fn after(
        &self,
        signal: &Signal,
        definition: Option<&Definition>,
        now_ms: u64,
    ) -> Vec<EventRow> {
        let fired = serde_json::from_value(serde_json::Value::Object(signal.body.clone()));
        let (Some((definition, triggers)), Ok(fired)) = (on(definition), fired) else {
            return Vec::new();
        };
        let fired: Fired = fired;
        let same = |trigger: &&Trigger| trigger.enabled && trigger.identity == fired.trigger;
        let trigger = triggers.iter().find(same);
        let next = trigger.and_then(|trigger| {
            let at_ms = trigger.next_run(fired.at_ms, now_ms, &self.zone)?;
            Some(run(definition, trigger, at_ms))
        });
        next.into_iter().collect()
    }
}

/// A definition that may be started, with its triggers.
fn on(definition: Option<&Definition>) -> Option<(&Definition, &[Trigger])> {
    let definition = definition?;
    let content = definition.content.as_ref().filter(|content| !content.disabled)?;
    Some((definition, &content.triggers))
}

fn run(definition: &Definition, trigger: &Trigger, at_ms: u64) -> EventRow {
    let fired = Fired { trigger: trigger.identity.clone(), at_ms };
    let signal = fired.signal(&trigger.kind, &definition.mark.id);
    EventRow { not_before_ms: Some(at_ms), ..event(signal) }
}

/// A signal as an event that is due at once.
pub(crate) fn event(signal: Signal) -> EventRow {
    let key = signal.dedupe.clone();
    let body = serde_json::to_string(&Event::Signal(signal)).unwrap_or_else(|cause| {
        error!(%cause, "could not write a signal as JSON");
        String::new()
    });
    EventRow::new(key, body)
}
