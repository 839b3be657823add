//! The check preconditions stage: a part for each condition, side by side.

use model::{
    ExecutionStatus, Pool,
    stages::{Check, ClusterSize, Precondition, PreconditionsStage},
};
use serde_json::{Map, Value};
use wire::{Ask, ClusterCheck, TaskFailure};

use crate::{
    build,
    document::Document,
    evaluate,
    expressions::{self, Condition},
    failure::user_failure,
    stage::Stage,
    stage_types::{Part, Plan, unreadable},
};

pub(crate) fn plan(document: &Document, stage: &Stage) -> Result<Plan, TaskFailure> {
    let evaluated = evaluated(document, stage)?;
    let read = PreconditionsStage::read(&evaluated).map_err(|problems| unreadable(&problems))?;
    let configs = evaluated.get("preconditions").and_then(Value::as_array);
    let configs = configs.into_iter().flatten().filter_map(Value::as_object);
    let parts = read.preconditions.iter().zip(configs).map(|(precondition, config)| {
        let kind = precondition.check.as_str();
        let mut config = config.clone();
        config.insert("preconditionType".to_owned(), kind.into());
        config.remove("type");
        Part {
            name: format!("Check precondition ({kind})"),
            kind: stage.kind.clone(),
            config,
            on_failure: precondition.on_failure,
            plan: check(document, stage, precondition),
        }
    });
    Ok(Plan::Parts(parts.collect()))
}

/// The stage with everything evaluated but the conditions themselves: those are evaluated once, when they
/// are judged, so that what a trigger brings is never taken for an expression.
fn evaluated(document: &Document, stage: &Stage) -> Result<Map<String, Value>, TaskFailure> {
    let mut open = Map::new();
    let raw = stage.config.get("preconditions").cloned().unwrap_or(Value::Null);
    let mut conditions = Vec::new();
    let mut bare = raw;
    for precondition in bare.as_array_mut().into_iter().flatten() {
        let own = precondition.get_mut("expression").map(Value::take);
        let inner =
            precondition.get_mut("context").and_then(|context| context.get_mut("expression"));
        conditions.push((own, inner.map(Value::take)));
    }
    open.insert("preconditions".to_owned(), bare);
    let result = evaluate::evaluated(document, stage, &Map::new(), open);
    if let Some(failure) = result.failed {
        return Err(failure);
    }
    let mut config = stage.config().clone();
    config.extend(result.config);
    let list = config.get_mut("preconditions").and_then(Value::as_array_mut);
    for (precondition, (own, inner)) in list.into_iter().flatten().zip(conditions) {
        if let (Some(place), Some(own)) = (precondition.get_mut("expression"), own) {
            *place = own;
        }
        let context = precondition.get_mut("context");
        let place = context.and_then(|context| context.get_mut("expression"));
        if let (Some(place), Some(inner)) = (place, inner) {
            *place = inner;
        }
    }
    Ok(config)
}

fn check(document: &Document, stage: &Stage, precondition: &Precondition) -> Plan {
    let verdict = match &precondition.check {
        Check::Expression { expression } => holds(document, stage, expression),
        Check::StageStatus { stage, status } => has_status(document, stage, *status),
        Check::ClusterSize(size) => return count(precondition, size),
    };
    match verdict {
        Ok(()) => Plan::Done {
            status: ExecutionStatus::Succeeded,
            outputs: Map::new(),
            context: Map::new(),
            failure: None,
        },
        Err(failure) => Plan::Done {
            status: ExecutionStatus::Terminal,
            outputs: Map::new(),
            context: Map::new(),
            failure: Some(told(precondition, failure)),
        },
    }
}

/// What its author wrote for this case comes first.
fn told(precondition: &Precondition, failure: TaskFailure) -> TaskFailure {
    match &precondition.failure_message {
        None => failure,
        Some(text) => TaskFailure { message: format!("{text} ({})", failure.message), ..failure },
    }
}

fn holds(document: &Document, stage: &Stage, expression: &str) -> Result<(), TaskFailure> {
    match expressions::condition(document, stage, expression) {
        Condition::True => Ok(()),
        Condition::False(text) => {
            Err(user_failure(format!("the precondition is false: {text}"), None))
        }
        Condition::Invalid(failure) => Err(failure),
    }
}

fn has_status(document: &Document, name: &str, wanted: ExecutionStatus) -> Result<(), TaskFailure> {
    let Some(found) = document.top_level().find(|stage| stage.name == name) else {
        return Err(user_failure(
            format!("there is no stage named `{name}` in this execution"),
            Some("write the name of a stage of this pipeline".to_owned()),
        ));
    };
    let status = found.status();
    if status == wanted {
        return Ok(());
    }
    Err(user_failure(format!("stage `{name}` is {status}, and {wanted} is wanted"), None))
}

/// Only a worker can look at a cluster; it answers whether the number is right.
fn count(precondition: &Precondition, size: &ClusterSize) -> Plan {
    let request = ClusterCheck {
        ask: Ask::ClusterSize,
        account: size.account.clone(),
        cluster: size.cluster.clone(),
        regions: size.regions.clone(),
        comparison: size.comparison,
        expected: size.expected,
        only_enabled: size.only_enabled,
        failure_message: precondition.failure_message.clone(),
    };
    Plan::Task { kind: Pool::Deploy, request: build::text_of(&request) }
}
