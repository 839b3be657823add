//! What a key is, by its name; and how what it holds is asked for. See `functions/base.lua`.

use ::redis::Value;

use crate::audit::{At, List, Place, Subject};

/// What a key is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// A row.
    Row(Subject),
    /// Something kept beside an execution, which must be there.
    Beside(Subject),
    /// A list of members.
    List(Holding),
    /// A counter or the clock.
    Number,
    /// A key of another world on the same server.
    OtherWorld,
    /// None of ours.
    Unknown,
}

impl Family {
    /// What the key of this name (without the prefix) is.
    pub(super) fn of(name: &str) -> Self {
        let beside = |list, id: &str| {
            let place = Place { list, member: id.to_owned(), at: At::Here };
            Self::Beside(Subject::Entry(place))
        };
        match name {
            "clock" | "token" | "fence" | "event" | "slot" | "history" | "rollbacks" | "quiet"
            | "format" => {
                return Self::Number;
            }
            "indexed" => return Self::List(Holding(List::Indexed)),
            "pipelines" => return Self::List(Holding(List::Pipelines)),
            "events" => return Self::List(Holding(List::EventOrder)),
            "events-due" => return Self::List(Holding(List::EventDue)),
            "events-age" => return Self::List(Holding(List::EventAge)),
            "outbox-due" => return Self::List(Holding(List::OutboxDue)),
            "outbox-age" => return Self::List(Holding(List::OutboxAge)),
            "waiting-age" => return Self::List(Holding(List::WaitingAge)),
            "removed" => return Self::List(Holding(List::Removed)),
            "wakes" => return Self::List(Holding(List::Wakes)),
            _ => {}
        }
        let Some((family, rest)) = name.split_once(':') else { return Self::Unknown };
        let rest = rest.to_owned();
        match family {
            "pipeline" => Self::Row(Subject::Pipeline(rest)),
            "event" => Self::Row(Subject::Event(rest)),
            "execution" => Self::Row(Subject::Execution(rest)),
            "lease" => Self::Row(Subject::Task(rest)),
            "lock" => Self::Row(Subject::Lock(rest)),
            "outbox" => Self::Row(Subject::Message(rest)),
            "inputs" => beside(List::Inputs, &rest),
            "timeline" => beside(List::Timeline, &rest),
            "keyed" => Self::List(Holding(List::Keyed(rest))),
            "names" => Self::List(Holding(List::Names(rest))),
            "index" => Self::List(Holding(List::Index(rest))),
            "waiting" => Self::List(Holding(List::Waiting(rest))),
            "running" => Self::List(Holding(List::Running(rest))),
            "tasks" => Self::List(Holding(List::TasksOf(rest))),
            "locks" => Self::List(Holding(List::LocksOf(rest))),
            "holders" => Self::List(Holding(List::Holders(rest))),
            "waiters" => Self::List(Holding(List::Waiters(rest))),
            // A world's name is followed by one of the names above.
            _ => match Self::of(&rest) {
                Self::Unknown | Self::OtherWorld => Self::Unknown,
                Self::Row(_) | Self::Beside(_) | Self::List(_) | Self::Number => Self::OtherWorld,
            },
        }
    }
}

/// A list, and how Redis holds it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holding(pub(super) List);

