//! What the first pipeline of a run says beside bake and deploy, and what people tell its executions.

use serde_json::{Value, json};

use crate::rng::Rng;

/// What a pipeline can say without a worker, one thing per run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Nothing: bake, then deploy.
    Plain,
    /// A person decides between bake and deploy.
    Judged(Decision),
    /// Between bake and deploy lies a wait far too long; a person ends it.
    Waits(Skip),
    /// A person holds the execution so long after it began, for so long.
    Paused {
        /// Milliseconds from its beginning to the pause.
        after_ms: u64,
        /// Milliseconds from the pause to its end.
        for_ms: u64,
    },
    /// When it is over, a person restarts the deploy.
    Restarted,
    /// One execution runs at a time.
    Turns(Waiting),
    /// After the deploy another pipeline runs.
    Child {
        /// Whether the stage waits for its end.
        waits: bool,
        /// Whether that pipeline fails.
        fails: bool,
    },
    /// The same, awaited, and for hours; a person stops the execution so long after it began.
    ChildStopped {
        /// Milliseconds.
        after_ms: u64,
    },
    /// Beside the bake a stage fails at once, and means this.
    Fails(Choice),
    /// The deploy also requires some waits beside the bake.
    FanIn,
    /// A deploy that fails destroys the group it made.
    RollsBack,
    /// The end of its execution starts another pipeline, whatever it came to.
    Followed,
    /// Beside it another pipeline starts at moments.
    Moments,
}

/// What a person decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Continue,
    /// Go no further.
    Stop,
}

/// How a wait is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// The rest of the time.
    Rest,
    /// The stage.
    Stage,
}

/// What becomes of those whose turn it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// They wait, the oldest first.
    Kept,
    /// Only the newest waits.
    Superseded,
}

/// "If stage fails".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Halt the pipeline.
    Halt,
    /// Halt this branch.
    HaltBranch,
    /// Halt this branch, and fail the pipeline when the others are done.
    FailLater,
    /// Ignore the failure.
    Ignore,
}

/// Something a person tells an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Judge(Decision),
    Skip(Skip),
    Pause,
    Resume,
    Restart,
    Cancel,
}

/// From when on it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// So many milliseconds after the execution, or the last order, was there.
    After(u64),
    /// The execution is over.
    Over,
}

/// One in so many seeds has a feature that people or other pipelines have to do with.
const EVERY: u64 = 3;
/// One in so many others has a deploy that undoes itself.
const UNDONE_EVERY: u64 = 24;
/// Those that a store's way back in time hits have none: it may take back what a person was told.
const ROLLBACKS: u64 = 8;
/// How long the child waits that nobody would wait for, seconds: longer than any run may take.
const LONG_SECONDS: u64 = 14_400;
/// The waits that a deploy requires, and how long they are, seconds: some longer than its bake.
const SIDES: [(&str, u64); 10] = [
    ("side-1", 45),
    ("side-2", 54),
    ("side-3", 63),
    ("side-4", 72),
    ("side-5", 81),
    ("side-6", 90),
    ("side-7", 99),
    ("side-8", 108),
    ("side-9", 117),
    ("side-10", 126),
];
/// How long the child pipeline waits, seconds: longer than its parent's cancel takes.
const CHILD_SECONDS: u64 = 200;

impl Feature {
    /// The feature of a seed.
    pub(crate) fn of_seed(seed: u64) -> Self {
        if seed % UNDONE_EVERY == 3 {
            return Self::RollsBack;
        }
        if seed % UNDONE_EVERY == 15 {
            return Self::Followed;
        }
        if seed % UNDONE_EVERY == 21 {
            return Self::Moments;
        }
        if seed % EVERY != 1 || rolls_back(seed) {
            return Self::Plain;
        }
        let mut rng = Rng::new(seed, "feature");
        match rng.below(10) {
            0 if rng.chance(250) => Self::Judged(Decision::Stop),
            0 => Self::Judged(Decision::Continue),
            1 => Self::Waits(if rng.chance(500) { Skip::Rest } else { Skip::Stage }),
            2 => Self::Paused { after_ms: rng.below(90_000), for_ms: rng.between(1_000, 150_000) },
            3 => Self::Restarted,
            4 => Self::Turns(Waiting::Kept),
            5 => Self::Turns(Waiting::Superseded),
            6 => Self::FanIn,
            8 => Self::ChildStopped { after_ms: rng.between(100_000, 400_000) },
            7 => Self::Child { waits: rng.chance(600), fails: rng.chance(300) },
            _ => {
                let all = [Choice::Halt, Choice::HaltBranch, Choice::FailLater, Choice::Ignore];
                Self::Fails(rng.pick(&all).copied().unwrap_or(Choice::Halt))
            }
        }
    }

