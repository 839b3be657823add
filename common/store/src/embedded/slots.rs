//! Slots: who of a pipeline may run, and in which order the others wait.

use model::ExecutionId;
use redb::{ReadTransaction, ReadableTable};

use super::{
    executions,
    tables::{self, ExecutionRecord, Fault, SlotRecord, Tables},
};
use crate::{SlotChange, SlotEntry, SlotRequest, SlotRow, SlotState};

/// How an execution stands.
fn state(record: &ExecutionRecord) -> SlotState {
    match &record.slot {
        None => SlotState::None,
        Some(SlotRecord { waits_since_ms: None, .. }) => SlotState::Holds,
        Some(SlotRecord { waits_since_ms: Some(_), .. }) => SlotState::Waits,
    }
}

/// True when the transition's wish for a slot cannot be met.
pub(super) fn is_refused(
    tables: &Tables<'_>,
    record: &ExecutionRecord,
    change: Option<SlotChange>,
) -> Result<bool, Fault> {
    match (change, state(record)) {
        (Some(SlotChange::Take { limit }), SlotState::None | SlotState::Waits) => {
            Ok(!has_free(tables, &record.pipeline_id, limit)?)
        }
        (Some(SlotChange::Take { .. }), SlotState::Holds) | (Some(SlotChange::Wait) | None, _) => {
            Ok(false)
        }
    }
}

fn has_free(tables: &Tables<'_>, pipeline: &str, limit: Option<u32>) -> Result<bool, Fault> {
    let Some(limit) = limit else {
        return Ok(true);
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let of_pipeline = (pipeline, 0)..=(pipeline, u64::MAX);
    Ok(tables.holders.range(of_pipeline)?.take(limit).count() < limit)
}

/// What a new execution gets for its request.
pub(super) fn answer(
    tables: &Tables<'_>,
    pipeline: &str,
    request: SlotRequest,
) -> Result<SlotChange, Fault> {
    let free = || -> Result<bool, Fault> {
        let nobody_waits =
            tables.waiters.range((pipeline, 0)..=(pipeline, u64::MAX))?.next().is_none();
        Ok(nobody_waits && has_free(tables, pipeline, request.limit)?)
    };
    Ok(if request.limit.is_none() || free()? {
        SlotChange::Take { limit: request.limit }
    } else {
        SlotChange::Wait
    })
}

/// What a live execution has after a transition. One from a file of an older format, which knew no
/// slots, holds one from its next transition on.
pub(super) fn change(
    tables: &mut Tables<'_>,
    id: &str,
    record: &mut ExecutionRecord,
    change: Option<SlotChange>,
) -> Result<(), Fault> {
    let pipeline = record.pipeline_id.clone();
    match (&record.slot, change) {
        (None, Some(SlotChange::Wait)) => {
            let (number, now) = (tables.count("slot")?, tables.now_ms);
            tables.waiters.insert((pipeline.as_str(), number), id)?;
            tables.waiting_age.insert((now, id), ())?;
            record.slot = Some(SlotRecord { number, waits_since_ms: Some(now) });
        }
        (None, Some(SlotChange::Take { .. }) | None) => {
            let number = tables.count("slot")?;
            tables.holders.insert((pipeline.as_str(), number), id)?;
            record.slot = Some(SlotRecord { number, waits_since_ms: None });
        }
        (
            Some(SlotRecord { number, waits_since_ms: Some(since) }),
            Some(SlotChange::Take { .. }),
        ) => {
            let number = *number;
            tables.waiters.remove((pipeline.as_str(), number))?;
            tables.waiting_age.remove((*since, id))?;
            tables.holders.insert((pipeline.as_str(), number), id)?;
            record.slot = Some(SlotRecord { number, waits_since_ms: None });
            wake_waiters(tables, &pipeline)?;
        }
        (Some(_), Some(SlotChange::Take { .. } | SlotChange::Wait) | None) => {}
    }
    Ok(())
}

/// Frees slot or place.
pub(super) fn leave(
    tables: &mut Tables<'_>,
    id: &str,
    record: &mut ExecutionRecord,
) -> Result<(), Fault> {
    let Some(slot) = record.slot.take() else {
        return Ok(());
    };
    let place = (record.pipeline_id.as_str(), slot.number);
    match slot.waits_since_ms {
        Some(since) => {
            tables.waiters.remove(place)?;
            tables.waiting_age.remove((since, id))?;
        }
        None => {
            tables.holders.remove(place)?;
        }
    }
    wake_waiters(tables, &record.pipeline_id)
}

/// Whoever waits for a slot of the pipeline looks now.
pub(super) fn wake_waiters(tables: &mut Tables<'_>, pipeline: &str) -> Result<(), Fault> {
    let now = tables.now_ms;
    for entry in entries(&tables.waiters, pipeline)? {
        executions::nudge(tables, entry.execution.as_str(), now)?;
    }
    Ok(())
}

fn entries(
    table: &impl ReadableTable<(&'static str, u64), &'static str>,
    pipeline: &str,
) -> Result<Vec<SlotEntry>, Fault> {
    let mut found = Vec::new();
    for entry in table.range((pipeline, 0)..=(pipeline, u64::MAX))? {
        let (key, id) = entry?;
        let execution = tables::execution_id(id.value())?;
        found.push(SlotEntry { number: key.value().1, execution });
    }
    Ok(found)
}

pub(super) fn row(
    transaction: &ReadTransaction,
    id: &ExecutionId,
    record: &ExecutionRecord,
) -> Result<SlotRow, Fault> {
    let own = state(record);
    if let Some(SlotRecord { number, waits_since_ms: None }) = record.slot {
        let itself = SlotEntry { number, execution: id.clone() };
        return Ok(SlotRow { own, holders: vec![itself], waiting: Vec::new() });
    }
    let list = |table| entries(&transaction.open_table(table)?, &record.pipeline_id);
    let (holders, waiting) = (list(tables::HOLDERS)?, list(tables::WAITERS)?);
    Ok(SlotRow { own, holders, waiting })
}
