//! What a kind of trigger is, and how the table holds kinds with different configurations.

use std::{any::Any, fmt::Debug, sync::Arc};

use model::fields::Fields;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Known, Match};

/// A kind of trigger: what its definition says, which signals it wants, and when they start its pipeline.
///
/// Everything is a pure function. The shell reads clocks, asks Jenkins and looks into the store.
pub trait TriggerKind: Debug + Send + Sync + 'static {
    /// Its name in `type`.
    const NAME: &'static str;
    /// What must be asked elsewhere before a signal of this source is believed.
    const CONFIRM: Confirm = Confirm::Nothing;
    /// What one trigger of this kind says, read once.
    type Config: Debug + Send + Sync + 'static;
    /// What happened, as the body of a signal tells it (once confirmed, where that is needed).
    type Event: DeserializeOwned + Send + Sync + 'static;

    /// Reads a trigger and tells every field that does not fit. `None` when nothing can be made of it; an error
    /// was told then.
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self::Config>;

    /// The keys under which the definition is indexed: a signal that may start it carries one of them.
    fn keys(config: &Self::Config) -> Vec<String>;

    /// Whether an event starts the pipeline, or the first condition that is not met.
    fn matches(config: &Self::Config, event: &Self::Event, known: &Known<'_>) -> Match;

    /// The trigger in words.
    fn describe(config: &Self::Config, zone: &str) -> String;

    /// For triggers by time: the first moment after `after_ms`. `zone` counts where the trigger names none.
    fn next_fire(_config: &Self::Config, _after_ms: u64, _zone: &str) -> Option<u64> {
        None
    }

    /// The ids of the pipelines whose end this trigger waits for.
    fn follows(_config: &Self::Config) -> Vec<&str> {
        Vec::new()
    }
}

/// What must be asked elsewhere before a signal is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// Nothing: the signal comes from the system itself.
    Nothing,
    /// The Jenkins controller that the signal names: a webhook is only a hint.
    JenkinsBuild,
}

/// The body of a signal, read by the kind that understands it.
pub(crate) type AnyEvent = Box<dyn Any + Send + Sync>;

/// A row of the table: a kind with its types erased.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in `type`.
    pub name: &'static str,
    /// What must be asked elsewhere before a signal of this source is believed.
    pub confirm: Confirm,
    pub(crate) read: fn(&mut Fields<'_, '_>) -> Option<Arc<dyn Watch>>,
    pub(crate) open: fn(&Map<String, Value>) -> Result<AnyEvent, String>,
}

impl Row {
    /// The row of a kind.
    pub(crate) const fn of<T: TriggerKind>() -> Self {
        Self { name: T::NAME, confirm: T::CONFIRM, read: read::<T>, open: open::<T> }
    }
}

fn read<T: TriggerKind>(fields: &mut Fields<'_, '_>) -> Option<Arc<dyn Watch>> {
    let config = T::read(fields)?;
    Some(Arc::new(Configured::<T>(config)))
}

fn open<T: TriggerKind>(body: &Map<String, Value>) -> Result<AnyEvent, String> {
    let event = T::Event::deserialize_from(body)?;
    Ok(Box::new(event))
}

/// Reads the body of a signal.
trait FromBody: Sized {
    fn deserialize_from(body: &Map<String, Value>) -> Result<Self, String>;
}

impl<T: DeserializeOwned> FromBody for T {
    fn deserialize_from(body: &Map<String, Value>) -> Result<Self, String> {
        serde_json::from_value(Value::Object(body.clone())).map_err(|cause| cause.to_string())
    }
}

/// A configured trigger, whatever its kind.
pub(crate) trait Watch: Debug + Send + Sync {
    fn keys(&self) -> Vec<String>;
    /// `None`: the event is of another kind.
    fn matches(&self, event: &(dyn Any + Send + Sync), known: &Known<'_>) -> Option<Match>;
    fn describe(&self, zone: &str) -> String;
    fn next_fire(&self, after_ms: u64, zone: &str) -> Option<u64>;
    fn follows(&self) -> Vec<&str>;
    fn config(&self) -> &(dyn Any + Send + Sync);
}

#[derive(Debug)]
struct Configured<T: TriggerKind>(T::Config);

impl<T: TriggerKind> Watch for Configured<T> {
    fn keys(&self) -> Vec<String> {
        T::keys(&self.0)
    }

    fn matches(&self, event: &(dyn Any + Send + Sync), known: &Known<'_>) -> Option<Match> {
        Some(T::matches(&self.0, event.downcast_ref()?, known))
    }

    fn describe(&self, zone: &str) -> String {
        T::describe(&self.0, zone)
    }

    fn next_fire(&self, after_ms: u64, zone: &str) -> Option<u64> {
        T::next_fire(&self.0, after_ms, zone)
    }

    fn follows(&self) -> Vec<&str> {
        T::follows(&self.0)
    }

    fn config(&self) -> &(dyn Any + Send + Sync) {
        &self.0
    }
}
