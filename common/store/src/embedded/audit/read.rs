//! Subjects of the file with all that must agree with them, from one snapshot.

use model::{ExecutionId, ExecutionStatus};
use redb::{ReadTransaction, ReadableTableMetadata as _, TableHandle as _};

use super::super::{
    executions,
    tables::{
        self, EventRecord, ExecutionRecord, Fault, LeaseRecord, LockRecord, OutboxRecord,
        PipelineRecord,
    },
};
use crate::{
    audit::{
        At, Body, Count, EventFields, ExecutionFact, ExecutionFields, Fact, HOLDERS_MAX, List,
        LockFields, MessageFields, Moment, Owner, PipelineFields, Place, SlotFields, Subject,
        TaskFields,
    },
    index,
};

/// Reads subjects; those that are gone are left out.
pub(super) fn facts(
    transaction: &ReadTransaction,
    subjects: Vec<Subject>,
    now_ms: u64,
    real_ms: u64,
) -> Result<Vec<Fact>, Fault> {
    let meta = transaction.open_table(tables::META)?;
    let counter = |name| meta.get(name).map(|found| found.map_or(0, |it| it.value()));
    let moment = Moment {
        now_ms,
        real_ms,
        tokens: counter("token")?,
        fences: counter("fence")?,
        events: counter("event")?,
        slots: counter("slot")?,
    };
    let read = Read { transaction };
    let mut facts = Vec::new();
    for subject in subjects {
        let body = match read.body(&subject) {
            Ok(Some(body)) => body,
            Ok(None) => continue,
            Err(Fault::Unreadable(cause)) => Body::Unreadable(cause),
            Err(Fault::Database(cause)) => return Err(Fault::Database(cause)),
        };
        facts.push(Fact { subject, moment, body });
    }
    Ok(facts)
}

struct Read<'t> {
    transaction: &'t ReadTransaction,
}

