//! Typed readers of the stages that run: the same for validation, which wants every problem, and
//! for the engine, which wants a stage it can run.

mod bake;
mod deploy;

use serde_json::{Map, Value};

pub use self::{
    bake::BakeStage,
    deploy::{Capacity, Cluster, DeployStage},
};
pub use crate::problem::{FieldProblem, Weight};
use crate::{
    fields::{Fields, unresolved},
    problem::Findings,
};

/// Fields of every stage that would change when or whether it runs, and do not yet.
pub(crate) fn unsupported(config: &Map<String, Value>) -> Vec<FieldProblem> {
    let mut found = Findings::default();
    let mut fields = Fields::new(String::new(), config, &mut found);
    for (key, message) in [
        ("stageEnabled", "the condition is not looked at yet: the stage always runs"),
        (
            "restrictExecutionDuringTimeWindow",
            "the time window is not looked at yet: the stage runs at any time",
        ),
        ("stageTimeoutMs", "the stage's own timeout is not looked at yet"),
    ] {
        if fields.says_something(key) {
            let hint = format!("take `{key}` away, or wait for a version that has it");
            fields.hinted(Weight::Advice, "unsupported-field", key, (message.to_owned(), hint));
        }
    }
    found.into_list()
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
        Weight::Error | Weight::Blocks => true,
        Weight::Advice => false,
    };
    match read {
        Some(stage) if !problems.iter().any(stops) => Ok(stage),
        Some(_) | None => Err(problems.into_iter().filter(stops).collect()),
    }
}

/// Adds what is not there yet, keeping the order.
fn add_once(list: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}
