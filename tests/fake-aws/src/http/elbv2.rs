//! Target groups, version 2015-12-01.

use super::{Answer, form::Form, unknown_action, xml::Xml};
use crate::world::{
    Caller, World,
    balancer::{BalancerRef, Verdict},
    filter::page,
};

const PAGE: usize = 400;

pub(super) fn answer(action: &str, world: &mut World, caller: &Caller, form: &Form) -> Answer {
    match action {
        "DescribeTargetGroups" => describe(world, caller, form),
        "DescribeTargetHealth" => health(world, caller, form),
        "RegisterTargets" => {
            let (group, ids) = group_and_targets(form)?;
            form.finish()?;
            world.register(caller, &group, &ids)?;
            Ok(Xml::new())
        }
        "DeregisterTargets" => {
            let (group, ids) = group_and_targets(form)?;
            form.finish()?;
            world.deregister(caller, &group, &ids)?;
            Ok(Xml::new())
        }
        _ => Err(unknown_action(action)),
    }
}

fn group_and_targets(
    form: &Form,
) -> Result<(BalancerRef, Vec<String>), crate::world::error::ApiError> {
    let prefix = "Targets.member.";
    let group = BalancerRef::TargetGroup(form.required("TargetGroupArn")?);
    let id = |n: &u32| form.text(&format!("{prefix}{n}.Id"));
    let ids = form.numbers(prefix).iter().filter_map(id).collect();
    for n in form.numbers(prefix) {
        form.accept(&[&format!("{prefix}{n}.Port")]);
    }
    Ok((group, ids))
}

fn describe(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let names = form.list("Names.member.");
    let arns = form.list("TargetGroupArns.member.");
    let request = form.page("PageSize", "Marker")?;
    form.finish()?;
    let page = page(world.describe_target_groups(caller, &names, &arns)?, &request, PAGE)?;
    let mut xml = Xml::new();
    xml.list("TargetGroups", "member", &page.items, |xml, (arn, group)| {
        xml.leaf("TargetGroupArn", arn)
            .leaf("TargetGroupName", &group.name)
            .leaf("Protocol", "HTTP")
            .leaf("Port", group.port)
            .leaf("VpcId", &group.vpc)
            .leaf("HealthCheckEnabled", true)
            .leaf("TargetType", "instance");
    });
    xml.maybe("NextMarker", page.next);
    Ok(xml)
}

fn health(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let (group, ids) = group_and_targets(form)?;
    form.finish()?;
    let states = world.describe_health(caller, &group, &ids)?;
    let port = world
        .site(&caller.site)
        .and_then(|region| region.balancers.get(&group))
        .map_or(80, |group| group.port);
    let mut xml = Xml::new();
    xml.list("TargetHealthDescriptions", "member", &states, |xml, (id, verdict)| {
        xml.tree("Target", |xml| {
            xml.leaf("Id", id).leaf("Port", port);
        });
        // Values as in the API reference, TargetHealth.
        let (state, reason, text) = match verdict {
            Some(Verdict::Healthy) => ("healthy", None, None),
            Some(Verdict::Initial) => (
                "initial",
                Some("Elb.RegistrationInProgress"),
                Some("Target registration is in progress"),
            ),
            Some(Verdict::Unhealthy) => {
                ("unhealthy", Some("Target.FailedHealthChecks"), Some("Health checks failed"))
            }
            Some(Verdict::Draining) => (
                "draining",
                Some("Target.DeregistrationInProgress"),
                Some("Target deregistration is in progress"),
            ),
            Some(Verdict::Unused) => {
                ("unused", Some("Target.InvalidState"), Some("Target is in the stopped state"))
            }
            None => (
                "unused",
                Some("Target.NotRegistered"),
                Some("Target is not registered to the target group"),
            ),
        };
        xml.leaf("HealthCheckPort", port).tree("TargetHealth", |xml| {
            xml.leaf("State", state).maybe("Reason", reason).maybe("Description", text);
        });
    });
    Ok(xml)
}
