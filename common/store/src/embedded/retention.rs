//! What is removed when it is old.

use redb::{ReadTransaction, ReadableTable};

use super::tables::{self, EventRecord, ExecutionRecord, Fault, Tables};
use crate::{Expired, Expiry, FinishedFilter, FinishedPage, Removed, index};

pub(super) fn finished(
    transaction: &ReadTransaction,
    filter: FinishedFilter,
) -> Result<FinishedPage, Fault> {
    let executions = transaction.open_table(tables::EXECUTIONS)?;
    let entries = transaction.open_table(tables::INDEX)?;
    let mut page = FinishedPage::default();
    let all = index::of_all();
    let old = (all.as_str(), 0, "")..(all.as_str(), filter.before_ms, "");
    for entry in entries.range(old)?.skip(size(filter.skip)).take(size(filter.limit)) {
        let (key, _) = entry?;
        let id = key.value().2;
        page.looked_at = page.looked_at.saturating_add(1);
        let Some(record) = tables::row::<ExecutionRecord>(&executions, id)? else {
            continue;
        };
        let ended_ms = record.ended_ms.unwrap_or(0);
        if record.status.is_complete()
            && ended_ms < filter.before_ms
            && !is_among_newest(&entries, &record.pipeline_id, id, filter.keep_per_pipeline)?
        {
            page.ids.push(tables::execution_id(id)?);
        }
    }
    Ok(page)
}

fn is_among_newest(
    entries: &impl ReadableTable<(&'static str, u64, &'static str), ()>,
    pipeline: &str,
    id: &str,
    keep: u32,
) -> Result<bool, Fault> {
    let name = index::of_pipeline(pipeline);
    let newest = (name.as_str(), 0, "")..=(name.as_str(), u64::MAX, "\u{10FFFF}");
    for entry in entries.range(newest)?.rev().take(size(keep)) {
        if entry?.0.value().2 == id {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn remove(tables: &mut Tables<'_>, id: &str) -> Result<Removed, Fault> {
    let Some(record) = tables::row::<ExecutionRecord>(&tables.executions, id)? else {
        return Ok(Removed::Gone);
    };
    if !record.status.is_complete() {
        return Ok(Removed::Live);
    }
    for name in record.indexes() {
        tables.index.remove((name.as_str(), record.created_ms, id))?;
    }
    tables.uncount(&tables::status_count(record.status))?;
    tables.executions.remove(id)?;
    tables.documents.remove(id)?;
    tables.views.remove(id)?;
    for place in 0..record.timeline_rows {
        tables.timeline.remove((id, place))?;
    }
    let mut inputs = Vec::new();
    for entry in tables.inputs.range((id, "")..=(id, "\u{10FFFF}"))? {
        inputs.push(entry?.0.value().1.to_owned());
    }
    for input in inputs {
        tables.inputs.remove((id, input.as_str()))?;
    }
    let now = tables.now_ms;
    tables.removed.insert(id, now)?;
    tables.removed_age.insert((now, id), ())?;
    tables.rings = true;
    Ok(Removed::Done)
}

pub(super) fn expire(tables: &mut Tables<'_>, expiry: Expiry) -> Result<Expired, Fault> {
    let mut expired = Expired::default();
    for (place, key) in old_events(tables, expiry)? {
        tables.event_order.remove(place)?;
        tables.events.remove(key.as_str())?;
        expired.events = expired.events.saturating_add(1);
    }
    let mut tombstones = Vec::new();
    for entry in
        tables.removed_age.range(..(expiry.tombstones_before_ms, ""))?.take(size(expiry.limit))
    {
        let (key, _) = entry?;
        tombstones.push((key.value().0, key.value().1.to_owned()));
    }
    for (removed_ms, id) in tombstones {
        tables.removed_age.remove((removed_ms, id.as_str()))?;
        tables.removed.remove(id.as_str())?;
        expired.tombstones = expired.tombstones.saturating_add(1);
    }
    Ok(expired)
}

/// Settled events accepted before the time, with their places in the order.
fn old_events(tables: &Tables<'_>, expiry: Expiry) -> Result<Vec<(u64, String)>, Fault> {
    let mut old = Vec::new();
    for entry in tables.event_order.iter()? {
        let (place, key) = entry?;
        let record: Option<EventRecord> = tables::row(&tables.events, key.value())?;
        let Some(record) = record else {
            continue;
        };
        if old.len() >= size(expiry.limit) || record.accepted_ms >= expiry.events_before_ms {
            break;
        }
        if record.outcome.is_some() {
            old.push((place.value(), key.value().to_owned()));
        }
    }
    Ok(old)
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
