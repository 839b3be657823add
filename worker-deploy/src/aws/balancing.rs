//! Classic load balancers and target groups.

use aws_sdk_elasticloadbalancing as classic;
use aws_sdk_elasticloadbalancingv2 as targets;
use classic::types::Instance;
use targets::types::{TargetDescription, TargetHealthDescription, TargetHealthStateEnum};

use super::{AwsCloud, faults};
use crate::ports::{
    BalancedInstance, Balancer, BalancerHealth, CloudError, Fault, Place, TargetGroup,
};

/// One call per name: asking for several at once fails if one of them does not exist, and does not
/// say which.
pub(super) async fn load_balancers(
    aws: &AwsCloud,
    place: &Place,
    names: &[String],
) -> Result<Vec<String>, CloudError> {
    let client = classic::Client::new(&aws.sdk(place).await?.reads);
    let mut found = Vec::new();
    for name in names {
        let answer = client
            .describe_load_balancers()
            .load_balancer_names(name)
            .send()
            .await
            .map_err(faults::read("DescribeLoadBalancers"));
        match answer {
            Ok(answer) => found.extend(
                answer
                    .load_balancer_descriptions
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|balancer| balancer.load_balancer_name),
            ),
            Err(CloudError { fault: Fault::NotFound(_), .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// One call per name, as for [`load_balancers`].
pub(super) async fn target_groups(
    aws: &AwsCloud,
    place: &Place,
    names: &[String],
) -> Result<Vec<TargetGroup>, CloudError> {
    let client = targets::Client::new(&aws.sdk(place).await?.reads);
    let mut found = Vec::new();
    for name in names {
        let answer = client
            .describe_target_groups()
            .names(name)
            .send()
            .await
            .map_err(faults::read("DescribeTargetGroups"));
        match answer {
            Ok(answer) => {
                let groups = answer.target_groups.unwrap_or_default().into_iter();
                found.extend(groups.filter_map(|group| {
                    Some(TargetGroup {
                        name: group.target_group_name?,
                        arn: group.target_group_arn?,
                    })
                }));
            }
            Err(CloudError { fault: Fault::NotFound(_), .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

pub(super) async fn health(
    aws: &AwsCloud,
    place: &Place,
    balancer: &Balancer,
) -> Result<Vec<BalancedInstance>, CloudError> {
    let sdk = aws.sdk(place).await?;
    match balancer {
        Balancer::Classic(name) => {
            let answer = classic::Client::new(&sdk.reads)
                .describe_instance_health()
                .load_balancer_name(name)
                .send()
                .await
                .map_err(faults::read("DescribeInstanceHealth"))?;
            Ok(answer.instance_states.unwrap_or_default().into_iter().filter_map(seen).collect())
        }
        Balancer::TargetGroup(arn) => {
            let answer = targets::Client::new(&sdk.reads)
                .describe_target_health()
                .target_group_arn(arn)
                .send()
                .await
                .map_err(faults::read("DescribeTargetHealth"))?;
            let listed = answer.target_health_descriptions.unwrap_or_default();
            Ok(listed.into_iter().filter_map(target).collect())
        }
    }
}

/// Source: Classic Load Balancer guide, "configure connection draining": an instance that drains is
/// still `InService`, with this description.
const DRAINING: &str = "deregistration currently in progress";

fn seen(state: classic::types::InstanceState) -> Option<BalancedInstance> {
    let description = state.description.filter(|text| text != "N/A");
    let draining =
        description.as_ref().is_some_and(|text| text.to_ascii_lowercase().contains(DRAINING));
    let health = match state.state.as_deref() {
        _ if draining => BalancerHealth::Draining,
        Some("InService") => BalancerHealth::Up,
        // Out of service because its registration is not finished: reason code `ELB`.
        Some("OutOfService") if state.reason_code.as_deref() == Some("ELB") => {
            BalancerHealth::Starting
        }
        Some("OutOfService") => BalancerHealth::Down,
        Some(_) | None => BalancerHealth::Unknown,
    };
    Some(BalancedInstance { id: state.instance_id?, health, reason: description })
}

fn target(listed: TargetHealthDescription) -> Option<BalancedInstance> {
    let id = listed.target.and_then(|target| target.id)?;
    let Some(told) = listed.target_health else {
        return Some(BalancedInstance { id, health: BalancerHealth::Unknown, reason: None });
    };
    let health = match told.state {
        Some(TargetHealthStateEnum::Healthy) => BalancerHealth::Up,
        Some(TargetHealthStateEnum::Initial) => BalancerHealth::Starting,
        Some(TargetHealthStateEnum::Unhealthy) => BalancerHealth::Down,
        Some(TargetHealthStateEnum::Draining | TargetHealthStateEnum::UnhealthyDraining) => {
            BalancerHealth::Draining
        }
        Some(TargetHealthStateEnum::Unused) => BalancerHealth::OutOfService,
        // `unavailable` (health checks are off), and whatever the open enum of the SDK adds.
        Some(_) | None => BalancerHealth::Unknown,
    };
    let code = told.reason.map(|reason| reason.as_str().to_owned());
    let reason = match (code, told.description) {
        (Some(code), Some(text)) => Some(format!("{code}: {text}")),
        (code, text) => code.or(text),
    };
    Some(BalancedInstance { id, health, reason })
}

pub(super) async fn register(
    aws: &AwsCloud,
    place: &Place,
    balancer: &Balancer,
    instances: &[String],
) -> Result<(), CloudError> {
    let sdk = aws.sdk(place).await?;
    match balancer {
        Balancer::Classic(name) => {
            classic::Client::new(&sdk.writes)
                .register_instances_with_load_balancer()
                .load_balancer_name(name)
                .set_instances(Some(by_id(instances)))
                .send()
                .await
                .map_err(faults::read("RegisterInstancesWithLoadBalancer"))?;
        }
        Balancer::TargetGroup(arn) => {
            targets::Client::new(&sdk.writes)
                .register_targets()
                .target_group_arn(arn)
                .set_targets(Some(as_targets(instances)))
                .send()
                .await
                .map_err(faults::read("RegisterTargets"))?;
        }
    }
    Ok(())
}

pub(super) async fn deregister(
    aws: &AwsCloud,
    place: &Place,
    balancer: &Balancer,
    instances: &[String],
) -> Result<(), CloudError> {
    let sdk = aws.sdk(place).await?;
    match balancer {
        Balancer::Classic(name) => {
            classic::Client::new(&sdk.writes)
                .deregister_instances_from_load_balancer()
                .load_balancer_name(name)
                .set_instances(Some(by_id(instances)))
                .send()
                .await
                .map_err(faults::read("DeregisterInstancesFromLoadBalancer"))?;
        }
        Balancer::TargetGroup(arn) => {
            targets::Client::new(&sdk.writes)
                .deregister_targets()
                .target_group_arn(arn)
                .set_targets(Some(as_targets(instances)))
                .send()
                .await
                .map_err(faults::read("DeregisterTargets"))?;
        }
    }
    Ok(())
}

fn by_id(instances: &[String]) -> Vec<Instance> {
    instances.iter().map(|id| Instance::builder().instance_id(id).build()).collect()
}

fn as_targets(instances: &[String]) -> Vec<TargetDescription> {
    instances.iter().map(|id| TargetDescription::builder().id(id).build()).collect()
}
