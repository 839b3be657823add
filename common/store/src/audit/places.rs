//! Which lists a row must be found in: a function of the row alone.

use std::fmt;

use super::{
    EventFields, ExecutionFields, Layout, LockFields, MessageFields, Owner, PipelineFields,
    Subject, TaskFields,
};
use crate::index;

/// A list, an index, or a table beside the rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// Executions found by the name of an index.
    Index(String),
    /// Live executions by when they are looked at.
    Wakes,
    /// Snapshots by execution.
    Documents,
    /// Public views by execution.
    Views,
    /// Applied inputs by execution.
    Inputs,
    /// History by execution.
    Timeline,
    /// Events in the order of their acceptance.
    EventOrder,
    /// Unsettled events by when they are due.
    EventDue,
    /// Unsettled events by when they became due for the first time, or will.
    EventAge,
    /// Messages by when they are due.
    OutboxDue,
    /// Messages by when they were written.
    OutboxAge,
    /// Dispatched and unclaimed tasks of a kind.
    Waiting(String),
    /// Held tasks of a kind by when their lease ends.
    Running(String),
    /// Tasks of an execution.
    TasksOf(String),
    /// Locks of an execution.
    LocksOf(String),
    /// Executions of a pipeline that hold a slot, by number.
    Holders(String),
    /// Executions of a pipeline that wait for a slot, by number.
    Waiters(String),
    /// Executions that wait for a slot, by when they began to.
    WaitingAge,
    /// Ids of executions that were removed, and when.
    Removed,
    /// The same by when they were.
    RemovedAge,
    /// Definitions.
    Pipelines,
    /// Definitions of an application by name.
    Names(String),
    /// Definitions that a signal with this key may start.
    Keyed(String),
    /// Definitions by the version of their index.
    Indexed,
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(name) => write!(f, "index `{name}`"),
            Self::Wakes => f.write_str("list of wakes"),
            Self::Documents => f.write_str("table of snapshots"),
            Self::Views => f.write_str("table of views"),
            Self::Inputs => f.write_str("table of applied inputs"),
            Self::Timeline => f.write_str("table of timelines"),
            Self::EventOrder => f.write_str("list of events"),
            Self::EventDue => f.write_str("list of due events"),
            Self::EventAge => f.write_str("list of unsettled events"),
            Self::OutboxDue => f.write_str("list of due messages"),
            Self::OutboxAge => f.write_str("list of unpublished messages"),
            Self::Waiting(kind) => write!(f, "list of waiting {kind} tasks"),
            Self::Running(kind) => write!(f, "list of running {kind} tasks"),
            Self::TasksOf(id) => write!(f, "list of the tasks of execution `{id}`"),
            Self::LocksOf(id) => write!(f, "list of the locks of execution `{id}`"),
            Self::Holders(id) => write!(f, "list of those that hold a slot of pipeline `{id}`"),
            Self::Waiters(id) => write!(f, "list of those that wait for a slot of pipeline `{id}`"),
            Self::WaitingAge => f.write_str("list of all that wait for a slot"),
            Self::Removed => f.write_str("list of removed executions"),
            Self::RemovedAge => f.write_str("list of removed executions by age"),
            Self::Pipelines => f.write_str("list of pipelines"),
            Self::Keyed(key) => write!(f, "index of definitions under `{key}`"),
            Self::Indexed => f.write_str("list of indexed pipelines"),
            Self::Names(application) => {
                write!(f, "list of the pipeline names of application `{application}`")
            }
        }
    }
}

/// What a list says about its entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// Nothing but that it is there.
    Here,
    /// A time or a number.
    Number(u64),
    /// The id of what it names.
    Id(String),
    /// What does not read as any of these.
    Unreadable(String),
    /// Whatever: only in what is expected, where the list alone knows.
    Anything,
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which list.
    pub list: List,
    /// What it names: an id, a key, a name.
    pub member: String,
    /// What it says about it.
    pub at: At,
}

impl Place {
    /// True when this entry, as found, is the one expected.
    pub(super) fn is(&self, expected: &Self) -> bool {
        self.list == expected.list
            && self.member == expected.member
            && match (&self.at, &expected.at) {
                (At::Unreadable(_), _) => false,
                (_, At::Anything) => true,
                (found, expected) => found == expected,
            }
    }
}

impl Place {
    /// The row this entry is of.
    pub(crate) fn owner(&self) -> Subject {
        let member = self.member.clone();
        match &self.list {
            List::Index(_)
            | List::Wakes
            | List::Documents
            | List::Views
            | List::Inputs
            | List::Timeline
            | List::Holders(_)
            | List::Waiters(_)
            | List::WaitingAge
            | List::Removed
            | List::RemovedAge => Subject::Execution(member),
            List::EventOrder | List::EventDue | List::EventAge => Subject::Event(member),
            List::OutboxDue | List::OutboxAge => Subject::Message(member),
            List::Waiting(_) | List::Running(_) | List::TasksOf(_) => Subject::Task(member),
            List::LocksOf(_) => Subject::Lock(member),
            List::Pipelines | List::Keyed(_) | List::Indexed => Subject::Pipeline(member),
            List::Names(_) => Subject::Pipeline(match &self.at {
                At::Id(id) | At::Unreadable(id) => id.clone(),
                At::Here | At::Number(_) | At::Anything => String::new(),
            }),
        }
    }
}

/// Whether a place must name the row, or only may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    May,
}

