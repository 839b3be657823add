//! The deploy worker's port.

use std::collections::BTreeMap;

use wire::Capacity;
use worker_deploy::ports::{
    BalancedInstance, Balancer, BalancerHealth, CloudError, Fault, GroupHealth, GroupInstance,
    GroupLifecycle, Image, ImageQuery as PortImageQuery, ImageState, InstanceLifecycle,
    InstanceState as PortInstance, LaunchTemplate, NewLaunchTemplate, NewServerGroup, Place, Power,
    Reply, SecurityGroup, ServerGroup, ServerGroupCloud, Subnet, TaggedImage, TargetGroup,
    TemplateRef as PortTemplateRef,
};

use super::{InProcess, Said, rfc3339, said};
use crate::world::{
    Caller, World,
    balancer::{BalancerRef, Verdict},
    error::CallError,
    filter::Filter,
    group::{Group, GroupSpec, GroupTag, Lifecycle, MemberHealth, TagReach, cluster_of},
    group_calls::{Deletion, Sizes},
    image::{self, ImageQuery},
    instance::InstanceState,
    template::{CreateTemplate, Template, TemplateData, TemplateRef},
};

impl InProcess {
    fn deploy<'a, T: Send + 'a>(
        &'a self,
        place: &'a Place,
        call: &'static str,
        act: impl FnOnce(&mut World, &Caller) -> Result<T, CallError> + Send + 'a,
    ) -> Reply<'a, T> {
        Box::pin(async move {
            self.call(Some(&place.account), &place.region, act)
                .map_err(|error| CloudError::new(call, fault(error)))
        })
    }
}

