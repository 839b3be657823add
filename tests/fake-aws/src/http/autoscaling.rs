//! Auto Scaling, version 2011-01-01.

use std::collections::BTreeMap;

use super::{Answer, form::Form, unknown_action, xml::Xml};
use crate::{
    in_process::rfc3339,
    rules::Rule,
    world::{
        Caller, Region, World,
        balancer::BalancerRef,
        error::{ApiError, CallError},
        filter::page,
        group::{Group, GroupSpec, GroupTag, TagReach},
        group_calls::{Deletion, Sizes},
        template::TemplateRef,
    },
};

const NAME: &str = "AutoScalingGroupName";
const PAGE: usize = 50;
const PAGE_MAX: usize = 100;

pub(super) fn answer(action: &str, world: &mut World, caller: &Caller, form: &Form) -> Answer {
    match action {
        "DescribeAutoScalingGroups" => return describe(world, caller, form),
        "CreateAutoScalingGroup" => create(world, caller, form)?,
        "UpdateAutoScalingGroup" => update(world, caller, form)?,
        "SetDesiredCapacity" => set_desired(world, caller, form)?,
        "SuspendProcesses" | "ResumeProcesses" => processes(action, world, caller, form)?,
        "DeleteAutoScalingGroup" => delete(world, caller, form)?,
        "CreateOrUpdateTags" => tag(world, caller, form)?,
        "DeleteTags" => untag(world, caller, form)?,
        "AttachLoadBalancers"
        | "DetachLoadBalancers"
        | "AttachLoadBalancerTargetGroups"
        | "DetachLoadBalancerTargetGroups" => attach(action, world, caller, form)?,
        _ => return Err(unknown_action(action)),
    }
    Ok(Xml::new())
}

fn create(world: &mut World, caller: &Caller, form: &Form) -> Result<(), CallError> {
    let min = form.number("MinSize")?;
    let max = form.number("MaxSize")?;
    let (Some(min), Some(max)) = (min, max) else {
        let text = "MinSize and MaxSize must be given";
        return Err(ApiError::new(Rule::ParameterMissing, text).into());
    };
    let id = form.text("LaunchTemplate.LaunchTemplateId").map(TemplateRef::Id);
    let name = form.text("LaunchTemplate.LaunchTemplateName").map(TemplateRef::Name);
    let template = id.or(name).ok_or_else(|| {
        let text = "Valid requests must contain a LaunchTemplate here";
        ApiError::new(Rule::ParameterMissing, text)
    })?;
    let zones = form.text("VPCZoneIdentifier").unwrap_or_default();
    let health = form.text("HealthCheckType").unwrap_or_else(|| "EC2".to_owned());
    let spec = GroupSpec {
        name: form.required(NAME)?,
        template: String::new(),
        min,
        desired: form.number("DesiredCapacity")?.unwrap_or(min),
        max,
        subnets: zones.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        load_balancers: form.list("LoadBalancerNames.member."),
        target_groups: form.list("TargetGroupARNs.member."),
        health_check_type: health,
        grace_seconds: form.number("HealthCheckGracePeriod")?.unwrap_or(0),
        cooldown_seconds: form.number("DefaultCooldown")?.unwrap_or(300),
        termination_policies: form.list("TerminationPolicies.member."),
        deletion_protection: form.text("DeletionProtection"),
        tags: tags(form)?.into_iter().map(|(_, key, tag)| (key, tag)).collect(),
    };
    form.accept(&["LaunchTemplate.Version", "NewInstancesProtectedFromScaleIn"]);
    form.finish()?;
    world.create_group(caller, &spec, &template)
}

/// `Tags.member.N`: whose they are, key, tag.
fn tags(form: &Form) -> Result<Vec<(Option<String>, String, GroupTag)>, ApiError> {
    let prefix = "Tags.member.";
    let mut found = Vec::new();
    for n in form.numbers(prefix) {
        let at = |field: &str| format!("{prefix}{n}.{field}");
        form.accept(&[&at("ResourceType")]);
        let reach = match form.text(&at("PropagateAtLaunch")).as_deref() {
            Some("true") => TagReach::GroupAndInstances,
            Some(_) | None => TagReach::Group,
        };
        let value = form.text(&at("Value")).unwrap_or_default();
        found.push((
            form.text(&at("ResourceId")),
            form.required(&at("Key"))?,
            GroupTag { value, reach },
        ));
    }
    Ok(found)
}

/// The one group that tags are for.
fn owner(tags: &[(Option<String>, String, GroupTag)]) -> Result<String, ApiError> {
    let first = tags.first().and_then(|(owner, _, _)| owner.clone());
    let alike = tags.iter().all(|(owner, _, _)| *owner == first);
    first.filter(|_| alike).ok_or_else(|| {
        let text = "Tags must name one Auto Scaling group each, the same one here";
        ApiError::new(Rule::ParameterInvalid, text)
    })
}

fn tag(world: &mut World, caller: &Caller, form: &Form) -> Result<(), CallError> {
    let tags = tags(form)?;
    form.finish()?;
    let group = owner(&tags)?;
    let tags: BTreeMap<String, GroupTag> =
        tags.into_iter().map(|(_, key, tag)| (key, tag)).collect();
    world.tag_group(caller, &group, &tags)
}

fn untag(world: &mut World, caller: &Caller, form: &Form) -> Result<(), CallError> {
    let tags = tags(form)?;
    form.finish()?;
    let group = owner(&tags)?;
    let keys: Vec<String> = tags.into_iter().map(|(_, key, _)| key).collect();
    world.untag_group(caller, &group, &keys)
}