/// The places a row must be found in, in a store of this layout.
pub fn places(layout: Layout, owner: &Owner) -> Vec<Place> {
    let all = expected(layout, owner).into_iter();
    all.filter(|(_, need)| *need == Need::Must).map(|(place, _)| place).collect()
}

/// The places a row must or may be found in.
pub(super) fn expected(layout: Layout, owner: &Owner) -> Vec<(Place, Need)> {
    match owner {
        Owner::Nobody | Owner::Unreadable => Vec::new(),
        Owner::Execution(row) => of_execution(layout, row),
        Owner::Event(row) => of_event(layout, row),
        Owner::Message(row) => must(of_message(row)),
        Owner::Task(row) => must(of_task(layout, row)),
        Owner::Lock(row) => must(of_lock(row)),
        Owner::Pipeline(row) => must(of_pipeline(layout, row)),
    }
}

fn must(places: Vec<Place>) -> Vec<(Place, Need)> {
    places.into_iter().map(|place| (place, Need::Must)).collect()
}

fn place(list: List, member: &str, at: At) -> Place {
    Place { list, member: member.to_owned(), at }
}

/// A time that the row repeats, or leaves to the list.
fn repeated(time: Option<u64>) -> At {
    time.map_or(At::Anything, At::Number)
}

fn of_execution(layout: Layout, row: &ExecutionFields) -> Vec<(Place, Need)> {
    let names = [
        index::of_all(),
        index::of_application(&row.application),
        index::of_pipeline(&row.pipeline_id),
        index::of_event(&row.event_key),
        index::of_status(row.status),
    ];
    let mut found = Vec::new();
    for name in names {
        found.push(place(List::Index(name), &row.id, At::Number(row.created_ms)));
    }
    if !row.status.is_complete() {
        found.push(place(List::Wakes, &row.id, repeated(row.wake_ms)));
    }
    let mut found = must(found);
    found.extend(of_slot(layout, row));
    let mut beside = |list, need| found.push((place(list, &row.id, At::Here), need));
    beside(List::Inputs, Need::May);
    beside(List::Timeline, Need::May);
    match layout {
        Layout::Redis => {}
        Layout::Embedded => {
            beside(List::Documents, Need::Must);
            beside(List::Views, Need::Must);
        }
    }
    found
}

fn of_slot(layout: Layout, row: &ExecutionFields) -> Vec<(Place, Need)> {
    let holders = List::Holders(row.pipeline_id.clone());
    let waiters = List::Waiters(row.pipeline_id.clone());
    let at = |list, at| place(list, &row.id, at);
    match (layout, row.slot) {
        // The lists alone know; that they agree with each other is judged from what is found. One
        // that was made by a version without slots is in none.
        (Layout::Redis, _) if !row.status.is_complete() => [holders, waiters, List::WaitingAge]
            .map(|list| (at(list, At::Anything), Need::May))
            .into(),
        (Layout::Redis, _) | (Layout::Embedded, None) => Vec::new(),
        (Layout::Embedded, Some(slot)) => must(match slot.waits_since_ms {
            None => vec![at(holders, At::Number(slot.number))],
            Some(since) => {
                vec![at(waiters, At::Number(slot.number)), at(List::WaitingAge, At::Number(since))]
            }
        }),
    }
}

fn of_event(layout: Layout, row: &EventFields) -> Vec<(Place, Need)> {
    // The file's table is keyed by number, so an event's entry is not found from the event: that
    // each has one is seen by counting.
    let need = match layout {
        Layout::Redis => Need::Must,
        Layout::Embedded => Need::May,
    };
    let mut found = vec![(place(List::EventOrder, &row.key, At::Anything), need)];
    if row.outcome.is_none() {
        let due = place(List::EventDue, &row.key, repeated(row.due_ms));
        let age = place(List::EventAge, &row.key, At::Number(row.since_ms));
        found.extend(must(vec![due, age]));
    }
    found
}

fn of_message(row: &MessageFields) -> Vec<Place> {
    vec![
        place(List::OutboxDue, &row.id, repeated(row.due_ms)),
        place(List::OutboxAge, &row.id, repeated(row.added_ms)),
    ]
}

fn of_task(layout: Layout, row: &TaskFields) -> Vec<Place> {
    match layout {
        Layout::Embedded => Vec::new(),
        Layout::Redis => {
            let mut found =
                vec![place(List::TasksOf(row.execution_id().to_owned()), &row.task, At::Here)];
            let kind = row.kind.as_str().to_owned();
            if !row.row.claimed {
                let at = At::Number(row.row.dispatched_ms);
                found.push(place(List::Waiting(kind), &row.task, at));
            } else if let Some(until) = row.row.until_ms {
                found.push(place(List::Running(kind), &row.task, At::Number(until)));
            }
            found
        }
    }
}

fn of_lock(row: &LockFields) -> Vec<Place> {
    vec![place(List::LocksOf(row.execution.clone()), &row.resource, At::Here)]
}

fn of_pipeline(layout: Layout, row: &PipelineFields) -> Vec<Place> {
    let names = List::Names(row.application.clone());
    let mut found = vec![place(names, &row.name, At::Id(row.id.clone()))];
    for key in &row.index.keys {
        found.push(place(List::Keyed(key.clone()), &row.id, At::Here));
    }
    found.push(place(List::Indexed, &row.id, At::Number(u64::from(row.index.version))));
    match layout {
        Layout::Redis => found.push(place(List::Pipelines, &row.id, At::Here)),
        Layout::Embedded => {}
    }
    found
}
