//! EC2: images.

use super::{
    Answer,
    ec2::{PAGE, tag_set},
    form::Form,
    xml::Xml,
};
use crate::{
    in_process::rfc3339,
    world::{
        Caller, World,
        filter::page,
        image::{CreateImage, Image, ImageQuery, ImageState, LaunchableBy},
    },
};

pub(super) fn describe(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let query = ImageQuery {
        ids: form.list("ImageId."),
        owners: form.list("Owner."),
        filters: form.filters()?,
    };
    let executable_by = form.list("ExecutableBy.");
    let request = form.page("MaxResults", "NextToken")?;
    form.accept(&["IncludeDeprecated", "IncludeDisabled"]);
    form.finish()?;
    let mut found = world.describe_images(caller, &query)?;
    if !executable_by.is_empty() {
        // `self` is what was shared by name, and nothing is; `all` is what is public.
        let public = executable_by.iter().any(|who| who == "all");
        found.retain(|image| public && image.launchable_by == LaunchableBy::Everybody);
    }
    let page = page(found, &request, PAGE)?;
    let mut xml = Xml::new();
    xml.list("imagesSet", "item", &page.items, write);
    xml.maybe("nextToken", page.next);
    Ok(xml)
}

fn write(xml: &mut Xml, image: &Image) {
    xml.leaf("imageId", &image.id)
        .leaf("imageLocation", format!("{}/{}", image.owner, image.name))
        .leaf("imageState", image.state.as_str())
        .leaf("imageOwnerId", &image.owner)
        .leaf("creationDate", rfc3339(image.created_ms))
        .leaf("isPublic", image.launchable_by == LaunchableBy::Everybody)
        .leaf("architecture", &image.architecture)
        .leaf("imageType", "machine")
        .leaf("name", &image.name)
        .leaf("description", &image.description)
        .leaf("rootDeviceType", "ebs")
        .leaf("rootDeviceName", "/dev/xvda")
        .leaf("virtualizationType", &image.virtualization)
        .leaf("hypervisor", "xen")
        .leaf("enaSupport", image.ena_support);
    if let (ImageState::Failed, Some(reason)) = (image.state, &image.state_reason) {
        xml.tree("stateReason", |xml| {
            xml.leaf("code", "Server.InternalError").leaf("message", reason);
        });
    }
    tag_set(xml, &image.tags);
}

pub(super) fn create(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let request = CreateImage {
        instance_id: form.required("InstanceId")?,
        name: form.required("Name")?,
        description: form.text("Description").unwrap_or_default(),
        tags: form.tags_of("image")?,
    };
    form.accept(&["NoReboot", "BlockDeviceMapping."]);
    form.finish()?;
    let id = world.create_image(caller, &request)?;
    let mut xml = Xml::new();
    xml.leaf("imageId", id);
    Ok(xml)
}

pub(super) fn deregister(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let id = form.required("ImageId")?;
    form.finish()?;
    world.deregister_image(caller, &id)?;
    let mut xml = Xml::new();
    xml.leaf("return", true);
    Ok(xml)
}
