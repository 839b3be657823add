//! What lies in the file: tables, the rows in them, and one write transaction over all of them.

use std::collections::BTreeMap;

use model::{ExecutionId, ExecutionStatus, Pool, TaskId};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    DefinitionIndex, LeaseRow, OutboxRow, PipelineRow, StoreError, StoredEvent, index, rules,
};

/// Format of the file; a file of another format is not opened.
pub(super) const FORMAT: u64 = 3;

type Text = &'static str;
/// A table of texts by id.
pub(super) type Bodies = TableDefinition<'static, Text, Text>;
/// Something due: when, and what.
type DueKey = (u64, &'static str);
/// Pipeline id and number to execution id.
pub(super) type SlotTable<'a> = TableDefinition<'a, (Text, u64), Text>;

/// Counters and the clock, by name.
pub(super) const META: TableDefinition<'_, Text, u64> = TableDefinition::new("meta");
/// Pipeline id to [`PipelineRecord`].
pub(super) const PIPELINES: TableDefinition<'_, Text, Text> = TableDefinition::new("pipelines");
/// Application and name to pipeline id.
pub(super) const PIPELINE_NAMES: TableDefinition<'_, (Text, Text), Text> =
    TableDefinition::new("pipeline_names");
/// Index key and pipeline id: the definitions that a signal with the key may start.
pub(super) const PIPELINE_KEYS: TableDefinition<'_, (Text, Text), ()> =
    TableDefinition::new("pipeline_keys");
/// Version of the index and pipeline id: by which rules each definition is indexed.
pub(super) const PIPELINE_INDEXED: TableDefinition<'_, DueKey, ()> =
    TableDefinition::new("pipeline_indexed");
/// Event key to [`EventRecord`].
pub(super) const EVENTS: TableDefinition<'_, Text, Text> = TableDefinition::new("events");
/// Sequence number to event key.
pub(super) const EVENT_ORDER: TableDefinition<'_, u64, Text> = TableDefinition::new("event_order");
/// Unsettled events by when they are due.
pub(super) const EVENT_DUE: TableDefinition<'_, DueKey, ()> = TableDefinition::new("event_due");
/// Unsettled events by when they became due for the first time, or will.
pub(super) const EVENT_AGE: TableDefinition<'_, DueKey, ()> = TableDefinition::new("event_age");
/// Execution id to [`ExecutionRecord`].
pub(super) const EXECUTIONS: TableDefinition<'_, Text, Text> = TableDefinition::new("executions");
/// Execution id to snapshot.
pub(super) const DOCUMENTS: TableDefinition<'_, Text, Text> = TableDefinition::new("documents");
/// Execution id to public view.
pub(super) const VIEWS: TableDefinition<'_, Text, Text> = TableDefinition::new("views");
/// Execution id and input id: inputs which were applied.
pub(super) const INPUTS: TableDefinition<'_, (Text, Text), ()> = TableDefinition::new("inputs");
/// Execution id and place to version, time and body.
pub(super) const TIMELINE: TableDefinition<'_, (Text, u64), (u64, u64, Text)> =
    TableDefinition::new("timeline");
/// Index name, creation time, execution id.
pub(super) const INDEX: TableDefinition<'_, (Text, u64, Text), ()> = TableDefinition::new("index");
/// Live executions by when they are looked at.
pub(super) const WAKES: TableDefinition<'_, DueKey, ()> = TableDefinition::new("wakes");
/// Pipeline id and number: executions that hold a slot.
pub(super) const HOLDERS: SlotTable<'_> = TableDefinition::new("slot_holders");
/// Pipeline id and number: executions that wait for a slot.
pub(super) const WAITERS: SlotTable<'_> = TableDefinition::new("slot_waiters");
/// Executions that wait for a slot, by when they began to.
pub(super) const WAITING_AGE: TableDefinition<'_, DueKey, ()> =
    TableDefinition::new("slot_waiting_age");
/// Ids of removed executions, and when they were.
pub(super) const REMOVED: TableDefinition<'_, Text, u64> = TableDefinition::new("removed");
/// Removed executions by when they were.
pub(super) const REMOVED_AGE: TableDefinition<'_, DueKey, ()> = TableDefinition::new("removed_age");
/// Task id to [`LeaseRecord`].
pub(super) const LEASES: TableDefinition<'_, Text, Text> = TableDefinition::new("leases");
/// Resource to [`LockRecord`].
pub(super) const LOCKS: TableDefinition<'_, Text, Text> = TableDefinition::new("locks");
/// Execution id and resource: the locks an execution holds.
pub(super) const LOCKS_OF: TableDefinition<'_, (Text, Text), ()> = TableDefinition::new("locks_of");
/// Message id to [`OutboxRecord`].
pub(super) const OUTBOX: TableDefinition<'_, Text, Text> = TableDefinition::new("outbox");
/// Messages by when they are due.
pub(super) const OUTBOX_DUE: TableDefinition<'_, DueKey, ()> = TableDefinition::new("outbox_due");
/// Messages by when they were written.
pub(super) const OUTBOX_AGE: TableDefinition<'_, DueKey, ()> = TableDefinition::new("outbox_age");

/// Every table's name: another one in the file is not ours.
pub(super) const NAMES: [&str; 27] = [
    "meta",
    "pipelines",
    "pipeline_names",
    "pipeline_keys",
    "pipeline_indexed",
    "events",
    "event_order",
    "event_due",
    "event_age",
    "executions",
    "documents",
    "views",
    "inputs",
    "timeline",
    "index",
    "wakes",
    "leases",
    "locks",
    "locks_of",
    "outbox",
    "outbox_due",
    "outbox_age",
    "slot_holders",
    "slot_waiters",
    "slot_waiting_age",
    "removed",
    "removed_age",
];

/// Why an operation inside the file failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// redb or the disk.
    Database(Box<redb::Error>),
    /// A row does not decode.
    Unreadable(String),
}