impl Holding {
    /// The name of the type, as TYPE says it; `own` where the key itself is the entry.
    const fn type_name(&self) -> &'static str {
        match &self.0 {
            List::Index(_)
            | List::Wakes
            | List::EventOrder
            | List::EventDue
            | List::EventAge
            | List::OutboxDue
            | List::OutboxAge
            | List::Waiting(_)
            | List::Running(_)
            | List::Holders(_)
            | List::Waiters(_)
            | List::WaitingAge
            | List::Removed
            | List::Indexed => "zset",
            List::TasksOf(_) | List::LocksOf(_) | List::Pipelines | List::Keyed(_) => "set",
            List::Names(_) => "hash",
            List::Documents | List::Views | List::Inputs | List::Timeline | List::RemovedAge => {
                "own"
            }
        }
    }

    /// Whether TYPE answered what it must.
    pub(super) fn is_type(&self, reply: &Value) -> bool {
        let found = super::super::decode::text(reply.clone()).unwrap_or_default();
        // A list that was emptied since is gone, and of no type.
        found == self.type_name() || found == "none"
    }

    /// The command that walks it.
    pub(super) fn scan(&self) -> &'static str {
        match self.type_name() {
            "zset" => "ZSCAN",
            "hash" => "HSCAN",
            _ => "SSCAN",
        }
    }

    /// Whether each member comes with a value.
    pub(super) fn has_values(&self) -> bool {
        self.type_name() != "set"
    }

    /// The entry of a member.
    pub(super) fn place(&self, member: String, value: Option<&str>) -> Place {
        let at = match (self.type_name(), value) {
            ("zset", Some(score)) => number(score),
            ("hash", Some(id)) => At::Id(id.to_owned()),
            _ => At::Here,
        };
        Place { list: self.0.clone(), member, at }
    }

    /// The key, without the prefix.
    fn key(&self, member: &str) -> String {
        match &self.0 {
            List::Index(name) => format!("index:{name}"),
            List::Wakes => "wakes".to_owned(),
            List::Inputs => format!("inputs:{member}"),
            List::Timeline => format!("timeline:{member}"),
            List::EventOrder => "events".to_owned(),
            List::EventDue => "events-due".to_owned(),
            List::EventAge => "events-age".to_owned(),
            List::OutboxDue => "outbox-due".to_owned(),
            List::OutboxAge => "outbox-age".to_owned(),
            List::Waiting(kind) => format!("waiting:{kind}"),
            List::Running(kind) => format!("running:{kind}"),
            List::TasksOf(id) => format!("tasks:{id}"),
            List::LocksOf(id) => format!("locks:{id}"),
            List::Pipelines => "pipelines".to_owned(),
            List::Indexed => "indexed".to_owned(),
            List::Keyed(key) => format!("keyed:{key}"),
            List::Names(application) => format!("names:{application}"),
            List::Holders(pipeline) => format!("holders:{pipeline}"),
            List::Waiters(pipeline) => format!("waiters:{pipeline}"),
            List::WaitingAge => "waiting-age".to_owned(),
            List::Removed => "removed".to_owned(),
            // No keys of Redis: fields of a row, and a second list of what one list sorts by age.
            List::Documents | List::Views | List::RemovedAge => String::new(),
        }
    }
}

/// A score: times and numbers are whole.
pub(super) fn number(score: &str) -> At {
    let parsed = score.parse();
    parsed.map_or_else(|_| At::Unreadable(score.to_owned()), At::Number)
}

/// A place the script found, named as in the script.
pub(super) fn found(name: &str, key: &str, member: String, value: &str) -> Option<Place> {
    let (Family::List(holding), _) = (Family::of(key), name) else { return None };
    Some(holding.place(member, Some(value)))
}

/// A place as the list has it now.
pub(super) fn place_now(place: &Place, value: &str) -> Place {
    Holding(place.list.clone()).place(place.member.clone(), Some(value))
}

/// What the script is told of a subject.
pub(super) fn arguments(subject: &Subject) -> Vec<String> {
    let two = |kind: &str, name: &str| vec![kind.to_owned(), name.to_owned()];
    match subject {
        Subject::Execution(id) => two("execution", id),
        Subject::Event(key) => two("event", key),
        Subject::Message(id) => two("outbox", id),
        Subject::Task(task) => two("lease", task),
        Subject::Lock(resource) => two("lock", resource),
        Subject::Pipeline(id) => two("pipeline", id),
        Subject::Odd(name) => two("type", name),
        Subject::Clock | Subject::Counts => vec!["clock".to_owned()],
        Subject::Entry(place) => {
            let holding = Holding(place.list.clone());
            let owner = arguments(&place.owner());
            let mut all = two("entry", holding.type_name());
            all.extend([holding.key(&place.member), place.member.clone()]);
            all.extend(owner);
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_by_their_names() {
        let row = |name: &str| {
            let family = Family::of(name);
            if let Family::Row(subject) = &family {
                return subject.to_string();
            }
            format!("{family:?}")
        };
        assert_eq!(row("execution:E"), "execution `E`");
        assert_eq!(row("event:jenkins/ci/a:b/1/2"), "event `jenkins/ci/a:b/1/2`");
        assert_eq!(row("lease:E/S/1"), "lease of task `E/S/1`");
        assert_eq!(row("event"), "Number");
        assert_eq!(row("blue:clock"), "OtherWorld");
        assert_eq!(row("blue:index:all"), "OtherWorld");
        assert_eq!(row("sessions"), "Unknown");
        assert_eq!(row("session:1"), "Unknown");
    }

    #[test]
    fn a_score_that_is_no_whole_number_is_told_as_it_is() {
        assert_eq!(number("17"), At::Number(17));
        assert_eq!(number("1.5"), At::Unreadable("1.5".to_owned()));
        assert_eq!(number("-1"), At::Unreadable("-1".to_owned()));
    }
}
