//! Due work: taken for a while, and due again when it is not settled by then.

use model::{ExecutionStatus, Pool};
use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, Table};

use super::{
    executions,
    tables::{self, EventRecord, ExecutionRecord, Fault, LeaseRecord, OutboxRecord, Tables},
};
use crate::{Due, OutboxRow, Stats};

type DueTable<'t> = Table<'t, (u64, &'static str), ()>;

pub(super) fn due(tables: &mut Tables<'_>, limit: usize, hide_ms: u64) -> Result<Due, Fault> {
    let now = tables.now_ms;
    let again = now.saturating_add(hide_ms);
    let mut due = Due { now_ms: now, ..Due::default() };
    for key in heads(&tables.event_due, now, limit)? {
        let Some(mut record) = tables::row::<EventRecord>(&tables.events, &key)? else {
            continue;
        };
        tables.event_due.remove((record.due_ms, key.as_str()))?;
        tables.event_due.insert((again, key.as_str()), ())?;
        record.due_ms = again;
        record.tries = record.tries.saturating_add(1);
        tables::put(&mut tables.events, &key, &record)?;
        due.events.push(record.shown(&key));
    }
    due.outbox = due_messages(tables, limit, again)?;
    for id in heads(&tables.wakes, now, limit)? {
        let Some(mut record) = tables::row::<ExecutionRecord>(&tables.executions, &id)? else {
            continue;
        };
        executions::set_wake(tables, &id, &mut record, Some(again))?;
        tables::put(&mut tables.executions, &id, &record)?;
        due.wakes.push(tables::execution_id(&id)?);
    }
    for table in [&tables.event_due, &tables.outbox_due, &tables.wakes] {
        let first = table.first()?.map(|(key, _)| key.value().0);
        due.next_ms = match (due.next_ms, first) {
            (Some(known), Some(first)) => Some(known.min(first)),
            (known, first) => known.or(first),
        };
    }
    Ok(due)
}

/// That nothing is due, if so: whoever asks every second costs no write then.
pub(super) fn idle(transaction: &ReadTransaction, now_ms: u64) -> Result<Option<Due>, Fault> {
    let mut due = Due { now_ms, ..Due::default() };
    for table in [tables::EVENT_DUE, tables::OUTBOX_DUE, tables::WAKES] {
        let table = transaction.open_table(table)?;
        let Some(first) = table.first()?.map(|(key, _)| key.value().0) else { continue };
        if first <= now_ms {
            return Ok(None);
        }
        due.next_ms = Some(due.next_ms.map_or(first, |known| known.min(first)));
    }
    Ok(Some(due))
}

/// What is due now, the longest overdue first.
fn heads(table: &DueTable<'_>, now_ms: u64, limit: usize) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for entry in table.range(..(now_ms.saturating_add(1), ""))?.take(limit) {
        found.push(entry?.0.value().1.to_owned());
    }
    Ok(found)
}

/// Takes due messages. Those for a task that is no longer live in their epoch are dropped, and
/// others taken in their place.
fn due_messages(
    tables: &mut Tables<'_>,
    limit: usize,
    again_ms: u64,
) -> Result<Vec<OutboxRow>, Fault> {
    let mut taken = Vec::new();
    while taken.len() < limit {
        let due = heads(&tables.outbox_due, tables.now_ms, limit.saturating_sub(taken.len()))?;
        if due.is_empty() {
            break;
        }
        for id in due {
            let record: Option<OutboxRecord> = tables::row(&tables.outbox, &id)?;
            let record = record
                .ok_or_else(|| Fault::Unreadable(format!("message `{id}` is due and missing")))?;
            if is_wanted(tables, &record.row)? {
                defer_message(tables, &id, again_ms)?;
                taken.push(record.row);
            } else {
                forget_message(tables, &id)?;
            }
        }
    }
    Ok(taken)
}

