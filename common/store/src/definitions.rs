//! Definitions, and the index by which a signal finds those that it may start.

use serde::{Deserialize, Serialize};

use crate::EventRow;
#[cfg(doc)]
use crate::Store;

/// A definition to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelinePut {
    /// Pipeline config id.
    pub id: String,
    /// Owner.
    pub application: String,
    /// Unique inside the application.
    pub name: String,
    /// The definition, JSON text, kept byte for byte.
    pub body: String,
    /// Write only over this version; 0 means "must not exist"; `None` writes over anything.
    pub expected_version: Option<u64>,
    /// The keys under which it is found.
    pub index: DefinitionIndex,
    /// Events accepted in the same write, if the definition is written or was as it is.
    pub events: Vec<EventRow>,
}

/// The keys under which a definition is found. What they mean is the business of whoever makes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionIndex {
    /// Version of the rules by which the keys were made.
    pub version: u32,
    /// The keys, sorted, each once.
    pub keys: Vec<String>,
}

/// A stored definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRow {
    /// Pipeline config id.
    pub id: String,
    /// Owner.
    pub application: String,
    /// Unique inside the application.
    pub name: String,
    /// The definition, JSON text.
    pub body: String,
    /// Counted from 1.
    pub version: u64,
    /// When it was written.
    pub updated_ms: u64,
}

/// A definition that was found by a key, without its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipelineMark {
    /// Pipeline config id.
    pub id: String,
    /// Counted from 1; begins again when a definition is deleted and saved anew.
    pub version: u64,
    /// When it was written. With the version it says whether a definition is the same as before.
    pub updated_ms: u64,
}

impl PipelineMark {
    /// The mark of a definition that was read.
    pub fn of(row: &PipelineRow) -> Self {
        Self { id: row.id.clone(), version: row.version, updated_ms: row.updated_ms }
    }
}

/// Answer to [`Store::pipeline_put`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipelineWritten {
    /// Written as this version.
    Saved {
        /// The new version.
        version: u64,
        /// When.
        updated_ms: u64,
    },
    /// Somebody else wrote in between (or it exists although it must not).
    Stale {
        /// The stored version; 0 if there is none.
        version: u64,
    },
    /// Another pipeline of the application has this name.
    NameTaken {
        /// The other pipeline's id.
        id: String,
    },
}
