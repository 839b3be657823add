//! A dry run: what a start would do, as far as that can be known without doing it.
//!
//! The stages are gone through in the order of the graph, each as if everything before it had succeeded.
//! What a worker, a person or another pipeline would bring is not known; where a stage depends on it, the
//! plan says so instead of guessing. What workers can see beforehand is asked of them: see `survey`.

mod action;
mod resolved;

use definitions::Pipeline;
use model::ExecutionStatus;
use serde_json::{Map, Value};
use stages::Condition;
use wire::{PlannedAction, PlannedOutcome, ResolvedExpression, RunPlan, StagePlan};

use crate::{
    arena::StageIndex,
    context,
    document::Document,
    ending::failure_status,
    evaluate,
    stage::Stage,
    start::{self, Origin},
    state::StageState,
    window,
};

/// Says what a start would do at `now_ms`. Pure: nothing is started, stored or asked for.
pub fn plan_run(pipeline: &Pipeline, origin: Origin, now_ms: u64) -> RunPlan {
    let (origin, obstacles) = start::prepared(pipeline, origin);
    let mut document = start::blank(pipeline, origin, now_ms);
    document.status = ExecutionStatus::Running;
    let order: Vec<String> = match pipeline.graph() {
        Ok(graph) => graph.topological().into_iter().map(str::to_owned).collect(),
        Err(_) => pipeline.stages.iter().map(|stage| stage.ref_id.clone()).collect(),
    };
    let mut planner = Planner { document, now_ms, halted: !obstacles.is_empty() };
    let stages = order.iter().filter_map(|ref_id| planner.stage(ref_id)).collect();
    let document = planner.document;
    let parameters = document.trigger.get("parameters").and_then(Value::as_object);
    RunPlan {
        parameters: parameters.cloned().unwrap_or_default(),
        limit: document.policy.limit,
        application: document.application,
        name: document.pipeline_name,
        pipeline_config_id: document.pipeline_id,
        obstacles,
        stages,
    }
}

struct Planner {
    document: Document,
    now_ms: u64,
    /// A stage failed in a way that ends the pipeline, or it does not start at all.
    halted: bool,
}

/// What was found out about a stage.
#[derive(Default)]
struct Found {
    reason: Option<String>,
    waits_until: Option<u64>,
    expressions: Vec<ResolvedExpression>,
    actions: Vec<PlannedAction>,
    outputs: Map<String, Value>,
}

impl Planner {
    fn stage(&mut self, ref_id: &str) -> Option<StagePlan> {
        let ix =
            self.document.by_ref(ref_id).and_then(|stage| self.document.stages.find(&stage.id))?;
        let mut found = Found::default();
        let outcome = self.outcome(ix, &mut found);
        let stage = &mut self.document.stages[ix];
        let status = match outcome {
            PlannedOutcome::Runs | PlannedOutcome::Open => Some(ExecutionStatus::Succeeded),
            PlannedOutcome::Skipped => Some(ExecutionStatus::Skipped),
            PlannedOutcome::Fails => Some(failure_status(stage.on_failure)),
            PlannedOutcome::NotReached => None,
        };
        if let Some(status) = status {
            stage.run.state.go(StageState::Done(status));
            stage.run.outputs = found.outputs;
            self.halted |= status == ExecutionStatus::Terminal;
        }
        Some(StagePlan {
            ref_id: stage.ref_id.clone(),
            kind: stage.kind.clone(),
            name: stage.name.clone(),
            requisite_stage_ref_ids: stage.requires.clone(),
            outcome,
            reason: found.reason,
            waits_until: found.waits_until,
            expressions: found.expressions,
            actions: found.actions,
        })
    }

    fn outcome(&mut self, ix: StageIndex, found: &mut Found) -> PlannedOutcome {
        let stage = &self.document.stages[ix];
        let reached = |ref_id: &String| {
            self.document.by_ref(ref_id).is_some_and(|before| before.status().lets_others_start())
        };
        if self.halted || !stage.requires.iter().all(reached) {
            return PlannedOutcome::NotReached;
        }
        let mut outcome = PlannedOutcome::Runs;
        match evaluate::enabled(&self.document, stage) {
            Condition::True => {}
            Condition::False(text) => {
                found.reason = Some(format!("its condition is false: {text}"));
                return PlannedOutcome::Skipped;
            }
            Condition::Invalid(failure) => {
                found.reason = Some(failure.message);
                outcome = Self::doubt(stage);
                if outcome == PlannedOutcome::Fails {
                    return outcome;
                }
            }
        }
        match window::opening(&self.document, stage, self.now_ms) {
            Ok(window::Opening::Now) => {}
            Ok(window::Opening::At(opens_ms)) => found.waits_until = Some(opens_ms),
            Err(failure) => {
                found.reason = Some(failure.message);
                return PlannedOutcome::Fails;
            }
        }
        let evaluated = evaluate::evaluated_config(&self.document, stage);
        found.expressions = resolved::of(&stage.config, &evaluated);
        let failed = evaluated.failed;
        self.document.stages[ix].run.evaluated = Some(evaluated.config);
        let stage = &self.document.stages[ix];
        let planned = match failed {
            Some(failure) => Err(failure),
            None => context::plan(&self.document, stage),
        };
        match planned {
            Ok(plan) => {
                let (actions, outputs, failure) = action::of(stage, plan);
                found.actions = actions;
                found.outputs = outputs;
                let Some(failure) = failure else { return outcome };
                found.reason.get_or_insert(failure.message);
                Self::doubt(stage)
            }
            Err(failure) => {
                found.reason.get_or_insert(failure.message);
                Self::doubt(stage)
            }
        }
    }

    /// What does not work now may work with what stages before bring; without any, it never does.
    fn doubt(stage: &Stage) -> PlannedOutcome {
        if stage.requires.is_empty() { PlannedOutcome::Fails } else { PlannedOutcome::Open }
    }
}
