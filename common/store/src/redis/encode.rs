//! Arguments of the functions, in the order `functions/*.lua` reads them.

use ::redis::{Cmd, cmd};

use crate::{
    Commit, DefinitionIndex, EventRow, ExecutionFilter, OutboxRow, Reopen, SlotChange, SlotRequest,
    TaskChange, index, rules,
};

/// One function call being put together.
pub(super) struct Call {
    doing: &'static str,
    command: Cmd,
}

impl Call {
    /// A call without arguments, by somebody who knows of so many writes.
    pub(super) fn new(doing: &'static str, name: &str, prefix: &str, seen: u64) -> Self {
        let mut command = cmd("FCALL");
        command.arg(format!("bowline_v4_{name}")).arg(1).arg(prefix).arg(seen);
        Self { doing, command }
    }

    /// What is asked and how.
    pub(super) fn into_parts(self) -> (&'static str, Cmd) {
        (self.doing, self.command)
    }

    /// Adds a text.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.command.arg(text);
        self
    }

    /// Adds a number.
    pub(super) fn number(mut self, number: u64) -> Self {
        self.command.arg(number);
        self
    }

    /// Adds a count.
    pub(super) fn count(mut self, count: usize) -> Self {
        self.command.arg(count);
        self
    }

    /// Adds a text that may be absent.
    pub(super) fn maybe(mut self, text: Option<&str>) -> Self {
        self.command.arg(text.map_or_else(String::new, |text| format!("={text}")));
        self
    }

    /// Adds a number that may be absent.
    pub(super) fn maybe_number(self, number: Option<u64>) -> Self {
        self.maybe(number.map(|number| number.to_string()).as_deref())
    }

    /// Adds a counted list.
    pub(super) fn list<T>(self, items: &[T], add: impl Fn(Self, &T) -> Self) -> Self {
        let call = self.count(items.len());
        items.iter().fold(call, add)
    }

    /// Adds what a transition writes.
    pub(super) fn transition(self, commit: &Commit) -> Self {
        let live = if commit.status.is_complete() { "DONE" } else { "LIVE" };
        self.number(u64::from(commit.schema))
            .text(commit.status.as_str())
            .text(live)
            .maybe_number(commit.wake_ms.map(rules::instant))
            .text(&commit.document)
            .text(&commit.view)
            .list(&commit.timeline, |call, body| call.text(body))
            .list(&commit.outbox, Self::message)
            .list(&commit.tasks, Self::task_change)
            .list(&commit.unlock_owners, |call, owner| call.text(owner))
            .slot_change(commit.slot)
            .list(&commit.events, Self::event)
            .list(&commit.notify, |call, id| call.text(id.as_str()))
            .text(match commit.reopen {
                Reopen::Never => "FINAL",
                Reopen::ByRestart => "REOPEN",
            })
    }

    /// Adds an event to accept.
    pub(super) fn event(self, event: &EventRow) -> Self {
        self.text(&event.key)
            .text(&event.body)
            .maybe_number(event.not_before_ms.map(rules::instant))
            .list(&event.if_indexed, |call, key| call.text(key))
    }

    /// Adds the keys of a definition: as a list, and as the text that is kept.
    pub(super) fn index(self, index: &DefinitionIndex) -> Self {
        let text = serde_json::Value::from(index.keys.clone()).to_string();
        self.number(u64::from(index.version))
            .text(&text)
            .list(&index.keys, |call, key| call.text(key))
    }

    /// Adds what a new execution needs.
    pub(super) fn slot_request(self, request: SlotRequest) -> Self {
        self.maybe_number(request.limit.map(u64::from))
    }

    fn slot_change(self, change: Option<SlotChange>) -> Self {
        match change {
            None => self.maybe(None).maybe(None),
            Some(SlotChange::Take { limit }) => {
                self.maybe(Some("TAKE")).maybe_number(limit.map(u64::from))
            }
            Some(SlotChange::Wait) => self.maybe(Some("WAIT")).maybe(None),
        }
    }

    fn message(self, row: &OutboxRow) -> Self {
        let (task, epoch) = match &row.only_if {
            Some((task, epoch)) => (task.to_string(), epoch.to_string()),
            None => (String::new(), String::new()),
        };
        self.text(&row.message_id).text(&row.route).text(&row.body).text(&task).text(&epoch)
    }

    fn task_change(self, change: &TaskChange) -> Self {
        let task = change.task().to_string();
        match change {
            TaskChange::Dispatch { task: _, kind, epoch, digest } => self
                .text("DISPATCH")
                .text(&task)
                .text(kind.as_str())
                .number(u64::from(*epoch))
                .text(digest),
            TaskChange::Cancel { task: _ } => self.text("CANCEL").bare_task(&task),
            TaskChange::Retire { task: _ } => self.text("RETIRE").bare_task(&task),
        }
    }

    /// A task whose kind, epoch and digest do not matter.
    fn bare_task(self, task: &str) -> Self {
        self.text(task).text("").number(0).text("")
    }

    /// Adds which executions to list.
    pub(super) fn filter(self, filter: &ExecutionFilter) -> Self {
        let sources: Vec<String> = index::sources(filter).into_iter().collect();
        self.count(rules::list_limit(filter.limit))
            .maybe(filter.application.as_deref())
            .maybe(filter.event_key.as_deref())
            .list(&filter.pipeline_ids, |call, id| call.text(id))
            .list(&filter.statuses, |call, status| call.text(status.as_str()))
            .list(&sources, |call, source| call.text(source))
    }
}
