//! EC2: instances.

use base64::{Engine as _, engine::general_purpose::STANDARD};

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
        instance::{Instance, InstanceState, OnShutdown, RunInstances},
    },
};

pub(super) fn run(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    if (form.required("MinCount")?.as_str(), form.required("MaxCount")?.as_str()) != ("1", "1") {
        let text = "This cloud starts one instance per call";
        return Err(ApiError::new(Rule::InstanceCount, text).into());
    }
    let interface = "NetworkInterface.1.";
    let subnet_id = form.text("SubnetId").or_else(|| form.text(&format!("{interface}SubnetId")));
    let mut security_groups = form.list("SecurityGroupId.");
    security_groups.extend(form.list(&format!("{interface}SecurityGroupId.")));
    let request = RunInstances {
        client_token: form.text("ClientToken"),
        image_id: form.required("ImageId")?,
        instance_type: form.text("InstanceType").unwrap_or_else(|| "m1.small".to_owned()),
        subnet_id,
        security_groups,
        key_name: form.text("KeyName"),
        instance_profile: form
            .text("IamInstanceProfile.Name")
            .or_else(|| form.text("IamInstanceProfile.Arn")),
        user_data: user_data(form)?,
        on_shutdown: match form.text("InstanceInitiatedShutdownBehavior").as_deref() {
            None | Some("stop") => OnShutdown::Stop,
            Some("terminate") => OnShutdown::Terminate,
            Some(other) => {
                let text = format!("Value ({other}) for InstanceInitiatedShutdownBehavior");
                return Err(ApiError::new(Rule::ParameterInvalid, text).into());
            }
        },
        tags: form.tags_of("instance")?,
    };
    form.accept(&["MetadataOptions.", "BlockDeviceMapping.", "EbsOptimized", "Monitoring."]);
    form.accept(&["NetworkInterface.1.DeviceIndex", "NetworkInterface.1.AssociatePublicIpAddress"]);
    form.finish()?;
    let instance = world.run_instances(caller, &request)?;
    let mut xml = Xml::new();
    reservation(&mut xml, caller, &instance);
    Ok(xml)
}

fn user_data(form: &Form) -> Result<String, ApiError> {
    let encoded = form.text("UserData").unwrap_or_default();
    match STANDARD.decode(encoded) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => {
            let text = format!("Invalid BASE64 encoding of user data: {error}");
            Err(ApiError::new(Rule::UserDataSize, text))
        }
    }
}

pub(super) fn describe(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let (ids, filters) = (form.list("InstanceId."), form.filters()?);
    let request = form.page("MaxResults", "NextToken")?;
    form.finish()?;
    let page = page(world.describe_instances(caller, &ids, &filters)?, &request, PAGE)?;
    let mut xml = Xml::new();
    xml.list("reservationSet", "item", &page.items, |xml, instance| {
        reservation(xml, caller, instance);
    });
    xml.maybe("nextToken", page.next);
    Ok(xml)
}

fn reservation(xml: &mut Xml, caller: &Caller, instance: &Instance) {
    xml.leaf("reservationId", instance.id.replacen("i-", "r-", 1))
        .leaf("ownerId", &caller.site.account)
        .tree("groupSet", |_| {})
        .list("instancesSet", "item", [instance], write);
}

fn write(xml: &mut Xml, instance: &Instance) {
    xml.leaf("instanceId", &instance.id).leaf("imageId", &instance.image_id);
    state(xml, "instanceState", instance.state);
    xml.leaf("privateDnsName", "").leaf("dnsName", "");
    if let Some(reason) = &instance.state_reason {
        let code = reason.split(':').next().unwrap_or_default();
        xml.leaf("reason", reason).tree("stateReason", |xml| {
            xml.leaf("code", code).leaf("message", reason);
        });
    }
    xml.maybe("keyName", instance.key_name.as_ref())
        .leaf("amiLaunchIndex", 0)
        .leaf("instanceType", &instance.instance_type)
        .leaf("launchTime", rfc3339(instance.launched_ms))
        .tree("placement", |xml| {
            xml.leaf("availabilityZone", &instance.zone).leaf("tenancy", "default");
        })
        .leaf("subnetId", &instance.subnet)
        .leaf("vpcId", &instance.vpc)
        .leaf("architecture", "x86_64")
        .list("groupSet", "item", &instance.security_groups, |xml, id| {
            xml.leaf("groupId", id);
        })
        .leaf("rootDeviceType", "ebs")
        .leaf("virtualizationType", "hvm")
        .maybe("clientToken", instance.client_token.as_ref())
        .leaf("enaSupport", instance.ena_support);
    tag_set(xml, &instance.tags);
}

fn state(xml: &mut Xml, name: &str, state: InstanceState) {
    xml.tree(name, |xml| {
        xml.leaf("code", state.code()).leaf("name", state.as_str());
    });
}

pub(super) fn console(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let id = form.required("InstanceId")?;
    form.accept(&["Latest"]);
    form.finish()?;
    let output = world.console_output(caller, &id)?;
    let mut xml = Xml::new();
    xml.leaf("instanceId", &id).leaf("timestamp", rfc3339(world.now_ms()));
    if !output.is_empty() {
        xml.leaf("output", STANDARD.encode(output));
    }
    Ok(xml)
}

pub(super) fn modify(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let id = form.required("InstanceId")?;
    let ena = form.required("EnaSupport.Value")?;
    form.finish()?;
    if ena != "true" {
        let text = "Enhanced networking cannot be switched off";
        return Err(ApiError::new(Rule::ParameterInvalid, text).into());
    }
    world.enable_ena(caller, &id)?;
    let mut xml = Xml::new();
    xml.leaf("return", true);
    Ok(xml)
}

pub(super) fn terminate(world: &mut World, caller: &Caller, form: &Form) -> Answer {
    let ids = form.list("InstanceId.");
    form.accept(&["Force", "SkipOsShutdown"]);
    form.finish()?;
    let ended = world.terminate_instances(caller, &ids)?;
    let mut xml = Xml::new();
    xml.list("instancesSet", "item", &ended, |xml, (instance, before)| {
        xml.leaf("instanceId", &instance.id);
        state(xml, "currentState", instance.state);
        state(xml, "previousState", *before);
    });
    Ok(xml)
}