impl Fault {
    /// The fault in the words of the seam.
    pub(super) fn while_it(self, doing: &'static str) -> StoreError {
        match self {
            Self::Database(cause) => StoreError::Unavailable { doing, cause },
            Self::Unreadable(detail) => StoreError::Unreadable { doing, detail },
        }
    }
}

macro_rules! faults {
    ($($cause:ty),*) => {$(
        impl From<$cause> for Fault {
            fn from(cause: $cause) -> Self {
                Self::Database(Box::new(cause.into()))
            }
        }
    )*};
}
faults!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError);

/// An execution without its bodies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ExecutionRecord {
    pub(super) application: String,
    pub(super) pipeline_id: String,
    pub(super) event_key: String,
    pub(super) status: ExecutionStatus,
    pub(super) version: u64,
    pub(super) schema: u32,
    pub(super) created_ms: u64,
    pub(super) wake_ms: Option<u64>,
    /// The earliest time its wake was brought forward to, until a commit has taken it up.
    pub(super) notice_ms: Option<u64>,
    pub(super) slot: Option<SlotRecord>,
    /// When it became complete, if it is.
    pub(super) ended_ms: Option<u64>,
    pub(super) timeline_rows: u64,
}

/// The slot of a live execution, or its place among those that wait.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SlotRecord {
    pub(super) number: u64,
    /// Since when it waits; `None`: it holds one.
    pub(super) waits_since_ms: Option<u64>,
}

impl ExecutionRecord {
    /// The indexes it is found by; the one by status changes with it.
    pub(super) fn indexes(&self) -> [String; 5] {
        [
            index::of_all(),
            index::of_application(&self.application),
            index::of_pipeline(&self.pipeline_id),
            index::of_event(&self.event_key),
            index::of_status(self.status),
        ]
    }
}

/// A task's lease, with what only the store knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LeaseRecord {
    pub(super) kind: Pool,
    pub(super) digest: String,
    pub(super) row: LeaseRow,
    /// What the holder shows; kept after release and finish so that a repeat is recognised.
    pub(super) token: Option<u64>,
    pub(super) checkpoint: Option<String>,
    /// When the execution must look at this lease, until a commit has had the chance to.
    pub(super) notice_ms: Option<u64>,
}

/// A definition with the keys under which it is found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PipelineRecord {
    pub(super) row: PipelineRow,
    pub(super) index: DefinitionIndex,
}

/// An event with when it is due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct EventRecord {
    pub(super) body: String,
    pub(super) accepted_ms: u64,
    /// When it became due for the first time, or will.
    pub(super) since_ms: u64,
    pub(super) tries: u32,
    pub(super) due_ms: u64,
    pub(super) note: Option<String>,
    pub(super) outcome: Option<String>,
}

