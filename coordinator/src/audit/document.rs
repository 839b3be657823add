//! A snapshot against its row, its view, its graph, its leases and its locks.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Document, Stage, StageState, Work};
use model::{ExecutionStatus, StageId};
use runtime::Chain;
use store::audit::{ExecutionFact, List, Rule};
use wire::ExecutionView;

/// Where findings go.
type Say<'a> = &'a mut dyn FnMut(Rule, String);

/// Judges an execution by its snapshot. One that is missing is the store's to tell.
pub(super) fn judge(fact: &ExecutionFact, say: Say<'_>) {
    let Some(text) = &fact.document else { return };
    let document = match engine::read(fact.row.schema, text) {
        Ok(document) => document,
        Err(cause) => return say(Rule::Unreadable, Chain(&cause).to_string()),
    };
    same_story(fact, &document, say);
    view(fact, &document, say);
    ending(&document, say);
    if document.startup_failure.is_none() {
        graph(&document, say);
        order(&document, say);
    }
    leases(fact, &document, say);
    locks(fact, &document, say);
    let waits = fact.places.iter().any(|place| matches!(place.list, List::Waiters(_)));
    if waits && document.status != ExecutionStatus::NotStarted {
        let what = format!("it is {}, and waits for a slot", document.status);
        say(Rule::SlotContradiction, what);
    }
}

fn same_story(fact: &ExecutionFact, document: &Document, say: Say<'_>) {
    let row = &fact.row;
    let pairs = [
        ("id", document.id.as_str(), row.id.as_str()),
        ("application", &document.application, &row.application),
        ("pipeline", &document.pipeline_id, &row.pipeline_id),
        ("event", &document.event_key, &row.event_key),
        ("status", document.status.as_str(), row.status.as_str()),
    ];
    for (name, snapshot, stored) in pairs {
        if snapshot != stored {
            let what = format!("the {name} is `{snapshot}` in its snapshot, `{stored}` in its row");
            say(Rule::DocumentDisagrees, what);
        }
    }
}

fn view(fact: &ExecutionFact, document: &Document, say: Say<'_>) {
    let Some(text) = &fact.view else { return };
    let view: ExecutionView = match serde_json::from_str(text) {
        Ok(view) => view,
        Err(cause) => return say(Rule::Unreadable, format!("its view: {cause}")),
    };
    if (&view.id, view.status) != (&document.id, document.status) {
        let what = format!(
            "its view shows execution `{}` as {}, its snapshot is of `{}`, {}",
            view.id, view.status, document.id, document.status
        );
        say(Rule::DocumentDisagrees, what);
    }
    let shown: BTreeMap<&StageId, ExecutionStatus> =
        view.stages.iter().map(|stage| (&stage.id, stage.status)).collect();
    for stage in &document.stages {
        // A view may show less, or know finer words for what still works.
        if let Some(shown) = shown.get(&stage.id)
            && shown.is_complete() != stage.status().is_complete()
        {
            let what = format!(
                "stage `{}` is {shown} in its view, {} in its snapshot",
                stage.ref_id,
                stage.status()
            );
            say(Rule::DocumentDisagrees, what);
        }
    }
}

/// What is over does nothing any more, and says when it ended.
fn ending(document: &Document, say: Say<'_>) {
    let over = document.is_complete();
    if over != document.ended_ms.is_some() {
        let what = format!("it is {}, and its end is {:?}", document.status, document.ended_ms);
        say(Rule::EndingUnclear, what);
    }
    for stage in &document.stages {
        let name = &stage.ref_id;
        match stage.state() {
            StageState::Running(_) if over => {
                let what = format!("it is {}, and stage `{name}` still works", document.status);
                say(Rule::EndingUnclear, what);
            }
            StageState::Running(_) if stage.run.ended_ms.is_some() => {
                let what = format!("stage `{name}` works, and says when it ended");
                say(Rule::EndingUnclear, what);
            }
            StageState::NotStarted | StageState::Running(_) | StageState::Done(_) => {}
        }
    }
}

