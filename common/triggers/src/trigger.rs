//! One trigger of a definition, whatever its kind.

use std::sync::Arc;

use model::{
    fields::Fields,
    problem::{Findings, Weight, nearest, shortened},
};
use serde_json::{Map, Value};
use wire::{Fired, Unmet};

use crate::{
    Files, Known, LATE_MAX_MS, Match, Moment, Occurrence, TABLE, TriggerKind, kind::Watch,
};

/// What starts a pipeline.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Whether it is on.
    pub enabled: bool,
    /// Its place in the definition's list, from 0.
    pub place: usize,
    /// Its `type`.
    pub kind: String,
    /// What tells it from the others of its definition, for as long as it says the same.
    pub identity: String,
    /// `None` for a type that nothing watches for.
    watch: Option<Arc<dyn Watch>>,
}

/// Triggers are the same when they say the same.
impl PartialEq for Trigger {
    fn eq(&self, other: &Self) -> bool {
        (self.enabled, self.place, &self.identity) == (other.enabled, other.place, &other.identity)
    }
}

impl Eq for Trigger {}

/// Reads one entry of a definition's `triggers`, which stands at `at`; tells everything that does not fit.
/// `None` for one without a type, which is an error.
pub fn read(at: String, map: &Map<String, Value>, found: &mut Findings) -> Option<Trigger> {
    let place = at.rsplit('/').next().and_then(|place| place.parse().ok()).unwrap_or(0);
    let mut fields = Fields::literal(at, map, found);
    let enabled = fields.flag("enabled");
    if enabled.is_none() && fields.value("enabled").is_none() {
        let message = "the trigger does not say `enabled`, so it is off".to_owned();
        let hint = "write \"enabled\": true".to_owned();
        fields.hinted(Weight::Advice, "trigger-off", "enabled", (message, hint));
    }
    let kind = fields.text("type");
    if kind.is_none() && fields.value("type").is_none_or(Value::is_string) {
        fields.missing(Weight::Error, "type", "write the trigger's type: `jenkins`");
    }
    let kind = kind?;
    let watch = if let Some(row) = TABLE.iter().find(|row| row.name == kind) {
        (row.read)(&mut fields)
    } else {
        tell_unknown(&mut fields, &kind);
        None
    };
    let identity = identity(&kind, map);
    Some(Trigger { enabled: enabled.unwrap_or(false), place, kind, identity, watch })
}

/// A digest of all it says but whether it is on: a trigger that is switched off and on again is the same one.
fn identity(kind: &str, map: &Map<String, Value>) -> String {
    let mut fields: Vec<(&String, &Value)> =
        map.iter().filter(|(key, _)| key.as_str() != "enabled").collect();
    fields.sort_by_key(|(key, _)| *key);
    let text: Vec<String> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
    model::derived_id(&["trigger", kind, &text.join("\n")])
}

fn tell_unknown(fields: &mut Fields<'_, '_>, kind: &str) {
    let near = nearest(kind, TABLE.iter().map(|row| row.name));
    let hint = near.map_or_else(
        || {
            let known: Vec<String> = TABLE.iter().map(|row| format!("`{}`", row.name)).collect();
            format!("{} triggers and starts by hand work today", known.join(", "))
        },
        |known| format!("did you mean `{known}`?"),
    );
    let message = format!("nothing watches for triggers of type `{}` yet", shortened(kind));
    fields.hinted(Weight::Blocks, "unknown-trigger-type", "type", (message, hint));
}

impl Trigger {
    /// The keys under which its definition is indexed because of it.
    pub fn keys(&self) -> Vec<String> {
        self.watch.as_ref().map(|watch| watch.keys()).unwrap_or_default()
    }

    /// Whether something that happened starts the pipeline by this trigger; `None` when it waits for something
    /// else altogether. A trigger that is off never starts it.
    pub fn judge(
        &self,
        occurrence: &Occurrence,
        files: &Files,
        moment: Moment<'_>,
    ) -> Option<Match> {
        let watch = self.watch.as_ref().filter(|_| self.kind == occurrence.source)?;
        let keyed = occurrence.keys.is_empty()
            || watch.keys().iter().any(|key| occurrence.keys.contains(key));
        if !keyed {
            return None;
        }
        // A moment is that of one trigger.
        let fired = occurrence.event().downcast_ref::<Fired>();
        if fired.is_some_and(|fired| fired.trigger != self.identity) {
            return None;
        }
        if !self.enabled {
            let unmet = Unmet::new("enabled", "the trigger is disabled").because("true", "false");
            return Some(Match::Unmet(unmet));
        }
        let known = Known { trigger: &self.identity, files, moment };
        watch.matches(occurrence.event(), &known)
    }

    /// The first moment after `after_ms` at which it fires, if it fires by time.
    pub fn next_fire(&self, after_ms: u64, zone: &str) -> Option<u64> {
        self.watch.as_ref()?.next_fire(after_ms, zone)
    }

    /// The next moments at which it fires, at most `count`.
    pub fn next_fires(&self, after_ms: u64, zone: &str, count: usize) -> Vec<u64> {
        let first = self.next_fire(after_ms, zone);
        std::iter::successors(first, |last| self.next_fire(*last, zone)).take(count).collect()
    }

    /// The run to plan once the one of `at_ms` was judged. Runs that are late but not missed are all made, one
    /// after the other; those that were missed are passed over.
    pub fn next_run(&self, at_ms: u64, now_ms: u64, zone: &str) -> Option<u64> {
        let missed = now_ms.saturating_sub(at_ms) > LATE_MAX_MS;
        self.next_fire(if missed { now_ms } else { at_ms }, zone)
    }

    /// The trigger in words; its type for one that nothing watches for.
    pub fn describe(&self, zone: &str) -> String {
        self.watch.as_ref().map_or_else(|| self.kind.clone(), |watch| watch.describe(zone))
    }

    /// The ids of the pipelines whose end it waits for.
    pub fn follows(&self) -> Vec<&str> {
        self.watch.as_ref().map(|watch| watch.follows()).unwrap_or_default()
    }

    /// Its configuration, if it is of the kind `T`.
    pub fn config<T: TriggerKind>(&self) -> Option<&T::Config> {
        self.watch.as_ref()?.config().downcast_ref()
    }
}
