//! What is going to be made and what is going to go: decided once from one look at the world,
//! committed, and never decided again.

pub(crate) mod health;
pub(crate) mod retire;
mod sequence;
pub(crate) mod subnets;

use std::collections::{BTreeMap, BTreeSet};

use model::{
    TaskId, derived_id,
    moniker::{Moniker, NameError, ServerGroupName},
};
use serde::{Deserialize, Serialize};
use wire::{Capacity, DeployRequest, DeployStrategy};

pub(crate) use self::sequence::NoFreeNumber;
use self::{health::Judge, retire::Victim, subnets::SubnetError};
use crate::{
    ports::{
        Balancer, GroupLifecycle, Image, ImageState, NewLaunchTemplate, NewServerGroup,
        SecurityGroup, ServerGroup, TargetGroup,
    },
    tags, user_data,
};

/// Scaling processes AWS has.
///
/// Source: the Auto Scaling API, `SuspendProcesses`.
const PROCESSES: [&str; 9] = [
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "InstanceRefresh",
    "ReplaceUnhealthy",
    "ScheduledActions",
];

/// What a deploy found out about the world before it decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// Groups of the cluster.
    pub(crate) cluster: Vec<ServerGroup>,
    /// The image asked for.
    pub(crate) image: Option<Image>,
    /// The subnets chosen.
    pub(crate) subnets: Vec<String>,
    /// Security groups that fit what was asked for.
    pub(crate) security_groups: Vec<SecurityGroup>,
    /// Load balancers that exist.
    pub(crate) load_balancers: Vec<String>,
    /// Target groups that exist.
    pub(crate) target_groups: Vec<TargetGroup>,
}

/// The committed decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Name of the new group.
    pub(crate) name: ServerGroupName,
    /// What its instances are made from.
    pub(crate) template: NewLaunchTemplate,
    /// The group itself.
    pub(crate) group: NewServerGroup,
    /// Who says whether it is healthy.
    pub(crate) judge: Judge,
    /// What becomes of the older groups; empty unless the strategy takes them away.
    pub(crate) victims: Vec<Victim>,
    /// Numbers that turned out to be taken after they were planned.
    pub(crate) refused: BTreeSet<u32>,
    /// Launch templates made for names that were then not used.
    pub(crate) abandoned: Vec<String>,
    /// Things worth telling people with the result.
    pub(crate) notes: Vec<String>,
}

/// Which group, for ever: a name can be used again, an ARN with its time cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Its ARN.
    pub(crate) arn: String,
    /// When it was created.
    pub(crate) created_ms: u64,
}

impl Identity {
    pub(crate) fn of(group: &ServerGroup) -> Self {
        Self { arn: group.arn.clone(), created_ms: group.created_ms }
    }

    pub(crate) fn is(&self, group: &ServerGroup) -> bool {
        self.arn == group.arn && self.created_ms == group.created_ms
    }
}

