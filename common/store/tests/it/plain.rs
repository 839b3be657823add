//! The protocol once more, as plainly as it can be said: what the stores are compared with.
//!
//! No indexes, no bytes, no speed: whatever is asked is answered by looking at everything.

mod queues;
mod slots;

use std::collections::{BTreeMap, BTreeSet};

use model::{ExecutionId, ExecutionStatus, TaskId};
use store::{
    Beat, Claim, Commit, Committed, Create, Created, LeaseRow, Locked, OutboxRow, Reopen,
    SlotChange, SlotRow, StoredEvent, TaskChange, TaskClaim,
};

use crate::worlds::START;

const FIVE_MINUTES: u64 = 300_000;

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    executions: BTreeMap<ExecutionId, Execution>,
    leases: BTreeMap<TaskId, Lease>,
    locks: BTreeMap<String, (ExecutionId, String, u64)>,
    messages: BTreeMap<String, (u64, OutboxRow)>,
    events: BTreeMap<String, (u64, StoredEvent)>,
    /// Event keys in the order of their acceptance.
    order: Vec<String>,
    removed: BTreeMap<ExecutionId, u64>,
    tokens: u64,
    fences: u64,
    numbers: u64,
}

struct Execution {
    version: u64,
    status: ExecutionStatus,
    schema: u32,
    document: String,
    inputs: BTreeSet<String>,
    wake: Option<u64>,
    notice: Option<u64>,
    pipeline: String,
    created: u64,
    ended: u64,
    slot: Option<Slot>,
}

/// Held, or waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot {
    number: u64,
    waits_since: Option<u64>,
}

#[derive(Clone)]
struct Lease {
    row: LeaseRow,
    digest: String,
    token: Option<u64>,
    checkpoint: Option<String>,
    notice: Option<u64>,
}

/// What a load shows, without bodies the model does not keep.
pub(crate) type Loaded =
    (u64, ExecutionStatus, u32, String, Option<u64>, BTreeMap<TaskId, LeaseRow>, SlotRow);

impl Model {
    pub(crate) fn new() -> Self {
        Self { now: START, ..Self::default() }
    }

    fn breaks_a_rule(&self, commit: &Commit) -> bool {
        let live = !commit.status.is_complete();
        let in_time = commit.wake_ms.is_some_and(|wake| wake <= self.now + FIVE_MINUTES);
        let foreign = commit.tasks.iter().any(|change| change.task().execution != commit.id);
        foreign || (live && !in_time)
    }

    pub(crate) fn create(&mut self, create: &Create) -> Created {
        if self.executions.contains_key(&create.id) || self.removed.contains_key(&create.id) {
            return Created::Exists;
        }
        if self.breaks_a_rule(&create.first) {
            return Created::Refused { reason: String::new() };
        }
        let execution = Execution {
            version: 0,
            status: create.first.status,
            schema: 0,
            document: String::new(),
            inputs: BTreeSet::new(),
            wake: None,
            notice: None,
            pipeline: create.pipeline_id.clone(),
            created: self.now,
            ended: 0,
            slot: None,
        };
        let slot = self.granted(&create.pipeline_id, create.slot);
        self.executions.insert(create.id.clone(), execution);
        self.apply(&create.first, Some(slot));
        Created::New
    }

    pub(crate) fn commit(&mut self, commit: &Commit) -> Committed {
        let Some(execution) = self.executions.get(&commit.id) else {
            return Committed::Gone;
        };
        if execution.inputs.contains(&commit.input_id) {
            return Committed::Duplicate;
        }
        if execution.version != commit.expect_version {
            return Committed::Conflict { version: execution.version };
        }
        let over = execution.status.is_complete()
            && (commit.reopen == Reopen::Never || commit.slot.is_none());
        if over || commit.schema < execution.schema || self.breaks_a_rule(commit) {
            return Committed::Refused { reason: String::new() };
        }
        if let Some(SlotChange::Take { limit }) = commit.slot
            && !self.holds(&commit.id)
            && !self.has_free(&self.executions[&commit.id].pipeline, limit)
        {
            return Committed::NoSlot;
        }
        if commit.tasks.iter().any(|change| self.takes_a_live_lease(change)) {
            return Committed::Conflict { version: self.executions[&commit.id].version };
        }
        let version = self.apply(commit, commit.slot);
        let execution = self.executions.get_mut(&commit.id).unwrap();
        execution.inputs.insert(commit.input_id.clone());
        Committed::Applied { version }
    }

