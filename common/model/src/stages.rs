//! Typed readers of the stages that run: the same for validation, which wants every problem, and
//! for the engine, which wants a stage it can run.

mod bake;
mod child;
mod deploy;
mod judgment;
mod preconditions;
mod rules;
mod variables;
mod wait;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

pub use self::{
    bake::BakeStage,
    child::PipelineStage,
    deploy::{Capacity, Cluster, DeployStage, Rollback},
    judgment::JudgmentStage,
    preconditions::{Check, ClusterSize, Comparison, Precondition, PreconditionsStage},
    rules::{ExecutionWindow, Jitter, StageRules, TimeOfDay},
    variables::{Variable, VariablesStage},
    wait::WaitStage,
};
pub use crate::problem::{FieldProblem, Weight};
use crate::{
    fields::{Fields, unresolved},
    pipeline::StageType,
};

/// Everything that is odd about a stage of this type, its common fields included.
pub(crate) fn inspect(kind: StageType, config: &Map<String, Value>) -> Vec<FieldProblem> {
    let mut problems = match kind {
        StageType::Bake => BakeStage::inspect(config).1,
        StageType::Deploy => DeployStage::inspect(config).1,
        StageType::Wait => WaitStage::inspect(config).1,
        StageType::ManualJudgment => JudgmentStage::inspect(config).1,
        StageType::CheckPreconditions => PreconditionsStage::inspect(config).1,
        StageType::EvaluateVariables => VariablesStage::inspect(config).1,
        StageType::Pipeline => PipelineStage::inspect(config).1,
    };
    problems.extend(StageRules::inspect(config).1);
    problems
}

/// What keeps a stage from running whatever its expressions come to: better known before anything
/// runs.
pub fn obstacles(kind: StageType, config: &Map<String, Value>) -> Vec<FieldProblem> {
    let mut problems = inspect(kind, config);
    problems.retain(|problem| match problem.weight {
        Weight::Error | Weight::Blocks => true,
        Weight::Advice | Weight::Later => false,
    });
    problems
}

/// Says that fields which are set have no effect.
fn tell_ignored(fields: &mut Fields<'_, '_>, ignored: &[(&str, &str)]) {
    for (key, why) in ignored {
        if fields.says_something(key) {
            let message = format!("`{key}` has no effect: {why}");
            fields.problem(Weight::Advice, "ignored-field", key, message);
        }
    }
}

/// The cloud a stage or cluster is for, when it is not AWS.
fn other_cloud(fields: &mut Fields<'_, '_>, keys: &[&str]) -> bool {
    let foreign = keys.iter().find_map(|key| {
        let cloud = fields.value(key)?.as_str()?;
        let foreign = !cloud.is_empty() && cloud != "aws" && unresolved(cloud).is_none();
        foreign.then(|| ((*key).to_owned(), crate::problem::shortened(cloud)))
    });
    let Some((key, cloud)) = foreign else {
        return false;
    };
    let message = format!("this is for `{cloud}`; only `aws` runs today");
    fields.hinted(Weight::Blocks, "other-cloud", &key, (message, "write \"aws\"".to_owned()));
    true
}

/// What can be run, or everything that is in the way.
fn runnable<T>((read, problems): (Option<T>, Vec<FieldProblem>)) -> Result<T, Vec<FieldProblem>> {
    let stops = |problem: &FieldProblem| match problem.weight {
        Weight::Error | Weight::Blocks | Weight::Later => true,
        Weight::Advice => false,
    };
    match read {
        Some(stage) if !problems.iter().any(stops) => Ok(stage),
        Some(_) | None => Err(problems.into_iter().filter(stops).collect()),
    }
}

/// Adds what is not there yet, keeping the order.
fn add_once(list: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    let mut seen: BTreeSet<String> = list.iter().cloned().collect();
    for item in more {
        if seen.insert(item.clone()) {
            list.push(item);
        }
    }
}