impl ServerGroupCloud for InProcess {
    fn cluster<'a>(&'a self, place: &'a Place, cluster: &'a str) -> Reply<'a, Vec<ServerGroup>> {
        self.deploy(place, "DescribeAutoScalingGroups", move |world, caller| {
            let found = world.describe_groups(caller, &[])?;
            let ours = |group: &Group| cluster_of(&group.spec.name) == cluster;
            Ok(found.into_iter().filter(ours).map(group_of).collect())
        })
    }

    fn groups<'a>(&'a self, place: &'a Place, names: &'a [String]) -> Reply<'a, Vec<ServerGroup>> {
        self.deploy(place, "DescribeAutoScalingGroups", |world, caller| {
            if names.is_empty() {
                return Ok(Vec::new());
            }
            Ok(world.describe_groups(caller, names)?.into_iter().map(group_of).collect())
        })
    }

    fn image<'a>(&'a self, place: &'a Place, id_or_name: &'a str) -> Reply<'a, Option<Image>> {
        self.deploy(place, "DescribeImages", move |world, caller| {
            let name = if id_or_name.starts_with("ami-") { "image-id" } else { "name" };
            let filters = vec![Filter::new(name, id_or_name)];
            let query = ImageQuery { filters, ..ImageQuery::default() };
            let mut found = world.describe_images(caller, &query)?;
            found.sort_by_key(|i| (i.state == image::ImageState::Available, i.created_ms));
            Ok(found.pop().map(|image| Image {
                id: image.id,
                name: image.name,
                state: image_state(image.state),
            }))
        })
    }

    fn template_image<'a>(
        &'a self,
        place: &'a Place,
        template: &'a PortTemplateRef,
    ) -> Reply<'a, Option<String>> {
        let named = TemplateRef::Id(template.id.clone());
        let found = self.deploy(place, "DescribeLaunchTemplateVersions", move |world, caller| {
            world.describe_templates(caller, &[named], &[])
        });
        Box::pin(async move {
            match found.await {
                Ok(found) => Ok(found.into_iter().map(|template| template.data.image_id).next()),
                Err(CloudError { fault: Fault::NotFound(_), .. }) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn tagged_images<'a>(&'a self, query: &'a PortImageQuery) -> Reply<'a, Vec<TaggedImage>> {
        let tagged = query.tags.iter().map(|(k, v)| Filter::new(&format!("tag:{k}"), v));
        let named = Filter::new("name", &format!("{}*", query.name_begin));
        let asked = ImageQuery {
            ids: Vec::new(),
            owners: vec!["self".to_owned()],
            filters: tagged.chain([named]).collect(),
        };
        Box::pin(async move {
            let describe =
                |world: &mut World, caller: &Caller| world.describe_images(caller, &asked);
            let found = self
                .call(query.account.as_deref(), &query.region, describe)
                .map_err(|error| CloudError::new(PortImageQuery::CALL, fault(error)))?;
            if found.len() > PortImageQuery::MAX {
                return Err(query.too_many());
            }
            let fits = |image: &image::Image| query.fits(&image.name, &image.tags);
            Ok(found.into_iter().filter(fits).map(tagged_of).collect())
        })
    }

    fn subnets<'a>(&'a self, place: &'a Place) -> Reply<'a, Vec<Subnet>> {
        self.deploy(place, "DescribeSubnets", |world, caller| {
            let found = world.describe_subnets(caller, &[], &[])?.into_iter();
            Ok(found
                .map(|subnet| Subnet {
                    id: subnet.id,
                    zone: subnet.zone,
                    vpc: subnet.vpc,
                    default_for_zone: subnet.default_for_zone,
                    tags: subnet.tags,
                })
                .collect())
        })
    }

    fn security_groups<'a>(
        &'a self,
        place: &'a Place,
        vpc: &'a str,
        ids_or_names: &'a [String],
    ) -> Reply<'a, Vec<SecurityGroup>> {
        self.deploy(place, "DescribeSecurityGroups", move |world, caller| {
            let found =
                world.describe_security_groups(caller, &[], &[Filter::new("vpc-id", vpc)])?;
            Ok(found
                .into_iter()
                .filter(|g| ids_or_names.contains(&g.id) || ids_or_names.contains(&g.name))
                .map(|group| SecurityGroup { id: group.id, name: group.name })
                .collect())
        })
    }

    fn load_balancers<'a>(
        &'a self,
        place: &'a Place,
        names: &'a [String],
    ) -> Reply<'a, Vec<String>> {
        self.deploy(place, "DescribeLoadBalancers", |world, caller| {
            // Asked for by name, AWS refuses all when one is missing.
            let found = world.describe_load_balancers(caller, &[])?;
            Ok(found.into_iter().map(|b| b.name).filter(|name| names.contains(name)).collect())
        })
    }

    fn target_groups<'a>(
        &'a self,
        place: &'a Place,
        names: &'a [String],
    ) -> Reply<'a, Vec<TargetGroup>> {
        self.deploy(place, "DescribeTargetGroups", |world, caller| {
            let found = world.describe_target_groups(caller, &[], &[])?;
            Ok(found
                .into_iter()
                .filter(|(_, group)| names.contains(&group.name))
                .map(|(arn, group)| TargetGroup { name: group.name, arn })
                .collect())
        })
    }

    fn balancer_health<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
    ) -> Reply<'a, Vec<BalancedInstance>> {
        let call = match balancer {
            Balancer::Classic(_) => "DescribeInstanceHealth",
            Balancer::TargetGroup(_) => "DescribeTargetHealth",
        };
        self.deploy(place, call, |world, caller| {
            let found = world.describe_health(caller, &reference(balancer), &[])?;
            let known = found.into_iter().filter_map(|(id, verdict)| Some((id, verdict?)));
            Ok(known.map(|(id, verdict)| balanced(id, verdict)).collect())
        })
    }

    fn instances<'a>(
        &'a self,
        place: &'a Place,
        ids: &'a [String],
    ) -> Reply<'a, Vec<PortInstance>> {
        self.deploy(place, "DescribeInstances", |world, caller| {
            let filter = Filter { name: "instance-id".to_owned(), values: ids.to_vec() };
            let found = world.describe_instances(caller, &[], &[filter])?;
            Ok(found
                .into_iter()
                .map(|instance| PortInstance {
                    power: power(instance.state),
                    id: instance.id,
                    reason: instance.state_reason,
                })
                .collect())
        })
    }

    fn launch_template<'a>(
        &'a self,
        place: &'a Place,
        name: &'a str,
    ) -> Reply<'a, Option<LaunchTemplate>> {
        self.deploy(place, "DescribeLaunchTemplates", move |world, caller| {
            let filter = Filter::new("launch-template-name", name);
            let found = world.describe_templates(caller, &[], &[filter])?;
            Ok(found.into_iter().map(template_of).next())
        })
    }

    fn create_launch_template<'a>(
        &'a self,
        place: &'a Place,
        template: &'a NewLaunchTemplate,
    ) -> Reply<'a, LaunchTemplate> {
        self.deploy(place, "CreateLaunchTemplate", |world, caller| {
            let request = CreateTemplate {
                name: template.name.clone(),
                client_token: Some(template.client_token.clone()),
                data: template_data(template),
                tags: template.tags.clone(),
            };
            world.create_template(caller, &request).map(template_of)
        })
    }

    fn delete_launch_template<'a>(&'a self, place: &'a Place, id: &'a str) -> Reply<'a, ()> {
        self.deploy(place, "DeleteLaunchTemplate", move |world, caller| {
            world.delete_template(caller, &TemplateRef::Id(id.to_owned())).map(drop)
        })
    }

    fn create_group<'a>(&'a self, place: &'a Place, group: &'a NewServerGroup) -> Reply<'a, ()> {
        self.deploy(place, "CreateAutoScalingGroup", |world, caller| {
            let template = TemplateRef::Name(group.launch_template.clone());
            world.create_group(caller, &spec_of(group), &template)
        })
    }

    fn set_capacity<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        capacity: Capacity,
    ) -> Reply<'a, ()> {
        self.deploy(place, "UpdateAutoScalingGroup", move |world, caller| {
            let Capacity { min, desired, max } = capacity;
            let sizes = Sizes { min: Some(min), desired: Some(desired), max: Some(max) };
            world.resize_group(caller, group, sizes)
        })
    }

    fn suspend<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        processes: &'a [String],
    ) -> Reply<'a, ()> {
        self.deploy(place, "SuspendProcesses", move |world, caller| {
            world.suspend(caller, group, processes)
        })
    }

    fn resume<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        processes: &'a [String],
    ) -> Reply<'a, ()> {
        self.deploy(place, "ResumeProcesses", move |world, caller| {
            world.resume(caller, group, processes)
        })
    }

    fn register<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
        instances: &'a [String],
    ) -> Reply<'a, ()> {
        let call = match balancer {
            Balancer::Classic(_) => "RegisterInstancesWithLoadBalancer",
            Balancer::TargetGroup(_) => "RegisterTargets",
        };
        self.deploy(place, call, |world, caller| {
            world.register(caller, &reference(balancer), instances)
        })
    }

    fn deregister<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
        instances: &'a [String],
    ) -> Reply<'a, ()> {
        let call = match balancer {
            Balancer::Classic(_) => "DeregisterInstancesFromLoadBalancer",
            Balancer::TargetGroup(_) => "DeregisterTargets",
        };
        self.deploy(place, call, |world, caller| {
            world.deregister(caller, &reference(balancer), instances)
        })
    }

    fn tag<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> Reply<'a, ()> {
        self.deploy(place, "CreateOrUpdateTags", move |world, caller| {
            let tag = GroupTag { value: value.to_owned(), reach: TagReach::Group };
            world.tag_group(caller, group, &BTreeMap::from([(key.to_owned(), tag)]))
        })
    }

    fn untag<'a>(&'a self, place: &'a Place, group: &'a str, key: &'a str) -> Reply<'a, ()> {
        self.deploy(place, "DeleteTags", move |world, caller| {
            world.untag_group(caller, group, &[key.to_owned()])
        })
    }

    fn delete_group<'a>(&'a self, place: &'a Place, group: &'a str) -> Reply<'a, ()> {
        self.deploy(place, "DeleteAutoScalingGroup", move |world, caller| {
            world.delete_group(caller, group, Deletion::OfEmpty)
        })
    }
}