/// Why a request cannot become a plan. Each is the user's to fix.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("the cluster has no valid name")]
    Name(#[from] NameError),
    #[error("no server group name is free")]
    NoFreeNumber(#[from] NoFreeNumber),
    #[error("no subnets for the server group")]
    Subnets(#[from] SubnetError),
    #[error("{}", .0.join("; "))]
    Wrong(Vec<String>),
}

/// Who is making the group, for names, tags and tokens.
#[derive(Clone, Debug)]
pub(crate) struct Maker<'a> {
    pub(crate) task: &'a TaskId,
    pub(crate) fence: u64,
    /// Now, epoch milliseconds: part of the launch template's name.
    pub(crate) now_ms: u64,
}

/// The cluster a request deploys to.
pub(crate) fn moniker(request: &DeployRequest) -> Result<Moniker, NameError> {
    Moniker::new(&request.application, &request.stack, &request.detail)
}

/// The security groups a request asks for: the application's own when it names none.
pub(crate) fn wanted_security_groups(request: &DeployRequest) -> Vec<String> {
    match request.security_groups.as_slice() {
        [] => vec![request.application.clone()],
        named => named.to_vec(),
    }
}

/// True when this task made the group.
pub(crate) fn is_made_by(group: &ServerGroup, task: &TaskId) -> bool {
    group.tags.get(tags::TASK).is_some_and(|text| *text == task.to_string())
}

/// Decides.
pub(crate) fn draw(
    request: &DeployRequest,
    survey: &Survey,
    maker: &Maker<'_>,
) -> Result<Plan, PlanError> {
    let moniker = moniker(request)?;
    // The port promises only this cluster's groups; whoever destroys checks for himself.
    let cluster: Vec<ServerGroup> =
        survey.cluster.iter().filter(|group| belongs(group, &moniker)).cloned().collect();
    // A group of ours whose plan was lost with the store is joined, not made again.
    let made = cluster.iter().find(|group| is_made_by(group, maker.task));
    let name = match made {
        Some(group) => group.name.parse()?,
        None => sequence::next_name(&moniker, &cluster, &BTreeSet::new())?,
    };
    let mut older: Vec<&ServerGroup> = cluster
        .iter()
        .filter(|group| group.lifecycle == GroupLifecycle::Active)
        .filter(|group| made.is_none_or(|made| is_older(group, made)))
        .collect();
    older.sort_by(|a, b| (a.created_ms, &a.name).cmp(&(b.created_ms, &b.name)));
    let source = older.last().filter(|_| request.use_source_capacity);
    let capacity = match (made, source) {
        (Some(made), _) => made.capacity,
        (None, Some(source)) => source.capacity,
        (None, None) => request.capacity,
    };
    let resolved = resolve(request, survey, capacity, &older)?;
    let victims = match request.strategy {
        DeployStrategy::None => Vec::new(),
        DeployStrategy::Highlander => older.iter().map(|group| Victim::of(group)).collect(),
    };
    let (template, group) = write(request, &resolved, &name, maker)?;
    let (judge, notes) = judge_of(request, &group);
    let (refused, abandoned) = (BTreeSet::new(), Vec::new());
    Ok(Plan { name, template, group, judge, victims, refused, abandoned, notes })
}

/// The same plan under the next free name, because another group turned up with this one.
pub(crate) fn renamed(
    plan: &Plan,
    request: &DeployRequest,
    cluster: &[ServerGroup],
    maker: &Maker<'_>,
) -> Result<Plan, PlanError> {
    let mut refused = plan.refused.clone();
    refused.insert(plan.name.sequence);
    let name = sequence::next_name(&plan.name.moniker, cluster, &refused)?;
    let resolved = Resolved {
        image_id: plan.template.image_id.clone(),
        security_groups: plan.template.security_groups.clone(),
        subnets: plan.group.subnets.clone(),
        target_groups: plan.group.target_groups.clone(),
        capacity: plan.group.capacity,
    };
    let (template, group) = write(request, &resolved, &name, maker)?;
    let mut abandoned = plan.abandoned.clone();
    abandoned.push(plan.template.name.clone());
    let mut victims = plan.victims.clone();
    match request.strategy {
        DeployStrategy::None => {}
        DeployStrategy::Highlander => {
            let unseen = cluster.iter().filter(|group| is_unseen(group, plan, maker));
            victims.extend(unseen.map(Victim::of));
        }
    }
    Ok(Plan { name, template, group, victims, refused, abandoned, ..plan.clone() })
}

/// A group of ours that an earlier holder of the cluster's lock made, so late that it could not be seen yet
/// when the plan was made. What others made since is theirs.
fn is_unseen(group: &ServerGroup, plan: &Plan, maker: &Maker<'_>) -> bool {
    let ours = group.tags.get(tags::MANAGED_BY).is_some_and(|by| by == tags::BOWLINE);
    ours && belongs(group, &plan.name.moniker)
        && group.lifecycle == GroupLifecycle::Active
        && !is_made_by(group, maker.task)
        && !plan.victims.iter().any(|victim| victim.identity.is(group))
}

fn belongs(group: &ServerGroup, moniker: &Moniker) -> bool {
    group.name == moniker.cluster()
        || group.name.parse().is_ok_and(|name: ServerGroupName| name.moniker == *moniker)
}

fn is_older(group: &ServerGroup, made: &ServerGroup) -> bool {
    group.arn != made.arn && group.created_ms <= made.created_ms
}

/// What names in a request turned out to mean.
struct Resolved {
    image_id: String,
    security_groups: Vec<String>,
    subnets: Vec<String>,
    target_groups: Vec<String>,
    capacity: Capacity,
}

fn resolve(
    request: &DeployRequest,
    survey: &Survey,
    capacity: Capacity,
    older: &[&ServerGroup],
) -> Result<Resolved, PlanError> {
    let mut wrong = Vec::new();
    let image_id = match &survey.image {
        Some(Image { id, state: ImageState::Available, .. }) => id.clone(),
        Some(Image { id, state: ImageState::Other(state), .. }) => {
            wrong.push(format!("image `{id}` is in state {state}, not available"));
            String::new()
        }
        None => {
            wrong.push(format!("image `{}` does not exist in {}", request.image, request.region));
            String::new()
        }
    };
    let security_groups = security_groups(request, survey, &mut wrong);
    for name in request.load_balancers.iter().filter(|name| !survey.load_balancers.contains(name)) {
        wrong.push(format!("load balancer `{name}` does not exist in {}", request.region));
    }
    let mut target_groups = Vec::new();
    for name in &request.target_groups {
        match survey.target_groups.iter().find(|group| group.name == *name) {
            Some(group) => target_groups.push(group.arn.clone()),
            None => {
                wrong.push(format!("target group `{name}` does not exist in {}", request.region));
            }
        }
    }
    wrong.extend(wrong_values(request, capacity, older));
    if wrong.is_empty() {
        let subnets = survey.subnets.clone();
        Ok(Resolved { image_id, security_groups, subnets, target_groups, capacity })
    } else {
        Err(PlanError::Wrong(wrong))
    }
}

fn security_groups(
    request: &DeployRequest,
    survey: &Survey,
    wrong: &mut Vec<String>,
) -> Vec<String> {
    let mut ids = BTreeSet::new();
    for wanted in wanted_security_groups(request) {
        match survey.security_groups.iter().find(|g| g.id == wanted || g.name == wanted) {
            Some(group) => {
                ids.insert(group.id.clone());
            }
            // Nobody asked for the application's own group: the VPC's default serves.
            None if request.security_groups.is_empty() => {}
            None => {
                wrong.push(format!("security group `{wanted}` does not exist in the subnets' VPC"));
            }
        }
    }
    ids.into_iter().collect()
}

fn wrong_values(
    request: &DeployRequest,
    capacity: Capacity,
    older: &[&ServerGroup],
) -> Vec<String> {
    let mut wrong = Vec::new();
    let Capacity { min, desired, max } = capacity;
    if !(min <= desired && desired <= max) {
        wrong.push(format!(
            "capacity must be min ≤ desired ≤ max, and is {min} / {desired} / {max}"
        ));
    }
    let serving = older.iter().filter(|group| !group.instances.is_empty()).count();
    if desired == 0 && serving > 0 && request.strategy == DeployStrategy::Highlander {
        wrong.push(format!(
            "with highlander a new group of 0 instances would replace {serving} older groups with \
             instances: nothing would be left to serve"
        ));
    }
    for process in &request.suspended_processes {
        if !PROCESSES.contains(&process.as_str()) {
            let known = PROCESSES.join(", ");
            wrong.push(format!("`{process}` is not a scaling process; there are {known}"));
        }
    }
    wrong
}

fn judge_of(request: &DeployRequest, group: &NewServerGroup) -> (Judge, Vec<String>) {
    let classic = group.load_balancers.iter().cloned().map(Balancer::Classic);
    let balancers: Vec<Balancer> =
        classic.chain(group.target_groups.iter().cloned().map(Balancer::TargetGroup)).collect();
    if request.platform_health_only {
        (Judge::Platform, Vec::new())
    } else if balancers.is_empty() {
        let note = "the group has no load balancer and no target group, so nothing can say that it \
                    is up: its instances count as healthy when they run";
        (Judge::Platform, vec![note.to_owned()])
    } else {
        (Judge::Balancers(balancers), Vec::new())
    }
}

fn write(
    request: &DeployRequest,
    resolved: &Resolved,
    name: &ServerGroupName,
    maker: &Maker<'_>,
) -> Result<(NewLaunchTemplate, NewServerGroup), PlanError> {
    let task = maker.task.to_string();
    let group_name = name.to_string();
    let template_name = format!("{group_name}-{}", maker.now_ms);
    let user_data = user_data::compose(request, name, &template_name)
        .map_err(|error| PlanError::Wrong(vec![error.to_string()]))?;
    let ours: BTreeMap<String, String> = [
        (tags::MANAGED_BY, tags::BOWLINE.to_owned()),
        (tags::TASK, task.clone()),
        (tags::EXECUTION, maker.task.execution.to_string()),
        (tags::PIPELINE, tags::value(&request.pipeline)),
        (tags::FENCE, maker.fence.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let mut group_tags = request.tags.clone();
    group_tags.extend(ours.clone());
    if request.destroy_if_failed {
        group_tags.insert(tags::TAKES_OVER.to_owned(), tags::NOT_YET.to_owned());
    }
    let role = request.iam_role.as_ref().filter(|role| !role.is_empty());
    let template = NewLaunchTemplate {
        client_token: derived_id(&["launch-template", &task, &template_name]),
        image_id: resolved.image_id.clone(),
        instance_type: request.instance_type.clone(),
        key_pair: request.key_pair.clone().filter(|key| !key.is_empty()),
        iam_role: role.map(|role| role.replace("{{application}}", &request.application)),
        security_groups: resolved.security_groups.clone(),
        user_data,
        associate_public_ip: request.associate_public_ip,
        ebs_optimized: request.ebs_optimized,
        instance_monitoring: request.instance_monitoring,
        tags: ours,
        name: template_name.clone(),
    };
    let group = NewServerGroup {
        name: group_name,
        launch_template: template_name,
        capacity: resolved.capacity,
        subnets: resolved.subnets.clone(),
        load_balancers: request.load_balancers.clone(),
        target_groups: resolved.target_groups.clone(),
        health_check_type: request.health_check_type.clone(),
        health_check_grace_period: request.health_check_grace_period,
        cooldown: request.cooldown,
        termination_policies: request.termination_policies.clone(),
        tags: group_tags,
    };
    Ok((template, group))
}

#[cfg(test)]
pub(crate) mod tests;
