//! Names on the broker, as data. They follow from the pools of workers; `bus` declares them, and nobody else
//! writes them out.

use std::{fmt, str::FromStr};

use model::Pool;

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Route {
    /// To the workers of a pool: exchange `task`, the pool is the key.
    Task(Pool),
    /// Back from the workers of a pool: exchange `result.<pool>`, so that the broker's permissions can
    /// keep the workers of one pool from answering for another.
    Result(Pool),
    /// To every worker, best effort: fanout exchange `cancel`.
    Cancel,
    /// To the parking queue: exchange `dead`.
    Dead,
}

impl Route {
    /// Every route, the one to the parking queue first: queues dead-letter into its exchange.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_pools =
            Pool::ALL.into_iter().flat_map(|pool| [Self::Task(pool), Self::Result(pool)]);
        [Self::Dead, Self::Cancel].into_iter().chain(of_pools)
    }

    /// The exchange.
    pub fn exchange(self) -> String {
        match self {
            Self::Task(_) => "task".to_owned(),
            Self::Result(pool) => format!("result.{pool}"),
            Self::Cancel => "cancel".to_owned(),
            Self::Dead => "dead".to_owned(),
        }
    }

    /// The routing key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Task(pool) => pool.as_str(),
            Self::Result(_) => "result",
            Self::Cancel => "",
            Self::Dead => "parked",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(pool) => write!(f, "task/{pool}"),
            Self::Result(pool) => write!(f, "result/{pool}"),
            Self::Cancel => f.write_str("cancel"),
            Self::Dead => f.write_str("dead"),
        }
    }
}

impl FromStr for Route {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::all()
            .find(|route| route.to_string() == text)
            .ok_or_else(|| format!("`{text}` is not a route"))
    }
}

/// A queue with a name others rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Tasks for a pool.
    Task(Pool),
    /// Results of a pool.
    Result(Pool),
    /// Messages nobody could read, with the reason.
    Parked,
}

impl Queue {
    /// Every queue, the parking queue first: the others dead-letter into it.
    pub fn all() -> impl Iterator<Item = Self> {
        let tasks = Pool::ALL.into_iter().map(Self::Task);
        let results = Pool::ALL.into_iter().map(Self::Result);
        [Self::Parked].into_iter().chain(tasks).chain(results)
    }

    /// Its name; the version changes when its arguments do.
    pub fn name(self) -> String {
        match self {
            Self::Task(pool) => format!("task.{pool}.v1"),
            Self::Result(pool) => format!("result.{pool}.v1"),
            Self::Parked => "parked.v1".to_owned(),
        }
    }

    /// What is routed into it.
    pub const fn route(self) -> Route {
        match self {
            Self::Task(pool) => Route::Task(pool),
            Self::Result(pool) => Route::Result(pool),
            Self::Parked => Route::Dead,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_permissions_and_dashboards_know() {
        let names: Vec<String> = Queue::all().map(Queue::name).collect();
        assert_eq!(
            names,
            ["parked.v1", "task.bake.v1", "task.deploy.v1", "result.bake.v1", "result.deploy.v1"]
        );
        let routes: Vec<(String, &str)> =
            Route::all().map(|route| (route.exchange(), route.key())).collect();
        let named = |exchange: &str, key: &'static str| (exchange.to_owned(), key);
        assert_eq!(
            routes,
            [
                named("dead", "parked"),
                named("cancel", ""),
                named("task", "bake"),
                named("result.bake", "result"),
                named("task", "deploy"),
                named("result.deploy", "result"),
            ]
        );
    }

    #[test]
    fn routes_round_trip_as_text() {
        for route in Route::all().chain(Queue::all().map(Queue::route)) {
            assert_eq!(route.to_string().parse(), Ok(route));
        }
        assert_eq!("cancel".parse(), Ok(Route::Cancel));
        assert!("task/paint".parse::<Route>().is_err());
        assert!("task".parse::<Route>().is_err());
    }
}