    fn apply(&mut self, commit: &Commit, slot: Option<SlotChange>) -> u64 {
        for event in &commit.events {
            self.accept(&event.key);
        }
        for other in commit.notify.iter().filter(|other| **other != commit.id) {
            self.nudge(other, self.now);
        }
        for change in &commit.tasks {
            self.change(change);
        }
        for row in &commit.outbox {
            self.messages.insert(row.message_id.clone(), (self.now, row.clone()));
        }
        let id = &commit.id;
        let mut wake = commit.wake_ms;
        if commit.status.is_complete() {
            wake = None;
            self.leases.retain(|task, _| task.execution != *id);
            self.locks.retain(|_, (execution, _, _)| execution != id);
            self.leave(id);
        } else {
            self.change_slot(id, slot);
            if let Some(notice) = self.executions.get_mut(id).unwrap().notice.take() {
                wake = wake.map(|wake| wake.min(notice));
            }
            self.locks.retain(|_, (execution, owner, _)| {
                execution != id || !commit.unlock_owners.contains(owner)
            });
            for (_, lease) in self.leases.iter_mut().filter(|(task, _)| task.execution == *id) {
                if let Some(notice) = lease.notice.take() {
                    wake = wake.map(|wake| wake.min(notice));
                }
            }
        }
        let execution = self.executions.get_mut(id).unwrap();
        execution.version += 1;
        execution.status = commit.status;
        execution.schema = commit.schema;
        execution.document.clone_from(&commit.document);
        execution.wake = wake;
        if commit.status.is_complete() {
            execution.notice = None;
            execution.ended = self.now;
        }
        execution.version
    }

    fn takes_a_live_lease(&self, change: &TaskChange) -> bool {
        let TaskChange::Dispatch { task, epoch, .. } = change else { return false };
        self.leases.get(task).is_some_and(|lease| {
            let held = lease.row.until_ms.is_some_and(|until| until > self.now);
            held && lease.row.result.is_none() && lease.row.epoch < *epoch
        })
    }

    fn change(&mut self, change: &TaskChange) {
        match change {
            TaskChange::Dispatch { task, epoch, digest, kind: _ } => {
                let known = self.leases.get_mut(task);
                match known {
                    Some(known) if known.row.epoch >= *epoch => {}
                    Some(known) if known.row.result.is_some() => known.row.epoch = *epoch,
                    _ => {
                        let known = known.cloned();
                        let kept = known.as_ref().map(|known| &known.row);
                        let row = LeaseRow {
                            epoch: *epoch,
                            holder: None,
                            until_ms: None,
                            dispatched_ms: self.now,
                            claimed: false,
                            checkpoints: kept.map_or(0, |row| row.checkpoints),
                            result: None,
                            cancel: kept.is_some_and(|row| row.cancel),
                        };
                        let lease = Lease {
                            row,
                            digest: digest.clone(),
                            token: None,
                            checkpoint: known.and_then(|known| known.checkpoint),
                            notice: None,
                        };
                        self.leases.insert(task.clone(), lease);
                    }
                }
            }
            TaskChange::Cancel { task } => {
                if let Some(lease) = self.leases.get_mut(task) {
                    lease.row.cancel = true;
                }
            }
            TaskChange::Retire { task } => {
                self.leases.remove(task);
            }
        }
    }

    pub(crate) fn load(&self, id: &ExecutionId) -> Option<Loaded> {
        let found = self.executions.get(id)?;
        let mine = self.leases.iter().filter(|(task, _)| task.execution == *id);
        let leases = mine.map(|(task, lease)| (task.clone(), lease.row.clone())).collect();
        let document = found.document.clone();
        let slots = self.slots(id);
        Some((found.version, found.status, found.schema, document, found.wake, leases, slots))
    }

    /// The newest epoch of a task; 1 for a task that was never dispatched.
    pub(crate) fn epoch(&self, task: &TaskId) -> u32 {
        self.leases.get(task).map_or(1, |lease| lease.row.epoch)
    }

    /// The token of a task's holder; 0 when it has none.
    pub(crate) fn token(&self, task: &TaskId) -> u64 {
        self.leases.get(task).and_then(|lease| lease.token).unwrap_or_default()
    }

