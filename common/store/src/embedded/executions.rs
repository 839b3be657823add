//! Executions: created once, changed by transitions that keep the rules, listed from indexes.

use std::collections::BTreeMap;

use model::{ExecutionId, TaskId};
use redb::{ReadTransaction, ReadableTable};

use super::{
    intake, slots,
    tables::{self, ExecutionRecord, Fault, LeaseRecord, OutboxRecord, Tables},
};
use crate::{
    Commit, Committed, Create, Created, ExecutionFilter, ExecutionRow, LeaseRow, OutboxRow, Reopen,
    SlotChange, StoredExecution, TaskChange, TimelineRow, index,
    rules::{self, Refusal},
};

pub(super) fn create(tables: &mut Tables<'_>, create: &Create) -> Result<Created, Fault> {
    let id = create.id.as_str();
    if tables.executions.get(id)?.is_some() || tables.removed.get(id)?.is_some() {
        return Ok(Created::Exists);
    }
    let other = (create.first.id != create.id).then_some(Refusal::OtherId);
    if let Some(refusal) = other.or_else(|| rules::refusal(&create.first, tables.now_ms)) {
        return Ok(Created::Refused { reason: refusal.reason() });
    }
    let record = ExecutionRecord {
        application: create.application.clone(),
        pipeline_id: create.pipeline_id.clone(),
        event_key: create.event_key.clone(),
        status: create.first.status,
        version: 0,
        schema: create.first.schema,
        created_ms: tables.now_ms,
        wake_ms: None,
        notice_ms: None,
        slot: None,
        ended_ms: None,
        timeline_rows: 0,
    };
    for name in record.indexes() {
        tables.index.insert((name.as_str(), record.created_ms, id), ())?;
    }
    tables.count(&tables::status_count(record.status))?;
    let slot = slots::answer(tables, &record.pipeline_id, create.slot)?;
    apply(tables, record, &create.first, Some(slot))?;
    Ok(Created::New)
}

pub(super) fn commit(tables: &mut Tables<'_>, commit: &Commit) -> Result<Committed, Fault> {
    let id = commit.id.as_str();
    let Some(record) = tables::row::<ExecutionRecord>(&tables.executions, id)? else {
        return Ok(Committed::Gone);
    };
    // Before the version: a repeat after an ambiguous reply finds the version it made itself.
    let input = (id, commit.input_id.as_str());
    if tables.inputs.get(input)?.is_some() {
        return Ok(Committed::Duplicate);
    }
    if record.version != commit.expect_version {
        return Ok(Committed::Conflict { version: record.version });
    }
    let refusal = if let Some(refusal) = refusal_of_reopening(&record, commit) {
        Some(refusal)
    } else if commit.schema < record.schema {
        Some(Refusal::SchemaBack)
    } else {
        rules::refusal(commit, tables.now_ms)
    };
    if let Some(refusal) = refusal {
        return Ok(Committed::Refused { reason: refusal.reason() });
    }
    if slots::is_refused(tables, &record, commit.slot)? {
        return Ok(Committed::NoSlot);
    }
    if takes_a_live_lease(tables, commit)? {
        return Ok(Committed::Conflict { version: record.version });
    }
    tables.inputs.insert(input, ())?;
    let version = apply(tables, record, commit, commit.slot)?;
    Ok(Committed::Applied { version })
}

fn refusal_of_reopening(record: &ExecutionRecord, commit: &Commit) -> Option<Refusal> {
    if !record.status.is_complete() {
        return None;
    }
    match (commit.reopen, commit.slot) {
        (Reopen::Never, _) => Some(Refusal::Terminal),
        (Reopen::ByRestart, None) => Some(Refusal::Unregistered),
        (Reopen::ByRestart, Some(_)) => None,
    }
}

