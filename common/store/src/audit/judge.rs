//! Judges what was read. Pure: the same fact gives the same findings.

use super::{
    Body, Count, EventFields, ExecutionFact, ExecutionFields, Fact, Finding, Layout, List,
    LockFields, MessageFields, Moment, Owner, PipelineFields, Place, Rule, Subject, TaskFields,
    places::{At, Need, expected},
};
use crate::rules;

/// How far the store's clock may be ahead of the real one: what a clock steps back when it is set
/// right, and no more.
const CLOCK_AHEAD_MAX_MS: u64 = 60_000;

/// Events are kept at least this long; an older execution may have outlived its own.
const EVENT_KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// Everything that is wrong with what was read, as far as the store's own rules go.
pub fn findings(layout: Layout, fact: &Fact) -> Vec<Finding> {
    let mut judge =
        Judge { layout, moment: fact.moment, subject: &fact.subject, found: Vec::new() };
    match &fact.body {
        Body::Execution(execution) => judge.execution(execution),
        Body::Event(row, places) => judge.event(row, places),
        Body::Message(row, places) => judge.message(row, places),
        Body::Task(row, places, execution) => judge.task(row, places, execution.as_ref()),
        Body::Lock(row, places, execution) => judge.lock(row, places, execution.as_ref()),
        Body::Pipeline(row, places, _) => judge.pipeline(row, places),
        Body::Entry(owner) => judge.entry(owner),
        Body::Unreadable(cause) => judge.say(Rule::Unreadable, cause.clone()),
        Body::Odd(cause) => judge.say(Rule::OddKey, cause.clone()),
        Body::Clock => judge.clock(),
        Body::Counts(counts) => judge.counts(counts),
    }
    judge.found
}

struct Judge<'a> {
    layout: Layout,
    moment: Moment,
    subject: &'a Subject,
    found: Vec<Finding>,
}