fn is_wanted(tables: &Tables<'_>, row: &OutboxRow) -> Result<bool, Fault> {
    let Some((task, epoch)) = &row.only_if else {
        return Ok(true);
    };
    let lease: Option<LeaseRecord> = tables::row(&tables.leases, &task.to_string())?;
    Ok(lease.is_some_and(|lease| lease.row.epoch == *epoch && lease.row.result.is_none()))
}

/// Deletes a message, if it is there.
pub(super) fn forget_message(tables: &mut Tables<'_>, id: &str) -> Result<(), Fault> {
    let Some(record) = tables::row::<OutboxRecord>(&tables.outbox, id)? else {
        return Ok(());
    };
    tables.outbox_due.remove((record.due_ms, id))?;
    tables.outbox_age.remove((record.added_ms, id))?;
    tables.outbox.remove(id)?;
    Ok(())
}

/// Makes a message due at another time, if it is there.
pub(super) fn defer_message(
    tables: &mut Tables<'_>,
    id: &str,
    not_before_ms: u64,
) -> Result<(), Fault> {
    let Some(mut record) = tables::row::<OutboxRecord>(&tables.outbox, id)? else {
        return Ok(());
    };
    tables.outbox_due.remove((record.due_ms, id))?;
    tables.outbox_due.insert((not_before_ms, id), ())?;
    record.due_ms = not_before_ms;
    tables::put(&mut tables.outbox, id, &record)
}

pub(super) fn stats(transaction: &ReadTransaction, now_ms: u64) -> Result<Stats, Fault> {
    let mut stats = Stats::default();
    let meta = transaction.open_table(tables::META)?;
    for status in ExecutionStatus::ALL {
        let count = meta.get(tables::status_count(status).as_str())?.map_or(0, |it| it.value());
        if count > 0 {
            stats.executions.insert(status, count);
        }
    }
    stats.rollbacks = meta.get("rollbacks")?.map_or(0, |it| it.value());
    // Leases exist only for live tasks, so this walk is as long as the work in hand.
    for entry in transaction.open_table(tables::LEASES)?.iter()? {
        let (key, value) = entry?;
        let lease: LeaseRecord = tables::decoded(key.value(), value.value())?;
        count_lease(&mut stats, &lease, now_ms);
    }
    let age = |oldest: Option<u64>| oldest.map_or(0, |oldest| now_ms.saturating_sub(oldest));
    let outbox_age = transaction.open_table(tables::OUTBOX_AGE)?;
    stats.outbox_depth = outbox_age.len()?;
    stats.outbox_oldest_ms = age(outbox_age.first()?.map(|(key, _)| key.value().0));
    let event_age = transaction.open_table(tables::EVENT_AGE)?;
    for entry in event_age.range(..(now_ms.saturating_add(1), ""))? {
        entry?;
        stats.events_pending = stats.events_pending.saturating_add(1);
    }
    stats.events_oldest_ms = age(event_age.first()?.map(|(key, _)| key.value().0));
    let waiting_age = transaction.open_table(tables::WAITING_AGE)?;
    stats.executions_waiting = waiting_age.len()?;
    stats.executions_waiting_oldest_ms = age(waiting_age.first()?.map(|(key, _)| key.value().0));
    let overdue = now_ms.saturating_sub(crate::rules::OVERDUE_MS);
    let wakes = transaction.open_table(tables::WAKES)?;
    for entry in wakes.range(..(overdue, ""))? {
        entry?;
        stats.wakes_overdue = stats.wakes_overdue.saturating_add(1);
    }
    Ok(stats)
}

fn count_lease(stats: &mut Stats, lease: &LeaseRecord, now_ms: u64) {
    let kind: Pool = lease.kind;
    let row = &lease.row;
    if row.is_held(now_ms) {
        let running = stats.leases_running.entry(kind).or_default();
        *running = running.saturating_add(1);
    }
    if row.result.is_none() && !row.claimed {
        let waiting = stats.tasks_waiting.entry(kind).or_default();
        *waiting = waiting.saturating_add(1);
        let age = now_ms.saturating_sub(row.dispatched_ms);
        let oldest = stats.oldest_waiting_ms.entry(kind).or_default();
        *oldest = age.max(*oldest);
    }
}
