//! Builds that nobody told of: which jobs pipelines wait for, what Jenkins lists of them, and which of these
//! builds should have started something.
//!
//! Webhooks get lost (Jenkins' Notification plugin does not try again), so what is listed is compared with the
//! executions that are there. Nothing is remembered for this but a hint where to stop reading; the ids of
//! executions follow from the builds.

use std::collections::{BTreeMap, BTreeSet};

use model::{ExecutionId, jenkins::JobName};
use serde_json::Value;

use super::{Jenkins, build::event_key};
use crate::Trigger;

/// A build is left to its webhook for so long after its end, in milliseconds.
pub const GRACE_MS: u64 = 30_000;
/// A build that ended longer ago starts nothing any more, in milliseconds.
///
/// A week, so that a weekend without any of our programs loses nothing. Executions are kept for longer by
/// default, and what was removed is remembered for longer still.
pub const LOOK_BACK_MS: u64 = 7 * 24 * 3_600_000;

/// The pipelines that wait for builds of a job, with the time since when.
pub type Watchers = BTreeMap<String, u64>;

/// A build in a job's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// When it started, in epoch milliseconds.
    pub started_ms: u64,
    /// Where it stands.
    pub state: ListedState,
}

/// Where a listed build stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListedState {
    /// It is not over.
    Open,
    /// It succeeded.
    Succeeded {
        /// When it ended, in epoch milliseconds.
        ended_ms: u64,
    },
    /// It is over, and starts nothing.
    Other,
}

/// The fields of a build that [`listed`] reads, for Jenkins' `tree`.
pub const LISTED_TREE: &str = "number,result,building,timestamp,duration";

/// The jobs that the triggers of a pipeline name which are on, with their controllers.
pub fn watched_jobs(triggers: &[Trigger]) -> BTreeSet<(String, JobName)> {
    let on = triggers.iter().filter(|trigger| trigger.enabled);
    let jenkins = on.filter_map(Trigger::config::<Jenkins>);
    jenkins.map(|config| (config.master.clone(), config.job.clone())).collect()
}

/// Reads a list of builds. An entry that is not a build is left out.
pub fn listed(builds: &[Value]) -> Vec<Listed> {
    let one = |json: &Value| {
        let number = json.get("number")?.as_u64()?;
        let started_ms = json.get("timestamp")?.as_u64()?;
        let building = json.get("building").and_then(Value::as_bool).unwrap_or(false);
        let duration = json.get("duration").and_then(Value::as_u64).unwrap_or(0);
        let state = match json.get("result").and_then(Value::as_str) {
            _ if building => ListedState::Open,
            None => ListedState::Open,
            Some("SUCCESS") => {
                ListedState::Succeeded { ended_ms: started_ms.saturating_add(duration) }
            }
            Some(_) => ListedState::Other,
        };
        Some(Listed { number, started_ms, state })
    };
    builds.iter().filter_map(one).collect()
}

impl Listed {
    /// The executions this build should have made by now: none when it did not succeed, is too fresh or too
    /// old, or ended before the pipelines waited for it.
    pub fn due(
        &self,
        (controller, job): (&str, &JobName),
        watchers: &Watchers,
        now_ms: u64,
    ) -> Vec<ExecutionId> {
        let ListedState::Succeeded { ended_ms } = self.state else { return Vec::new() };
        let age_ms = now_ms.saturating_sub(ended_ms);
        if !(GRACE_MS..=LOOK_BACK_MS).contains(&age_ms) {
            return Vec::new();
        }
        let key = event_key(controller, job, self.number, self.started_ms);
        let waiting = watchers.iter().filter(|(_, since_ms)| **since_ms <= ended_ms);
        waiting.map(|(pipeline, _)| ExecutionId::of_event(&key, pipeline)).collect()
    }

    /// Whether nothing will come of it that is not there yet: it is over, and no fresh success.
    pub fn is_settled(&self, now_ms: u64) -> bool {
        match self.state {
            ListedState::Open => false,
            ListedState::Succeeded { ended_ms } => now_ms.saturating_sub(ended_ms) >= GRACE_MS,
            ListedState::Other => true,
        }
    }
}

/// What is known of a job's list, so that only its beginning is read again and no build is looked up twice.
/// Losing it costs a few more questions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    settled: BTreeSet<(u64, u64)>,
    /// The oldest build that was not settled yet.
    unsettled: Option<u64>,
}

impl Memory {
    /// Whether a build was dealt with.
    pub fn knows(&self, build: &Listed) -> bool {
        self.settled.contains(&(build.number, build.started_ms))
    }

    /// Whether older builds than these, the newest first, need to be read: none of these is known, or one
    /// that was not settled the last time is older.
    pub fn reads_on(&self, builds: &[Listed], now_ms: u64) -> bool {
        let Some(oldest) = builds.last() else { return false };
        let too_old = now_ms.saturating_sub(oldest.started_ms) > LOOK_BACK_MS;
        let reached = builds.iter().any(|build| self.knows(build));
        let missing = self.unsettled.is_some_and(|number| number < oldest.number);
        (!reached && !too_old) || missing
    }