impl Read<'_> {
    fn body(&self, subject: &Subject) -> Result<Option<Body>, Fault> {
        Ok(match subject {
            Subject::Execution(id) => self.execution(id)?.map(|it| Body::Execution(Box::new(it))),
            Subject::Entry(place) => {
                self.has(place)?.then(|| self.owner(place).map(Body::Entry)).transpose()?
            }
            Subject::Odd(name) => self.odd(name)?,
            Subject::Clock => Some(Body::Clock),
            Subject::Counts => Some(Body::Counts(self.counts()?)),
            Subject::Event(_)
            | Subject::Message(_)
            | Subject::Task(_)
            | Subject::Lock(_)
            | Subject::Pipeline(_) => match self.row(subject)? {
                Owner::Nobody | Owner::Unreadable | Owner::Execution(_) => None,
                Owner::Event(row) => {
                    let places = self.places(&Owner::Event(row.clone()))?;
                    Some(Body::Event(row, places))
                }
                Owner::Message(row) => {
                    let places = self.places(&Owner::Message(row.clone()))?;
                    Some(Body::Message(row, places))
                }
                Owner::Task(row) => {
                    let execution = self.execution_row(row.execution_id())?;
                    Some(Body::Task(row, Vec::new(), execution))
                }
                Owner::Lock(row) => {
                    let execution = self.execution_row(&row.execution)?;
                    let places = self.places(&Owner::Lock(row.clone()))?;
                    Some(Body::Lock(row, places, execution))
                }
                Owner::Pipeline(row) => {
                    let places = self.places(&Owner::Pipeline(row.clone()))?;
                    let holders = self.holders(&row.id)?;
                    Some(Body::Pipeline(row, places, holders))
                }
            },
        })
    }

    /// The row of a subject, without its neighbours.
    fn row(&self, subject: &Subject) -> Result<Owner, Fault> {
        let open = |table| self.transaction.open_table(table);
        let found = match subject {
            Subject::Execution(id) => self.execution_row(id)?.map(Owner::Execution),
            Subject::Event(key) => {
                let row = tables::row::<EventRecord>(&open(tables::EVENTS)?, key)?;
                row.map(|row| Owner::Event(event_fields(key, row)))
            }
            Subject::Message(id) => {
                let row = tables::row::<OutboxRecord>(&open(tables::OUTBOX)?, id)?;
                row.map(|row| Owner::Message(message_fields(id, row)))
            }
            Subject::Task(task) => {
                let row = tables::row::<LeaseRecord>(&open(tables::LEASES)?, task)?;
                row.map(|row| Owner::Task(task_fields(task, row)))
            }
            Subject::Lock(resource) => {
                let row = tables::row::<LockRecord>(&open(tables::LOCKS)?, resource)?;
                row.map(|row| Owner::Lock(lock_fields(resource, row)))
            }
            Subject::Pipeline(id) => {
                let row = tables::row::<PipelineRecord>(&open(tables::PIPELINES)?, id)?;
                row.map(|row| Owner::Pipeline(pipeline_fields(row)))
            }
            Subject::Entry(_) | Subject::Odd(_) | Subject::Clock | Subject::Counts => None,
        };
        Ok(found.unwrap_or(Owner::Nobody))
    }

    fn owner(&self, place: &Place) -> Result<Owner, Fault> {
        match self.row(&place.owner()) {
            Err(Fault::Unreadable(_)) => Ok(Owner::Unreadable),
            found => found,
        }
    }

    fn execution_row(&self, id: &str) -> Result<Option<ExecutionFields>, Fault> {
        let executions = self.transaction.open_table(tables::EXECUTIONS)?;
        let record = tables::row::<ExecutionRecord>(&executions, id)?;
        Ok(record.map(|record| execution_fields(id, record)))
    }

    fn execution(&self, id: &str) -> Result<Option<ExecutionFact>, Fault> {
        let Some(row) = self.execution_row(id)? else { return Ok(None) };
        let text = |table: tables::Bodies| -> Result<Option<String>, Fault> {
            let table = self.transaction.open_table(table)?;
            Ok(table.get(id)?.map(|found| found.value().to_owned()))
        };
        let event_known =
            self.transaction.open_table(tables::EVENTS)?.get(row.event_key.as_str())?.is_some();
        let mut places = self.places(&Owner::Execution(row.clone()))?;
        for status in ExecutionStatus::ALL.into_iter().filter(|status| *status != row.status) {
            let list = List::Index(index::of_status(status));
            let place = Place { list, member: id.to_owned(), at: At::Number(row.created_ms) };
            places.extend(self.has(&place)?.then_some(place));
        }
        let timeline = match id.parse::<ExecutionId>() {
            Ok(id) => executions::timeline(self.transaction, &id)?,
            Err(_) => Vec::new(),
        };
        Ok(Some(ExecutionFact {
            document: text(tables::DOCUMENTS)?,
            view: text(tables::VIEWS)?,
            timeline: timeline.into_iter().map(Ok).collect(),
            inputs: self.inputs(id)?,
            places,
            tasks: self.tasks_of(id)?,
            locks: self.locks_of(id)?,
            event_known,
            row,
        }))
    }

    /// Those that hold a slot of a pipeline and can be read.
    fn holders(&self, pipeline: &str) -> Result<Vec<ExecutionFields>, Fault> {
        let holders = self.transaction.open_table(tables::HOLDERS)?;
        let mut found = Vec::new();
        let all = holders.range((pipeline, 0)..=(pipeline, u64::MAX))?;
        for entry in all.take(usize::from(HOLDERS_MAX)) {
            if let Ok(Some(row)) = self.execution_row(entry?.1.value()) {
                found.push(row);
            }
        }
        Ok(found)
    }

    fn inputs(&self, id: &str) -> Result<u64, Fault> {
        let mut count = 0_u64;
        for entry in self.transaction.open_table(tables::INPUTS)?.range((id, "")..)? {
            if entry?.0.value().0 != id {
                break;
            }
            count = count.saturating_add(1);
        }
        Ok(count)
    }

    /// The leases of an execution; one that cannot be read is told where it is judged itself.
    fn tasks_of(&self, id: &str) -> Result<Vec<(String, TaskFields)>, Fault> {
        let (from, to) = (format!("{id}/"), format!("{id}0"));
        let mut found = Vec::new();
        let leases = self.transaction.open_table(tables::LEASES)?;
        for entry in leases.range(from.as_str()..to.as_str())? {
            let (key, value) = entry?;
            if let Ok(record) = tables::decoded::<LeaseRecord>(key.value(), value.value()) {
                found.push((key.value().to_owned(), task_fields(key.value(), record)));
            }
        }
        Ok(found)
    }

    fn locks_of(&self, id: &str) -> Result<Vec<(String, LockFields)>, Fault> {
        let locks = self.transaction.open_table(tables::LOCKS)?;
        let mut found = Vec::new();
        for entry in self.transaction.open_table(tables::LOCKS_OF)?.range((id, "")..)? {
            let (key, _) = entry?;
            let (execution, resource) = key.value();
            if execution != id {
                break;
            }
            if let Ok(Some(record)) = tables::row::<LockRecord>(&locks, resource) {
                found.push((resource.to_owned(), lock_fields(resource, record)));
            }
        }
        Ok(found)
    }

    /// Those places of a row that are there.
    fn places(&self, owner: &Owner) -> Result<Vec<Place>, Fault> {
        let mut found = Vec::new();
        for place in crate::audit::places(crate::audit::Layout::Embedded, owner) {
            if self.has(&place)? {
                found.push(place);
            } else if let (List::Names(application), At::Id(_)) = (&place.list, &place.at) {
                // Whom the name leads to instead.
                let names = self.transaction.open_table(tables::PIPELINE_NAMES)?;
                let other = names.get((application.as_str(), place.member.as_str()))?;
                let other = other.map(|id| At::Id(id.value().to_owned()));
                found.extend(other.map(|at| Place { at, ..place }));
            }
        }
        Ok(found)
    }

    /// True when a place is there as described.
    fn has(&self, place: &Place) -> Result<bool, Fault> {
        let open = |table| self.transaction.open_table(table);
        let member = place.member.as_str();
        let due = |table| -> Result<bool, Fault> {
            let At::Number(at) = place.at else { return Ok(false) };
            Ok(self.transaction.open_table(table)?.get((at, member))?.is_some())
        };
        Ok(match &place.list {
            List::Index(name) => {
                let At::Number(at) = place.at else { return Ok(false) };
                let index = self.transaction.open_table(tables::INDEX)?;
                index.get((name.as_str(), at, member))?.is_some()
            }
            List::Wakes => due(tables::WAKES)?,
            List::EventDue => due(tables::EVENT_DUE)?,
            List::EventAge => due(tables::EVENT_AGE)?,
            List::OutboxDue => due(tables::OUTBOX_DUE)?,
            List::OutboxAge => due(tables::OUTBOX_AGE)?,
            List::Documents => open(tables::DOCUMENTS)?.get(member)?.is_some(),
            List::Views => open(tables::VIEWS)?.get(member)?.is_some(),
            List::Inputs => self.inputs(member)? > 0,
            List::Timeline => {
                let timeline = self.transaction.open_table(tables::TIMELINE)?;
                timeline.range((member, 0)..=(member, u64::MAX))?.next().is_some()
            }
            List::EventOrder => {
                let At::Number(at) = place.at else { return Ok(false) };
                let order = self.transaction.open_table(tables::EVENT_ORDER)?;
                order.get(at)?.is_some_and(|key| key.value() == member)
            }
            List::LocksOf(id) => {
                let locks = self.transaction.open_table(tables::LOCKS_OF)?;
                locks.get((id.as_str(), member))?.is_some()
            }
            List::Holders(pipeline) => self.has_slot(tables::HOLDERS, pipeline, place)?,
            List::Waiters(pipeline) => self.has_slot(tables::WAITERS, pipeline, place)?,
            List::WaitingAge => due(tables::WAITING_AGE)?,
            List::RemovedAge => due(tables::REMOVED_AGE)?,
            List::Indexed => due(tables::PIPELINE_INDEXED)?,
            List::Keyed(key) => {
                let keys = self.transaction.open_table(tables::PIPELINE_KEYS)?;
                keys.get((key.as_str(), member))?.is_some()
            }
            List::Removed => {
                let removed = self.transaction.open_table(tables::REMOVED)?;
                removed.get(member)?.is_some_and(|at| place.at == At::Number(at.value()))
            }
            List::Names(application) => {
                let names = self.transaction.open_table(tables::PIPELINE_NAMES)?;
                let found = names.get((application.as_str(), member))?;
                found.is_some_and(|id| place.at == At::Id(id.value().to_owned()))
            }
            List::Waiting(_) | List::Running(_) | List::TasksOf(_) | List::Pipelines => false,
        })
    }

    fn has_slot(
        &self,
        table: tables::SlotTable<'_>,
        pipeline: &str,
        place: &Place,
    ) -> Result<bool, Fault> {
        let At::Number(number) = place.at else { return Ok(false) };
        let found = self.transaction.open_table(table)?.get((pipeline, number))?;
        Ok(found.is_some_and(|id| id.value() == place.member))
    }

    fn odd(&self, name: &str) -> Result<Option<Body>, Fault> {
        let there = self.transaction.list_tables()?.any(|table| table.name() == name);
        let foreign = there && !tables::NAMES.contains(&name);
        Ok(foreign.then(|| Body::Odd("it is a table this program does not know".to_owned())))
    }

    fn counts(&self) -> Result<Vec<Count>, Fault> {
        let meta = self.transaction.open_table(tables::META)?;
        let index = self.transaction.open_table(tables::INDEX)?;
        let mut counts = Vec::new();
        for status in ExecutionStatus::ALL {
            let name = index::of_status(status);
            let upto = (name.as_str(), u64::MAX, "\u{10FFFF}");
            let found = index.range((name.as_str(), 0, "")..=upto)?.count();
            let kept = meta.get(tables::status_count(status).as_str())?;
            counts.push(Count {
                name: format!("executions that are {status}"),
                kept: kept.map_or(0, |it| it.value()),
                found: u64::try_from(found).unwrap_or(u64::MAX),
            });
        }
        counts.push(Count {
            name: "events in order".to_owned(),
            kept: self.transaction.open_table(tables::EVENT_ORDER)?.len()?,
            found: self.transaction.open_table(tables::EVENTS)?.len()?,
        });
        counts.push(Count {
            name: "removed executions by age".to_owned(),
            kept: self.transaction.open_table(tables::REMOVED_AGE)?.len()?,
            found: self.transaction.open_table(tables::REMOVED)?.len()?,
        });
        Ok(counts)
    }
}