/// Whether it would take a task from somebody who holds it now: the lease was claimed, or heard of
/// again, after the state this transition was computed from.
fn takes_a_live_lease(tables: &Tables<'_>, commit: &Commit) -> Result<bool, Fault> {
    for change in &commit.tasks {
        let TaskChange::Dispatch { task, epoch, .. } = change else {
            continue;
        };
        let known: Option<LeaseRecord> = tables::row(&tables.leases, &task.to_string())?;
        if known.is_some_and(|known| known.row.epoch < *epoch && known.row.is_held(tables.now_ms)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes everything a transition carries; all rules were checked before.
fn apply(
    tables: &mut Tables<'_>,
    mut record: ExecutionRecord,
    commit: &Commit,
    slot: Option<SlotChange>,
) -> Result<u64, Fault> {
    let id = commit.id.as_str();
    record.version = record.version.saturating_add(1);
    record.schema = commit.schema;
    if record.status != commit.status {
        let index_name = index::of_status(record.status);
        tables.index.remove((index_name.as_str(), record.created_ms, id))?;
        tables.uncount(&tables::status_count(record.status))?;
        record.status = commit.status;
        let index_name = index::of_status(record.status);
        tables.index.insert((index_name.as_str(), record.created_ms, id), ())?;
        tables.count(&tables::status_count(record.status))?;
    }
    tables.documents.insert(id, commit.document.as_str())?;
    tables.views.insert(id, commit.view.as_str())?;
    for body in &commit.timeline {
        let place = (id, record.timeline_rows);
        tables.timeline.insert(place, (record.version, tables.now_ms, body.as_str()))?;
        record.timeline_rows = record.timeline_rows.saturating_add(1);
    }
    for change in &commit.tasks {
        change_task(tables, change)?;
    }
    for row in &commit.outbox {
        put_message(tables, row)?;
    }
    for event in &commit.events {
        intake::event_accept(tables, event)?;
    }
    let now = tables.now_ms;
    for other in commit.notify.iter().filter(|other| **other != commit.id) {
        nudge(tables, other.as_str(), now)?;
    }
    let wake_ms = if commit.status.is_complete() {
        release_everything(tables, &commit.id)?;
        slots::leave(tables, id, &mut record)?;
        record.notice_ms = None;
        record.ended_ms = Some(now);
        None
    } else {
        unlock_owners(tables, &commit.id, &commit.unlock_owners)?;
        slots::change(tables, id, &mut record, slot)?;
        record.ended_ms = None;
        let notice = take_notices(tables, &commit.id, &mut record)?;
        commit.wake_ms.map(|wake| notice.map_or(wake, |notice| wake.min(notice)))
    };
    set_wake(tables, id, &mut record, wake_ms)?;
    tables::put(&mut tables.executions, id, &record)?;
    tables.rings = true;
    Ok(record.version)
}

fn change_task(tables: &mut Tables<'_>, change: &TaskChange) -> Result<(), Fault> {
    let key = change.task().to_string();
    let known: Option<LeaseRecord> = tables::row(&tables.leases, &key)?;
    match change {
        TaskChange::Dispatch { kind, epoch, digest, task: _ } => {
            if known.as_ref().is_some_and(|known| known.row.epoch >= *epoch) {
                return Ok(());
            }
            let fresh = LeaseRow {
                epoch: *epoch,
                holder: None,
                until_ms: None,
                dispatched_ms: tables.now_ms,
                claimed: false,
                checkpoints: 0,
                result: None,
                cancel: false,
            };
            let record = match known {
                // The result came in while this transition was computed: it stays the truth. The
                // epoch is raised, so that the coordinator finds the result where it will look.
                Some(known) if known.row.result.is_some() => {
                    LeaseRecord { row: LeaseRow { epoch: *epoch, ..known.row }, ..known }
                }
                Some(known) => LeaseRecord {
                    kind: *kind,
                    digest: digest.clone(),
                    row: LeaseRow {
                        checkpoints: known.row.checkpoints,
                        cancel: known.row.cancel,
                        ..fresh
                    },
                    token: None,
                    checkpoint: known.checkpoint,
                    notice_ms: None,
                },
                None => LeaseRecord {
                    kind: *kind,
                    digest: digest.clone(),
                    row: fresh,
                    token: None,
                    checkpoint: None,
                    notice_ms: None,
                },
            };
            tables::put(&mut tables.leases, &key, &record)
        }
        TaskChange::Cancel { task: _ } => {
            let Some(mut record) = known else {
                return Ok(());
            };
            record.row.cancel = true;
            tables::put(&mut tables.leases, &key, &record)
        }
        TaskChange::Retire { task: _ } => {
            tables.leases.remove(key.as_str())?;
            Ok(())
        }
    }
}

fn put_message(tables: &mut Tables<'_>, row: &OutboxRow) -> Result<(), Fault> {
    super::due::forget_message(tables, &row.message_id)?;
    let id = row.message_id.as_str();
    let now = tables.now_ms;
    let record = OutboxRecord { row: row.clone(), added_ms: now, due_ms: now };
    tables::put(&mut tables.outbox, id, &record)?;
    tables.outbox_due.insert((now, id), ())?;
    tables.outbox_age.insert((now, id), ())?;
    Ok(())
}

/// The earliest notice of a result, a release or a nudge that came after the state this transition
/// was computed from. Only the first transition after it can be blind to it, so it is taken once:
/// later ones saw the lease as it is. The caller writes the record.
fn take_notices(
    tables: &mut Tables<'_>,
    id: &ExecutionId,
    record: &mut ExecutionRecord,
) -> Result<Option<u64>, Fault> {
    let mut earliest = record.notice_ms.take();
    for (task, mut record) in tables::leases_of(&tables.leases, id)? {
        let Some(notice) = record.notice_ms.take() else {
            continue;
        };
        earliest = Some(earliest.map_or(notice, |earliest| earliest.min(notice)));
        tables::put(&mut tables.leases, &task.to_string(), &record)?;
    }
    Ok(earliest)
}

fn unlock_owners(
    tables: &mut Tables<'_>,
    id: &ExecutionId,
    owners: &[String],
) -> Result<(), Fault> {
    if owners.is_empty() {
        return Ok(());
    }
    for resource in locks_of(tables, id)? {
        let holder: Option<tables::LockRecord> = tables::row(&tables.locks, &resource)?;
        if holder.is_some_and(|holder| owners.contains(&holder.owner)) {
            tables.locks.remove(resource.as_str())?;
            tables.locks_of.remove((id.as_str(), resource.as_str()))?;
        }
    }
    Ok(())
}

fn locks_of(tables: &Tables<'_>, id: &ExecutionId) -> Result<Vec<String>, Fault> {
    let mut resources = Vec::new();
    for entry in tables.locks_of.range((id.as_str(), "")..)? {
        let (key, _) = entry?;
        let (execution, resource) = key.value();
        if execution != id.as_str() {
            break;
        }
        resources.push(resource.to_owned());
    }
    Ok(resources)
}

/// What a terminal execution may not keep: leases and locks.
fn release_everything(tables: &mut Tables<'_>, id: &ExecutionId) -> Result<(), Fault> {
    for task in tables::leases_of(&tables.leases, id)?.into_keys() {
        tables.leases.remove(task.to_string().as_str())?;
    }
    for resource in locks_of(tables, id)? {
        tables.locks.remove(resource.as_str())?;
        tables.locks_of.remove((id.as_str(), resource.as_str()))?;
    }
    Ok(())
}

/// Moves the wake of an execution in its record and in the list of wakes; the caller writes the
/// record.
pub(super) fn set_wake(
    tables: &mut Tables<'_>,
    id: &str,
    record: &mut ExecutionRecord,
    wake_ms: Option<u64>,
) -> Result<(), Fault> {
    if let Some(before) = record.wake_ms {
        tables.wakes.remove((before, id))?;
    }
    if let Some(wake) = wake_ms {
        tables.wakes.insert((wake, id), ())?;
    }
    record.wake_ms = wake_ms;
    Ok(())
}

/// Moves the wake of a live execution that the caller saw, at most as late as the rule allows.
pub(super) fn rewake(
    tables: &mut Tables<'_>,
    id: &ExecutionId,
    seen_ms: Option<u64>,
    wake_ms: u64,
) -> Result<(), Fault> {
    let Some(mut record) = tables::row::<ExecutionRecord>(&tables.executions, id.as_str())? else {
        return Ok(());
    };
    if record.wake_ms.is_none() || record.wake_ms != seen_ms {
        return Ok(());
    }
    let latest = tables.now_ms.saturating_add(rules::wake_max_ms());
    // The same wake may have been set once more since: then the notice says so.
    let notice = take_notices(tables, id, &mut record)?.unwrap_or(u64::MAX);
    set_wake(tables, id.as_str(), &mut record, Some(wake_ms.min(latest).min(notice)))?;
    tables.rings = true;
    tables::put(&mut tables.executions, id.as_str(), &record)
}

/// Brings the wake of a live execution forward. The notice makes it last: a transition that was
/// computed before and comes after takes it up.
pub(super) fn nudge(tables: &mut Tables<'_>, id: &str, by_ms: u64) -> Result<(), Fault> {
    let Some(mut record) = tables::row::<ExecutionRecord>(&tables.executions, id)? else {
        return Ok(());
    };
    let Some(wake) = record.wake_ms else {
        return Ok(());
    };
    record.notice_ms = Some(record.notice_ms.map_or(by_ms, |notice| notice.min(by_ms)));
    set_wake(tables, id, &mut record, Some(wake.min(by_ms)))?;
    tables.rings = true;
    tables::put(&mut tables.executions, id, &record)
}

/// Brings the wake of a live execution forward; never back.
pub(super) fn wake_by(tables: &mut Tables<'_>, task: &TaskId, by_ms: u64) -> Result<(), Fault> {
    let id = task.execution.as_str();
    let Some(mut record) = tables::row::<ExecutionRecord>(&tables.executions, id)? else {
        return Ok(());
    };
    let Some(wake) = record.wake_ms else {
        return Ok(());
    };
    set_wake(tables, id, &mut record, Some(wake.min(by_ms)))?;
    tables.rings = true;
    tables::put(&mut tables.executions, id, &record)
}

pub(super) fn load(
    transaction: &ReadTransaction,
    id: &ExecutionId,
    now_ms: u64,
) -> Result<Option<StoredExecution>, Fault> {
    let executions = transaction.open_table(tables::EXECUTIONS)?;
    let Some(record) = tables::row::<ExecutionRecord>(&executions, id.as_str())? else {
        return Ok(None);
    };
    let document = transaction.open_table(tables::DOCUMENTS)?.get(id.as_str())?;
    let leases = tables::leases_of(&transaction.open_table(tables::LEASES)?, id)?;
    let leases: BTreeMap<TaskId, LeaseRow> =
        leases.into_iter().map(|(task, record)| (task, record.row)).collect();
    let slot = slots::row(transaction, id, &record)?;
    Ok(Some(StoredExecution {
        version: record.version,
        schema: record.schema,
        document: document.map_or_else(String::new, |found| found.value().to_owned()),
        status: record.status,
        leases,
        wake_ms: record.wake_ms,
        slot,
        now_ms,
    }))
}

pub(super) fn view(
    transaction: &ReadTransaction,
    id: &ExecutionId,
) -> Result<Option<ExecutionRow>, Fault> {
    let executions = transaction.open_table(tables::EXECUTIONS)?;
    let Some(record) = tables::row::<ExecutionRecord>(&executions, id.as_str())? else {
        return Ok(None);
    };
    let view = transaction.open_table(tables::VIEWS)?.get(id.as_str())?;
    Ok(Some(ExecutionRow {
        id: id.clone(),
        application: record.application,
        pipeline_id: record.pipeline_id,
        status: record.status,
        version: record.version,
        created_ms: record.created_ms,
        view: view.map_or_else(String::new, |found| found.value().to_owned()),
    }))
}

pub(super) fn timeline(
    transaction: &ReadTransaction,
    id: &ExecutionId,
) -> Result<Vec<TimelineRow>, Fault> {
    let table = transaction.open_table(tables::TIMELINE)?;
    let mut rows = Vec::new();
    for entry in table.range((id.as_str(), 0)..=(id.as_str(), u64::MAX))? {
        let (_, value) = entry?;
        let (version, at_ms, body) = value.value();
        rows.push(TimelineRow { version, at_ms, body: body.to_owned() });
    }
    Ok(rows)
}

pub(super) fn applied(
    transaction: &ReadTransaction,
    id: &ExecutionId,
    input_id: &str,
) -> Result<bool, Fault> {
    Ok(transaction.open_table(tables::INPUTS)?.get((id.as_str(), input_id))?.is_some())
}

fn wanted(filter: &ExecutionFilter, record: &ExecutionRecord) -> bool {
    let is = |want: &Option<String>, have: &String| want.as_ref().is_none_or(|want| want == have);
    is(&filter.application, &record.application)
        && is(&filter.event_key, &record.event_key)
        && (filter.pipeline_ids.is_empty() || filter.pipeline_ids.contains(&record.pipeline_id))
        && (filter.statuses.is_empty() || filter.statuses.contains(&record.status))
}

pub(super) fn list(
    transaction: &ReadTransaction,
    filter: &ExecutionFilter,
) -> Result<Vec<ExecutionRow>, Fault> {
    let limit = rules::list_limit(filter.limit);
    let entries = transaction.open_table(tables::INDEX)?;
    let executions = transaction.open_table(tables::EXECUTIONS)?;
    let mut newest: Vec<(u64, ExecutionId)> = Vec::new();
    for source in index::sources(filter) {
        let mut found = 0_usize;
        let upto = (source.as_str(), u64::MAX, "\u{10FFFF}");
        for entry in entries.range((source.as_str(), 0, "")..=upto)?.rev() {
            if found == limit {
                break;
            }
            let (key, ()) = entry.map(|(key, _)| (key, ()))?;
            let (_, created_ms, id) = key.value();
            let record: Option<ExecutionRecord> = tables::row(&executions, id)?;
            if record.is_some_and(|record| wanted(filter, &record)) {
                newest.push((created_ms, tables::execution_id(id)?));
                found = found.saturating_add(1);
            }
        }
    }
    newest.sort_by(|a, b| rules::newest_first((a.0, a.1.as_str()), (b.0, b.1.as_str())));
    let mut rows = Vec::new();
    for (_, id) in newest.into_iter().take(limit) {
        rows.extend(view(transaction, &id)?);
    }
    Ok(rows)
}
