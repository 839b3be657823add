//! What must be true of documents, views and messages in a store: the part of `bowline fsck` that
//! the store cannot judge, because it never looks into a snapshot. Pure.

mod document;

use definitions::Pipeline;
use engine::Policy;
use store::audit::{Body, ExecutionFields, Fact, Finding, MessageFields, PipelineFields, Rule};
use triggers::{INDEX_VERSION, index_keys};
use wire::{CancelHint, Event, Route, TaskMessage};

/// Executions that were created so soon after a change of their definition may have been admitted by
/// the definition before it.
const DEFINITION_SETTLES_MS: u64 = 60_000;

/// Everything that is wrong with what was read, as far as documents and messages go; to be given to
/// [`store::audit::survey`].
pub fn findings(fact: &Fact) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |rule, what| found.push(Finding::new(rule, &fact.subject, what));
    match &fact.body {
        Body::Execution(execution) => document::judge(execution, &mut say),
        Body::Event(row, _) => {
            if let Err(cause) = serde_json::from_str::<Event>(&row.body) {
                say(Rule::Unreadable, format!("its body is no event this program knows: {cause}"));
            }
        }
        Body::Message(row, _) => {
            if let Some((rule, what)) = message(row) {
                say(rule, what);
            }
        }
        Body::Pipeline(row, _, holders) => {
            if let Some(what) = indexed_wrongly(row) {
                say(Rule::DocumentDisagrees, what);
            }
            if let Some(what) = too_many(row, holders) {
                say(Rule::TooManyRunning, what);
            }
        }
        Body::Task(..)
        | Body::Lock(..)
        | Body::Entry(_)
        | Body::Unreadable(_)
        | Body::Odd(_)
        | Body::Clock
        | Body::Counts(_) => {}
    }
    found
}

/// What is wrong with a message that waits to be published.
fn message(row: &MessageFields) -> Option<(Rule, String)> {
    let unreadable = |what: String| Some((Rule::Unreadable, what));
    let route: Route = match row.route.parse() {
        Ok(route) => route,
        Err(cause) => return unreadable(format!("nothing can be sent there: {cause}")),
    };
    match route {
        Route::Task(pool) => {
            let message = match TaskMessage::decode(row.body.as_bytes()) {
                Ok(message) => message,
                Err(cause) => return unreadable(format!("its body is no task: {cause}")),
            };
            let told = (message.task.clone(), message.epoch);
            let differs = message.pool != pool
                || message.message_id() != row.id
                || row.only_if.as_ref() != Some(&told);
            differs.then(|| {
                let what = format!(
                    "it goes to {pool} workers under `{}`, and its body is {} task {} in epoch {}",
                    row.id, message.pool, message.task, message.epoch
                );
                (Rule::DocumentDisagrees, what)
            })
        }
        Route::Cancel => match serde_json::from_str::<CancelHint>(&row.body) {
            Ok(_) => None,
            Err(cause) => unreadable(format!("its body is no cancel hint: {cause}")),
        },
        Route::Result(_) | Route::Dead => {
            unreadable(format!("a coordinator sends nothing to `{route}`"))
        }
    }
}

/// The keys of a definition are those that its triggers make. One that was indexed by other rules is indexed anew
/// by the next coordinator.
fn indexed_wrongly(row: &PipelineFields) -> Option<String> {
    if row.index.version != INDEX_VERSION {
        return None;
    }
    let pipeline = Pipeline::parse(&row.body).pipeline?;
    let wanted = index_keys(&pipeline.triggers);
    (row.index.keys != wanted).then(|| {
        let shown =
            |keys: &[String]| if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        format!(
            "it is found under the keys {}, its triggers make {}: save it again",
            shown(&row.index.keys),
            shown(&wanted)
        )
    })
}

/// I13: the limit of a definition, for those that were admitted under it. A limit that was lowered
/// takes no slot away, so older holders do not count.
fn too_many(row: &PipelineFields, holders: &[ExecutionFields]) -> Option<String> {
    let pipeline = Pipeline::parse(&row.body).pipeline?;
    let limit = Policy::of(&pipeline).limit?;
    let since = row.updated_ms.saturating_add(DEFINITION_SETTLES_MS);
    let under_it: Vec<&str> = holders
        .iter()
        .filter(|holder| holder.created_ms > since)
        .map(|holder| holder.id.as_str())
        .collect();
    let more = under_it.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    more.then(|| {
        format!("{} executions hold a slot, {limit} may: {}", under_it.len(), under_it.join(", "))
    })
}
