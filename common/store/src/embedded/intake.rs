//! What comes from outside: definitions and events.

use redb::{ReadTransaction, ReadableTable};

use super::{
    slots,
    tables::{self, EventRecord, Fault, Tables},
};
use crate::{
    EventAccepted, EventRow, PipelinePut, PipelineRow, PipelineWritten, StoredEvent, rules,
};

pub(super) fn pipeline_put(
    tables: &mut Tables<'_>,
    put: &PipelinePut,
) -> Result<PipelineWritten, Fault> {
    let stored: Option<PipelineRow> = tables::row(&tables.pipelines, &put.id)?;
    let version = stored.as_ref().map_or(0, |row| row.version);
    if let Some(row) = &stored
        && row.application == put.application
        && row.name == put.name
        && row.body == put.body
        && put.expected_version.is_none_or(|expected| expected.saturating_add(1) == version)
    {
        // The repeat of a call whose reply was lost.
        return Ok(PipelineWritten::Saved { version, updated_ms: row.updated_ms });
    }
    if put.expected_version.is_some_and(|expected| expected != version) {
        return Ok(PipelineWritten::Stale { version });
    }
    let name = (put.application.as_str(), put.name.as_str());
    if let Some(other) = tables.pipeline_names.get(name)?
        && other.value() != put.id
    {
        return Ok(PipelineWritten::NameTaken { id: other.value().to_owned() });
    }
    if let Some(row) = stored {
        tables.pipeline_names.remove((row.application.as_str(), row.name.as_str()))?;
    }
    let row = PipelineRow {
        id: put.id.clone(),
        application: put.application.clone(),
        name: put.name.clone(),
        body: put.body.clone(),
        version: version.saturating_add(1),
        updated_ms: tables.now_ms,
    };
    tables.pipeline_names.insert(name, put.id.as_str())?;
    tables::put(&mut tables.pipelines, &put.id, &row)?;
    slots::wake_waiters(tables, &put.id)?;
    tables.rings = true;
    Ok(PipelineWritten::Saved { version: row.version, updated_ms: row.updated_ms })
}

pub(super) fn pipeline_delete(tables: &mut Tables<'_>, id: &str) -> Result<bool, Fault> {
    let Some(row) = tables::row::<PipelineRow>(&tables.pipelines, id)? else {
        return Ok(false);
    };
    tables.pipelines.remove(id)?;
    tables.pipeline_names.remove((row.application.as_str(), row.name.as_str()))?;
    slots::wake_waiters(tables, id)?;
    tables.rings = true;
    Ok(true)
}

pub(super) fn pipeline_get(
    transaction: &ReadTransaction,
    id: &str,
) -> Result<Option<PipelineRow>, Fault> {
    tables::row(&transaction.open_table(tables::PIPELINES)?, id)
}

pub(super) fn pipeline_list(
    transaction: &ReadTransaction,
    application: Option<&str>,
) -> Result<Vec<PipelineRow>, Fault> {
    let pipelines = transaction.open_table(tables::PIPELINES)?;
    let names = transaction.open_table(tables::PIPELINE_NAMES)?;
    let mut rows: Vec<PipelineRow> = Vec::new();
    for entry in names.range((application.unwrap_or_default(), "")..)? {
        let (key, id) = entry?;
        if application.is_some_and(|application| key.value().0 != application) {
            break;
        }
        rows.extend(tables::row::<PipelineRow>(&pipelines, id.value())?);
    }
    rules::pipeline_order(&mut rows);
    Ok(rows)
}

pub(super) fn event_accept(
    tables: &mut Tables<'_>,
    event: &EventRow,
) -> Result<EventAccepted, Fault> {
    let key = event.key.as_str();
    if tables.events.get(key)?.is_some() {
        return Ok(EventAccepted::Duplicate);
    }
    let now = tables.now_ms;
    let record = EventRecord {
        body: event.body.clone(),
        accepted_ms: now,
        tries: 0,
        due_ms: now,
        note: None,
        outcome: None,
    };
    let place = tables.count("event")?;
    tables::put(&mut tables.events, key, &record)?;
    tables.event_order.insert(place, key)?;
    tables.event_due.insert((now, key), ())?;
    tables.event_age.insert((now, key), ())?;
    tables.rings = true;
    Ok(EventAccepted::New)
}

/// The event, if it still waits for its outcome.
fn pending(tables: &Tables<'_>, key: &str) -> Result<Option<EventRecord>, Fault> {
    let record: Option<EventRecord> = tables::row(&tables.events, key)?;
    Ok(record.filter(|record| record.outcome.is_none()))
}

pub(super) fn event_settle(tables: &mut Tables<'_>, key: &str, outcome: &str) -> Result<(), Fault> {
    let Some(mut record) = pending(tables, key)? else {
        return Ok(());
    };
    tables.event_due.remove((record.due_ms, key))?;
    tables.event_age.remove((record.accepted_ms, key))?;
    record.outcome = Some(outcome.to_owned());
    tables.rings = true;
    tables::put(&mut tables.events, key, &record)
}

pub(super) fn event_defer(
    tables: &mut Tables<'_>,
    key: &str,
    not_before_ms: u64,
    note: &str,
) -> Result<(), Fault> {
    let Some(mut record) = pending(tables, key)? else {
        return Ok(());
    };
    tables.event_due.remove((record.due_ms, key))?;
    tables.event_due.insert((not_before_ms, key), ())?;
    record.due_ms = not_before_ms;
    record.note = Some(note.to_owned());
    tables::put(&mut tables.events, key, &record)
}

pub(super) fn event_get(
    transaction: &ReadTransaction,
    key: &str,
) -> Result<Option<StoredEvent>, Fault> {
    let record: Option<EventRecord> = tables::row(&transaction.open_table(tables::EVENTS)?, key)?;
    Ok(record.map(|record| record.shown(key)))
}

pub(super) fn event_list(
    transaction: &ReadTransaction,
    limit: u32,
) -> Result<Vec<StoredEvent>, Fault> {
    let events = transaction.open_table(tables::EVENTS)?;
    let order = transaction.open_table(tables::EVENT_ORDER)?;
    let mut rows = Vec::new();
    for entry in order.iter()?.rev().take(rules::list_limit(limit)) {
        let (_, key) = entry?;
        let record: Option<EventRecord> = tables::row(&events, key.value())?;
        rows.extend(record.map(|record| record.shown(key.value())));
    }
    Ok(rows)
}
