//! Counts the server groups of a cluster. Changes nothing.

use std::collections::BTreeMap;

use model::moniker::Moniker;
use runtime::Chain;
use wire::{ClusterCheck, ClusterCount, FailureKind};
use worker::End;

use crate::{
    plan::retire,
    ports::{Fault, GroupLifecycle, Place, ServerGroup, ServerGroupCloud},
};

/// How many there are in each region; a failure when that is not as expected.
///
/// Source: Orca's `ClusterSizePreconditionTask`; every region is compared by itself.
pub(crate) async fn cluster_size(
    cloud: &dyn ServerGroupCloud,
    check: &ClusterCheck,
) -> Result<ClusterCount, End> {
    let counted = count(cloud, check).await?;
    let differs = |size: &u32| !check.comparison.holds(*size, check.expected);
    let wrong: Vec<String> = check
        .regions
        .iter()
        .filter_map(|region| Some((region, counted.server_groups.get(region)?)))
        .filter(|(_, size)| differs(size))
        .map(|(region, size)| format!("{size} in {region}"))
        .collect();
    if wrong.is_empty() {
        return Ok(counted);
    }
    let what = if check.only_enabled { "enabled server groups" } else { "server groups" };
    let found = format!(
        "cluster `{}` must have {} {} {what}, and has {}",
        check.cluster,
        check.comparison,
        check.expected,
        wrong.join(", ")
    );
    let message = match &check.failure_message {
        Some(text) => format!("{text} ({found})"),
        None => found,
    };
    Err(End::failed(FailureKind::User, message))
}

/// How many there are in each region, whatever was expected.
pub(crate) async fn count(
    cloud: &dyn ServerGroupCloud,
    check: &ClusterCheck,
) -> Result<ClusterCount, End> {
    if let Err(error) = check.cluster.parse::<Moniker>() {
        return Err(End::failed(FailureKind::User, Chain(&error).to_string())
            .with_hint("write the cluster's whole name: application-stack-detail"));
    }
    let mut server_groups = BTreeMap::new();
    for region in &check.regions {
        let place = Place { account: check.account.clone(), region: region.clone() };
        let groups = cloud.cluster(&place, &check.cluster).await.map_err(|error| {
            let cluster = &check.cluster;
            let message =
                format!("could not read cluster `{cluster}` in {place}: {}", Chain(&error));
            End::failed(kind_of(&error.fault), message)
        })?;
        let count = groups.iter().filter(|group| counts(group, check)).count();
        server_groups.insert(region.clone(), u32::try_from(count).unwrap_or(u32::MAX));
    }
    Ok(ClusterCount { cluster: check.cluster.clone(), server_groups })
}

fn counts(group: &ServerGroup, check: &ClusterCheck) -> bool {
    let there = match group.lifecycle {
        GroupLifecycle::Active => true,
        GroupLifecycle::Deleting => false,
    };
    there && !(check.only_enabled && retire::is_disabled(group))
}

pub(crate) const fn kind_of(fault: &Fault) -> FailureKind {
    match fault {
        Fault::Throttled | Fault::UnknownOutcome(_) | Fault::InUse(_) => FailureKind::Transient,
        Fault::NotFound(_) | Fault::AlreadyExists(_) | Fault::Refused { .. } => FailureKind::User,
    }
}
