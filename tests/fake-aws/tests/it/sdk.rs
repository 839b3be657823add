//! The real SDK against the HTTP face: a bake, a deployment, and what errors look like to it.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_autoscaling::{self as scaling, types::LaunchTemplateSpecification};
use aws_sdk_ec2::{
    self as ec2,
    config::Credentials,
    error::ProvideErrorMetadata,
    types::{
        AttributeBooleanValue, Filter, InstanceType, RequestLaunchTemplateData, ResourceType,
        ShutdownBehavior, Tag, TagSpecification,
    },
};
use aws_sdk_elasticloadbalancing as classic;
use aws_sdk_elasticloadbalancingv2 as targets;
use aws_smithy_http_client::{Builder, tls};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fake_aws::{GroupSeed, Seed};
use worker_bake::user_data::{Pin, Spec, Upgrade, render};

use crate::{
    query::Face,
    world::{BASE, REGION, site, texts},
};

async fn config(face: &Face) -> SdkConfig {
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(ring).build_https())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("AKIATEST", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(&face.url)
        .load()
        .await
}

fn seed() -> Seed {
    Seed::default().with_package("shop-web", "1.4.2").with_group(GroupSeed {
        region: REGION.to_owned(),
        name: "shop-web-v000".to_owned(),
        size: 1,
        load_balancers: texts(&["shop-web"]),
        target_groups: texts(&["shop-web"]),
    })
}

fn tagged(resource: ResourceType) -> TagSpecification {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    TagSpecification::builder()
        .resource_type(resource)
        .tags(tag("managed-by", "bowline"))
        .tags(tag("bowline:bake-key", "k1"))
        .build()
}

/// Asks until it is so, at most ten seconds.
async fn until<F: Future<Output = bool>>(what: &str, ask: impl Fn() -> F) {
    let asked = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let so = tokio::time::timeout(Duration::from_secs(10), asked).await;
    assert!(so.is_ok(), "waited for: {what}");
}

async fn started_builder(client: &ec2::Client) -> String {
    let spec = Spec {
        key: "k1".to_owned(),
        packages: vec![Pin { name: "shop-web".to_owned(), version: None }],
        repositories: Vec::new(),
        upgrade: Upgrade::No,
    };
    let answer = client
        .run_instances()
        .client_token("t1")
        .min_count(1)
        .max_count(1)
        .image_id(Seed::base_image_id(REGION, BASE))
        .instance_type(InstanceType::from("t3.small"))
        .user_data(STANDARD.encode(render(&spec)))
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Stop)
        .tag_specifications(tagged(ResourceType::Instance))
        .tag_specifications(tagged(ResourceType::Volume))
        .send()
        .await
        .unwrap();
    answer.instances()[0].instance_id().unwrap().to_owned()
}

async fn state(client: &ec2::Client, id: &str) -> String {
    let filter = Filter::builder().name("instance-id").values(id).build();
    let answer = client.describe_instances().filters(filter).send().await.unwrap();
    let instance = &answer.reservations()[0].instances()[0];
    instance.state().unwrap().name().unwrap().as_str().to_owned()
}

#[tokio::test]
async fn the_sdk_bakes_an_image() {
    let face = Face::start(&seed()).await;
    let client = ec2::Client::new(&config(&face).await);
    let builder = started_builder(&client).await;
    until("the builder to stop", || async { state(&client, &builder).await == "stopped" }).await;
    let answer =
        client.get_console_output().instance_id(&builder).latest(true).send().await.unwrap();
    let console = STANDARD.decode(answer.output().unwrap()).unwrap();
    assert!(String::from_utf8(console).unwrap().contains("BOWLINE-BAKE-OK k1"));
    let ena = AttributeBooleanValue::builder().value(true).build();
    client.modify_instance_attribute().instance_id(&builder).ena_support(ena).send().await.unwrap();
    let make = || {
        let tags = tagged(ResourceType::Image);
        client.create_image().instance_id(&builder).name("shop-web-1").tag_specifications(tags)
    };
    let image = make().send().await.unwrap().image_id.unwrap();
    let again = make().send().await.unwrap_err();
    assert_eq!(again.code(), Some("InvalidAMIName.Duplicate"));
    until("the image to be available", || async {
        let found = client.describe_images().owners("self").image_ids(&image).send().await.unwrap();
        let found = &found.images()[0];
        assert_eq!(found.tags().len(), 2);
        found.state().is_some_and(|state| state.as_str() == "available")
    })
    .await;
    client.terminate_instances().instance_ids(&builder).send().await.unwrap();
    assert_eq!(face.aws.world().violations(), []);
}

