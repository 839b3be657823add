//! What is told of a broken invariant: which, where, why it matters, what to do.

use serde::Serialize;

use super::Subject;

/// Something that must never be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The broken rule, as a word for scripts.
    pub rule: Rule,
    /// What it is about: `execution 5Q2V…`.
    pub subject: String,
    /// What was found.
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Finding {
    /// A finding about a subject; the rule explains itself.
    pub fn new(rule: Rule, subject: &Subject, what: String) -> Self {
        let (why, remedy) = (rule.why(), rule.remedy());
        Self { rule, subject: subject.to_string(), what, why, remedy }
    }
}

/// The rules of what may lie in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A live execution has no wake, or one too far ahead.
    LiveWithoutWake,
    /// A finished execution has a wake, a lease or a lock.
    FinishedHoldsOn,
    /// A row names an execution that is not there.
    WithoutExecution,
    /// An execution came from nothing known.
    WithoutOrigin,
    /// A row is missing in a list it should be found in.
    MissingInList,
    /// A list names what is not there, or does not belong there.
    AstrayInList,
    /// An event or a message will never be handed out.
    NeverDue,
    /// Versions and applied inputs do not add up.
    VersionHoles,
    /// History is out of order.
    TimelineDisorder,
    /// A snapshot or a view is missing.
    BodyMissing,
    /// A lease says two things that exclude each other.
    LeaseContradiction,
    /// An execution holds a slot and waits for one, or waits in one list only.
    SlotContradiction,
    /// More executions of a pipeline run than it allows.
    TooManyRunning,
    /// A token or a fence was given out that the counter does not know.
    CounterBehind,
    /// The store's clock is ahead of the real one.
    ClockAhead,
    /// The store has miscounted its own rows.
    Miscounted,
    /// A row cannot be read.
    Unreadable,
    /// A key is not one of ours, or of the wrong type.
    OddKey,
    /// Snapshot, row and view do not tell the same story.
    DocumentDisagrees,
    /// The graph of stages cannot be: a stage twice, a requirement of nothing, a circle.
    GraphBroken,
    /// A stage began before what it requires allowed it.
    StartedTooEarly,
    /// A stage works at a task nobody can claim.
    TaskWithoutLease,
    /// A task may be claimed that no stage waits for, or whose request is another one.
    LeaseWithoutTask,
    /// Something is over and still works, or lacks the time when it ended.
    EndingUnclear,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 24] = [
        Self::LiveWithoutWake,
        Self::FinishedHoldsOn,
        Self::WithoutExecution,
        Self::WithoutOrigin,
        Self::MissingInList,
        Self::AstrayInList,
        Self::NeverDue,
        Self::VersionHoles,
        Self::TimelineDisorder,
        Self::BodyMissing,
        Self::LeaseContradiction,
        Self::SlotContradiction,
        Self::TooManyRunning,
        Self::CounterBehind,
        Self::ClockAhead,
        Self::Miscounted,
        Self::Unreadable,
        Self::OddKey,
        Self::DocumentDisagrees,
        Self::GraphBroken,
        Self::StartedTooEarly,
        Self::TaskWithoutLease,
        Self::LeaseWithoutTask,
        Self::EndingUnclear,
    ];

    /// The word for scripts, as in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::LiveWithoutWake => "live-without-wake",
            Self::FinishedHoldsOn => "finished-holds-on",
            Self::WithoutExecution => "without-execution",
            Self::WithoutOrigin => "without-origin",
            Self::MissingInList => "missing-in-list",
            Self::AstrayInList => "astray-in-list",
            Self::NeverDue => "never-due",
            Self::VersionHoles => "version-holes",
            Self::TimelineDisorder => "timeline-disorder",
            Self::BodyMissing => "body-missing",
            Self::LeaseContradiction => "lease-contradiction",
            Self::SlotContradiction => "slot-contradiction",
            Self::TooManyRunning => "too-many-running",
            Self::CounterBehind => "counter-behind",
            Self::ClockAhead => "clock-ahead",
            Self::Miscounted => "miscounted",
            Self::Unreadable => "unreadable",
            Self::OddKey => "odd-key",
            Self::DocumentDisagrees => "document-disagrees",
            Self::GraphBroken => "graph-broken",
            Self::StartedTooEarly => "started-too-early",
            Self::TaskWithoutLease => "task-without-lease",
            Self::LeaseWithoutTask => "lease-without-task",
            Self::EndingUnclear => "ending-unclear",
        }
    }

    /// Why it matters.
    const fn why(self) -> &'static str {
        match self {
            Self::LiveWithoutWake => {
                "nobody will look at this execution: it stands still for ever, or for longer than anybody waits"
            }
            Self::FinishedHoldsOn => {
                "what is over must hold nothing: a worker could still act for it, or others wait for its lock"
            }
            Self::WithoutExecution => {
                "the row belongs to nobody: it is never used, never removed, and a worker could act on it"
            }
            Self::WithoutOrigin => {
                "every execution comes from an accepted event: this one was written by something else, or its event was lost, so the build could run again"
            }
            Self::MissingInList => "whoever looks through that list does not see it",
            Self::AstrayInList => {
                "whoever looks through that list is told something that is not so"
            }
            Self::NeverDue => {
                "it was accepted and will never be acted on: a build without its execution, a task without its worker"
            }
            Self::VersionHoles => {
                "a transition is lost or was written twice: the same input could be applied again"
            }
            Self::TimelineDisorder => {
                "the history does not show what happened in the order in which it happened"
            }
            Self::BodyMissing => {
                "without its snapshot an execution cannot be moved, without its view it cannot be shown"
            }
            Self::LeaseContradiction => {
                "a lease decides who may act on AWS: one that says two things may let two workers act"
            }
            Self::SlotContradiction => {
                "slots decide how many executions of a pipeline run: one may wait for ever, or one too many run"
            }
            Self::TooManyRunning => {
                "the pipeline says that so many executions never run side by side: two of them may deploy over each other"
            }
            Self::CounterBehind => {
                "the next token or fence may be one that somebody else already shows"
            }
            Self::ClockAhead => {
                "the store's time stands still until the real one has caught up: no lease ends, nothing falls due"
            }
            Self::Miscounted => "figures and alarms built on it are wrong",
            Self::Unreadable => "whatever needs this row fails each time",
            Self::OddKey => "somebody else writes to this store, or a row was damaged",
            Self::DocumentDisagrees => {
                "people, lists and the coordinator see different states of one execution"
            }
            Self::GraphBroken => "some stages can never start, or start twice",
            Self::StartedTooEarly => {
                "work was done that the pipeline did not allow at that moment: an image that was not tested may be deployed"
            }
            Self::TaskWithoutLease => "the stage waits for a worker that cannot take its task",
            Self::LeaseWithoutTask => {
                "a worker may act on AWS for a stage that does not ask for it"
            }
            Self::EndingUnclear => "whoever asks whether it is over gets different answers",
        }
    }

    /// What to do.
    const fn remedy(self) -> &'static str {
        match self {
            Self::LiveWithoutWake => {
                "cancel it (`bowline execution cancel`), which gives it a wake again, and start its pipeline anew"
            }
            Self::FinishedHoldsOn => {
                "stop the workers, then remove the named row by hand; restore a backup if there are many"
            }
            Self::WithoutExecution => {
                "remove the named row by hand; if the execution should be there, restore a backup"
            }
            Self::WithoutOrigin => {
                "find out who writes to the store; cancel the execution if nobody knows it"
            }
            Self::MissingInList => "restore a backup, or add the entry by hand",
            Self::AstrayInList => "remove the entry by hand",
            Self::NeverDue => {
                "offer it again (re-send the webhook, start the pipeline by hand), or add the entry by hand"
            }
            Self::VersionHoles => {
                "compare the execution with its history and with AWS before it goes on; cancel it in doubt"
            }
            Self::TimelineDisorder => {
                "do not trust this history; compare with the logs of the coordinators"
            }
            Self::BodyMissing => "restore a backup; a finished execution may be removed instead",
            Self::LeaseContradiction => {
                "stop the workers of that kind, cancel the execution, look at AWS for what was begun"
            }
            Self::SlotContradiction | Self::GraphBroken | Self::TaskWithoutLease => {
                "cancel the execution and start its pipeline anew"
            }
            Self::TooManyRunning => "cancel all but one of them, and look at what they did",
            Self::CounterBehind => {
                "stop all workers, then set the counter above every number in use (a backup that is too old was restored?)"
            }
            Self::ClockAhead => {
                "set the clock of the store's machine right; then lower the stored clock by hand while all programs are stopped"
            }
            Self::Miscounted => {
                "harmless for executions; restore a backup or live with wrong gauges"
            }
            Self::Unreadable => {
                "restore a backup; if a newer program wrote it, start that one again"
            }
            Self::OddKey => {
                "find out who; give each application its own Redis or its own user with its own keys"
            }
            Self::DocumentDisagrees => {
                "cancel the execution if it is live; trust the snapshot, not the lists"
            }
            Self::StartedTooEarly => "cancel the execution and look at what the stage did",
            Self::LeaseWithoutTask => {
                "stop the workers of that kind, cancel the execution, remove the lease by hand"
            }
            Self::EndingUnclear => {
                "cancel the execution if it is live; look at AWS for what its stages have begun"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_one_word_in_text_and_json_and_explains_itself() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_string(&rule).unwrap(), format!("\"{}\"", rule.word()));
            assert!(rule.why().len() > 20 && rule.remedy().len() > 20, "{rule:?}");
        }
    }
}
