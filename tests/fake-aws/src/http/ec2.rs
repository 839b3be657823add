//! EC2, version 2016-11-15: the network, tags, and which action is where.

use std::collections::BTreeMap;

use super::{
    Answer, ec2_images, ec2_instances, ec2_templates, form::Form, unknown_action, xml::Xml,
};
use crate::world::{Caller, World, filter::page};

/// Most things on a page that was not asked for in parts.
pub(super) const PAGE: usize = 1_000;

pub(super) fn answer(action: &str, world: &mut World, caller: &Caller, form: &Form) -> Answer {
    match action {
        "DescribeImages" => ec2_images::describe(world, caller, form),
        "CreateImage" => ec2_images::create(world, caller, form),
        "DeregisterImage" => ec2_images::deregister(world, caller, form),
        "RunInstances" => ec2_instances::run(world, caller, form),
        "DescribeInstances" => ec2_instances::describe(world, caller, form),
        "GetConsoleOutput" => ec2_instances::console(world, caller, form),
        "ModifyInstanceAttribute" => ec2_instances::modify(world, caller, form),
        "TerminateInstances" => ec2_instances::terminate(world, caller, form),
        "CreateLaunchTemplate" => ec2_templates::create(world, caller, form),
        "DescribeLaunchTemplates" => ec2_templates::describe(world, caller, form),
        "DescribeLaunchTemplateVersions" => ec2_templates::versions(world, caller, form),
        "DeleteLaunchTemplate" => ec2_templates::delete(world, caller, form),
        "CreateTags" => create_tags(world, caller, form),
        "DescribeSubnets" => subnets(world, caller, form),
        "DescribeSecurityGroups" => security_groups(world, caller, form),
        "DescribeRegions" => regions(world, caller, form),
        _ => Err(unknown_action(action)),
    }
}

/// `<tagSet>`.
pub(super) fn tag_set(xml: &mut Xml, tags: &BTreeMap<String, String>) {
    xml.list("tagSet", "item", tags, |xml, (key, value)| {
        xml.leaf("key", key).leaf("value", value);
    });
}

fn create_tags(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let ids = form.list("ResourceId.");
    let tags = form.tags("Tag.")?;
    form.finish()?;
    world.create_tags(caller, &ids, &tags)?;
    let mut xml = Xml::new();
    xml.leaf("return", true);
    Ok(xml)
}

fn subnets(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let (ids, filters) = (form.list("SubnetId."), form.filters()?);
    let request = form.page("MaxResults", "NextToken")?;
    form.finish()?;
    let page = page(world.describe_subnets(caller, &ids, &filters)?, &request, PAGE)?;
    let mut xml = Xml::new();
    xml.list("subnetSet", "item", &page.items, |xml, subnet| {
        xml.leaf("subnetId", &subnet.id)
            .leaf("state", "available")
            .leaf("vpcId", &subnet.vpc)
            .leaf("cidrBlock", &subnet.cidr)
            .leaf("availableIpAddressCount", 100)
            .leaf("availabilityZone", &subnet.zone)
            .leaf("defaultForAz", subnet.default_for_zone)
            .leaf("mapPublicIpOnLaunch", false)
            .leaf("ownerId", &caller.site.account);
        tag_set(xml, &subnet.tags);
    });
    xml.maybe("nextToken", page.next);
    Ok(xml)
}

fn security_groups(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let (ids, filters) = (form.list("GroupId."), form.filters()?);
    let request = form.page("MaxResults", "NextToken")?;
    form.finish()?;
    let page = page(world.describe_security_groups(caller, &ids, &filters)?, &request, PAGE)?;
    let mut xml = Xml::new();
    xml.list("securityGroupInfo", "item", &page.items, |xml, group| {
        xml.leaf("ownerId", &caller.site.account)
            .leaf("groupId", &group.id)
            .leaf("groupName", &group.name)
            .leaf("groupDescription", &group.description)
            .leaf("vpcId", &group.vpc);
        tag_set(xml, &group.tags);
    });
    xml.maybe("nextToken", page.next);
    Ok(xml)
}

/// For those who look whether their credentials work.
fn regions(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    form.accept(&["AllRegions", "RegionName."]);
    form.finish()?;
    let own = world.sites().keys().filter(|site| site.account == caller.site.account);
    let mut xml = Xml::new();
    xml.list("regionInfo", "item", own, |xml, site| {
        xml.leaf("regionName", &site.region)
            .leaf("regionEndpoint", format!("ec2.{}.amazonaws.com", site.region))
            .leaf("optInStatus", "opt-in-not-required");
    });
    Ok(xml)
}