    pub(crate) fn claim(&mut self, claim: &TaskClaim) -> Claim {
        let Some(lease) = self.leases.get_mut(&claim.task) else {
            return Claim::Gone;
        };
        if claim.epoch < lease.row.epoch {
            return Claim::Stale { epoch: lease.row.epoch };
        }
        if claim.epoch > lease.row.epoch || claim.digest != lease.digest {
            return Claim::Gone;
        }
        if lease.row.result.is_some() {
            return Claim::Finished;
        }
        let held = lease.row.until_ms.is_some_and(|until| until > self.now);
        if held && lease.row.holder.as_ref() != Some(&claim.holder) {
            return Claim::Busy { holder: lease.row.holder.clone().unwrap() };
        }
        if !held {
            // Ahead of the clock, a thousand to the millisecond.
            self.tokens = (self.tokens + 1).max(self.now * 1_000);
            lease.token = Some(self.tokens);
        }
        lease.row.holder = Some(claim.holder.clone());
        lease.row.until_ms = Some(self.now + claim.ttl_ms);
        lease.row.claimed = true;
        let granted = Claim::Granted {
            token: lease.token.unwrap(),
            checkpoint: lease.checkpoint.clone(),
            cancel: lease.row.cancel,
        };
        self.wake_by(&claim.task, self.now + claim.ttl_ms);
        granted
    }

    fn held_by(&mut self, task: &TaskId, token: u64) -> Option<&mut Lease> {
        self.leases.get_mut(task).filter(|lease| lease.token == Some(token))
    }

    fn note(lease: &mut Lease, checkpoint: Option<&str>) {
        if let Some(checkpoint) = checkpoint
            && lease.checkpoint.as_deref() != Some(checkpoint)
        {
            lease.checkpoint = Some(checkpoint.to_owned());
            lease.row.checkpoints += 1;
        }
    }

    pub(crate) fn beat(&mut self, task: &TaskId, token: u64, checkpoint: Option<&str>) -> Beat {
        let until = self.now + crate::sequences::TTL;
        match self.held_by(task, token) {
            Some(lease) if lease.row.until_ms.is_some() => {
                lease.row.until_ms = Some(until);
                Self::note(lease, checkpoint);
                Beat::Held { cancel: lease.row.cancel }
            }
            Some(_) | None => Beat::Lost,
        }
    }

    pub(crate) fn finish(&mut self, task: &TaskId, token: u64, notice_ms: u64) -> Beat {
        let notice = self.now + notice_ms;
        let Some(lease) = self.held_by(task, token) else {
            return Beat::Lost;
        };
        let held = Beat::Held { cancel: lease.row.cancel };
        if lease.row.result.is_some() {
            return held;
        }
        if lease.row.until_ms.take().is_none() {
            return Beat::Lost;
        }
        lease.row.result = Some("done".to_owned());
        lease.notice = Some(notice);
        self.wake_by(task, notice);
        held
    }

    pub(crate) fn release(&mut self, task: &TaskId, token: u64, checkpoint: Option<&str>) -> Beat {
        let now = self.now;
        let Some(lease) = self.held_by(task, token) else {
            return Beat::Lost;
        };
        if lease.row.result.is_some() {
            return Beat::Lost;
        }
        let held = Beat::Held { cancel: lease.row.cancel };
        if lease.row.until_ms.take().is_some() {
            Self::note(lease, checkpoint);
            lease.notice = Some(now);
            self.wake_by(task, now);
        }
        held
    }

    fn wake_by(&mut self, task: &TaskId, time: u64) {
        let execution = self.executions.get_mut(&task.execution).unwrap();
        execution.wake = execution.wake.map(|wake| wake.min(time));
    }

    pub(crate) fn rewake(&mut self, id: &ExecutionId, seen: Option<u64>, wake: u64) {
        let latest = self.now + FIVE_MINUTES;
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        if execution.wake.is_none() || execution.wake != seen {
            return;
        }
        let mut wake = wake.min(latest).min(execution.notice.take().unwrap_or(wake));
        for (_, lease) in self.leases.iter_mut().filter(|(task, _)| task.execution == *id) {
            wake = wake.min(lease.notice.take().unwrap_or(wake));
        }
        execution.wake = Some(wake);
    }

    pub(crate) fn lock(&mut self, resource: &str, id: &ExecutionId, owner: &str) -> Locked {
        if self.executions.get(id).is_none_or(|execution| execution.status.is_complete()) {
            return Locked::Gone;
        }
        match self.locks.get(resource) {
            Some((by, of, fence)) if by == id && of == owner => Locked::Granted { fence: *fence },
            Some((_, of, _)) => Locked::Busy { owner: of.clone() },
            None => {
                self.fences += 1;
                let lock = (id.clone(), owner.to_owned(), self.fences);
                self.locks.insert(resource.to_owned(), lock);
                Locked::Granted { fence: self.fences }
            }
        }
    }

    pub(crate) fn unlock(&mut self, resource: &str, owner: &str, fence: u64) {
        self.locks
            .retain(|name, (_, of, held)| !(name == resource && of == owner && *held == fence));
    }
}
