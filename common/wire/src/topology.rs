//! Names on the broker, as data. `bus` declares them; nobody else spells them.

use std::{fmt, str::FromStr};

use model::Pool;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// To workers of a kind: exchange `task`, key = kind.
    Task(Pool),
    /// Back from workers of a kind: exchange `result.<kind>`, so that the broker's permissions can
    /// keep one kind of worker from speaking for another.
    Result(Pool),
    /// To every worker, best effort: fanout exchange `cancel`.
    Cancel,
    /// To the parking queue: exchange `dead`.
    Dead,
}

impl Route {
    /// The exchange.
    pub const fn exchange(self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Result(Pool::Bake) => "result.bake",
            Self::Result(Pool::Deploy) => "result.deploy",
            Self::Cancel => "cancel",
            Self::Dead => "dead",
        }
    }

    /// The routing key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Task(kind) => kind.as_str(),
            Self::Result(_) => "result",
            Self::Cancel => "",
            Self::Dead => "parked",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(kind) => write!(f, "task/{kind}"),
            Self::Result(kind) => write!(f, "result/{kind}"),
            Self::Cancel => f.write_str("cancel"),
            Self::Dead => f.write_str("dead"),
        }
    }
}

impl FromStr for Route {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let kind = |name: &str| name.parse::<Pool>().map_err(|e| e.to_string());
        match text.split_once('/') {
            Some(("task", name)) => Ok(Self::Task(kind(name)?)),
            Some(("result", name)) => Ok(Self::Result(kind(name)?)),
            None if text == "cancel" => Ok(Self::Cancel),
            None if text == "dead" => Ok(Self::Dead),
            Some(_) | None => Err(format!("`{text}` is not a route")),
        }
    }
}

/// A queue with a name others rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Tasks of a kind.
    Task(Pool),
    /// Results of a kind.
    Result(Pool),
    /// What nobody could read, with the reason.
    Parked,
}

impl Queue {
    /// Every queue, the parking queue first: the others dead-letter into it.
    pub const ALL: [Self; 5] = [
        Self::Parked,
        Self::Task(Pool::Bake),
        Self::Task(Pool::Deploy),
        Self::Result(Pool::Bake),
        Self::Result(Pool::Deploy),
    ];

    /// Its name; the version changes when its arguments do.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Task(Pool::Bake) => "task.bake.v1",
            Self::Task(Pool::Deploy) => "task.deploy.v1",
            Self::Result(Pool::Bake) => "result.bake.v1",
            Self::Result(Pool::Deploy) => "result.deploy.v1",
            Self::Parked => "parked.v1",
        }
    }

    /// What is routed into it.
    pub const fn route(self) -> Route {
        match self {
            Self::Task(kind) => Route::Task(kind),
            Self::Result(kind) => Route::Result(kind),
            Self::Parked => Route::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_round_trip_as_text() {
        for queue in Queue::ALL {
            assert_eq!(queue.route().to_string().parse(), Ok(queue.route()));
        }
        assert_eq!("cancel".parse(), Ok(Route::Cancel));
        assert!("task/paint".parse::<Route>().is_err());
        assert!("task".parse::<Route>().is_err());
    }
}
