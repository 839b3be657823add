//! What is true by now: results, lost workers, children that ended, times that have come.

use model::{ExecutionStatus, TaskId};
use stages::{Until, user_failure};
use wire::Event;

use crate::{
    document::{Stage, StageState, Work},
    facts::ChildFact,
    step::Step,
    work,
};

/// What is to be done about one running stage.
enum Finding {
    Nothing,
    Task(TaskId),
    RetryDue,
    WaitOver,
    WindowOpen,
    Child,
}

impl Step<'_> {
    /// Brings every running stage up to date with the facts and the time. While it is paused only what has
    /// happened counts, not what is due.
    pub(crate) fn absorb(&mut self) {
        for at in 0..self.document.stages.len() {
            if self.stage(at).is_none_or(|stage| !matches!(stage.state, StageState::Running(_))) {
                continue;
            }
            // What is to stop anyway is not late.
            if self.running() && self.document.canceled.is_none() {
                self.check_deadline(at);
            }
            match self.finding(at) {
                Finding::Nothing => {}
                Finding::Task(task) => self.absorb_task(at, &task),
                Finding::RetryDue => self.retry(at),
                Finding::WaitOver => self.close(at, ExecutionStatus::Succeeded),
                Finding::WindowOpen => self.open_window(at, ExecutionStatus::Succeeded),
                Finding::Child => self.absorb_child(at),
            }
        }
    }

    fn finding(&self, at: usize) -> Finding {
        let Some(stage) = self.stage(at) else { return Finding::Nothing };
        let StageState::Running(at_work) = &stage.state else { return Finding::Nothing };
        let due = |due_ms: u64| self.running() && due_ms <= self.now_ms;
        match at_work {
            Work::Task { .. } => {
                self.document.task_of(stage).map_or(Finding::Nothing, Finding::Task)
            }
            // What is to stop is not tried again first.
            Work::BackingOff { due_ms, .. } if due(*due_ms) && self.document.canceled.is_none() => {
                Finding::RetryDue
            }
            Work::Waiting { until_ms } if due(*until_ms) => Finding::WaitOver,
            Work::Window { opens_ms } if due(*opens_ms) => Finding::WindowOpen,
            Work::Child { .. } => Finding::Child,
            Work::BackingOff { .. }
            | Work::Waiting { .. }
            | Work::Window { .. }
            | Work::Held
            | Work::Children
            | Work::OnFailure { .. }
            | Work::Judging { .. } => Finding::Nothing,
        }
    }

    fn absorb_task(&mut self, at: usize, task: &TaskId) {
        let lease = self.facts.leases.get(task);
        let paused = self.paused();
        if paused && lease.is_none_or(|lease| lease.result.is_none()) {
            return;
        }
        if let Some(stage) = self.document.stages.get_mut(at) {
            work::absorb_task(stage, task, lease, self.now_ms, &mut self.effects);
        }
    }

    fn retry(&mut self, at: usize) {
        let execution = self.document.id.clone();
        if let Some(stage) = self.document.stages.get_mut(at) {
            work::end_back_off(stage, &execution, self.now_ms, &mut self.effects);
        }
    }

    /// Ends a window part; the time it took does not count for the stage behind it.
    pub(crate) fn open_window(&mut self, at: usize, status: ExecutionStatus) {
        let Some(part) = self.stage(at) else { return };
        let waited = self.now_ms.saturating_sub(part.started_ms.unwrap_or(self.now_ms));
        let waited = waited.saturating_sub(part.held_ms);
        let parent = part.parent.clone();
        self.close(at, status);
        let parent =
            self.document.stages.iter_mut().find(|stage| Some(&stage.id) == parent.as_ref());
        if let Some(parent) = parent {
            parent.held_ms += waited;
        }
    }

    /// A stage that has run longer than it may is told to stop.
    fn check_deadline(&mut self, at: usize) {
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        if stage.deadline_ms().is_none_or(|deadline_ms| deadline_ms > self.now_ms) {
            return;
        }
        stage.timed_out = true;
        let allowed = stage.timeout_ms.map(|timeout_ms| format!("it may run for {timeout_ms} ms"));
        self.effects.note("stage_timed_out", Some(&stage.ref_id), allowed);
        self.stop(at);
    }

    pub(crate) fn absorb_child(&mut self, at: usize) {
        let Some(stage) = self.stage(at) else { return };
        let StageState::Running(Work::Child { execution, until, canceling_ms, .. }) = &stage.state
        else {
            return;
        };
        let (execution, until, canceling) = (execution.clone(), *until, canceling_ms.is_some());
        let Some(fact) = self.facts.children.get(&execution) else { return };
        match fact {
            ChildFact::Refused { reason } => {
                let failure = user_failure(
                    format!("the pipeline could not be started: {reason}"),
                    Some("look at the pipeline this stage names".to_owned()),
                );
                self.fail(at, failure);
            }
            ChildFact::Known { name, status, reason, outputs } => {
                let ended = status.is_complete();
                if !ended && canceling {
                    self.cancel_child(at);
                    return;
                }
                // One that is not waited for has done its part once it exists, unless it never began.
                let enough = until == Until::Started && (!ended || reason.is_none());
                if !ended && !enough {
                    return;
                }
                let verdict = if enough { ExecutionStatus::Succeeded } else { *status };
                let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let Some(stage) = self.document.stages.get_mut(at) else { return };
                stage.outputs.extend(outputs.clone());
                stage.context.insert("status".to_owned(), status.as_str().into());
                if verdict == ExecutionStatus::Terminal {
                    let message = format!("pipeline `{name}` ended {status}{why}");
                    let hint = format!("look at execution {execution}");
                    stage.failure = Some(user_failure(message, Some(hint)));
                }
                self.close(at, verdict);
            }
        }
    }

    /// A child that runs is told to stop, once for each time its parent's stage is.
    fn cancel_child(&mut self, at: usize) {
        let (id, by) = (self.document.id.clone(), self.document.canceled.clone());
        let Some(stage) = self.document.stages.get_mut(at) else { return };
        let told = "childCanceled";
        let StageState::Running(Work::Child { execution, .. }) = &stage.state else { return };
        if stage.context.contains_key(told) {
            return;
        }
        let user = by.as_ref().map_or_else(|| "bowline".to_owned(), |canceled| canceled.by.clone());
        let reason = Some(format!("its parent, execution {id}, was stopped"));
        let event = Event::Cancel { execution: execution.clone(), user, reason };
        self.effects.events.push((format!("cancel-child/{execution}"), event));
        let detail = Some(format!("execution {execution} is canceled with it"));
        self.effects.note("child_canceled", Some(&stage.ref_id), detail);
        stage.context.insert(told.to_owned(), true.into());
    }

    /// Ends a stage with a failure.
    pub(crate) fn fail(&mut self, at: usize, failure: wire::TaskFailure) {
        if let Some(stage) = self.document.stages.get_mut(at) {
            stage.failure = Some(failure);
        }
        self.close(at, ExecutionStatus::Terminal);
    }
}

impl Stage {
    /// When it has run as long as it may; `None` while nothing counts.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        let counts = match &self.state {
            // What is done after a failure has a bound of its own.
            StageState::NotStarted
            | StageState::Done(_)
            | StageState::Running(Work::Held | Work::OnFailure { .. }) => false,
            StageState::Running(
                Work::Children
                | Work::Window { .. }
                | Work::Waiting { .. }
                | Work::Judging { .. }
                | Work::Child { .. }
                | Work::Task { .. }
                | Work::BackingOff { .. },
            ) => !self.timed_out,
        };
        let (timeout_ms, started_ms) = (self.timeout_ms?, self.started_ms?);
        counts.then(|| started_ms.saturating_add(timeout_ms).saturating_add(self.held_ms))
    }
}