impl EventRecord {
    /// The event as the seam shows it.
    pub(super) fn shown(self, key: &str) -> StoredEvent {
        StoredEvent {
            key: key.to_owned(),
            body: self.body,
            accepted_ms: self.accepted_ms,
            since_ms: self.since_ms,
            tries: self.tries,
            state: match self.outcome {
                Some(outcome) => crate::EventState::Settled { outcome },
                None => crate::EventState::Pending { note: self.note },
            },
        }
    }
}

/// A message with when it is due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OutboxRecord {
    pub(super) row: OutboxRow,
    pub(super) added_ms: u64,
    pub(super) due_ms: u64,
}

/// Who holds a lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LockRecord {
    pub(super) execution: ExecutionId,
    pub(super) owner: String,
    pub(super) fence: u64,
}

/// Reads a row's JSON; a row that does not decode is named.
pub(super) fn decoded<T: DeserializeOwned>(key: &str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text)
        .map_err(|cause| Fault::Unreadable(format!("the row of `{key}`: {cause}")))
}

/// Reads the row of a key, if there is one.
pub(super) fn row<T: DeserializeOwned>(
    table: &impl ReadableTable<Text, Text>,
    key: &str,
) -> Result<Option<T>, Fault> {
    table.get(key)?.map(|found| decoded(key, found.value())).transpose()
}

/// Writes the row of a key.
pub(super) fn put<T: Serialize>(
    table: &mut Table<'_, Text, Text>,
    key: &str,
    value: &T,
) -> Result<(), Fault> {
    let text = serde_json::to_string(value)
        .map_err(|cause| Fault::Unreadable(format!("a new row of `{key}`: {cause}")))?;
    table.insert(key, text.as_str())?;
    Ok(())
}

/// The leases of one execution, by task.
pub(super) fn leases_of(
    leases: &impl ReadableTable<Text, Text>,
    id: &ExecutionId,
) -> Result<BTreeMap<TaskId, LeaseRecord>, Fault> {
    // Task ids begin with the execution's id and `/`; `0` is the character after `/`.
    let (from, to) = (format!("{id}/"), format!("{id}0"));
    let mut found = BTreeMap::new();
    for entry in leases.range(from.as_str()..to.as_str())? {
        let (key, value) = entry?;
        let task = task_id(key.value())?;
        found.insert(task, decoded(key.value(), value.value())?);
    }
    Ok(found)
}

/// A task id that was written by this store.
pub(super) fn task_id(text: &str) -> Result<TaskId, Fault> {
    text.parse().map_err(|cause| Fault::Unreadable(format!("a lease's key: {cause}")))
}

/// An execution id that was written by this store.
pub(super) fn execution_id(text: &str) -> Result<ExecutionId, Fault> {
    text.parse().map_err(|cause| Fault::Unreadable(format!("an execution's key: {cause}")))
}

/// Every table, open for writing, and the clock of the operation.
pub(super) struct Tables<'t> {
    pub(super) meta: Table<'t, Text, u64>,
    pub(super) pipelines: Table<'t, Text, Text>,
    pub(super) pipeline_names: Table<'t, (Text, Text), Text>,
    pub(super) pipeline_keys: Table<'t, (Text, Text), ()>,
    pub(super) pipeline_indexed: Table<'t, DueKey, ()>,
    pub(super) events: Table<'t, Text, Text>,
    pub(super) event_order: Table<'t, u64, Text>,
    pub(super) event_due: Table<'t, DueKey, ()>,
    pub(super) event_age: Table<'t, DueKey, ()>,
    pub(super) executions: Table<'t, Text, Text>,
    pub(super) documents: Table<'t, Text, Text>,
    pub(super) views: Table<'t, Text, Text>,
    pub(super) inputs: Table<'t, (Text, Text), ()>,
    pub(super) timeline: Table<'t, (Text, u64), (u64, u64, Text)>,
    pub(super) index: Table<'t, (Text, u64, Text), ()>,
    pub(super) wakes: Table<'t, DueKey, ()>,
    pub(super) holders: Table<'t, (Text, u64), Text>,
    pub(super) waiters: Table<'t, (Text, u64), Text>,
    pub(super) waiting_age: Table<'t, DueKey, ()>,
    pub(super) removed: Table<'t, Text, u64>,
    pub(super) removed_age: Table<'t, DueKey, ()>,
    pub(super) leases: Table<'t, Text, Text>,
    pub(super) locks: Table<'t, Text, Text>,
    pub(super) locks_of: Table<'t, (Text, Text), ()>,
    pub(super) outbox: Table<'t, Text, Text>,
    pub(super) outbox_due: Table<'t, DueKey, ()>,
    pub(super) outbox_age: Table<'t, DueKey, ()>,
    /// The store's clock for this operation.
    pub(super) now_ms: u64,
    /// Whether somebody may be waiting for what this transaction did.
    pub(super) rings: bool,
}

