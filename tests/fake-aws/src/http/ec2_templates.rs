//! EC2: launch templates.

use super::{
    Answer,
    ec2::{PAGE, tag_set},
    form::Form,
    xml::Xml,
};
use crate::{
    in_process::rfc3339,
    rules::Rule,
    world::{
        Caller, World,
        error::ApiError,
        filter::page,
        template::{CreateTemplate, Template, TemplateData, TemplateRef},
    },
};

pub(super) fn create(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let at = |name: &str| format!("LaunchTemplateData.{name}");
    let interface = |name: &str| form.list(&at(&format!("NetworkInterface.1.{name}.")));
    let mut security_groups = form.list(&at("SecurityGroupId."));
    security_groups.extend(interface("SecurityGroupId"));
    let known = TemplateData {
        image_id: form.required(&at("ImageId"))?,
        instance_type: form.required(&at("InstanceType"))?,
        key_name: form.text(&at("KeyName")),
        instance_profile: form
            .text(&at("IamInstanceProfile.Name"))
            .or_else(|| form.text(&at("IamInstanceProfile.Arn"))),
        security_groups,
        user_data: form.text(&at("UserData")).unwrap_or_default(),
        rest: form.with_prefixes(&[
            "LaunchTemplateData.EbsOptimized",
            "LaunchTemplateData.Monitoring.",
            "LaunchTemplateData.MetadataOptions.",
            "LaunchTemplateData.BlockDeviceMapping.",
            "LaunchTemplateData.TagSpecification.",
            "LaunchTemplateData.NetworkInterface.1.",
        ]),
    };
    let request = CreateTemplate {
        name: form.required("LaunchTemplateName")?,
        client_token: form.text("ClientToken"),
        data: known,
        tags: form.tags_of("launch-template")?,
    };
    form.accept(&["VersionDescription"]);
    form.finish()?;
    let template = world.create_template(caller, &request)?;
    let mut xml = Xml::new();
    xml.tree("launchTemplate", |xml| write(xml, &template));
    Ok(xml)
}

fn write(xml: &mut Xml, template: &Template) {
    xml.leaf("launchTemplateId", &template.id)
        .leaf("launchTemplateName", &template.name)
        .leaf("createTime", rfc3339(template.created_ms))
        .leaf("defaultVersionNumber", 1)
        .leaf("latestVersionNumber", 1);
    tag_set(xml, &template.tags);
}

pub(super) fn describe(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let by_id = form.list("LaunchTemplateId.").into_iter().map(TemplateRef::Id);
    let by_name = form.list("LaunchTemplateName.").into_iter().map(TemplateRef::Name);
    let named: Vec<TemplateRef> = by_id.chain(by_name).collect();
    let filters = form.filters()?;
    let request = form.page("MaxResults", "NextToken")?;
    form.finish()?;
    let page = page(world.describe_templates(caller, &named, &filters)?, &request, PAGE)?;
    let mut xml = Xml::new();
    xml.list("launchTemplates", "item", &page.items, write);
    xml.maybe("nextToken", page.next);
    Ok(xml)
}

pub(super) fn versions(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let named = named(form)?;
    form.accept(&["LaunchTemplateVersion.", "MaxResults"]);
    form.finish()?;
    let found = world.describe_templates(caller, &[named], &[])?;
    let mut xml = Xml::new();
    xml.list("launchTemplateVersionSet", "item", &found, |xml, template| {
        xml.leaf("launchTemplateId", &template.id)
            .leaf("launchTemplateName", &template.name)
            .leaf("versionNumber", 1)
            .leaf("createTime", rfc3339(template.created_ms))
            .leaf("defaultVersion", true)
            .tree("launchTemplateData", |xml| {
                let data = &template.data;
                xml.leaf("imageId", &data.image_id)
                    .leaf("instanceType", &data.instance_type)
                    .maybe("keyName", data.key_name.as_ref())
                    .leaf("userData", &data.user_data)
                    .texts("securityGroupIdSet", "item", &data.security_groups);
            });
    });
    Ok(xml)
}

pub(super) fn delete(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let named = named(form)?;
    form.finish()?;
    let template = world.delete_template(caller, &named)?;
    let mut xml = Xml::new();
    xml.tree("launchTemplate", |xml| write(xml, &template));
    Ok(xml)
}

fn named(form: &Form) -> Result<TemplateRef, ApiError> {
    match (form.text("LaunchTemplateId"), form.text("LaunchTemplateName")) {
        (Some(id), None) => Ok(TemplateRef::Id(id)),
        (None, Some(name)) => Ok(TemplateRef::Name(name)),
        (None, None) | (Some(_), Some(_)) => {
            let text = "Either LaunchTemplateId or LaunchTemplateName must be given";
            Err(ApiError::new(Rule::ParameterMissing, text))
        }
    }
}
