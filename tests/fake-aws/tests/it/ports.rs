//! The in-process face: time is tokio's, errors are the ports' own.

use std::{collections::BTreeMap, time::Duration};

use fake_aws::{
    FakeAws, GroupSeed, InProcess, Seed,
    world::fault::{Fault as Wrong, Script},
};
use wire::Capacity;
use worker_bake::{
    ports::{BuilderOrder, BuilderState, CloudError, ImageCloud, ImageOrder, ImageQuery, Place},
    user_data::{Pin, Spec, Upgrade, render},
};
use worker_deploy::ports::{
    Balancer, BalancerHealth, Fault, GroupLifecycle, ImageQuery as OwnImages, NewLaunchTemplate,
    NewServerGroup, Place as DeployPlace, ServerGroupCloud,
};

use crate::world::{BASE, REGION, site, texts};

fn cloud() -> InProcess {
    let old = GroupSeed {
        region: REGION.to_owned(),
        name: "shop-web-v000".to_owned(),
        size: 1,
        load_balancers: texts(&["shop-web"]),
        target_groups: texts(&["shop-web"]),
    };
    let seed = Seed::default().with_package("shop-web", "1.4.2").with_group(old);
    InProcess::new(FakeAws::seeded(&seed).unwrap())
}

fn place() -> Place {
    Place { account: None, region: REGION.to_owned() }
}

fn deploy_place() -> DeployPlace {
    DeployPlace { account: "staging".to_owned(), region: REGION.to_owned() }
}