async fn made_template(client: &ec2::Client) -> String {
    let data = RequestLaunchTemplateData::builder()
        .image_id(Seed::base_image_id(REGION, BASE))
        .instance_type(InstanceType::from("t3.small"))
        .security_group_ids(Seed::security_group_id(&site(), "shop-web"))
        .user_data(STANDARD.encode("#!/bin/sh\n"))
        .build();
    let answer = client
        .create_launch_template()
        .launch_template_name("shop-web-v001-x")
        .client_token("lt1")
        .launch_template_data(data)
        .send()
        .await
        .unwrap();
    answer.launch_template.unwrap().launch_template_id.unwrap()
}

async fn make_group(client: &scaling::Client, template: &str) -> Result<(), scaling::Error> {
    let tag = scaling::types::Tag::builder()
        .key("bowline:execution")
        .value("E1")
        .propagate_at_launch(true)
        .build();
    let subnets = ["a", "b"].map(|zone| Seed::subnet_id(&site(), "internal (vpc0)", zone));
    let template =
        LaunchTemplateSpecification::builder().launch_template_id(template).version("1").build();
    client
        .create_auto_scaling_group()
        .auto_scaling_group_name("shop-web-v001")
        .launch_template(template)
        .min_size(1)
        .max_size(1)
        .desired_capacity(1)
        .vpc_zone_identifier(subnets.join(","))
        .load_balancer_names("shop-web")
        .target_group_arns(Seed::target_group_arn(&site(), "shop-web"))
        .health_check_type("ELB")
        .health_check_grace_period(600)
        .tags(tag)
        .send()
        .await?;
    Ok(())
}

async fn group(client: &scaling::Client, name: &str) -> scaling::types::AutoScalingGroup {
    let answer =
        client.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await.unwrap();
    answer.auto_scaling_groups()[0].clone()
}

#[tokio::test]
async fn the_sdk_makes_a_group_and_sees_it_become_healthy() {
    let face = Face::start(&seed()).await;
    let config = config(&face).await;
    let scaling = scaling::Client::new(&config);
    let template = made_template(&ec2::Client::new(&config)).await;
    make_group(&scaling, &template).await.unwrap();
    let again = make_group(&scaling, &template).await.unwrap_err();
    assert!(matches!(again, scaling::Error::AlreadyExistsFault(_)), "{again:?}");
    let (elb, elbv2) = (classic::Client::new(&config), targets::Client::new(&config));
    until("two healthy targets", || async {
        let arn = Seed::target_group_arn(&site(), "shop-web");
        let answer = elbv2.describe_target_health().target_group_arn(arn).send().await.unwrap();
        let states: Vec<&str> = answer
            .target_health_descriptions()
            .iter()
            .filter_map(|one| Some(one.target_health()?.state()?.as_str()))
            .collect();
        states == ["healthy", "healthy"]
    })
    .await;
    let answer =
        elb.describe_instance_health().load_balancer_name("shop-web").send().await.unwrap();
    let in_service = |one: &classic::types::InstanceState| one.state() == Some("InService");
    assert!(answer.instance_states().iter().all(in_service));
    let made = group(&scaling, "shop-web-v001").await;
    assert_eq!(made.instances()[0].lifecycle_state().unwrap().as_str(), "InService");
    assert_eq!(made.tags()[0].value(), Some("E1"));
    assert!(made.created_time().is_some());
}

