//! What lies in a store, row by row: for `bowline fsck` and for tests, never for the rooms.
//!
//! A [`Walk`] names everything there is, in pages and without stopping anybody. [`Audit::read`]
//! reads one [`Subject`] with all that must agree with it in one atomic step, so that a store under
//! load is never seen half changed. [`findings`] judges what was read, and is pure.
//!
//! One idea carries most of the rules: every list and index is a function of the rows it is made
//! from ([`places()`]). What the function says and the store lacks is missing; what the store has and
//! the function does not say is astray.

mod fields;
mod finding;
mod judge;
mod open;
mod places;
mod survey;

use std::fmt::Debug;

pub use fields::{
    EventFields, ExecutionFields, LockFields, MessageFields, PipelineFields, SlotFields, TaskFields,
};
pub use finding::{Finding, Rule};
pub use judge::findings;
pub use open::{SharedAudit, open_for_audit};
pub use places::{At, List, Place, places};
pub use survey::{Survey, survey};

use crate::{TimelineRow, api::Answer};

/// A store whose rows can be read as they lie. Nothing here changes anything.
pub trait Audit: Debug + Send + Sync + 'static {
    /// Begins a walk over everything that is stored.
    fn walk(&self) -> Box<dyn Walk + '_>;
    /// Reads subjects, each in one atomic step; those that are gone by now are left out.
    fn read<'a>(&'a self, subjects: &'a [Subject]) -> Answer<'a, Vec<Fact>>;
    /// Which lists this kind of store keeps.
    fn layout(&self) -> Layout;
}

/// A walk over everything that is stored. What stays in the store throughout the walk is named at
/// least once.
pub trait Walk: Send {
    /// The next page; `None` after the last one. A page may be empty.
    fn next(&mut self) -> Answer<'_, Option<Vec<Subject>>>;
}

/// How a kind of store keeps what can be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Lists of tasks by kind and by execution, a list of definitions; due times live in the lists.
    Redis,
    /// A table per body; due times live in the rows, and the lists repeat them.
    Embedded,
}

/// Holders of a pipeline's slots that are read with it.
pub const HOLDERS_MAX: u16 = 1000;

/// Something that is read and judged as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An execution by its id, with everything that belongs to it.
    Execution(String),
    /// An event by its key.
    Event(String),
    /// A message to publish by its id.
    Message(String),
    /// A task's lease by the task's id.
    Task(String),
    /// A lock by its resource.
    Lock(String),
    /// A definition by its id.
    Pipeline(String),
    /// One entry of a list.
    Entry(Place),
    /// A row that belongs to nothing known, or has the wrong form: its key.
    Odd(String),
    /// The store's clock.
    Clock,
    /// The store's counts of its own rows.
    Counts,
}

/// A subject as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What was read.
    pub subject: Subject,
    /// The store's clock and counters in that moment.
    pub moment: Moment,
    /// What was there.
    pub body: Body,
}

/// The store's clock and counters in the moment of a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The store's clock.
    pub now_ms: u64,
    /// The clock underneath, of the server or the machine; the store's one may be ahead of it.
    pub real_ms: u64,
    /// The latest token of a lease.
    pub tokens: u64,
    /// The latest fence of a lock.
    pub fences: u64,
    /// How many events were ever accepted.
    pub events: u64,
    /// How many slots and places were ever given out.
    pub slots: u64,
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// An execution.
    Execution(Box<ExecutionFact>),
    /// An event, and the places that name it.
    Event(EventFields, Vec<Place>),
    /// A message, and the places that name it.
    Message(MessageFields, Vec<Place>),
    /// A task's lease, the places that name it, and the execution it is of.
    Task(TaskFields, Vec<Place>, Option<ExecutionFields>),
    /// A lock, the places that name it, and the execution that holds it.
    Lock(LockFields, Vec<Place>, Option<ExecutionFields>),
    /// A definition, the places that name it, and those that hold its slots: at most
    /// [`HOLDERS_MAX`] of them.
    Pipeline(PipelineFields, Vec<Place>, Vec<ExecutionFields>),
    /// An entry of a list, with the row it is of.
    Entry(Owner),
    /// A row that cannot be read: why.
    Unreadable(String),
    /// A row that should not be there: why.
    Odd(String),
    /// Only the [`Moment`] counts.
    Clock,
    /// What the store has counted, and how many there are.
    Counts(Vec<Count>),
}

/// A number the store keeps of its own rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Of what.
    pub name: String,
    /// What the store says.
    pub kept: u64,
    /// What is there.
    pub found: u64,
}

/// An execution with everything that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionFact {
    /// Its row.
    pub row: ExecutionFields,
    /// Its snapshot.
    pub document: Option<String>,
    /// Its public view.
    pub view: Option<String>,
    /// Its history; a line that cannot be read is told as it is.
    pub timeline: Vec<Result<TimelineRow, String>>,
    /// How many inputs are remembered as applied.
    pub inputs: u64,
    /// The places that name it.
    pub places: Vec<Place>,
    /// The leases of its tasks, by task id.
    pub tasks: Vec<(String, TaskFields)>,
    /// The locks it holds, by resource.
    pub locks: Vec<(String, LockFields)>,
    /// Whether the event it came from is known.
    pub event_known: bool,
}

/// The row an entry of a list is of.
#[derive(Clone, Debug, PartialEq)]
pub enum Owner {
    /// There is none.
    Nobody,
    /// It cannot be read, which is told where the row itself is judged.
    Unreadable,
    /// An execution.
    Execution(ExecutionFields),
    /// An event.
    Event(EventFields),
    /// A message.
    Message(MessageFields),
    /// A task's lease.
    Task(TaskFields),
    /// A lock.
    Lock(LockFields),
    /// A definition.
    Pipeline(PipelineFields),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Execution(id) => write!(f, "execution `{id}`"),
            Self::Event(key) => write!(f, "event `{key}`"),
            Self::Message(id) => write!(f, "message `{id}`"),
            Self::Task(task) => write!(f, "lease of task `{task}`"),
            Self::Lock(resource) => write!(f, "lock `{resource}`"),
            Self::Pipeline(id) => write!(f, "pipeline `{id}`"),
            Self::Entry(place) => write!(f, "`{}` in the {}", place.member, place.list),
            Self::Odd(key) => write!(f, "key `{key}`"),
            Self::Clock => f.write_str("clock of the store"),
            Self::Counts => f.write_str("counts of the store"),
        }
    }
}
