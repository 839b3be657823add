//! What an event came to: kept with the event, for people who ask why a pipeline did or did not start.

use model::ExecutionId;
use serde::{Deserialize, Serialize};

use crate::RunPlan;

/// Most decisions and most started executions that are kept of one event; the rest is counted.
pub const DECISIONS_MAX: usize = 200;
/// Most characters of one text in a decision.
const TEXT_CHARS_MAX: usize = 300;

/// What an event came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum EventOutcome {
    /// At least one execution was started.
    Started(Judgement),
    /// Every trigger that could have started something was judged, and none did.
    Ignored(Judgement),
    /// What a signal says could not be confirmed where it must be, so that it started nothing.
    Unverified {
        /// What was asked, and what the answer was.
        reason: String,
    },
    /// The next runs of the time triggers of a definition are planned.
    Scheduled {
        /// One entry for each time trigger that is on.
        runs: Vec<NextRuns>,
    },
    /// A start or a dry run was refused, and made no execution.
    Rejected {
        /// Why.
        reason: String,
        /// The errors of the definition, where it has some.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        problems: Vec<String>,
    },
    /// A start made an execution that failed before anything ran.
    FailedOnStartup {
        /// Why.
        reason: String,
        /// The execution, alone in its list.
        started: Vec<StartedExecution>,
    },
    /// A dry run: what a start would do.
    Planned {
        /// The plan.
        plan: Box<RunPlan>,
    },
    /// An execution is canceled.
    Canceled {
        /// The execution.
        execution: ExecutionId,
        /// Why nothing had to be done, when it was canceled before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An order was carried out.
    Applied {
        /// The execution that took it.
        execution: ExecutionId,
    },
    /// An order or a cancel did not fit, and changed nothing.
    Refused {
        /// The execution it was for.
        execution: ExecutionId,
        /// Why it did not fit.
        reason: String,
    },
    /// The event is in a form that this version does not read.
    Unreadable {
        /// What does not fit.
        reason: String,
    },
}

impl EventOutcome {
    /// The outcome of a start that made one execution.
    pub fn started(execution: StartedExecution) -> Self {
        let mut judgement = Judgement::default();
        judgement.started.push(execution);
        Self::Started(judgement)
    }

    /// The outcome of a signal.
    pub fn judged(judgement: Judgement) -> Self {
        if judgement.started.is_empty() {
            Self::Ignored(judgement)
        } else {
            Self::Started(judgement)
        }
    }

    /// The outcome of a start that was refused for one reason.
    pub fn rejected(reason: impl Into<String>) -> Self {
        Self::Rejected { reason: reason.into(), problems: Vec::new() }
    }

    /// The value of `result`, for counters and logs.
    pub const fn result(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Ignored(_) => "ignored",
            Self::Unverified { .. } => "unverified",
            Self::Scheduled { .. } => "scheduled",
            Self::Rejected { .. } => "rejected",
            Self::FailedOnStartup { .. } => "failed_on_startup",
            Self::Planned { .. } => "planned",
            Self::Canceled { .. } => "canceled",
            Self::Applied { .. } => "applied",
            Self::Refused { .. } => "refused",
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// The executions it made.
    pub fn executions(&self) -> &[StartedExecution] {
        match self {
            Self::Started(judgement) | Self::Ignored(judgement) => &judgement.started,
            Self::FailedOnStartup { started, .. } => started,
            Self::Unverified { .. }
            | Self::Scheduled { .. }
            | Self::Rejected { .. }
            | Self::Planned { .. }
            | Self::Canceled { .. }
            | Self::Applied { .. }
            | Self::Refused { .. }
            | Self::Unreadable { .. } => &[],
        }
    }

    /// The first reason why it did not do what was wanted, if there is one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Ignored(judgement) => {
                judgement.decisions.iter().find_map(|one| match &one.verdict {
                    Verdict::NotStarted(unmet) => Some(unmet.reason.as_str()),
                    Verdict::Started { .. } | Verdict::FitsToo { .. } => None,
                })
            }
            Self::Unverified { reason }
            | Self::Rejected { reason, .. }
            | Self::FailedOnStartup { reason, .. }
            | Self::Refused { reason, .. }
            | Self::Unreadable { reason } => Some(reason),
            Self::Canceled { reason, .. } => reason.as_deref(),
            Self::Started(_)
            | Self::Scheduled { .. }
            | Self::Planned { .. }
            | Self::Applied { .. } => None,
        }
    }
}

/// What a signal came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// What makes the thing that happened this one and no other, once it is confirmed; executions carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The executions that were started.
    pub started: Vec<StartedExecution>,
    /// One decision for each trigger that waits for what happened, at most [`DECISIONS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<TriggerDecision>,
    /// How many decisions are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Judgement {
    /// Adds a decision; beyond [`DECISIONS_MAX`] it is counted only.
    pub fn decide(&mut self, mut decision: TriggerDecision) {
        if self.decisions.len() >= DECISIONS_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        if let Verdict::NotStarted(unmet) = &mut decision.verdict {
            unmet.shorten();
        }
        self.decisions.push(decision);
    }

    /// Adds an execution that was started; beyond [`DECISIONS_MAX`] it is not listed.
    pub fn start(&mut self, execution: StartedExecution) {
        if self.started.len() < DECISIONS_MAX {
            self.started.push(execution);
        }
    }
}