impl<'t> Tables<'t> {
    /// Opens every table, and so creates those that are not there yet.
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, Fault> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            pipelines: transaction.open_table(PIPELINES)?,
            pipeline_names: transaction.open_table(PIPELINE_NAMES)?,
            pipeline_keys: transaction.open_table(PIPELINE_KEYS)?,
            pipeline_indexed: transaction.open_table(PIPELINE_INDEXED)?,
            events: transaction.open_table(EVENTS)?,
            event_order: transaction.open_table(EVENT_ORDER)?,
            event_due: transaction.open_table(EVENT_DUE)?,
            event_age: transaction.open_table(EVENT_AGE)?,
            executions: transaction.open_table(EXECUTIONS)?,
            documents: transaction.open_table(DOCUMENTS)?,
            views: transaction.open_table(VIEWS)?,
            inputs: transaction.open_table(INPUTS)?,
            timeline: transaction.open_table(TIMELINE)?,
            index: transaction.open_table(INDEX)?,
            wakes: transaction.open_table(WAKES)?,
            holders: transaction.open_table(HOLDERS)?,
            waiters: transaction.open_table(WAITERS)?,
            waiting_age: transaction.open_table(WAITING_AGE)?,
            removed: transaction.open_table(REMOVED)?,
            removed_age: transaction.open_table(REMOVED_AGE)?,
            leases: transaction.open_table(LEASES)?,
            locks: transaction.open_table(LOCKS)?,
            locks_of: transaction.open_table(LOCKS_OF)?,
            outbox: transaction.open_table(OUTBOX)?,
            outbox_due: transaction.open_table(OUTBOX_DUE)?,
            outbox_age: transaction.open_table(OUTBOX_AGE)?,
            now_ms: 0,
            rings: false,
        })
    }

    /// Counts a write. `seen` is how many the process knows of: more than there are means that the
    /// file has gone back in time. Returns the new count, and how many are gone.
    pub(super) fn write_history(&mut self, seen: u64) -> Result<(u64, Option<u64>), Fault> {
        let count = self.count("history")?;
        if count > seen {
            return Ok((count, None));
        }
        let history = seen.saturating_add(1);
        self.meta.insert("history", history)?;
        self.count("rollbacks")?;
        self.meta.insert("quiet", self.now_ms.saturating_add(rules::QUIET_MS))?;
        Ok((history, Some(history.saturating_sub(count))))
    }

    /// Whether the store went back in time a moment ago, so that nothing is given out.
    pub(super) fn is_quiet(&self) -> Result<bool, Fault> {
        let quiet = self.meta.get("quiet")?.map_or(0, |found| found.value());
        Ok(self.now_ms < quiet)
    }

    /// The next token: ahead of the clock, so that a store that went back does not give out what it
    /// gave before.
    pub(super) fn next_token(&mut self) -> Result<u64, Fault> {
        let last = self.meta.get("token")?.map_or(0, |found| found.value());
        let token = last.saturating_add(1).max(self.now_ms.saturating_mul(rules::TOKENS_PER_MS));
        self.meta.insert("token", token)?;
        Ok(token)
    }

    /// Counts one further and returns the new count.
    pub(super) fn count(&mut self, name: &str) -> Result<u64, Fault> {
        let next = self.meta.get(name)?.map_or(0, |found| found.value()).saturating_add(1);
        self.meta.insert(name, next)?;
        Ok(next)
    }

    /// Counts one back.
    pub(super) fn uncount(&mut self, name: &str) -> Result<(), Fault> {
        let left = self.meta.get(name)?.map_or(0, |found| found.value()).saturating_sub(1);
        self.meta.insert(name, left)?;
        Ok(())
    }
}

/// The name of the count of executions with a status.
pub(super) fn status_count(status: ExecutionStatus) -> String {
    format!("executions/{status}")
}