fn execution_fields(id: &str, record: ExecutionRecord) -> ExecutionFields {
    ExecutionFields {
        id: id.to_owned(),
        application: record.application,
        pipeline_id: record.pipeline_id,
        event_key: record.event_key,
        status: record.status,
        live: None,
        version: record.version,
        schema: record.schema,
        created_ms: record.created_ms,
        wake_ms: record.wake_ms,
        slot: record
            .slot
            .map(|slot| SlotFields { number: slot.number, waits_since_ms: slot.waits_since_ms }),
        ended_ms: record.ended_ms,
        timeline_rows: Some(record.timeline_rows),
    }
}

fn event_fields(key: &str, record: EventRecord) -> EventFields {
    EventFields {
        key: key.to_owned(),
        body: record.body,
        accepted_ms: record.accepted_ms,
        since_ms: record.since_ms,
        due_ms: Some(record.due_ms),
        outcome: record.outcome,
    }
}

fn message_fields(id: &str, record: OutboxRecord) -> MessageFields {
    MessageFields {
        id: id.to_owned(),
        route: record.row.route,
        body: record.row.body,
        only_if: record.row.only_if,
        added_ms: Some(record.added_ms),
        due_ms: Some(record.due_ms),
    }
}

fn task_fields(task: &str, record: LeaseRecord) -> TaskFields {
    TaskFields {
        task: task.to_owned(),
        execution: None,
        kind: record.kind,
        digest: record.digest,
        row: record.row,
        token: record.token,
        checkpoint: record.checkpoint,
    }
}

fn lock_fields(resource: &str, record: LockRecord) -> LockFields {
    LockFields {
        resource: resource.to_owned(),
        execution: record.execution.to_string(),
        owner: record.owner,
        fence: record.fence,
    }
}

fn pipeline_fields(PipelineRecord { row, index }: PipelineRecord) -> PipelineFields {
    PipelineFields {
        id: row.id,
        application: row.application,
        name: row.name,
        body: row.body,
        version: row.version,
        updated_ms: row.updated_ms,
        index,
    }
}
