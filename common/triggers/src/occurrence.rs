//! A signal, read and believed, against which triggers are judged.

use std::{any::Any, collections::BTreeMap, fmt};

use serde_json::{Map, Value};
use wire::{Signal, Unmet};

use crate::{TABLE, TriggerKind};

/// The values of a property file, by key.
pub type Properties = BTreeMap<String, String>;

/// Something that happened, confirmed where that is needed, and read once for all triggers.
pub struct Occurrence {
    /// The kind of trigger that understands it.
    pub source: &'static str,
    /// What makes it this one and no other: the executions it starts have their ids from it.
    pub key: String,
    /// The keys of the definitions it may start.
    pub keys: Vec<String>,
    event: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Occurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Occurrence")
            .field("source", &self.source)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Occurrence {
    /// An event of a kind `T` that was confirmed.
    pub fn confirmed<T: TriggerKind>(key: String, keys: Vec<String>, event: T::Event) -> Self {
        Self { source: T::NAME, key, keys, event: Box::new(event) }
    }

    /// A signal that needs no confirmation.
    ///
    /// # Errors
    ///
    /// No kind has this name, or the body is none of this kind.
    pub fn of(signal: &Signal) -> Result<Self, String> {
        let row = TABLE.iter().find(|row| row.name == signal.source);
        let row = row.ok_or_else(|| format!("no trigger waits for `{}`", signal.source))?;
        let event = (row.open)(&signal.body)?;
        Ok(Self { source: row.name, key: signal.dedupe.clone(), keys: signal.keys.clone(), event })
    }

    /// What happened, if it is of the kind `T`.
    pub fn event_of<T: TriggerKind>(&self) -> Option<&T::Event> {
        self.event.downcast_ref()
    }

    pub(crate) fn event(&self) -> &(dyn Any + Send + Sync) {
        self.event.as_ref()
    }
}

/// What is known beside the event while a trigger is judged.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The identity of the trigger in its definition.
    pub trigger: &'a str,
    /// The files that were read because a trigger needed them.
    pub files: &'a Files,
    /// When it is judged.
    pub moment: Moment<'a>,
}

/// When a trigger is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment<'a> {
    /// Now, in epoch milliseconds.
    pub now_ms: u64,
    /// The zone of triggers by time that name none.
    pub zone: &'a str,
}

/// Files of what happened, by name.
pub type Files = BTreeMap<String, File>;

/// A file of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// It was read.
    Read(Properties),
    /// There is none of this name.
    Missing,
    /// It is there and cannot be read, which is no better later on; why.
    Unreadable(String),
}

/// What an event means to a trigger.
#[derive(Clone, Debug, PartialEq)]
pub enum Match {
    /// It starts the pipeline, with this trigger of the execution.
    Start(Map<String, Value>),
    /// It does not, because of this condition.
    Unmet(Unmet),
    /// More must be known first; then the trigger is judged again.
    Needs(Need),
}

/// What must be known before a trigger can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// The property file of this name among what the build archived.
    File(String),
}
