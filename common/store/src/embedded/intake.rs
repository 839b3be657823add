//! Events: what comes from outside, and what was planned for a later time.

use redb::{ReadTransaction, ReadableTable};

use super::{
    definitions,
    tables::{self, EventRecord, Fault, Tables},
};
use crate::{EventAccepted, EventRow, StoredEvent, rules};

pub(super) fn event_accept(
    tables: &mut Tables<'_>,
    event: &EventRow,
) -> Result<EventAccepted, Fault> {
    let key = event.key.as_str();
    if tables.events.get(key)?.is_some() {
        return Ok(EventAccepted::Duplicate);
    }
    if !event.if_indexed.is_empty() && !definitions::any_keyed(tables, &event.if_indexed)? {
        return Ok(EventAccepted::Unwanted);
    }
    let now = tables.now_ms;
    let since = event.not_before_ms.map_or(now, |at| rules::instant(at).max(now));
    let record = EventRecord {
        body: event.body.clone(),
        accepted_ms: now,
        since_ms: since,
        tries: 0,
        due_ms: since,
        note: None,
        outcome: None,
    };
    let place = tables.count("event")?;
    tables::put(&mut tables.events, key, &record)?;
    tables.event_order.insert(place, key)?;
    tables.event_due.insert((since, key), ())?;
    tables.event_age.insert((since, key), ())?;
    tables.rings = true;
    Ok(EventAccepted::New)
}

/// The event, if it still waits for its outcome.
fn pending(tables: &Tables<'_>, key: &str) -> Result<Option<EventRecord>, Fault> {
    let record: Option<EventRecord> = tables::row(&tables.events, key)?;
    Ok(record.filter(|record| record.outcome.is_none()))
}

pub(super) fn event_settle(
    tables: &mut Tables<'_>,
    key: &str,
    outcome: &str,
    then: &[EventRow],
) -> Result<(), Fault> {
    let Some(mut record) = pending(tables, key)? else {
        return Ok(());
    };
    tables.event_due.remove((record.due_ms, key))?;
    tables.event_age.remove((record.since_ms, key))?;
    record.outcome = Some(outcome.to_owned());
    tables.rings = true;
    tables::put(&mut tables.events, key, &record)?;
    for event in then {
        event_accept(tables, event)?;
    }
    Ok(())
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
