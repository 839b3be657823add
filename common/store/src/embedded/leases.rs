//! Leases and locks: who may work on what.

use model::{ExecutionId, TaskId};

use super::{
    executions,
    tables::{self, ExecutionRecord, Fault, LeaseRecord, LockRecord, Tables},
};
use crate::{Beat, Claim, Fence, Locked, TaskClaim, rules};

pub(super) fn claim(tables: &mut Tables<'_>, claim: &TaskClaim) -> Result<Claim, Fault> {
    let key = claim.task.to_string();
    let Some(mut record) = tables::row::<LeaseRecord>(&tables.leases, &key)? else {
        return Ok(Claim::Gone);
    };
    if claim.epoch < record.row.epoch {
        return Ok(Claim::Stale { epoch: record.row.epoch });
    }
    // An epoch nobody committed is as foreign as a digest nobody committed.
    if claim.epoch > record.row.epoch || claim.digest != record.digest {
        return Ok(Claim::Gone);
    }
    if record.row.result.is_some() {
        return Ok(Claim::Finished);
    }
    let now = tables.now_ms;
    let live = record.row.is_held(now);
    let token = match (&record.row.holder, record.token) {
        (Some(holder), _) if live && *holder != claim.holder => {
            return Ok(Claim::Busy { holder: holder.clone() });
        }
        (Some(_), Some(token)) if live => token,
        (Some(_) | None, Some(_) | None) if tables.is_quiet()? => {
            return Ok(Claim::Busy { holder: rules::AFTER_ROLLBACK.to_owned() });
        }
        (Some(_) | None, Some(_) | None) => tables.next_token()?,
    };
    record.token = Some(token);
    record.row.holder = Some(claim.holder.clone());
    let until = now.saturating_add(claim.ttl_ms);
    record.row.until_ms = Some(until);
    record.row.claimed = true;
    tables::put(&mut tables.leases, &key, &record)?;
    // Should the holder fall silent at once, the execution is looked at as soon as that can be known.
    executions::wake_by(tables, &claim.task, until)?;
    Ok(Claim::Granted { token, checkpoint: record.checkpoint, cancel: record.row.cancel })
}

/// The lease as its holder knows it: `None` when the token is not the current one.
fn of_holder(tables: &Tables<'_>, key: &str, token: u64) -> Result<Option<LeaseRecord>, Fault> {
    let record: Option<LeaseRecord> = tables::row(&tables.leases, key)?;
    Ok(record.filter(|record| record.token == Some(token)))
}

/// True between a claim and its release or result. A lease that ran out is still its holder's
/// until somebody else claims it.
fn is_held(record: &LeaseRecord) -> bool {
    record.row.until_ms.is_some() && record.row.result.is_none()
}

/// Stores progress. The same checkpoint again is a repeat, and no progress.
fn store_checkpoint(record: &mut LeaseRecord, checkpoint: Option<&str>) {
    if let Some(checkpoint) = checkpoint
        && record.checkpoint.as_deref() != Some(checkpoint)
    {
        record.checkpoint = Some(checkpoint.to_owned());
        record.row.checkpoints = record.row.checkpoints.saturating_add(1);
    }
}

pub(super) fn beat(
    tables: &mut Tables<'_>,
    key: &str,
    token: u64,
    ttl_ms: u64,
    checkpoint: Option<&str>,
) -> Result<Beat, Fault> {
    let Some(mut record) = of_holder(tables, key, token)?.filter(is_held) else {
        return Ok(Beat::Lost);
    };
    record.row.until_ms = Some(tables.now_ms.saturating_add(ttl_ms));
    store_checkpoint(&mut record, checkpoint);
    tables::put(&mut tables.leases, key, &record)?;
    Ok(Beat::Held { cancel: record.row.cancel })
}

pub(super) fn finish(
    tables: &mut Tables<'_>,
    task: &TaskId,
    token: u64,
    result: &str,
    notice_ms: u64,
) -> Result<Beat, Fault> {
    let key = task.to_string();
    let Some(mut record) = of_holder(tables, &key, token)? else {
        return Ok(Beat::Lost);
    };
    let held = Beat::Held { cancel: record.row.cancel };
    if record.row.result.is_some() {
        return Ok(held);
    }
    if !is_held(&record) {
        return Ok(Beat::Lost);
    }
    let notice = tables.now_ms.saturating_add(notice_ms);
    record.row.result = Some(result.to_owned());
    record.row.until_ms = None;
    record.notice_ms = Some(notice);
    tables::put(&mut tables.leases, &key, &record)?;
    executions::wake_by(tables, task, notice)?;
    Ok(held)
}

pub(super) fn release(
    tables: &mut Tables<'_>,
    task: &TaskId,
    token: u64,
    checkpoint: Option<&str>,
) -> Result<Beat, Fault> {
    let key = task.to_string();
    let Some(mut record) =
        of_holder(tables, &key, token)?.filter(|record| record.row.result.is_none())
    else {
        return Ok(Beat::Lost);
    };
    let held = Beat::Held { cancel: record.row.cancel };
    if record.row.until_ms.is_none() {
        return Ok(held);
    }
    let now = tables.now_ms;
    record.row.until_ms = None;
    record.notice_ms = Some(now);
    store_checkpoint(&mut record, checkpoint);
    tables::put(&mut tables.leases, &key, &record)?;
    executions::wake_by(tables, task, now)?;
    Ok(held)
}

pub(super) fn lock(
    tables: &mut Tables<'_>,
    resource: &str,
    execution: &ExecutionId,
    owner: &str,
) -> Result<Locked, Fault> {
    let holder: Option<ExecutionRecord> = tables::row(&tables.executions, execution.as_str())?;
    if holder.is_none_or(|holder| holder.status.is_complete()) {
        return Ok(Locked::Gone);
    }
    if let Some(held) = tables::row::<LockRecord>(&tables.locks, resource)? {
        return Ok(if held.owner == owner && held.execution == *execution {
            Locked::Granted { fence: held.fence }
        } else {
            Locked::Busy { owner: held.owner }
        });
    }
    if tables.is_quiet()? {
        return Ok(Locked::Busy { owner: rules::AFTER_ROLLBACK.to_owned() });
    }
    let fence = tables.count("fence")?;
    let record = LockRecord { execution: execution.clone(), owner: owner.to_owned(), fence };
    tables::put(&mut tables.locks, resource, &record)?;
    tables.locks_of.insert((execution.as_str(), resource), ())?;
    Ok(Locked::Granted { fence })
}

pub(super) fn unlock(
    tables: &mut Tables<'_>,
    resource: &str,
    owner: &str,
    fence: Fence,
) -> Result<(), Fault> {
    let Some(held) = tables::row::<LockRecord>(&tables.locks, resource)? else {
        return Ok(());
    };
    if held.owner == owner && held.fence == fence {
        tables.locks.remove(resource)?;
        tables.locks_of.remove((held.execution.as_str(), resource))?;
        tables.rings = true;
    }
    Ok(())
}