    /// How many executions of its pipeline may run at a time.
    pub(crate) fn limit(self) -> Option<usize> {
        matches!(self, Self::Turns(_)).then_some(1)
    }

    /// What each execution of its pipeline is told, in this order.
    pub(crate) fn orders(self) -> Vec<(When, Order)> {
        match self {
            Self::Judged(decision) => vec![(When::After(0), Order::Judge(decision))],
            Self::Waits(skip) => vec![(When::After(0), Order::Skip(skip))],
            Self::Paused { after_ms, for_ms } => {
                vec![(When::After(after_ms), Order::Pause), (When::After(for_ms), Order::Resume)]
            }
            Self::Restarted => vec![(When::Over, Order::Restart)],
            Self::ChildStopped { after_ms } => vec![(When::After(after_ms), Order::Cancel)],
            Self::Plain
            | Self::Turns(_)
            | Self::Child { .. }
            | Self::Fails(_)
            | Self::FanIn
            | Self::Followed
            | Self::Moments
            | Self::RollsBack => Vec::new(),
        }
    }

    /// Stages that must have ended before this one is started.
    pub(crate) fn needs(self, stage: &str) -> &'static [&'static str] {
        match (stage, self) {
            ("2", Self::FanIn) => &[
                "1", "side-1", "side-2", "side-3", "side-4", "side-5", "side-6", "side-7",
                "side-8", "side-9", "side-10",
            ],
            ("2", Self::Judged(_)) => &["1", "judge"],
            ("2", Self::Waits(_)) => &["1", "wait"],
            ("2" | "judge" | "wait", _) => &["1"],
            ("child", _) => &["1", "2"],
            ("behind", _) => &["fails"],
            _ => &[],
        }
    }

    /// Puts it into a definition of two stages, `1` and `2`.
    pub(crate) fn enter(self, definition: &mut Value, child: &str) {
        match self {
            Self::Plain
            | Self::Paused { .. }
            | Self::Restarted
            | Self::Followed
            | Self::Moments => {}
            Self::FanIn => {
                for (name, seconds) in SIDES.into_iter().chain([FREE]) {
                    add(
                        definition,
                        json!({ "refId": name, "type": "wait", "name": name,
                            "waitTime": seconds }),
                    );
                }
                require(definition, &self.needs("2").into());
            }
            Self::RollsBack => {
                let cluster = definition.pointer_mut("/stages/1/clusters/0");
                if let Some(cluster) = cluster {
                    cluster["rollback"] = json!({ "onFailure": true, "destroyLatest": true });
                }
            }
            Self::Turns(waiting) => {
                definition["limitConcurrent"] = true.into();
                definition["keepWaitingPipelines"] = (waiting == Waiting::Kept).into();
            }
            Self::Judged(_) => between(
                definition,
                json!({ "refId": "judge", "type": "manualJudgment", "name": "Go on?",
                    "requisiteStageRefIds": ["1"] }),
            ),
            Self::Waits(_) => between(
                definition,
                json!({ "refId": "wait", "type": "wait", "name": "Soak", "waitTime": 14_400,
                    "requisiteStageRefIds": ["1"] }),
            ),
            Self::Child { .. } | Self::ChildStopped { .. } => add(
                definition,
                json!({ "refId": "child", "type": "pipeline", "name": "Afterwards",
                    "application": "shop", "pipeline": child, "waitForCompletion": self.waits_for_child(),
                    "requisiteStageRefIds": ["2"] }),
            ),
            Self::Fails(choice) => {
                let (fail, go_on, later) = match choice {
                    Choice::Halt => (true, false, false),
                    Choice::HaltBranch => (false, false, false),
                    Choice::FailLater => (false, false, true),
                    Choice::Ignore => (false, true, false),
                };
                add(
                    definition,
                    json!({ "refId": "fails", "type": "checkPreconditions", "name": "Never",
                        "failPipeline": fail, "continuePipeline": go_on,
                        "completeOtherBranchesThenFail": later,
                        "preconditions": [{ "type": "expression",
                            "context": { "expression": "1 > 2" } }] }),
                );
                add(
                    definition,
                    json!({ "refId": "behind", "type": "wait", "name": "Behind", "waitTime": 1,
                        "requisiteStageRefIds": ["fails"] }),
                );
            }
        }
    }

    /// Whether a stage that starts another pipeline is over when that one is.
    pub(crate) fn waits_for_child(self) -> bool {
        matches!(self, Self::Child { waits: true, .. } | Self::ChildStopped { .. })
    }

    /// Triggers of the other pipeline; none when a stage starts it.
    pub(crate) fn other_triggers(self, first: &str) -> Value {
        match self {
            Self::Followed => json!([{ "type": "pipeline", "enabled": true, "application": "shop",
                "pipeline": first, "status": ["successful", "failed", "canceled"] }]),
            Self::Moments => json!([{ "type": "cron", "enabled": true,
                "cronExpression": "0 0/2 * * * ?", "timezone": "UTC" }]),
            Self::Plain
            | Self::Judged(_)
            | Self::Waits(_)
            | Self::Paused { .. }
            | Self::Restarted
            | Self::Turns(_)
            | Self::Child { .. }
            | Self::ChildStopped { .. }
            | Self::Fails(_)
            | Self::FanIn
            | Self::RollsBack => json!([]),
        }
    }

    /// Stages of the pipeline that another one, or a moment, starts.
    pub(crate) fn child_stages(self) -> Option<Value> {
        let (fails, seconds) = match self {
            Self::Child { fails, .. } => (fails, CHILD_SECONDS),
            Self::ChildStopped { .. } => (false, LONG_SECONDS),
            Self::Followed | Self::Moments => (false, 1),
            Self::Plain
            | Self::Judged(_)
            | Self::Waits(_)
            | Self::Paused { .. }
            | Self::Restarted
            | Self::Turns(_)
            | Self::Fails(_)
            | Self::FanIn
            | Self::RollsBack => return None,
        };
        let outcome = if fails { "1 > 2" } else { "2 > 1" };
        Some(json!([
            { "refId": "1", "type": "wait", "name": "Wait", "waitTime": seconds },
            { "refId": "2", "type": "checkPreconditions", "name": "End",
              "requisiteStageRefIds": ["1"],
              "preconditions": [{ "type": "expression", "context": { "expression": outcome } }] }
        ]))
    }
}

fn stages(definition: &mut Value) -> Option<&mut Vec<Value>> {
    definition.get_mut("stages").and_then(Value::as_array_mut)
}

fn add(definition: &mut Value, stage: Value) {
    if let Some(stages) = stages(definition) {
        stages.push(stage);
    }
}

/// Adds a stage, and lets the deploy wait for it.
fn between(definition: &mut Value, stage: Value) {
    let name = stage.get("refId").cloned().unwrap_or_default();
    require(definition, &json!([name]));
    add(definition, stage);
}

/// What the deploy requires.
fn require(definition: &mut Value, stages_before: &Value) {
    if let Some(deploy) = stages(definition).and_then(|stages| stages.get_mut(1)) {
        deploy["requisiteStageRefIds"] = stages_before.clone();
    }
}

/// A wait that nothing requires: the execution is looked at between the last two ends of the others.
const FREE: (&str, u64) = ("free", 121);

/// Whether the store goes back in time under this seed.
pub(crate) const fn rolls_back(seed: u64) -> bool {
    seed % ROLLBACKS == 4
}