fn update(world: &mut World, caller: &Caller, form: &Form) -> Result<(), CallError> {
    let name = form.required(NAME)?;
    let sizes = Sizes {
        min: form.number("MinSize")?,
        desired: form.number("DesiredCapacity")?,
        max: form.number("MaxSize")?,
    };
    form.finish()?;
    world.resize_group(caller, &name, sizes)
}

fn set_desired(world: &mut World, caller: &Caller, form: &Form) -> Result<(), CallError> {
    let name = form.required(NAME)?;
    let desired = form
        .number("DesiredCapacity")?
        .ok_or_else(|| ApiError::new(Rule::ParameterMissing, "DesiredCapacity must be given"))?;
    form.accept(&["HonorCooldown"]);
    form.finish()?;
    world.set_desired(caller, &name, desired)
}

fn processes(
    action: &str,
    world: &mut World,
    caller: &Caller,
    form: &Form,
) -> Result<(), CallError> {
    let name = form.required(NAME)?;
    let processes = form.list("ScalingProcesses.member.");
    form.finish()?;
    if action == "SuspendProcesses" {
        world.suspend(caller, &name, &processes)
    } else {
        world.resume(caller, &name, &processes)
    }
}

fn delete(world: &mut World, caller: &Caller, form: &Form) -> Result<(), CallError> {
    let name = form.required(NAME)?;
    let deletion = match form.text("ForceDelete").as_deref() {
        Some("true") => Deletion::Forced,
        Some(_) | None => Deletion::OfEmpty,
    };
    form.finish()?;
    world.delete_group(caller, &name, deletion)
}

fn attach(action: &str, world: &mut World, caller: &Caller, form: &Form) -> Result<(), CallError> {
    let name = form.required(NAME)?;
    let classic = form.list("LoadBalancerNames.member.").into_iter().map(BalancerRef::Classic);
    let targets = form.list("TargetGroupARNs.member.").into_iter().map(BalancerRef::TargetGroup);
    let balancers: Vec<BalancerRef> = classic.chain(targets).collect();
    form.finish()?;
    if action.starts_with("Attach") {
        world.attach(caller, &name, &balancers)
    } else {
        world.detach(caller, &name, &balancers)
    }
}

fn describe(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let names = form.list("AutoScalingGroupNames.member.");
    let mut request = form.page("MaxRecords", "NextToken")?;
    request.size = request.size.map(|size| size.min(PAGE_MAX));
    form.accept(&["IncludeInstances"]);
    form.finish()?;
    let page = page(world.describe_groups(caller, &names)?, &request, PAGE)?;
    let region = world.site(&caller.site);
    let mut xml = Xml::new();
    xml.list("AutoScalingGroups", "member", &page.items, |xml, group| write(xml, group, region));
    xml.maybe("NextToken", page.next);
    Ok(xml)
}

fn write(xml: &mut Xml, group: &Group, region: Option<&Region>) {
    let spec = &group.spec;
    let template = |xml: &mut Xml| {
        xml.leaf("LaunchTemplateId", &group.template_id)
            .leaf("LaunchTemplateName", &spec.template)
            .leaf("Version", "1");
    };
    xml.leaf(NAME, &spec.name)
        .leaf("AutoScalingGroupARN", &group.arn)
        .tree("LaunchTemplate", template)
        .leaf("MinSize", spec.min)
        .leaf("MaxSize", spec.max)
        .leaf("DesiredCapacity", spec.desired)
        .leaf("DefaultCooldown", spec.cooldown_seconds)
        .texts("LoadBalancerNames", "member", &spec.load_balancers)
        .texts("TargetGroupARNs", "member", &spec.target_groups)
        .leaf("HealthCheckType", &spec.health_check_type)
        .leaf("HealthCheckGracePeriod", spec.grace_seconds);
    xml.list("Instances", "member", &group.members, |xml, (id, member)| {
        let instance = region.and_then(|region| region.instances.get(id));
        xml.leaf("InstanceId", id)
            .maybe("InstanceType", instance.map(|i| &i.instance_type))
            .maybe("AvailabilityZone", instance.map(|i| &i.zone))
            .leaf("LifecycleState", member.lifecycle.as_str())
            .leaf("HealthStatus", member.health.as_str())
            .tree("LaunchTemplate", template)
            .leaf("ProtectedFromScaleIn", false);
    });
    xml.leaf("CreatedTime", rfc3339(group.created_ms))
        .list("SuspendedProcesses", "member", &group.suspended, |xml, process| {
            xml.leaf("ProcessName", process).leaf("SuspensionReason", "User suspended");
        })
        .leaf("VPCZoneIdentifier", spec.subnets.join(","))
        .texts("TerminationPolicies", "member", &spec.termination_policies)
        .leaf("NewInstancesProtectedFromScaleIn", false);
    if group.deleting {
        xml.leaf("Status", "Delete in progress");
    }
    xml.maybe("DeletionProtection", spec.deletion_protection.as_ref());
    xml.list("Tags", "member", &spec.tags, |xml, (key, tag)| {
        xml.leaf("ResourceId", &spec.name)
            .leaf("ResourceType", "auto-scaling-group")
            .leaf("Key", key)
            .leaf("Value", &tag.value)
            .leaf("PropagateAtLaunch", tag.reach == TagReach::GroupAndInstances);
    });
}
