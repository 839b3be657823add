//! The invariants that hold at every instant, judged at every answer of the true store and at every
//! call to the true cloud. Nothing here is computed by the code under test.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{ExecutionId, ExecutionStatus, TaskId, limits};
use store::{
    Beat, Claim, Commit, Committed, Create, Created, Reopen, StoredExecution, TaskChange, TaskClaim,
};
use tokio::time::Instant;

/// Calls that begin or take apart, and have no place in cleaning up after a cancel.
const BEGINNINGS: [&str; 6] = [
    "RunInstances",
    "CreateImage",
    "CreateLaunchTemplate",
    "CreateAutoScalingGroup",
    "SuspendProcesses",
    "DeregisterInstances",
];
/// What was about to be sent when a cancel was heard may still be.
const SENT_ALREADY: Duration = Duration::from_secs(5);

/// What was seen, and what was wrong with it.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) violations: Vec<String>,
    executions: BTreeMap<ExecutionId, Seen>,
    /// How many executions of a pipeline may run at a time, where that is limited.
    limit: Option<(String, usize)>,
    leases: BTreeMap<TaskId, Held>,
    /// What each holder knows of its leases.
    known: BTreeMap<String, BTreeMap<u64, Knowledge>>,
    /// Messages that a broker has confirmed.
    confirmed: BTreeSet<String>,
    /// Messages that were committed with a task.
    dispatched: BTreeSet<String>,
    /// The last view of executions that are over.
    endings: BTreeMap<ExecutionId, String>,
    cloud_violations: usize,
}

#[derive(Clone, Debug)]
struct Seen {
    /// The so-manieth execution that was created.
    number: usize,
    pipeline_id: String,
    version: u64,
    status: ExecutionStatus,
}

#[derive(Clone, Debug)]
struct Held {
    epoch: u32,
    token: u64,
    holder: String,
    /// 0 once it was given up or ended.
    until_ms: u64,
}

#[derive(Clone, Debug)]
struct Knowledge {
    task: TaskId,

    /// When the last good beat was sent.
    renewed: Instant,
    lost: bool,
    /// When the store first answered that it should stop.
    canceled: Option<Instant>,
}

/// What mirrors the store, and goes back with it.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    executions: BTreeMap<ExecutionId, Seen>,
    leases: BTreeMap<TaskId, Held>,
    dispatched: BTreeSet<String>,
    endings: BTreeMap<ExecutionId, String>,
}

/// Whether a transition carries out a person's order to run a stage again.
fn restarts(commit: &Commit) -> bool {
    commit.reopen == Reopen::ByRestart && commit.input_id.starts_with("control/")
}

