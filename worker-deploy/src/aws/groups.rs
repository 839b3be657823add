//! Server groups over Auto Scaling.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, DeletionProtection, Instance, LaunchTemplateSpecification, Tag,
};
use model::moniker::ServerGroupName;
use wire::Capacity;

use super::{AwsCloud, count, faults, size};
use crate::ports::{
    CloudError, GroupHealth, GroupInstance, GroupLifecycle, InstanceLifecycle, NewServerGroup,
    Place, ServerGroup, TemplateRef, default_version,
};

/// Auto Scaling takes so many names in one call.
const NAMES_PER_CALL: usize = 50;
/// Auto Scaling's largest page.
const PAGE: i32 = 100;
/// Auto Scaling tags nothing else.
const TAGGED: &str = "auto-scaling-group";

/// All groups are read: Auto Scaling cannot search by the beginning of a name, and groups that
/// others made do not carry our tags.
pub(super) async fn cluster(
    aws: &AwsCloud,
    place: &Place,
    cluster: &str,
) -> Result<Vec<ServerGroup>, CloudError> {
    let client = aws.scaling_reads(place).await?;
    let mut pages =
        client.describe_auto_scaling_groups().max_records(PAGE).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(group) = pages.next().await {
        let group = group.map_err(faults::read("DescribeAutoScalingGroups"))?;
        let name = group.auto_scaling_group_name().unwrap_or_default();
        let belongs = name == cluster
            || name.parse().is_ok_and(|name: ServerGroupName| name.moniker.cluster() == cluster);
        if belongs {
            found.push(read(group));
        }
    }
    Ok(found)
}

pub(super) async fn named(
    aws: &AwsCloud,
    place: &Place,
    names: &[String],
) -> Result<Vec<ServerGroup>, CloudError> {
    let client = aws.scaling_reads(place).await?;
    let mut found = Vec::new();
    for names in names.chunks(NAMES_PER_CALL) {
        let mut pages = client
            .describe_auto_scaling_groups()
            .set_auto_scaling_group_names(Some(names.to_vec()))
            .into_paginator()
            .items()
            .send();
        while let Some(group) = pages.next().await {
            found.push(read(group.map_err(faults::read("DescribeAutoScalingGroups"))?));
        }
    }
    Ok(found)
}

fn read(group: AutoScalingGroup) -> ServerGroup {
    // A group whose age is unknown counts as new: too new to be anybody's victim.
    let created = group.created_time.and_then(|time| time.to_millis().ok());
    let created_ms = created.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(u64::MAX);
    let template = launch_template(&group);
    let lifecycle = match group.status {
        // Only a group that is going has a status.
        Some(_) => GroupLifecycle::Deleting,
        None => GroupLifecycle::Active,
    };
    let tags: BTreeMap<String, String> = group
        .tags
        .unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())))
        .collect();
    ServerGroup {
        name: group.auto_scaling_group_name.unwrap_or_default(),
        arn: group.auto_scaling_group_arn.unwrap_or_default(),
        created_ms,
        capacity: Capacity {
            min: count(group.min_size),
            desired: count(group.desired_capacity),
            max: count(group.max_size),
        },
        instances: group.instances.unwrap_or_default().into_iter().filter_map(instance).collect(),
        launch_template: template,
        load_balancers: group.load_balancer_names.unwrap_or_default(),
        target_groups: group.target_group_arns.unwrap_or_default(),
        suspended: group
            .suspended_processes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|process| process.process_name)
            .collect(),
        tags,
        lifecycle,
    }
}

fn launch_template(group: &AutoScalingGroup) -> Option<TemplateRef> {
    let mixed = || {
        let policy = group.mixed_instances_policy.as_ref()?;
        policy.launch_template.as_ref()?.launch_template_specification.as_ref()
    };
    let template = group.launch_template.as_ref().or_else(mixed)?;
    Some(TemplateRef {
        id: template.launch_template_id.clone()?,
        name: template.launch_template_name.clone()?,
        version: template.version.clone().unwrap_or_else(default_version),
    })
}

fn instance(instance: Instance) -> Option<GroupInstance> {
    let lifecycle = lifecycle(instance.lifecycle_state?.as_str());
    let healthy =
        instance.health_status.is_some_and(|status| status.eq_ignore_ascii_case("healthy"));
    let health = if healthy { GroupHealth::Healthy } else { GroupHealth::Unhealthy };
    Some(GroupInstance { id: instance.instance_id?, lifecycle, health })
}

/// By its text: most of the SDK's many variants mean the same here, and there will be more.
fn lifecycle(state: &str) -> InstanceLifecycle {
    match state.split(':').next().unwrap_or_default() {
        "InService" => InstanceLifecycle::InService,
        "Pending" => InstanceLifecycle::Pending,
        "Terminating" | "Terminated" => InstanceLifecycle::Terminating,
        _ => InstanceLifecycle::Other(state.to_owned()),
    }
}