/// An execution that an event made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedExecution {
    /// The name of its pipeline.
    pub pipeline: String,
    /// The owner of its pipeline.
    pub application: String,
    /// Its id.
    pub execution: ExecutionId,
}

/// What was decided about one trigger, or about a definition as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerDecision {
    /// The id of the pipeline.
    pub pipeline_id: String,
    /// The name of the pipeline.
    pub pipeline: String,
    /// The owner of the pipeline.
    pub application: String,
    /// The trigger's place in the definition's list, from 0; absent when no single trigger was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<usize>,
    /// What was decided.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What was decided about a trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Verdict {
    /// It started its pipeline.
    Started {
        /// The execution.
        execution: ExecutionId,
    },
    /// It fits as well, after another trigger of its definition: one event starts a definition once.
    FitsToo {
        /// The execution that the other trigger started.
        execution: ExecutionId,
    },
    /// It started nothing, because of this condition.
    NotStarted(Unmet),
}

/// The first condition of a trigger that is not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct Unmet {
    /// The whole in words.
    pub reason: String,
    /// The condition: `result`, `enabled`, `payloadConstraints/RELEASE`.
    pub condition: String,
    /// What would meet it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// What there is instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl Unmet {
    /// A condition that is not met, in words.
    pub fn new(condition: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), condition: condition.into(), wanted: None, found: None }
    }

    /// Adds what would meet it, and what there is instead.
    #[must_use]
    pub fn because(mut self, wanted: impl Into<String>, found: impl Into<String>) -> Self {
        self.wanted = Some(wanted.into());
        self.found = Some(found.into());
        self
    }

    fn shorten(&mut self) {
        let texts = [Some(&mut self.reason), Some(&mut self.condition)];
        let values = [self.wanted.as_mut(), self.found.as_mut()];
        for text in texts.into_iter().chain(values).flatten() {
            shorten(text);
        }
    }
}

/// The next runs of a time trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NextRuns {
    /// The trigger's place in the definition's list, from 0.
    pub trigger: usize,
    /// The trigger in words.
    pub description: String,
    /// The moments, in epoch milliseconds, the next one first.
    pub at: Vec<u64>,
}

/// Cuts a long text, with a mark where it was cut.
fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(place: usize, verdict: Verdict) -> TriggerDecision {
        TriggerDecision {
            pipeline_id: "p1".to_owned(),
            pipeline: "ship".to_owned(),
            application: "shop".to_owned(),
            trigger: Some(place),
            verdict,
        }
    }

    #[test]
    fn outcomes_have_the_form_that_people_and_scripts_read() {
        let mut judgement = Judgement { event: Some("e".to_owned()), ..Judgement::default() };
        let unmet = Unmet::new("payloadConstraints/B", "it is not so").because("^main$", "rel");
        judgement.decide(decision(0, Verdict::NotStarted(unmet)));
        let execution: ExecutionId = "E1".parse().unwrap();
        judgement.decide(decision(1, Verdict::Started { execution: execution.clone() }));
        judgement.start(StartedExecution {
            pipeline: "ship".to_owned(),
            application: "shop".to_owned(),
            execution,
        });
        let outcome = EventOutcome::judged(judgement);
        let json = json!({ "result": "started", "event": "e",
            "started": [{ "pipeline": "ship", "application": "shop", "execution": "E1" }],
            "decisions": [
                { "pipelineId": "p1", "pipeline": "ship", "application": "shop", "trigger": 0,
                  "decision": "not_started", "reason": "it is not so",
                  "condition": "payloadConstraints/B", "wanted": "^main$", "found": "rel" },
                { "pipelineId": "p1", "pipeline": "ship", "application": "shop", "trigger": 1,
                  "decision": "started", "execution": "E1" },
            ] });
        assert_eq!(serde_json::to_value(&outcome).unwrap(), json);
        assert_eq!(serde_json::from_value::<EventOutcome>(json).unwrap(), outcome);
    }

    #[test]
    fn decisions_are_bounded_in_number_and_length() {
        let mut judgement = Judgement::default();
        for place in 0..1_000 {
            let unmet = Unmet::new("c", "r".repeat(5_000)).because("w", "ä".repeat(5_000));
            judgement.decide(decision(place, Verdict::NotStarted(unmet)));
        }
        assert_eq!((judgement.decisions.len(), judgement.left_out), (200, 800));
        let size = serde_json::to_string(&judgement).unwrap().len();
        assert!(size < 300_000, "{size}");
        let outcome = EventOutcome::judged(judgement);
        assert_eq!(outcome.result(), "ignored");
        assert_eq!(outcome.reason().unwrap().chars().count(), 301);
    }
}