impl Oracle {
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered {
            executions: self.executions.clone(),
            leases: self.leases.clone(),
            dispatched: self.dispatched.clone(),
            endings: self.endings.clone(),
        }
    }

    /// The store has gone back; what processes know and what the broker has confirmed stays.
    pub(crate) fn go_back(&mut self, to: &Remembered) {
        let Remembered { executions, leases, dispatched, endings } = to.clone();
        self.executions = executions;
        self.leases = leases;
        self.dispatched = dispatched;
        self.endings = endings;
    }

    pub(crate) fn violate(&mut self, invariant: &str, text: &str) {
        self.violations.push(format!("{invariant}: {text}"));
    }

    pub(crate) fn created(
        &mut self,
        create: &Create,
        answer: &Created,
        after: Option<&StoredExecution>,
    ) {
        match answer {
            Created::New => {
                if self.executions.contains_key(&create.id) {
                    self.violate("I2", &format!("execution {} was created twice", create.id));
                }
                self.dispatches(&create.first, after);
                self.ends(&create.first);
                let (number, pipeline_id) = (self.executions.len(), create.pipeline_id.clone());
                let seen = Seen { number, pipeline_id, version: 1, status: create.first.status };
                self.executions.insert(create.id.clone(), seen);
                self.runs_alone(&create.id);
            }
            Created::Exists => {}
            Created::Refused { reason } => {
                self.violate("I8", &format!("a new execution was refused: {reason}"));
            }
        }
        self.looked_at(&create.id, after);
    }

    pub(crate) fn committed(
        &mut self,
        commit: &Commit,
        answer: &Committed,
        after: Option<&StoredExecution>,
    ) {
        match answer {
            Committed::Applied { version } => {
                let before =
                    self.executions.get(&commit.id).map(|seen| (seen.version, seen.status));
                match before {
                    Some((_, status)) if status.is_complete() && !restarts(commit) => {
                        let text = format!("{} changed after it was {status}", commit.id);
                        self.violate("I6", &text);
                    }
                    Some((before, _)) if before.saturating_add(1) == *version => {}
                    Some((before, _)) => {
                        let text = format!("{} went from {before} to {version}", commit.id);
                        self.violate("I9", &text);
                    }
                    None => self.violate("I3", &format!("{} was never created", commit.id)),
                }
                self.dispatches(commit, after);
                self.ends(commit);
                if let Some(seen) = self.executions.get_mut(&commit.id) {
                    (seen.version, seen.status) = (*version, commit.status);
                }
                self.runs_alone(&commit.id);
            }
            Committed::Refused { reason } => {
                self.violate("I8", &format!("a transition of {} was refused: {reason}", commit.id));
            }
            Committed::Duplicate
            | Committed::Conflict { .. }
            | Committed::Gone
            | Committed::NoSlot => {}
        }
        self.looked_at(&commit.id, after);
    }

    /// I13: no more of a pipeline run than its limit says.
    fn runs_alone(&mut self, id: &ExecutionId) {
        let Some((pipeline_id, limit)) = &self.limit else { return };
        let runs = |seen: &&Seen| {
            seen.pipeline_id == *pipeline_id
                && matches!(seen.status, ExecutionStatus::Running | ExecutionStatus::Paused)
        };
        let running = self.executions.values().filter(runs).count();
        if running > *limit {
            let text = format!("with {id}, {running} of {pipeline_id} run, and {limit} may");
            self.violate("I13", &text);
        }
    }

    /// How many executions of which pipeline may run at a time.
    pub(crate) fn limits(&mut self, limit: Option<(String, usize)>) {
        self.limit = limit;
    }

    fn ends(&mut self, commit: &Commit) {
        if commit.status.is_complete() {
            self.endings.insert(commit.id.clone(), commit.view.clone());
        }
    }

    /// The view an execution ended with.
    pub(crate) fn ending(&self, id: &ExecutionId) -> Option<&String> {
        self.endings.get(id)
    }

    /// I10: a task that may be claimed has its message in the same write. I14: it is taken from
    /// nobody who holds it.
    fn dispatches(&mut self, commit: &Commit, after: Option<&StoredExecution>) {
        let now_ms = after.map_or(u64::MAX, |after| after.now_ms);
        for change in &commit.tasks {
            let TaskChange::Dispatch { task, epoch, .. } = change else { continue };
            let held = self.leases.get(task);
            if let Some(held) = held.filter(|h| h.epoch < *epoch && h.until_ms > now_ms) {
                let text = format!("{task} epoch {epoch} takes it from {}", held.holder);
                self.violate("I14", &text);
            }
            let of_task = |row: &&store::OutboxRow| {
                row.only_if.as_ref().is_some_and(|(of, at)| of == task && at == epoch)
            };
            if let Some(row) = commit.outbox.iter().find(of_task) {
                self.dispatched.insert(row.message_id.clone());
            } else {
                let text = format!("{task} epoch {epoch} was dispatched without a message");
                self.violate("I10", &text);
            }
        }
    }

    /// I8, at this instant.
    pub(crate) fn looked_at(&mut self, id: &ExecutionId, after: Option<&StoredExecution>) {
        let Some(after) = after else { return };
        let most = u64::try_from(limits::WAKE_MAX.as_millis()).unwrap_or(0);
        let live = !after.status.is_complete();
        match after.wake_ms {
            None if live => self.violate("I8", &format!("{id} is live and has no wake")),
            Some(wake_ms) if live && wake_ms > after.now_ms.saturating_add(most) => {
                self.violate("I8", &format!("{id} sleeps for more than five minutes"));
            }
            Some(_) | None => {}
        }
    }

    /// Whether a message of this id was committed before.
    pub(crate) fn knows_message(&self, id: &str) -> bool {
        self.dispatched.contains(id)
    }

    /// I10: a message leaves the store only after a confirm.
    pub(crate) fn deletes_messages(&mut self, ids: &[String]) {
        for id in ids {
            if self.dispatched.contains(id) && !self.confirmed.contains(id) {
                self.violate(
                    "I10",
                    &format!("message {id} was deleted, and no broker confirmed it"),
                );
            }
        }
    }

    pub(crate) fn confirmed(&mut self, id: &str) {
        self.confirmed.insert(id.to_owned());
    }

    /// I14.
    pub(crate) fn claimed(&mut self, claim: &TaskClaim, answer: &Claim, now_ms: u64) {
        let Claim::Granted { token, .. } = answer else { return };
        self.works_alone(claim, *token);
        if let Some(held) = self.leases.get(&claim.task) {
            let (other, valid) = (held.token != *token, held.until_ms > now_ms);
            let (epoch, holder) = (held.epoch, held.holder.clone());
            if other && valid {
                let text =
                    format!("{} was given to {} while {holder} holds it", claim.task, claim.holder);
                self.violate("I14", &text);
            }
            if claim.epoch < epoch {
                let text = format!("{} epoch {} was given after {epoch}", claim.task, claim.epoch);
                self.violate("I14", &text);
            }
        }
        let held = Held {
            epoch: claim.epoch,
            token: *token,
            holder: claim.holder.clone(),
            until_ms: now_ms.saturating_add(claim.ttl_ms),
        };
        self.leases.insert(claim.task.clone(), held);
    }

    /// I14 as the workers know it, whatever the store has forgotten: nobody believes with good reason
    /// that it may work on this task under another token.
    fn works_alone(&mut self, claim: &TaskClaim, token: u64) {
        let believes = |(other, knowledge): (&u64, &Knowledge)| {
            *other != token
                && knowledge.task == claim.task
                && !knowledge.lost
                && knowledge.renewed.elapsed() <= limits::SELF_FENCE
        };
        let other = self.known.iter().find(|(_, known)| known.iter().any(believes));
        if let Some((holder, _)) = other {
            let text =
                format!("{} was given to {}, and {holder} works on it", claim.task, claim.holder);
            self.violate("I14", &text);
        }
    }

    /// The token a task was given out under last.
    pub(crate) fn newest_token(&self, task: &TaskId) -> Option<u64> {
        self.leases.get(task).map(|held| held.token)
    }

    pub(crate) fn beaten(&mut self, task: &TaskId, token: u64, answer: Beat, until_ms: u64) {
        let Some(held) = self.leases.get_mut(task) else { return };
        match answer {
            Beat::Held { .. } if held.token == token => held.until_ms = until_ms,
            Beat::Held { .. } => {
                let text = format!("an old holder of {task} was told that it still holds it");
                self.violate("I14", &text);
            }
            Beat::Lost => {}
        }
    }

    /// A result or a release. I15: only the newest holder's counts.
    pub(crate) fn ended(&mut self, task: &TaskId, token: u64, answer: Beat) {
        // Whatever the answer, whoever sends this does nothing more.
        for known in self.known.values_mut() {
            if let Some(knowledge) = known.get_mut(&token).filter(|known| known.task == *task) {
                knowledge.lost = true;
            }
        }
        let Some(held) = self.leases.get_mut(task) else { return };
        match answer {
            Beat::Held { .. } if held.token == token => held.until_ms = 0,
            Beat::Held { .. } => {
                self.violate("I15", &format!("a result of an old holder of {task} was taken"));
            }
            Beat::Lost => {}
        }
    }

    pub(crate) fn heard_held(&mut self, holder: &str, task: &TaskId, token: u64, sent: Instant) {
        let known = self.known.entry(holder.to_owned()).or_default();
        let knowledge = known.entry(token).or_insert_with(|| Knowledge {
            task: task.clone(),
            renewed: sent,
            lost: false,
            canceled: None,
        });
        knowledge.renewed = knowledge.renewed.max(sent);
    }

    /// An answer with the word to stop was given to a holder and has reached it.
    pub(crate) fn heard_cancel(&mut self, holder: &str, token: u64) {
        if let Some(known) = self.known.get_mut(holder).and_then(|known| known.get_mut(&token)) {
            known.canceled.get_or_insert_with(Instant::now);
        }
    }

    pub(crate) fn heard_lost(&mut self, holder: &str, token: u64) {
        if let Some(known) = self.known.get_mut(holder).and_then(|known| known.get_mut(&token)) {
            known.lost = true;
        }
    }

    /// I16: whoever changes the cloud holds a lease, as far as it knows, and knows it of late.
    pub(crate) fn sends_change(&mut self, holder: &str, call: &str) {
        let known = self.known.get(holder);
        let valid = known.is_some_and(|known| {
            known.values().any(|k| !k.lost && k.renewed.elapsed() <= limits::SELF_FENCE)
        });
        let told = |k: &Knowledge| k.canceled.is_some_and(|at| at.elapsed() > SENT_ALREADY);
        let canceled = known.is_some_and(|known| !known.is_empty() && known.values().all(told));
        if !valid {
            let text =
                format!("{holder} sent {call} without a lease it has heard of in the last minute");
            self.violate("I16", &text);
        }
        if canceled && BEGINNINGS.contains(&call) {
            let text = format!("{holder} sent {call} long after it heard that it should stop");
            self.violate("I27", &text);
        }
    }

    /// I18 to I24, as the cloud itself judged them.
    pub(crate) fn cloud(&mut self, found: &[fake_aws::world::ledger::Violation]) {
        for violation in found.iter().skip(self.cloud_violations) {
            self.violations.push(format!("{}: {}", violation.invariant, violation.text));
        }
        self.cloud_violations = self.cloud_violations.max(found.len());
    }

    /// Executions of every other pipeline, in the order of their ids.
    pub(crate) fn executions_but(&self, pipeline_id: &str) -> Vec<ExecutionId> {
        let others = self.executions.iter().filter(|(_, seen)| seen.pipeline_id != pipeline_id);
        others.map(|(id, _)| id.clone()).collect()
    }

    /// Executions of a pipeline and where they stand, in the order in which they were created.
    pub(crate) fn of_pipeline(&self, pipeline_id: &str) -> Vec<(ExecutionId, ExecutionStatus)> {
        let mut all: Vec<(&ExecutionId, &Seen)> = self.executions.iter().collect();
        all.retain(|(_, seen)| seen.pipeline_id == pipeline_id);
        all.sort_by_key(|(_, seen)| seen.number);
        all.into_iter().map(|(id, seen)| (id.clone(), seen.status)).collect()
    }
}