fn order() -> BuilderOrder {
    let spec = Spec {
        key: "k1".to_owned(),
        packages: vec![Pin { name: "shop-web".to_owned(), version: Some("1.4.2".to_owned()) }],
        repositories: Vec::new(),
        upgrade: Upgrade::No,
    };
    BuilderOrder {
        client_token: "t1".to_owned(),
        image_id: Seed::base_image_id(REGION, BASE),
        instance_type: "t3.small".to_owned(),
        subnet_id: None,
        security_group_ids: Vec::new(),
        iam_instance_profile: None,
        user_data: render(&spec),
        tags: crate::world::builder_tags("k1"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_real_bake_script_is_run_and_an_image_made_of_it() {
    let cloud = cloud();
    let started = cloud.run_builder(&place(), &order()).await.unwrap();
    assert_eq!(started.state, BuilderState::Pending);
    tokio::time::advance(Duration::from_secs(5)).await;
    let ids = [started.id.clone(), "i-unknown".to_owned()];
    let seen = cloud.builders(&place(), &ids).await.unwrap();
    assert_eq!(
        seen.iter().map(|builder| builder.state).collect::<Vec<_>>(),
        [BuilderState::Stopped]
    );
    let console = cloud.console(&place(), &started.id).await.unwrap();
    assert!(console.contains("\nBOWLINE-BAKE-OK k1\n"), "{console}");
    let order = ImageOrder {
        builder_id: started.id.clone(),
        name: "shop-web-1.4.2-g1".to_owned(),
        description: String::new(),
        tags: crate::world::builder_tags("k1"),
    };
    let id = cloud.create_image(&place(), &order).await.unwrap();
    let again = cloud.create_image(&place(), &order).await;
    assert!(matches!(again, Err(CloudError::NameTaken { .. })), "{again:?}");
    let found = cloud.images(&place(), ImageQuery::OwnBakeKey("k1".to_owned())).await.unwrap();
    assert_eq!(found[0].id, id);
    cloud.terminate_builder(&place(), &started.id).await.unwrap();
    assert_eq!(cloud.aws().world().violations(), []);
}

#[tokio::test(start_paused = true)]
async fn silence_and_throttling_reach_the_ports_as_what_they_are() {
    let cloud = cloud();
    cloud.aws().world().script_fault(Script::next("RunInstances", Wrong::ExecuteAndTimeout));
    let lost = cloud.run_builder(&place(), &order()).await;
    assert!(matches!(lost, Err(CloudError::UnknownOutcome { .. })), "{lost:?}");
    let found = cloud.builder_of_token(&place(), "t1").await.unwrap();
    assert!(found.is_some());
    cloud.aws().world().script_fault(Script::next("*", Wrong::Throttle));
    let error = cloud.subnets(&deploy_place()).await.unwrap_err();
    assert_eq!(error.fault, Fault::Throttled);
}

fn template() -> NewLaunchTemplate {
    NewLaunchTemplate {
        name: "shop-web-v001-x".to_owned(),
        client_token: "lt1".to_owned(),
        image_id: Seed::base_image_id(REGION, BASE),
        instance_type: "t3.small".to_owned(),
        key_pair: None,
        iam_role: None,
        security_groups: vec![Seed::security_group_id(&site(), "default")],
        user_data: String::new(),
        associate_public_ip: None,
        ebs_optimized: false,
        instance_monitoring: false,
        tags: BTreeMap::new(),
    }
}

fn new_group() -> NewServerGroup {
    NewServerGroup {
        name: "shop-web-v001".to_owned(),
        launch_template: "shop-web-v001-x".to_owned(),
        capacity: Capacity { min: 1, desired: 1, max: 1 },
        subnets: vec![Seed::subnet_id(&site(), "internal (vpc0)", "a")],
        load_balancers: texts(&["shop-web"]),
        target_groups: vec![Seed::target_group_arn(&site(), "shop-web")],
        health_check_type: "EC2".to_owned(),
        health_check_grace_period: 0,
        cooldown: 0,
        termination_policies: Vec::new(),
        tags: BTreeMap::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_group_is_made_becomes_healthy_and_an_old_one_is_retired() {
    let (cloud, place) = (cloud(), deploy_place());
    cloud.create_launch_template(&place, &template()).await.unwrap();
    cloud.create_group(&place, &new_group()).await.unwrap();
    let again = cloud.create_group(&place, &new_group()).await.unwrap_err();
    assert!(matches!(again.fault, Fault::AlreadyExists(_)), "{again}");
    tokio::time::advance(Duration::from_secs(5)).await;
    let groups = cloud.cluster(&place, "shop-web").await.unwrap();
    assert_eq!(groups.len(), 2);
    let new = groups.iter().find(|group| group.name == "shop-web-v001").unwrap();
    for balancer in new.balancers() {
        let health = cloud.balancer_health(&place, &balancer).await.unwrap();
        assert!(health.iter().all(|one| one.health == BalancerHealth::Up), "{health:?}");
    }
    let old = "shop-web-v000";
    let busy = cloud.delete_group(&place, old).await.unwrap_err();
    assert!(matches!(busy.fault, Fault::InUse(_)), "{busy}");
    cloud.set_capacity(&place, old, Capacity { min: 0, desired: 0, max: 0 }).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    cloud.delete_group(&place, old).await.unwrap();
    let going = cloud.groups(&place, &texts(&[old])).await.unwrap();
    assert_eq!(going[0].lifecycle, GroupLifecycle::Deleting);
    tokio::time::advance(Duration::from_secs(5)).await;
    let gone = cloud.delete_group(&place, old).await.unwrap_err();
    assert!(matches!(gone.fault, Fault::NotFound(_)), "{gone}");
    assert_eq!(cloud.aws().world().violations(), []);
}

#[tokio::test(start_paused = true)]
async fn names_that_do_not_exist_are_left_out() {
    let (cloud, place) = (cloud(), deploy_place());
    let names = texts(&["shop-web", "absent"]);
    assert_eq!(cloud.load_balancers(&place, &names).await.unwrap(), ["shop-web"]);
    assert_eq!(cloud.target_groups(&place, &names).await.unwrap().len(), 1);
    assert_eq!(cloud.image(&place, BASE).await.unwrap().unwrap().name, BASE);
    assert_eq!(cloud.image(&place, "absent").await.unwrap(), None);
    let vpc = Seed::vpc_id(&site());
    assert_eq!(cloud.security_groups(&place, &vpc, &names).await.unwrap().len(), 1);
    let absent = Balancer::Classic("absent".to_owned());
    let error = cloud.balancer_health(&place, &absent).await.unwrap_err();
    assert!(matches!(error.fault, Fault::NotFound(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_group_leads_to_its_image_by_its_template() {
    let (cloud, place) = (cloud(), deploy_place());
    let groups = cloud.groups(&place, &texts(&["shop-web-v000"])).await.unwrap();
    let mut template = groups[0].launch_template.clone().unwrap();
    let image = cloud.template_image(&place, &template).await.unwrap().unwrap();
    assert_eq!(cloud.image(&place, &image).await.unwrap().unwrap().id, image);
    template.id = "lt-gone".to_owned();
    assert_eq!(cloud.template_image(&place, &template).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn own_images_are_found_by_the_begin_of_their_names_and_all_their_tags() {
    let cloud = cloud();
    let builder = cloud.run_builder(&place(), &order()).await.unwrap();
    tokio::time::advance(Duration::from_secs(5)).await;
    for (name, generation) in [("shop-web-1", "1"), ("shop-web-2", "2"), ("cart-1", "1")] {
        let mut tags = crate::world::builder_tags("k1");
        tags.insert("bowline:generation".to_owned(), generation.to_owned());
        let (builder_id, description) = (builder.id.clone(), String::new());
        let order = ImageOrder { builder_id, name: name.to_owned(), description, tags };
        cloud.create_image(&place(), &order).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(5)).await;
    for (name_begin, tags, expected) in [
        ("shop-web", &[("bowline:bake-key", "k1")][..], &["shop-web-1", "shop-web-2"][..]),
        ("shop-web", &[("bowline:bake-key", "k1"), ("bowline:generation", "2")], &["shop-web-2"]),
        ("shop-web", &[("bowline:bake-key", "k*")], &[]),
        ("*-1", &[], &[]),
        ("debian", &[], &[]),
        ("shop", &[], &["shop-web-1", "shop-web-2"]),
    ] {
        let query = OwnImages {
            account: None,
            region: REGION.to_owned(),
            name_begin: name_begin.to_owned(),
            tags: crate::world::tags(tags),
        };
        let found = cloud.tagged_images(&query).await.unwrap();
        let mut names: Vec<String> = found.into_iter().map(|image| image.name).collect();
        names.sort();
        assert_eq!(names, expected, "{name_begin} {tags:?}");
    }
}