#[tokio::test]
async fn the_sdk_retires_an_old_group_step_by_step() {
    let face = Face::start(&seed()).await;
    let config = config(&face).await;
    let scaling = scaling::Client::new(&config);
    let template = made_template(&ec2::Client::new(&config)).await;
    make_group(&scaling, &template).await.unwrap();
    let new_group =
        || async { face.aws.world().site(&site()).unwrap().groups["shop-web-v001"].healthy_ms };
    until("the new group to be healthy", || async { new_group().await.is_some() }).await;

    let old = "shop-web-v000";
    let delete = || scaling.delete_auto_scaling_group().auto_scaling_group_name(old).send();
    let full = scaling::Error::from(delete().await.unwrap_err());
    assert!(matches!(full, scaling::Error::ResourceInUseFault(_)), "{full:?}");
    let suspend = scaling.suspend_processes().auto_scaling_group_name(old);
    suspend
        .scaling_processes("Launch")
        .scaling_processes("AddToLoadBalancer")
        .send()
        .await
        .unwrap();
    let id = group(&scaling, old).await.instances()[0].instance_id().unwrap().to_owned();
    let target = targets::types::TargetDescription::builder().id(&id).build();
    let arn = Seed::target_group_arn(&site(), "shop-web");
    let elbv2 = targets::Client::new(&config);
    elbv2.deregister_targets().target_group_arn(arn).targets(target).send().await.unwrap();
    let instance = classic::types::Instance::builder().instance_id(&id).build();
    let elb = classic::Client::new(&config);
    let deregister = elb.deregister_instances_from_load_balancer().load_balancer_name("shop-web");
    let left = deregister.instances(instance).send().await.unwrap();
    assert_eq!(left.instances().len(), 1);
    let tag = scaling::types::Tag::builder()
        .resource_id(old)
        .resource_type("auto-scaling-group")
        .key("bowline:doomed")
        .value("E1/1")
        .propagate_at_launch(false);
    scaling.create_or_update_tags().tags(tag.build()).send().await.unwrap();
    let update = scaling.update_auto_scaling_group().auto_scaling_group_name(old);
    update.min_size(0).max_size(0).desired_capacity(0).send().await.unwrap();
    until("the old group to be empty", || async {
        group(&scaling, old).await.instances().is_empty()
    })
    .await;
    delete().await.unwrap();
    assert_eq!(group(&scaling, old).await.status(), Some("Delete in progress"));
    assert_eq!(face.aws.world().violations(), []);
}

#[tokio::test]
async fn the_sdk_pages_through_subnets_and_finds_purposes() {
    let face = Face::start(&seed()).await;
    let client = ec2::Client::new(&config(&face).await);
    let mut pages = client.describe_subnets().max_results(5).into_paginator().items().send();
    let mut purposes = Vec::new();
    while let Some(subnet) = pages.next().await {
        for tag in subnet.unwrap().tags() {
            purposes.push(tag.value().unwrap_or_default().to_owned());
        }
    }
    purposes.sort();
    purposes.dedup();
    assert_eq!(
        purposes,
        [
            r#"{"purpose":"external (vpc0)","target":"ec2"}"#,
            r#"{"purpose":"internal (vpc0)","target":"ec2"}"#,
        ]
    );
}

#[tokio::test]
async fn the_sdk_finds_the_image_of_a_group_by_its_template() {
    let face = Face::start(&seed()).await;
    let config = config(&face).await;
    let groups = scaling::Client::new(&config).describe_auto_scaling_groups();
    let groups = groups.auto_scaling_group_names("shop-web-v000").send().await.unwrap();
    let template = groups.auto_scaling_groups()[0].launch_template().unwrap().clone();
    let client = ec2::Client::new(&config);
    let version = template.version().unwrap_or("$Default");
    let asked = client.describe_launch_template_versions().versions(version);
    let answer =
        asked.launch_template_id(template.launch_template_id().unwrap()).send().await.unwrap();
    let data = answer.launch_template_versions()[0].launch_template_data().unwrap();
    let name = Filter::builder().name("name").values("old-image-of-*").build();
    let images = client.describe_images().owners("self").filters(name).max_results(1_000);
    let images = images.send().await.unwrap();
    assert_eq!(data.image_id(), images.images()[0].image_id());
}
