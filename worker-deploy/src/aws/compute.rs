//! Networks, instances and launch templates over EC2.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    Filter, InstanceType, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, LaunchTemplatesMonitoringRequest,
    RequestLaunchTemplateData, ResourceType, Tag, TagSpecification,
};

use super::{AwsCloud, faults};
use crate::ports::{
    CloudError, Fault, InstanceState, LaunchTemplate, NewLaunchTemplate, Place, Power,
    SecurityGroup, Subnet,
};

/// EC2 takes so many values in one filter.
const VALUES_PER_FILTER: usize = 200;

pub(super) fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

pub(super) fn tags(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    let pair = |tag: Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    tags.unwrap_or_default().into_iter().filter_map(pair).collect()
}

pub(super) async fn subnets(aws: &AwsCloud, place: &Place) -> Result<Vec<Subnet>, CloudError> {
    let client = aws.ec2_reads(place).await?;
    let mut pages = client.describe_subnets().into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(subnet) = pages.next().await {
        let subnet = subnet.map_err(faults::read("DescribeSubnets"))?;
        found.push(Subnet {
            id: subnet.subnet_id.unwrap_or_default(),
            zone: subnet.availability_zone.unwrap_or_default(),
            vpc: subnet.vpc_id.unwrap_or_default(),
            default_for_zone: subnet.default_for_az.unwrap_or_default(),
            tags: tags(subnet.tags),
        });
    }
    Ok(found)
}

pub(super) async fn security_groups(
    aws: &AwsCloud,
    place: &Place,
    vpc: &str,
    ids_or_names: &[String],
) -> Result<Vec<SecurityGroup>, CloudError> {
    let client = aws.ec2_reads(place).await?;
    let (ids, names): (Vec<String>, Vec<String>) =
        ids_or_names.iter().cloned().partition(|text| text.starts_with("sg-"));
    let mut found = Vec::new();
    for (key, values) in [("group-id", ids), ("group-name", names)] {
        for values in values.chunks(VALUES_PER_FILTER) {
            let mut pages = client
                .describe_security_groups()
                .filters(filter("vpc-id", &[vpc.to_owned()]))
                .filters(filter(key, values))
                .into_paginator()
                .items()
                .send();
            while let Some(group) = pages.next().await {
                let group = group.map_err(faults::read("DescribeSecurityGroups"))?;
                found.push(SecurityGroup {
                    id: group.group_id.unwrap_or_default(),
                    name: group.group_name.unwrap_or_default(),
                });
            }
        }
    }
    Ok(found)
}

/// By filter: naming ids outright is an error when one of them is gone.
pub(super) async fn instances(
    aws: &AwsCloud,
    place: &Place,
    ids: &[String],
) -> Result<Vec<InstanceState>, CloudError> {
    let client = aws.ec2_reads(place).await?;
    let mut found = Vec::new();
    for ids in ids.chunks(VALUES_PER_FILTER) {
        let mut pages = client
            .describe_instances()
            .filters(filter("instance-id", ids))
            .into_paginator()
            .items()
            .send();
        while let Some(reservation) = pages.next().await {
            let reservation = reservation.map_err(faults::read("DescribeInstances"))?;
            let instances = reservation.instances.unwrap_or_default();
            found.extend(instances.into_iter().filter_map(instance));
        }
    }
    Ok(found)
}

fn instance(instance: aws_sdk_ec2::types::Instance) -> Option<InstanceState> {
    // By its text: the SDK's enum is open. Unknown is not running.
    let power = match instance.state?.name?.as_str() {
        "pending" => Power::Pending,
        "running" => Power::Running,
        "stopping" | "stopped" => Power::Stopped,
        "shutting-down" | "terminated" => Power::Terminated,
        _ => return None,
    };
    let reason = instance.state_reason.and_then(|reason| reason.message);
    Some(InstanceState { id: instance.instance_id?, power, reason })
}

pub(super) async fn launch_template(
    aws: &AwsCloud,
    place: &Place,
    name: &str,
) -> Result<Option<LaunchTemplate>, CloudError> {
    let client = aws.ec2_reads(place).await?;
    let mut pages = client
        .describe_launch_templates()
        .filters(filter("launch-template-name", &[name.to_owned()]))
        .into_paginator()
        .items()
        .send();
    while let Some(template) = pages.next().await {
        let template = template.map_err(faults::read("DescribeLaunchTemplates"))?;
        if template.launch_template_name() == Some(name) {
            return Ok(Some(template_of(template)));
        }
    }
    Ok(None)
}

fn template_of(template: aws_sdk_ec2::types::LaunchTemplate) -> LaunchTemplate {
    LaunchTemplate {
        id: template.launch_template_id.unwrap_or_default(),
        name: template.launch_template_name.unwrap_or_default(),
        tags: tags(template.tags),
    }
}

pub(super) async fn create_launch_template(
    aws: &AwsCloud,
    place: &Place,
    new: &NewLaunchTemplate,
) -> Result<LaunchTemplate, CloudError> {
    let client = aws.ec2_writes(place).await?;
    let tagged =
        new.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let answer = client
        .create_launch_template()
        .launch_template_name(&new.name)
        .client_token(&new.client_token)
        .launch_template_data(body(new))
        .tag_specifications(
            TagSpecification::builder()
                .resource_type(ResourceType::LaunchTemplate)
                .set_tags(Some(tagged))
                .build(),
        )
        .send()
        .await
        .map_err(faults::read("CreateLaunchTemplate"))?;
    answer.launch_template.map(template_of).ok_or_else(|| {
        let what = "the answer holds no launch template".to_owned();
        CloudError::new("CreateLaunchTemplate", Fault::UnknownOutcome(what))
    })
}

fn body(new: &NewLaunchTemplate) -> RequestLaunchTemplateData {
    let mut body = RequestLaunchTemplateData::builder()
        .image_id(&new.image_id)
        .instance_type(InstanceType::from(new.instance_type.as_str()))
        .set_key_name(new.key_pair.clone())
        .user_data(&new.user_data)
        .ebs_optimized(new.ebs_optimized)
        .monitoring(
            LaunchTemplatesMonitoringRequest::builder().enabled(new.instance_monitoring).build(),
        );
    if let Some(role) = &new.iam_role {
        let profile = LaunchTemplateIamInstanceProfileSpecificationRequest::builder();
        let profile = if role.starts_with("arn:") { profile.arn(role) } else { profile.name(role) };
        body = body.iam_instance_profile(profile.build());
    }
    match new.associate_public_ip {
        // A public address is a property of the interface, and then so are the security groups.
        Some(public) => {
            let interface = LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
                .device_index(0)
                .associate_public_ip_address(public)
                .set_groups(Some(new.security_groups.clone()))
                .build();
            body.network_interfaces(interface).build()
        }
        None if new.security_groups.is_empty() => body.build(),
        None => body.set_security_group_ids(Some(new.security_groups.clone())).build(),
    }
}

pub(super) async fn delete_launch_template(
    aws: &AwsCloud,
    place: &Place,
    id: &str,
) -> Result<(), CloudError> {
    let client = aws.ec2_writes(place).await?;
    client
        .delete_launch_template()
        .launch_template_id(id)
        .send()
        .await
        .map_err(faults::read("DeleteLaunchTemplate"))?;
    Ok(())
}