    /// Takes over what was read of the list, once everything due in it was dealt with.
    pub fn keep(&mut self, builds: &[Listed], now_ms: u64) {
        let settled = builds.iter().filter(|build| build.is_settled(now_ms));
        self.settled = settled.map(|build| (build.number, build.started_ms)).collect();
        let unsettled = builds.iter().filter(|build| !build.is_settled(now_ms));
        self.unsettled = unsettled.map(|build| build.number).min();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW_MS: u64 = 2_000_000_000_000;

    fn good(number: u64, ended_ms: u64) -> Listed {
        let state = ListedState::Succeeded { ended_ms };
        Listed { number, started_ms: ended_ms - 1_000, state }
    }

    fn open(number: u64) -> Listed {
        Listed { number, started_ms: NOW_MS - 9_000, state: ListedState::Open }
    }

    #[test]
    fn jobs_of_triggers_that_are_on_are_watched() {
        let trigger = |enabled: bool, job: &str| json!({ "type": "jenkins", "enabled": enabled, "master": "ci", "job": job });
        let body = json!({ "triggers": [trigger(true, "shop/job/package"),
            trigger(false, "shop/other"), trigger(true, "shop/package"),
            { "type": "git", "enabled": true }] });
        let jobs = watched_jobs(&crate::triggers_of(body.as_object().unwrap()));
        assert_eq!(jobs, BTreeSet::from([("ci".to_owned(), JobName::parse("shop/package"))]));
    }

    #[test]
    fn lists_are_read_whatever_stands_in_them() {
        let builds = json!([
            { "number": 5, "timestamp": 5_000, "duration": 0, "building": true, "result": "SUCCESS" },
            { "number": 4, "timestamp": 4_000, "duration": 250, "building": false, "result": "SUCCESS" },
            { "number": 3, "timestamp": 3_000, "duration": 250, "result": null },
            { "number": 2, "timestamp": 2_000, "duration": 250, "result": "SOMETHING_NEW" },
            { "number": 1 }, "no build",
        ]);
        let read: Vec<_> = listed(builds.as_array().unwrap())
            .into_iter()
            .map(|build| (build.number, build.started_ms, build.state))
            .collect();
        assert_eq!(
            read,
            [
                (5, 5_000, ListedState::Open),
                (4, 4_000, ListedState::Succeeded { ended_ms: 4_250 }),
                (3, 3_000, ListedState::Open),
                (2, 2_000, ListedState::Other),
            ]
        );
    }

    #[test]
    fn a_build_is_due_to_those_who_waited_when_it_ended_once_its_webhook_is_late() {
        let job = JobName::parse("shop/package");
        let ended_ms = NOW_MS - 60_000;
        let watchers =
            Watchers::from([("p1".to_owned(), ended_ms), ("p2".to_owned(), ended_ms + 1)]);
        let due = |build: Listed, now_ms| build.due(("ci", &job), &watchers, now_ms);
        let key = format!("jenkins/ci/shop/package/7/{}/done", ended_ms - 1_000);
        let only = [ExecutionId::of_event(&key, "p1")];
        assert_eq!(due(good(7, ended_ms), NOW_MS), only);
        let (soon, late) = (ended_ms + 30_000, ended_ms + 7 * 24 * 3_600_000);
        assert_eq!(due(good(7, ended_ms), soon - 1), []);
        assert_eq!(due(good(7, ended_ms), soon), only);
        assert_eq!(due(good(7, ended_ms), late), only);
        assert_eq!(due(good(7, ended_ms), late + 1), []);
        assert_eq!(due(open(7), NOW_MS), []);
        assert_eq!(due(Listed { state: ListedState::Other, ..good(7, ended_ms) }, NOW_MS), []);
    }

    #[test]
    fn reading_stops_at_what_is_known_or_too_old() {
        let old_ms = NOW_MS - 60_000;
        let mut memory = Memory::default();
        let page = [good(9, old_ms), good(8, old_ms)];
        assert!(memory.reads_on(&page, NOW_MS), "nothing is known yet");
        assert!(!memory.reads_on(&[], NOW_MS));
        let week_ago = good(8, NOW_MS - 7 * 24 * 3_600_000);
        assert!(!memory.reads_on(&[good(9, old_ms), week_ago], NOW_MS), "the last one is too old");
        let just_so = good(8, NOW_MS - 7 * 24 * 3_600_000 + 1_000);
        assert!(memory.reads_on(&[good(9, old_ms), just_so], NOW_MS), "it started a week ago");
        memory.keep(&page, NOW_MS);
        assert!(!memory.reads_on(&[good(10, old_ms), good(9, old_ms)], NOW_MS));
        assert!(memory.knows(&good(9, old_ms)));
        let made_anew = good(9, old_ms + 1);
        assert!(!memory.knows(&made_anew), "its number is used again");
    }

    #[test]
    fn reading_goes_on_to_what_was_not_over() {
        let old_ms = NOW_MS - 60_000;
        let mut memory = Memory::default();
        memory.keep(&[good(9, old_ms), open(8), good(7, old_ms)], NOW_MS);
        let page = [good(10, old_ms), good(9, old_ms)];
        assert!(memory.reads_on(&page, NOW_MS), "8 is behind this page");
        assert!(!memory.reads_on(&[good(9, old_ms), good(8, old_ms)], NOW_MS));
        assert!(!memory.knows(&good(8, NOW_MS - 9_000 + 1_000)));
        // A fresh success is not settled, whoever tells of it.
        memory.keep(&[good(9, NOW_MS - 29_999)], NOW_MS);
        assert!(!memory.knows(&good(9, NOW_MS - 29_999)));
        memory.keep(&[good(9, NOW_MS - 30_000)], NOW_MS);
        assert!(memory.knows(&good(9, NOW_MS - 30_000)));
        // Jenkins has removed what was not over: nothing is missing any more.
        memory.keep(&page, NOW_MS);
        assert!(!memory.reads_on(&page, NOW_MS));
    }
}