fn graph(document: &Document, say: Say<'_>) {
    let mut ids = BTreeSet::new();
    let mut refs = BTreeSet::new();
    for stage in &document.stages {
        if !ids.insert(&stage.id) || !refs.insert(stage.ref_id.as_str()) {
            say(Rule::GraphBroken, format!("stage `{}` is there twice", stage.ref_id));
        }
    }
    for stage in &document.stages {
        if stage.parent().is_some_and(|parent| !ids.contains(parent)) {
            let what = format!("stage `{}` is a part of a stage that is not there", stage.ref_id);
            say(Rule::GraphBroken, what);
        }
        for required in &stage.requires {
            if document.by_ref(required).is_none() {
                let what =
                    format!("stage `{}` requires `{required}`, which is not there", stage.ref_id);
                say(Rule::GraphBroken, what);
            }
        }
        if stage.part.is_none() && document.ancestors(stage).iter().any(|it| it.id == stage.id) {
            let what = format!("stage `{}` requires itself, by way of others", stage.ref_id);
            say(Rule::GraphBroken, what);
        }
    }
}

/// I7: nothing begins before all it requires ended in a way that allows it.
fn order(document: &Document, say: Say<'_>) {
    for stage in document.top_level() {
        let Some(started) = stage.run.started_ms else { continue };
        for required in stage.requires.iter().filter_map(|ref_id| document.by_ref(ref_id)) {
            let allowed = required.status().lets_others_start();
            let in_time = required.run.ended_ms.is_none_or(|ended| ended <= started);
            if !(allowed && in_time) {
                let what = format!(
                    "stage `{}` began at {started}; stage `{}`, which it requires, is {} and ended \
                     at {:?}",
                    stage.ref_id,
                    required.ref_id,
                    required.status(),
                    required.run.ended_ms
                );
                say(Rule::StartedTooEarly, what);
            }
        }
    }
}

/// Tasks of stages and leases are the same ones, with the same requests.
fn leases(fact: &ExecutionFact, document: &Document, say: Say<'_>) {
    let mut wanted: BTreeMap<String, &Stage> = BTreeMap::new();
    for stage in &document.stages {
        if let Some(task) = document.task_of(stage) {
            wanted.insert(task.to_string(), stage);
        }
    }
    for (task, lease) in &fact.tasks {
        let Some(stage) = wanted.remove(task) else {
            // Of one that is over, the store tells.
            if !document.is_complete() {
                let what = format!("there is a lease of task `{task}`, and no stage works at it");
                say(Rule::LeaseWithoutTask, what);
            }
            continue;
        };
        let StageState::Running(Work::Operation(operation)) = stage.state() else { continue };
        let (pool, epoch) = (operation.pool, operation.epoch);
        if lease.row.epoch != epoch || lease.kind != pool {
            let what = format!(
                "task `{task}` is for {pool} workers in epoch {epoch}, its lease is for {} workers \
                 in epoch {}",
                lease.kind, lease.row.epoch
            );
            say(Rule::LeaseWithoutTask, what);
        }
        if lease.digest != model::digest(&operation.request) {
            let what = format!("the lease of task `{task}` was given out for another request");
            say(Rule::LeaseWithoutTask, what);
        }
    }
    for (task, stage) in wanted {
        let what = format!("stage `{}` works at task `{task}`, which has no lease", stage.ref_id);
        say(Rule::TaskWithoutLease, what);
    }
}

/// A lock is held for a stage that works.
fn locks(fact: &ExecutionFact, document: &Document, say: Say<'_>) {
    if document.is_complete() {
        return;
    }
    for (resource, lock) in &fact.locks {
        let stage = lock.owner.split_once('/').map(|(_, stage)| stage);
        let works =
            document.stages.iter().any(|it| Some(it.id.as_str()) == stage && it.is_running());
        if !works {
            let what = format!(
                "the lock `{resource}` is held for `{}`, which is no stage that works",
                lock.owner
            );
            say(Rule::FinishedHoldsOn, what);
        }
    }
}
