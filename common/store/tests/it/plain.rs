//! The protocol once more, as plainly as it can be said: what the stores are compared with.
//!
//! No indexes, no bytes, no speed: whatever is asked is answered by looking at everything.

use std::collections::{BTreeMap, BTreeSet};

use model::{ExecutionId, ExecutionStatus, TaskId};
use store::{
    Beat, Claim, Commit, Committed, Create, Created, Due, EventState, LeaseRow, Locked, OutboxRow,
    StoredEvent, TaskChange, TaskClaim,
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
    tokens: u64,
    fences: u64,
}

struct Execution {
    version: u64,
    status: ExecutionStatus,
    schema: u32,
    document: String,
    inputs: BTreeSet<String>,
    wake: Option<u64>,
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
    (u64, ExecutionStatus, u32, String, Option<u64>, BTreeMap<TaskId, LeaseRow>);

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
        if self.executions.contains_key(&create.id) {
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
        };
        self.executions.insert(create.id.clone(), execution);
        self.apply(&create.first);
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
        let over = execution.status.is_complete();
        if over || commit.schema < execution.schema || self.breaks_a_rule(commit) {
            return Committed::Refused { reason: String::new() };
        }
        let version = self.apply(commit);
        let execution = self.executions.get_mut(&commit.id).unwrap();
        execution.inputs.insert(commit.input_id.clone());
        Committed::Applied { version }
    }

    fn apply(&mut self, commit: &Commit) -> u64 {
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
        } else {
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
        execution.version
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
        Some((found.version, found.status, found.schema, document, found.wake, leases))
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
            self.tokens += 1;
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

    pub(crate) fn rewake(&mut self, id: &ExecutionId, wake: u64) {
        let latest = self.now + FIVE_MINUTES;
        if let Some(execution) = self.executions.get_mut(id)
            && !execution.status.is_complete()
        {
            let mut wake = wake.min(latest);
            for (_, lease) in self.leases.iter_mut().filter(|(task, _)| task.execution == *id) {
                wake = wake.min(lease.notice.take().unwrap_or(wake));
            }
            execution.wake = Some(wake);
        }
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

    pub(crate) fn accept(&mut self, key: &str) -> bool {
        if self.events.contains_key(key) {
            return false;
        }
        let event = StoredEvent {
            key: key.to_owned(),
            body: "body".to_owned(),
            accepted_ms: self.now,
            tries: 0,
            state: EventState::Pending { note: None },
        };
        self.events.insert(key.to_owned(), (self.now, event));
        true
    }

    fn pending(&mut self, key: &str) -> Option<&mut (u64, StoredEvent)> {
        let event = self.events.get_mut(key)?;
        matches!(event.1.state, EventState::Pending { .. }).then_some(event)
    }

    pub(crate) fn settle(&mut self, key: &str) {
        if let Some((_, event)) = self.pending(key) {
            event.state = EventState::Settled { outcome: "outcome".to_owned() };
        }
    }

    pub(crate) fn defer(&mut self, key: &str, time: u64) {
        if let Some((due, event)) = self.pending(key) {
            *due = time;
            event.state = EventState::Pending { note: Some("note".to_owned()) };
        }
    }

    pub(crate) fn messages_done(&mut self, id: &str) {
        self.messages.remove(id);
    }

    pub(crate) fn due(&mut self, limit: usize, hide: u64) -> Due {
        let (now, again) = (self.now, self.now + hide);
        let mut due = Due { now_ms: now, ..Due::default() };
        for key in first(self.events.iter().filter_map(|(key, (at, event))| {
            let pending = matches!(event.state, EventState::Pending { .. });
            (pending && *at <= now).then(|| (*at, key.clone()))
        }))
        .into_iter()
        .take(limit)
        {
            let (at, event) = self.events.get_mut(&key).unwrap();
            *at = again;
            event.tries += 1;
            due.events.push(event.clone());
        }
        for id in first(
            self.messages
                .iter()
                .filter(|(_, (at, _))| *at <= now)
                .map(|(id, (at, _))| (*at, id.clone())),
        ) {
            if due.outbox.len() == limit {
                break;
            }
            let row = self.messages[&id].1.clone();
            let live = row.only_if.as_ref().is_none_or(|(task, epoch)| {
                let lease = self.leases.get(task);
                lease.is_some_and(|it| it.row.epoch == *epoch && it.row.result.is_none())
            });
            if live {
                self.messages.insert(id, (again, row.clone()));
                due.outbox.push(row);
            } else {
                self.messages.remove(&id);
            }
        }
        for id in first(self.executions.iter().filter_map(|(id, execution)| {
            execution.wake.filter(|wake| *wake <= now).map(|wake| (wake, id.clone()))
        }))
        .into_iter()
        .take(limit)
        {
            self.executions.get_mut(&id).unwrap().wake = Some(again);
            due.wakes.push(id);
        }
        let pending = self
            .events
            .values()
            .filter(|(_, event)| matches!(event.state, EventState::Pending { .. }));
        due.next_ms = pending
            .map(|(at, _)| *at)
            .chain(self.messages.values().map(|(at, _)| *at))
            .chain(self.executions.values().filter_map(|execution| execution.wake))
            .min();
        due
    }
}

/// The longest overdue first, then by name.
fn first<T: Ord>(due: impl Iterator<Item = (u64, T)>) -> Vec<T> {
    let mut due: Vec<(u64, T)> = due.collect();
    due.sort();
    due.into_iter().map(|(_, name)| name).collect()
}
