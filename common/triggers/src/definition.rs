//! What the triggers of a whole definition mean to the store: the keys it is indexed under, and its next runs
//! by time.

use std::collections::BTreeSet;

use model::{fields::Fields, problem::Findings};
use serde_json::{Map, Value};

use crate::{Trigger, read};

/// Version of the function that makes index keys.
///
/// A definition that was saved with another version is indexed
/// anew when a coordinator starts. Raise it whenever a kind makes other keys of the same definition.
pub const INDEX_VERSION: u32 = 1;

/// The key under which definitions are indexed that have a time trigger.
pub const BY_TIME: &str = "time";

/// The zone of time triggers when neither they nor the coordinator's settings name one. Source: Echo.
pub const DEFAULT_ZONE: &str = "America/Los_Angeles";

/// A run by time that is begun later than this after its moment was missed.
///
/// So long may all coordinators be away for a restart without a run being missed.
pub const LATE_MAX_MS: u64 = 5 * 60_000;

/// The triggers of a definition. What does not fit in them was told when the definition was checked.
pub fn triggers_of(definition: &Map<String, Value>) -> Vec<Trigger> {
    let mut found = Findings::default();
    let entries = Fields::literal(String::new(), definition, &mut found).objects("triggers");
    entries.into_iter().filter_map(|(at, map)| read(at, map, &mut found)).collect()
}

/// The keys under which a definition with these triggers is indexed, each once.
///
/// Triggers that are off count as well: whoever asks why a pipeline did not start reads that its trigger is off.
pub fn index_keys(triggers: &[Trigger]) -> Vec<String> {
    let keys: BTreeSet<String> = triggers.iter().flat_map(Trigger::keys).collect();
    keys.into_iter().collect()
}

/// The triggers that fire by time and are on, each with its first moment after `after_ms`.
pub fn schedule<'a>(triggers: &'a [Trigger], after_ms: u64, zone: &str) -> Vec<(&'a Trigger, u64)> {
    let on = triggers.iter().filter(|trigger| trigger.enabled);
    on.filter_map(|trigger| Some((trigger, trigger.next_fire(after_ms, zone)?))).collect()
}
