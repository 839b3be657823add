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
    /// Beside the bake a stage fails at once, and means this.
    Fails(Choice),
    /// A deploy that fails destroys the group it made.
    RollsBack,
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
/// How long the child pipeline waits, seconds: longer than its parent's cancel takes.
const CHILD_SECONDS: u64 = 200;

impl Feature {
    /// The feature of a seed.
    pub(crate) fn of_seed(seed: u64) -> Self {
        if seed % UNDONE_EVERY == 3 {
            return Self::RollsBack;
        }
        if seed % EVERY != 1 || seed % ROLLBACKS == 4 {
            return Self::Plain;
        }
        let mut rng = Rng::new(seed, "feature");
        match rng.below(8) {
            0 if rng.chance(250) => Self::Judged(Decision::Stop),
            0 => Self::Judged(Decision::Continue),
            1 => Self::Waits(if rng.chance(500) { Skip::Rest } else { Skip::Stage }),
            2 => Self::Paused { after_ms: rng.below(90_000), for_ms: rng.between(1_000, 150_000) },
            3 => Self::Restarted,
            4 => Self::Turns(Waiting::Kept),
            5 => Self::Turns(Waiting::Superseded),
            6 => Self::Child { waits: rng.chance(600), fails: rng.chance(300) },
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
            Self::Plain
            | Self::Turns(_)
            | Self::Child { .. }
            | Self::Fails(_)
            | Self::RollsBack => Vec::new(),
        }
    }

    /// Stages that must have ended before this one is started.
    pub(crate) fn needs(self, stage: &str) -> &'static [&'static str] {
        match (stage, self) {
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
            Self::Plain | Self::Paused { .. } | Self::Restarted => {}
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
            Self::Child { waits, .. } => add(
                definition,
                json!({ "refId": "child", "type": "pipeline", "name": "Afterwards",
                    "application": "shop", "pipeline": child, "waitForCompletion": waits,
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

    /// Stages of the pipeline that another one starts.
    pub(crate) fn child_stages(self) -> Option<Value> {
        let Self::Child { fails, .. } = self else { return None };
        let outcome = if fails { "1 > 2" } else { "2 > 1" };
        Some(json!([
            { "refId": "1", "type": "wait", "name": "Wait", "waitTime": CHILD_SECONDS },
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
    if let Some(deploy) = stages(definition).and_then(|stages| stages.get_mut(1)) {
        deploy["requisiteStageRefIds"] = json!([name]);
    }
    add(definition, stage);
}