fn image_state(state: image::ImageState) -> ImageState {
    match state {
        image::ImageState::Available => ImageState::Available,
        image::ImageState::Pending | image::ImageState::Failed => {
            ImageState::Other(state.as_str().to_owned())
        }
    }
}

fn tagged_of(image: image::Image) -> TaggedImage {
    TaggedImage {
        id: image.id,
        name: image.name,
        created: rfc3339(image.created_ms),
        state: image_state(image.state),
    }
}

fn reference(balancer: &Balancer) -> BalancerRef {
    match balancer {
        Balancer::Classic(name) => BalancerRef::Classic(name.clone()),
        Balancer::TargetGroup(arn) => BalancerRef::TargetGroup(arn.clone()),
    }
}

fn group_of(group: Group) -> ServerGroup {
    let instances = group.members.iter().map(|(id, member)| GroupInstance {
        id: id.clone(),
        lifecycle: match member.lifecycle {
            Lifecycle::Pending => InstanceLifecycle::Pending,
            Lifecycle::InService => InstanceLifecycle::InService,
            Lifecycle::Terminating => InstanceLifecycle::Terminating,
        },
        health: match member.health {
            MemberHealth::Healthy => GroupHealth::Healthy,
            MemberHealth::Unhealthy => GroupHealth::Unhealthy,
        },
    });
    let GroupSpec { min, desired, max, .. } = group.spec;
    ServerGroup {
        instances: instances.collect(),
        created_ms: group.created_ms,
        capacity: Capacity { min, desired, max },
        launch_template: Some(PortTemplateRef {
            id: group.template_id,
            name: group.spec.template,
            version: "1".to_owned(),
        }),
        suspended: group.suspended,
        lifecycle: if group.deleting { GroupLifecycle::Deleting } else { GroupLifecycle::Active },
        name: group.spec.name,
        arn: group.arn,
        load_balancers: group.spec.load_balancers,
        target_groups: group.spec.target_groups,
        tags: group.spec.tags.into_iter().map(|(key, tag)| (key, tag.value)).collect(),
    }
}