pub(super) async fn create(
    aws: &AwsCloud,
    place: &Place,
    new: &NewServerGroup,
) -> Result<(), CloudError> {
    let client = aws.scaling_writes(place).await?;
    let template = LaunchTemplateSpecification::builder()
        .launch_template_name(&new.launch_template)
        .version("1")
        .build();
    let tags = new
        .tags
        .iter()
        .map(|(key, value)| tag_of(&new.name, key).value(value).propagate_at_launch(true).build());
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    client
        .create_auto_scaling_group()
        .auto_scaling_group_name(&new.name)
        .launch_template(template)
        .min_size(size(new.capacity.min))
        .desired_capacity(size(new.capacity.desired))
        .max_size(size(new.capacity.max))
        .vpc_zone_identifier(new.subnets.join(","))
        .set_load_balancer_names(some(&new.load_balancers))
        .set_target_group_arns(some(&new.target_groups))
        .health_check_type(&new.health_check_type)
        .health_check_grace_period(size(new.health_check_grace_period))
        .default_cooldown(size(new.cooldown))
        .set_termination_policies(some(&new.termination_policies))
        .deletion_protection(DeletionProtection::PreventForceDeletion)
        .set_tags(Some(tags.collect()))
        .send()
        .await
        .map_err(faults::read("CreateAutoScalingGroup"))?;
    Ok(())
}

fn tag_of(group: &str, key: &str) -> aws_sdk_autoscaling::types::builders::TagBuilder {
    Tag::builder().resource_id(group).resource_type(TAGGED).key(key)
}

pub(super) async fn set_capacity(
    aws: &AwsCloud,
    place: &Place,
    group: &str,
    capacity: Capacity,
) -> Result<(), CloudError> {
    let client = aws.scaling_writes(place).await?;
    client
        .update_auto_scaling_group()
        .auto_scaling_group_name(group)
        .min_size(size(capacity.min))
        .desired_capacity(size(capacity.desired))
        .max_size(size(capacity.max))
        .send()
        .await
        .map_err(faults::read("UpdateAutoScalingGroup"))?;
    Ok(())
}

pub(super) async fn suspend(
    aws: &AwsCloud,
    place: &Place,
    group: &str,
    processes: &[String],
) -> Result<(), CloudError> {
    let client = aws.scaling_writes(place).await?;
    client
        .suspend_processes()
        .auto_scaling_group_name(group)
        .set_scaling_processes(Some(processes.to_vec()))
        .send()
        .await
        .map_err(faults::read("SuspendProcesses"))?;
    Ok(())
}

pub(super) async fn resume(
    aws: &AwsCloud,
    place: &Place,
    group: &str,
    processes: &[String],
) -> Result<(), CloudError> {
    let client = aws.scaling_writes(place).await?;
    client
        .resume_processes()
        .auto_scaling_group_name(group)
        .set_scaling_processes(Some(processes.to_vec()))
        .send()
        .await
        .map_err(faults::read("ResumeProcesses"))?;
    Ok(())
}

pub(super) async fn tag(
    aws: &AwsCloud,
    place: &Place,
    group: &str,
    key: &str,
    value: &str,
) -> Result<(), CloudError> {
    let client = aws.scaling_writes(place).await?;
    let tag = tag_of(group, key).value(value).propagate_at_launch(false).build();
    client
        .create_or_update_tags()
        .tags(tag)
        .send()
        .await
        .map_err(faults::read("CreateOrUpdateTags"))?;
    Ok(())
}

pub(super) async fn untag(
    aws: &AwsCloud,
    place: &Place,
    group: &str,
    key: &str,
) -> Result<(), CloudError> {
    let client = aws.scaling_writes(place).await?;
    client
        .delete_tags()
        .tags(tag_of(group, key).build())
        .send()
        .await
        .map_err(faults::read("DeleteTags"))?;
    Ok(())
}

/// Without force: AWS refuses while there are instances.
pub(super) async fn delete(aws: &AwsCloud, place: &Place, group: &str) -> Result<(), CloudError> {
    let client = aws.scaling_writes(place).await?;
    client
        .delete_auto_scaling_group()
        .auto_scaling_group_name(group)
        .send()
        .await
        .map_err(faults::read("DeleteAutoScalingGroup"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_in_service_is_in_service() {
        for (text, expected) in [
            ("InService", InstanceLifecycle::InService),
            ("Pending:Wait", InstanceLifecycle::Pending),
            ("Terminating:Proceed", InstanceLifecycle::Terminating),
            ("Terminated", InstanceLifecycle::Terminating),
            ("Warmed:Pending", InstanceLifecycle::Other("Warmed:Pending".to_owned())),
            ("Standby", InstanceLifecycle::Other("Standby".to_owned())),
        ] {
            assert_eq!(lifecycle(text), expected);
        }
    }

    #[test]
    fn a_group_without_an_age_is_nobodys_victim_and_one_with_a_status_is_going() {
        let group = AutoScalingGroup::builder()
            .auto_scaling_group_name("shop-v001")
            .status("Delete in progress")
            .desired_capacity(3)
            .build();
        let read = read(group);
        assert_eq!((read.created_ms, read.capacity.desired), (u64::MAX, 3));
        assert_eq!(read.lifecycle, GroupLifecycle::Deleting);
    }
}