impl Judge<'_> {
    fn say(&mut self, rule: Rule, what: String) {
        self.found.push(Finding::new(rule, self.subject, what));
    }

    /// Whether the lists name a row where and as they should.
    fn places(&mut self, owner: &Owner, found: &[Place]) {
        let expected = expected(self.layout, owner);
        for (wanted, need) in &expected {
            let there = found.iter().any(|place| place.is(wanted));
            if *need == Need::Must && !there {
                self.missing(wanted, found);
            }
        }
        for place in found {
            let named = |wanted: &Place| wanted.list == place.list && wanted.member == place.member;
            if !expected.iter().any(|(wanted, _)| named(wanted)) {
                self.astray(place, owner);
            }
        }
    }

    fn missing(&mut self, wanted: &Place, found: &[Place]) {
        let (list, at) = (&wanted.list, shown(&wanted.at));
        let instead = found.iter().find(|place| place.list == *list);
        let what = match instead {
            Some(place) => {
                format!("the {list} has it at {} instead of {at}", shown(&place.at))
            }
            None => format!("it is not in the {list}"),
        };
        let rule = match list {
            List::Wakes => Rule::LiveWithoutWake,
            List::EventDue | List::OutboxDue => Rule::NeverDue,
            List::Documents | List::Views => Rule::BodyMissing,
            List::Index(_)
            | List::Inputs
            | List::Timeline
            | List::EventOrder
            | List::EventAge
            | List::OutboxAge
            | List::Waiting(_)
            | List::Running(_)
            | List::TasksOf(_)
            | List::LocksOf(_)
            | List::Holders(_)
            | List::Waiters(_)
            | List::WaitingAge
            | List::Removed
            | List::RemovedAge
            | List::Pipelines
            | List::Names(_)
            | List::Keyed(_)
            | List::Indexed => Rule::MissingInList,
        };
        self.say(rule, what);
    }

    fn astray(&mut self, place: &Place, owner: &Owner) {
        let Place { list, member, at } = place;
        let finished = match owner {
            Owner::Execution(row) => row.status.is_complete(),
            Owner::Nobody
            | Owner::Unreadable
            | Owner::Event(_)
            | Owner::Message(_)
            | Owner::Task(_)
            | Owner::Lock(_)
            | Owner::Pipeline(_) => false,
        };
        let of_the_living = match list {
            List::Wakes | List::Holders(_) | List::Waiters(_) | List::WaitingAge => true,
            List::Index(_)
            | List::Documents
            | List::Views
            | List::Inputs
            | List::Timeline
            | List::EventOrder
            | List::EventDue
            | List::EventAge
            | List::OutboxDue
            | List::OutboxAge
            | List::Waiting(_)
            | List::Running(_)
            | List::TasksOf(_)
            | List::LocksOf(_)
            | List::Removed
            | List::RemovedAge
            | List::Pipelines
            | List::Names(_)
            | List::Keyed(_)
            | List::Indexed => false,
        };
        if of_the_living && finished {
            let what = format!("it is over, and still in the {list} at {}", shown(at));
            return self.say(Rule::FinishedHoldsOn, what);
        }
        self.say(Rule::AstrayInList, format!("the {list} has `{member}` at {}", shown(at)));
    }

    fn execution(&mut self, fact: &ExecutionFact) {
        let row = &fact.row;
        self.places(&Owner::Execution(row.clone()), &fact.places);
        self.wake(row, &fact.places);
        self.slot(&fact.places);
        if let (Some(ended), false) = (row.ended_ms, row.status.is_complete()) {
            let what = format!("it is {}, and its row says that it ended at {ended}", row.status);
            self.say(Rule::EndingUnclear, what);
        }
        if row.id.parse::<model::ExecutionId>().is_err() {
            self.say(Rule::OddKey, "its id is none of ours".to_owned());
        }
        if row.live.is_some_and(|live| live == row.status.is_complete()) {
            let live = if row.status.is_complete() { "live" } else { "over" };
            let what = format!("its row says that it is {live}, its status is {}", row.status);
            self.say(Rule::FinishedHoldsOn, what);
        }
        if row.version.checked_sub(1) != Some(fact.inputs) {
            let what = format!(
                "version {} with {} applied inputs: each version but the first comes from one",
                row.version, fact.inputs
            );
            self.say(Rule::VersionHoles, what);
        }
        for (missing, name) in
            [(fact.document.is_none(), "snapshot"), (fact.view.is_none(), "view")]
        {
            // The file keeps them in tables, which are among its lists.
            if missing && self.layout == Layout::Redis {
                self.say(Rule::BodyMissing, format!("it has no {name}"));
            }
        }
        let young = row.created_ms.saturating_add(EVENT_KEPT_MS) > self.moment.now_ms;
        // What Jenkins confirms has a key of its own: its reports are events under other keys.
        let confirmed = row.event_key.starts_with("jenkins/") && row.event_key.ends_with("/done");
        if !fact.event_known && young && !confirmed {
            let what = format!("the event `{}` it came from is not known", row.event_key);
            self.say(Rule::WithoutOrigin, what);
        }
        if row.status.is_complete() {
            for (task, _) in &fact.tasks {
                let what = format!("it is {}, and there is a lease of task `{task}`", row.status);
                self.say(Rule::FinishedHoldsOn, what);
            }
            for (resource, _) in &fact.locks {
                let what = format!("it is {}, and holds the lock `{resource}`", row.status);
                self.say(Rule::FinishedHoldsOn, what);
            }
        }
        self.timeline(fact);
    }

    /// I8: no live execution sleeps for longer than the limit.
    fn wake(&mut self, row: &ExecutionFields, places: &[Place]) {
        if row.status.is_complete() {
            return;
        }
        let latest = self.moment.now_ms.saturating_add(rules::wake_max_ms());
        for place in places.iter().filter(|place| place.list == List::Wakes) {
            if let At::Number(at) = place.at
                && at > latest
            {
                let late = at.saturating_sub(self.moment.now_ms) / 1000;
                let what = format!("it is {}, and its wake is {late} seconds ahead", row.status);
                self.say(Rule::LiveWithoutWake, what);
            }
        }
    }

    /// An execution holds a slot or waits for one, never both.
    fn slot(&mut self, places: &[Place]) {
        let has = |wanted: fn(&List) -> bool| places.iter().any(|place| wanted(&place.list));
        let holds = has(|list| matches!(list, List::Holders(_)));
        let waits = has(|list| matches!(list, List::Waiters(_)));
        let aged = has(|list| *list == List::WaitingAge);
        if holds && waits {
            self.say(Rule::SlotContradiction, "it holds a slot, and waits for one".to_owned());
        }
        if waits != aged {
            let of = |is: bool| if is { "is" } else { "is not" };
            let what = format!(
                "it {} among those that wait for a slot of its pipeline, and {} among all that wait",
                of(waits),
                of(aged)
            );
            self.say(Rule::SlotContradiction, what);
        }
        self.counted(places);
    }

    fn timeline(&mut self, fact: &ExecutionFact) {
        let mut last = (0, 0);
        for (number, line) in fact.timeline.iter().enumerate() {
            let line = match line {
                Ok(line) => line,
                Err(cause) => {
                    self.say(Rule::Unreadable, format!("line {number} of its history: {cause}"));
                    continue;
                }
            };
            let here = (line.version, line.at_ms);
            if here.0 < last.0 || here.1 < last.1 || line.version > fact.row.version {
                let what = format!(
                    "line {number} of its history is of version {} at {}, after version {} at {}; \
                     the execution has version {}",
                    here.0, here.1, last.0, last.1, fact.row.version
                );
                return self.say(Rule::TimelineDisorder, what);
            }
            last = here;
        }
        let lines = u64::try_from(fact.timeline.len()).unwrap_or(u64::MAX);
        if fact.row.timeline_rows.is_some_and(|rows| rows != lines) {
            let rows = fact.row.timeline_rows.unwrap_or_default();
            let what = format!("{lines} lines of history are there, its row counts {rows}");
            self.say(Rule::TimelineDisorder, what);
        }
    }

    fn event(&mut self, row: &EventFields, places: &[Place]) {
        self.places(&Owner::Event(row.clone()), places);
        self.counted(places);
    }

    /// Numbers in lists come from counters.
    fn counted(&mut self, places: &[Place]) {
        for place in places {
            let (counter, what) = match &place.list {
                List::EventOrder => (self.moment.events, "event"),
                List::Holders(_) | List::Waiters(_) => (self.moment.slots, "slot"),
                List::Index(_)
                | List::Wakes
                | List::Documents
                | List::Views
                | List::Inputs
                | List::Timeline
                | List::EventDue
                | List::EventAge
                | List::OutboxDue
                | List::OutboxAge
                | List::Waiting(_)
                | List::Running(_)
                | List::TasksOf(_)
                | List::LocksOf(_)
                | List::WaitingAge
                | List::Removed
                | List::RemovedAge
                | List::Pipelines
                | List::Names(_)
                | List::Keyed(_)
                | List::Indexed => continue,
            };
            if let At::Number(number) = place.at
                && number > counter
            {
                let what = format!(
                    "it has {what} number {number}, and the counter stands at {counter}: a later \
                     one will come before it, or take its place"
                );
                self.say(Rule::CounterBehind, what);
            }
        }
    }

    fn message(&mut self, row: &MessageFields, places: &[Place]) {
        self.places(&Owner::Message(row.clone()), places);
    }

    fn task(&mut self, row: &TaskFields, places: &[Place], execution: Option<&ExecutionFields>) {
        self.places(&Owner::Task(row.clone()), places);
        if row.task.parse::<model::TaskId>().is_err() {
            self.say(Rule::OddKey, "its id is no task's".to_owned());
        }
        if row.execution.as_ref().is_some_and(|id| id != row.execution_id()) {
            let id = row.execution.as_deref().unwrap_or_default();
            self.say(Rule::LeaseContradiction, format!("it says that it is of execution `{id}`"));
        }
        // One of a finished execution is told with the execution.
        if execution.is_none() {
            let what = format!("there is no execution `{}`", row.execution_id());
            self.say(Rule::WithoutExecution, what);
        }
        for what in contradictions(row) {
            self.say(Rule::LeaseContradiction, what);
        }
        if let Some(token) = row.token
            && token > self.moment.tokens
        {
            let what =
                format!("its token is {token}, and the counter stands at {}", self.moment.tokens);
            self.say(Rule::CounterBehind, what);
        }
    }

    fn lock(&mut self, row: &LockFields, places: &[Place], execution: Option<&ExecutionFields>) {
        self.places(&Owner::Lock(row.clone()), places);
        if execution.is_none() {
            let what = format!("its holder, execution `{}`, is not there", row.execution);
            self.say(Rule::WithoutExecution, what);
        }
        if row.fence > self.moment.fences {
            let what = format!(
                "its fence is {}, and the counter stands at {}",
                row.fence, self.moment.fences
            );
            self.say(Rule::CounterBehind, what);
        }
    }

    fn pipeline(&mut self, row: &PipelineFields, places: &[Place]) {
        self.places(&Owner::Pipeline(row.clone()), places);
        if let Err(cause) = serde_json::from_str::<serde::de::IgnoredAny>(&row.body) {
            self.say(Rule::Unreadable, format!("its definition is no JSON: {cause}"));
        }
    }

    /// An entry of a list, seen from the list.
    fn entry(&mut self, owner: &Owner) {
        let Subject::Entry(place) = self.subject else { return };
        match owner {
            Owner::Unreadable => {}
            Owner::Nobody => {
                let rule = match place.list {
                    // As it should be.
                    List::Removed | List::RemovedAge => return,
                    List::Documents | List::Views | List::Inputs | List::Timeline => {
                        Rule::WithoutExecution
                    }
                    List::Index(_)
                    | List::Wakes
                    | List::EventOrder
                    | List::EventDue
                    | List::EventAge
                    | List::OutboxDue
                    | List::OutboxAge
                    | List::Waiting(_)
                    | List::Running(_)
                    | List::TasksOf(_)
                    | List::LocksOf(_)
                    | List::Holders(_)
                    | List::Waiters(_)
                    | List::WaitingAge
                    | List::Pipelines
                    | List::Names(_)
                    | List::Keyed(_)
                    | List::Indexed => Rule::AstrayInList,
                };
                let what =
                    format!("the {} names `{}`, which is not there", place.list, place.member);
                self.say(rule, what);
            }
            Owner::Execution(_)
            | Owner::Event(_)
            | Owner::Message(_)
            | Owner::Task(_)
            | Owner::Lock(_)
            | Owner::Pipeline(_) => {
                let expected = expected(self.layout, owner);
                if !expected.iter().any(|(wanted, _)| place.is(wanted)) {
                    self.astray(place, owner);
                }
            }
        }
        self.counted(std::slice::from_ref(place));
    }

    fn clock(&mut self) {
        let Moment { now_ms, real_ms, .. } = self.moment;
        if now_ms > real_ms.saturating_add(CLOCK_AHEAD_MAX_MS) {
            let ahead = now_ms.saturating_sub(real_ms) / 1000;
            let what = format!("it is {ahead} seconds ahead of the clock of its machine");
            self.say(Rule::ClockAhead, what);
        }
    }

    fn counts(&mut self, counts: &[Count]) {
        for Count { name, kept, found } in counts {
            if kept != found {
                let what = format!("{name}: {kept} by its own count, {found} in truth");
                self.say(Rule::Miscounted, what);
            }
        }
    }
}

