//! Classic load balancers, version 2012-06-01.

use super::{Answer, form::Form, unknown_action, xml::Xml};
use crate::world::{
    Caller, World,
    balancer::{BalancerRef, Verdict},
    filter::page,
};

const PAGE: usize = 400;

pub(super) fn answer(action: &str, world: &mut World, caller: &Caller, form: &Form) -> Answer {
    match action {
        "DescribeLoadBalancers" => describe(world, caller, form),
        "DescribeInstanceHealth" => health(world, caller, form),
        "RegisterInstancesWithLoadBalancer" | "DeregisterInstancesFromLoadBalancer" => {
            register(action, world, caller, form)
        }
        _ => Err(unknown_action(action)),
    }
}

fn instances(form: &Form) -> Vec<String> {
    let prefix = "Instances.member.";
    let id = |n: &u32| form.text(&format!("{prefix}{n}.InstanceId"));
    form.numbers(prefix).iter().filter_map(id).collect()
}

fn describe(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let names = form.list("LoadBalancerNames.member.");
    let request = form.page("PageSize", "Marker")?;
    form.finish()?;
    let page = page(world.describe_load_balancers(caller, &names)?, &request, PAGE)?;
    let region = &caller.site.region;
    let mut xml = Xml::new();
    xml.list("LoadBalancerDescriptions", "member", &page.items, |xml, balancer| {
        xml.leaf("LoadBalancerName", &balancer.name)
            .leaf("DNSName", format!("{}.{region}.elb.amazonaws.com", balancer.name))
            .leaf("VPCId", &balancer.vpc)
            .leaf("Scheme", "internet-facing")
            .list("Instances", "member", balancer.registrations.keys(), |xml, id| {
                xml.leaf("InstanceId", id);
            });
    });
    xml.maybe("NextMarker", page.next);
    Ok(xml)
}

fn health(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let balancer = BalancerRef::Classic(form.required("LoadBalancerName")?);
    let ids = instances(form);
    form.finish()?;
    let states = world.describe_health(caller, &balancer, &ids)?;
    let mut xml = Xml::new();
    xml.list("InstanceStates", "member", &states, |xml, (id, verdict)| {
        // Values as in the API reference, InstanceState.
        let (state, reason, text) = match verdict {
            Some(Verdict::Healthy) => ("InService", "N/A", "N/A"),
            Some(Verdict::Initial) => {
                ("OutOfService", "ELB", "Instance registration is still in progress.")
            }
            Some(Verdict::Unhealthy) => (
                "OutOfService",
                "Instance",
                "Instance has failed at least the UnhealthyThreshold number of health checks \
                 consecutively.",
            ),
            Some(Verdict::Draining) => {
                ("InService", "N/A", "Instance deregistration currently in progress.")
            }
            Some(Verdict::Unused) => ("OutOfService", "Instance", "Instance is not running."),
            None => (
                "OutOfService",
                "Instance",
                "Instance is not currently registered with the LoadBalancer.",
            ),
        };
        xml.leaf("InstanceId", id)
            .leaf("State", state)
            .leaf("ReasonCode", reason)
            .leaf("Description", text);
    });
    Ok(xml)
}

fn register(action: &str, world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let balancer = BalancerRef::Classic(form.required("LoadBalancerName")?);
    let ids = instances(form);
    form.finish()?;
    if action == "RegisterInstancesWithLoadBalancer" {
        world.register(caller, &balancer, &ids)?;
    } else {
        world.deregister(caller, &balancer, &ids)?;
    }
    // AWS answers with what is registered then; that is part of this call, not another one.
    let held = world.site(&caller.site).and_then(|region| region.balancers.get(&balancer));
    let left = held.into_iter().flat_map(|balancer| {
        let stays = |verdict| verdict != Verdict::Draining;
        balancer.registrations.iter().filter(move |(_, held)| stays(held.verdict))
    });
    let mut xml = Xml::new();
    xml.list("Instances", "member", left, |xml, (id, _)| {
        xml.leaf("InstanceId", id);
    });
    Ok(xml)
}
