//! Pipelines that start each other in a circle. Some do so on purpose, so that whoever saves one is only warned.

use std::collections::{BTreeMap, VecDeque};

use definitions::Pipeline;
use triggers::Trigger;
use wire::ExecutionEnded;

use crate::{answer::ask, problem::Problem, state::Gateway};

/// Most pipelines that are looked at for one that is saved.
const PIPELINES_MAX: usize = 100;

/// The names of the pipelines that start each other, in their order, if the one that is saved is among them.
pub(super) async fn circle(
    gateway: &Gateway,
    (id, name): (&str, &str),
    triggers: &[Trigger],
) -> Result<Option<Vec<String>>, Problem> {
    let waits_for = followed(triggers);
    if waits_for.is_empty() {
        return Ok(None);
    }
    if waits_for.contains(&id) {
        return Ok(Some(vec![name.to_owned()]));
    }
    // Whom the end of the saved pipeline starts, and whom their ends start.
    let mut paths = BTreeMap::from([(id.to_owned(), vec![name.to_owned()])]);
    let mut next = VecDeque::from([id.to_owned()]);
    while let Some(ended) = next.pop_front() {
        let key = [ExecutionEnded::key_of(&ended)];
        for mark in ask(gateway.store.pipelines_keyed(&key)).await? {
            if paths.contains_key(&mark.id) || paths.len() >= PIPELINES_MAX {
                continue;
            }
            let Some(row) = ask(gateway.store.pipeline_get(&mark.id)).await? else { continue };
            let Some(pipeline) = Pipeline::parse(&row.body).pipeline else { continue };
            if !followed(&pipeline.triggers).contains(&ended.as_str()) {
                continue;
            }
            let mut path = paths.get(&ended).cloned().unwrap_or_default();
            path.push(row.name);
            if waits_for.contains(&mark.id.as_str()) {
                return Ok(Some(path));
            }
            paths.insert(mark.id.clone(), path);
            next.push_back(mark.id);
        }
    }
    Ok(None)
}

/// The pipelines whose end the triggers that are on wait for.
fn followed(triggers: &[Trigger]) -> Vec<&str> {
    triggers.iter().filter(|trigger| trigger.enabled).flat_map(Trigger::follows).collect()
}
