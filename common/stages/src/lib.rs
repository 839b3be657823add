#![doc = include_str!("../README.md")]

mod build;
mod coming;
mod context;
pub mod documentation;
mod images;
mod kinds;
mod nesting;
mod plan;
mod rules;
mod schema;
mod stage_type;

use std::collections::BTreeSet;

use model::{
    fields::{Reader, unresolved},
    problem::{Weight, shortened},
};

pub use self::{
    build::artifact_names,
    coming::{image_to_come, values_to_come},
    context::{Condition, Context, EndedPart, Evaluated, StageFacts},
    nesting::{DEPTH, depth},
    plan::{Await, Child, Done, Part, Plan, Question, Until},
    rules::{ExecutionWindow, FIELDS as COMMON_FIELDS, Jitter, StageRules, TimeOfDay},
    schema::{form, schema},
    stage_type::{Entry, StageType, Surroundings, TABLE, names, of, unreadable, user_failure},
};

/// The cloud a stage or cluster is for, when it is not AWS.
fn other_cloud(reader: &mut Reader<'_, '_>, keys: &[&str]) -> bool {
    let foreign = keys.iter().find_map(|key| {
        let cloud = reader.value(key)?.as_str()?;
        let foreign = !cloud.is_empty() && cloud != "aws" && unresolved(cloud).is_none();
        foreign.then(|| ((*key).to_owned(), shortened(cloud)))
    });
    let Some((key, cloud)) = foreign else {
        return false;
    };
    let message = format!("this is for `{cloud}`; only `aws` runs today");
    let hint = "write \"aws\"".to_owned();
    reader.fields().hinted(Weight::Blocks, "other-cloud", &key, (message, hint));
    true
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
