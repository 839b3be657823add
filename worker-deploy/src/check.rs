//! Looks whether a cluster has as many server groups as somebody expects. Changes nothing.

use model::moniker::Moniker;
use runtime::Chain;
use serde_json::{Map, json};
use wire::{ClusterCheck, FailureKind, TaskFailure, TaskOutcome};

use crate::{
    plan::retire,
    ports::{Fault, GroupLifecycle, Place, ServerGroup, ServerGroupCloud},
};

/// The answer: how many there are in each region, or why that is not as expected.
///
/// Source: Orca's `ClusterSizePreconditionTask`; every region is compared by itself.
pub(crate) async fn cluster_size(
    cloud: &dyn ServerGroupCloud,
    check: &ClusterCheck,
) -> TaskOutcome {
    if let Err(error) = check.cluster.parse::<Moniker>() {
        let hint = Some("write the cluster's whole name: application-stack-detail".to_owned());
        return failed(FailureKind::User, Chain(&error).to_string(), hint);
    }
    let mut found = Map::new();
    let mut wrong = Vec::new();
    for region in &check.regions {
        let place = Place { account: check.account.clone(), region: region.clone() };
        let groups = match cloud.cluster(&place, &check.cluster).await {
            Ok(groups) => groups,
            Err(error) => {
                let message = format!(
                    "could not read cluster `{}` in {place}: {}",
                    check.cluster,
                    Chain(&error)
                );
                return failed(kind_of(&error.fault), message, None);
            }
        };
        let count = groups.iter().filter(|group| counts(group, check)).count();
        let size = u32::try_from(count).unwrap_or(u32::MAX);
        if !check.comparison.holds(size, check.expected) {
            wrong.push(format!("{size} in {region}"));
        }
        found.insert(region.clone(), size.into());
    }
    if wrong.is_empty() {
        let result = json!({ "cluster": check.cluster, "serverGroups": found });
        return TaskOutcome::Succeeded { result: result.as_object().cloned().unwrap_or_default() };
    }
    let what = if check.only_enabled { "enabled server groups" } else { "server groups" };
    let told = format!(
        "cluster `{}` must have {} {} {what}, and has {}",
        check.cluster,
        check.comparison,
        check.expected,
        wrong.join(", ")
    );
    let message = match &check.failure_message {
        Some(text) => format!("{text} ({told})"),
        None => told,
    };
    failed(FailureKind::User, message, None)
}

fn counts(group: &ServerGroup, check: &ClusterCheck) -> bool {
    let there = match group.lifecycle {
        GroupLifecycle::Active => true,
        GroupLifecycle::Deleting => false,
    };
    there && !(check.only_enabled && retire::is_disabled(group))
}

const fn kind_of(fault: &Fault) -> FailureKind {
    match fault {
        Fault::Throttled | Fault::UnknownOutcome(_) | Fault::InUse(_) => FailureKind::Transient,
        Fault::NotFound(_) | Fault::AlreadyExists(_) | Fault::Refused { .. } => FailureKind::User,
    }
}

fn failed(kind: FailureKind, message: String, hint: Option<String>) -> TaskOutcome {
    TaskOutcome::Failed { failure: TaskFailure { kind, message, detail: None, hint } }
}