/// What a lease says that cannot be true together.
fn contradictions(task: &TaskFields) -> Vec<String> {
    let row = &task.row;
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let impossible = [
        (row.epoch == 0, "its epoch is 0; the first is 1"),
        (task.digest.len() != 64 || !task.digest.chars().all(hex), "its digest is no SHA-256"),
        (row.until_ms.is_some() && row.holder.is_none(), "it is held, by nobody"),
        (row.until_ms.is_some() && task.token.is_none(), "it is held without a token"),
        (row.until_ms.is_some() && !row.claimed, "it is held, and was never claimed"),
        (row.until_ms.is_some() && row.result.is_some(), "it has a result, and is still held"),
        (row.claimed && task.token.is_none(), "it was claimed, and nobody has a token"),
        (task.checkpoint.is_some() && row.checkpoints == 0, "it has a checkpoint, and counts none"),
        (task.checkpoint.is_none() && row.checkpoints > 0, "it counts checkpoints, and has none"),
    ];
    let found = impossible.into_iter().filter(|(is, _)| *is);
    found.map(|(_, what)| what.to_owned()).collect()
}

/// A place's remark for people.
fn shown(at: &At) -> String {
    match at {
        At::Here | At::Anything => "its place".to_owned(),
        At::Number(number) => number.to_string(),
        At::Id(id) => format!("`{id}`"),
        At::Unreadable(text) => format!("`{text}`, which is no number"),
    }
}