fn template_of(template: Template) -> LaunchTemplate {
    LaunchTemplate { id: template.id, name: template.name, tags: template.tags }
}

fn template_data(template: &NewLaunchTemplate) -> TemplateData {
    let rest = [
        ("associate_public_ip", format!("{:?}", template.associate_public_ip)),
        ("ebs_optimized", template.ebs_optimized.to_string()),
        ("monitoring", template.instance_monitoring.to_string()),
    ];
    TemplateData {
        image_id: template.image_id.clone(),
        instance_type: template.instance_type.clone(),
        key_name: template.key_pair.clone(),
        instance_profile: template.iam_role.clone(),
        security_groups: template.security_groups.clone(),
        user_data: template.user_data.clone(),
        rest: rest.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

fn spec_of(group: &NewServerGroup) -> GroupSpec {
    let Capacity { min, desired, max } = group.capacity;
    let tag = |(key, value): (&String, &String)| {
        let tag = GroupTag { value: value.clone(), reach: TagReach::GroupAndInstances };
        (key.clone(), tag)
    };
    GroupSpec {
        name: group.name.clone(),
        template: group.launch_template.clone(),
        min,
        desired,
        max,
        subnets: group.subnets.clone(),
        load_balancers: group.load_balancers.clone(),
        target_groups: group.target_groups.clone(),
        health_check_type: group.health_check_type.clone(),
        grace_seconds: group.health_check_grace_period,
        cooldown_seconds: group.cooldown,
        termination_policies: group.termination_policies.clone(),
        deletion_protection: Some("prevent-force-deletion".to_owned()),
        tags: group.tags.iter().map(tag).collect(),
    }
}

fn balanced(id: String, verdict: Verdict) -> BalancedInstance {
    let (health, reason) = match verdict {
        Verdict::Initial => {
            (BalancerHealth::Starting, Some("Elb.RegistrationInProgress: registration in progress"))
        }
        Verdict::Healthy => (BalancerHealth::Up, None),
        Verdict::Unhealthy => {
            (BalancerHealth::Down, Some("Target.FailedHealthChecks: Health checks failed"))
        }
        Verdict::Draining => {
            (BalancerHealth::Draining, Some("Target.DeregistrationInProgress: draining"))
        }
        Verdict::Unused => {
            (BalancerHealth::OutOfService, Some("Target.InvalidState: the instance does not run"))
        }
    };
    BalancedInstance { id, health, reason: reason.map(str::to_owned) }
}

const fn power(state: InstanceState) -> Power {
    match state {
        InstanceState::Pending => Power::Pending,
        InstanceState::Running => Power::Running,
        InstanceState::Stopping | InstanceState::Stopped => Power::Stopped,
        InstanceState::ShuttingDown | InstanceState::Terminated => Power::Terminated,
    }
}

fn fault(error: CallError) -> Fault {
    let error = match said(error) {
        Said::Throttled => return Fault::Throttled,
        Said::Unknown(detail) => return Fault::UnknownOutcome(detail),
        Said::Refused(error) => error,
    };
    let text = error.to_string();
    match error.code.as_str() {
        "AlreadyExists" | "InvalidLaunchTemplateName.AlreadyExistsException" => {
            Fault::AlreadyExists(text)
        }
        "ResourceInUse" | "ScalingActivityInProgress" | "ResourceContention" => Fault::InUse(text),
        "LoadBalancerNotFound"
        | "TargetGroupNotFound"
        | "InvalidLaunchTemplateId.NotFound"
        | "InvalidLaunchTemplateName.NotFoundException" => Fault::NotFound(text),
        "ValidationError" if error.message.contains("not found") => Fault::NotFound(text),
        _ => Fault::Refused { code: error.code, message: error.message },
    }
}
