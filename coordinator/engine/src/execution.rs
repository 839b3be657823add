//! Changes of the execution as a whole: it begins, pauses, goes on, is canceled, ends.

use model::{ExecutionId, ExecutionStatus};
use serde_json::{Map, Value};

use crate::{
    document::{Canceled, Pause},
    ended,
    step::Step,
};

impl Step<'_> {
    pub(crate) fn running(&self) -> bool {
        self.document().status == ExecutionStatus::Running
    }

    pub(crate) fn paused(&self) -> bool {
        self.document().status == ExecutionStatus::Paused
    }

    pub(crate) fn begin_execution(&mut self) {
        let now_ms = self.now_ms;
        let document = self.change();
        document.status = ExecutionStatus::Running;
        document.started_ms.get_or_insert(now_ms);
        document.queue = None;
        self.effects.note("execution_started", None, None);
    }

    pub(crate) fn pause(&mut self, user: &str) {
        let at_ms = self.now_ms;
        let document = self.change();
        let total_ms = document.pause.as_ref().map_or(0, |before| before.total_ms);
        document.status = ExecutionStatus::Paused;
        document.pause = Some(Pause {
            by: user.to_owned(),
            at_ms,
            resumed_by: None,
            resumed_ms: None,
            total_ms,
        });
        self.effects.note("execution_paused", None, Some(format!("by {user}")));
    }

    /// Lets it go on. The time of the pause counts for no timeout.
    pub(crate) fn end_pause(&mut self, user: &str) {
        let now_ms = self.now_ms;
        let document = self.change();
        document.status = ExecutionStatus::Running;
        if let Some(pause) = &mut document.pause {
            let since_ms = pause.at_ms;
            pause.resumed_by = Some(user.to_owned());
            pause.resumed_ms = Some(now_ms);
            pause.total_ms += now_ms.saturating_sub(since_ms);
            for stage in document.stages.iter_mut().filter(|stage| stage.is_running()) {
                let run = &mut stage.run;
                if let Some(started_ms) = run.started_ms {
                    run.held_ms += now_ms.saturating_sub(since_ms.max(started_ms));
                }
            }
        }
        self.effects.note("execution_resumed", None, Some(format!("by {user}")));
    }

    /// Marks it canceled; one that waits for a slot is over at once, a paused one goes on to stop its work.
    pub(crate) fn cancel(&mut self, user: &str, reason: Option<&str>) {
        let at_ms = self.now_ms;
        self.change().canceled =
            Some(Canceled { by: user.to_owned(), reason: reason.map(str::to_owned), at_ms });
        let detail =
            reason.map_or_else(|| format!("by {user}"), |reason| format!("by {user}: {reason}"));
        self.effects.note("cancel_requested", None, Some(detail));
        match self.document().status {
            ExecutionStatus::NotStarted => self.complete(ExecutionStatus::Canceled),
            ExecutionStatus::Paused => self.end_pause(user),
            ExecutionStatus::Running
            | ExecutionStatus::Suspended
            | ExecutionStatus::Succeeded
            | ExecutionStatus::FailedContinue
            | ExecutionStatus::Terminal
            | ExecutionStatus::Canceled
            | ExecutionStatus::Redirect
            | ExecutionStatus::Stopped
            | ExecutionStatus::Skipped
            | ExecutionStatus::Buffered => {}
        }
    }

    /// Ends the execution.
    ///
    /// # Panics
    ///
    /// When it is over already.
    pub(crate) fn complete(&mut self, status: ExecutionStatus) {
        assert!(!self.document().is_complete(), "an execution ends once");
        let now_ms = self.now_ms;
        let document = self.change();
        document.status = status;
        document.ended_ms = Some(now_ms);
        document.queue = None;
        self.effects.note("execution_ended", None, Some(status.to_string()));
        self.effects.notify.extend(parent_of(&self.document().trigger));
        self.effects.events.extend(ended::event_of(self.document()));
    }
}

/// The execution that waits for the one with this trigger.
pub(crate) fn parent_of(trigger: &Map<String, Value>) -> Option<ExecutionId> {
    trigger.get("parentExecution")?.get("id")?.as_str()?.parse().ok()
}
