//! A world for one test, and short ways to ask it things.

use std::collections::BTreeMap;

use fake_aws::{
    GroupSeed, Seed,
    world::{
        Caller, Site, World,
        builder::Script,
        error::CallError,
        group::{GroupSpec, GroupTag, TagReach},
        image::CreateImage,
        instance::{OnShutdown, RunInstances},
        template::{CreateTemplate, TemplateData, TemplateRef},
    },
};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const BASE: &str = "debian-12-amd64-20251112-2294";
/// Longer than anything takes by itself with the fast delays.
pub(crate) const A_WHILE: u64 = 10_000;

pub(crate) fn site() -> Site {
    Site { account: "123456789012".to_owned(), region: REGION.to_owned() }
}

pub(crate) fn me() -> Caller {
    Caller { site: site(), actor: "test".to_owned() }
}

/// `BAKE key name=version …`
fn reader(user_data: &str) -> Option<Script> {
    let mut words = user_data.strip_prefix("BAKE ")?.split(' ');
    let key = words.next()?.to_owned();
    let pin = |word: &str| match word.split_once('=') {
        Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
        None => (word.to_owned(), None),
    };
    Some(Script { key, packages: words.map(pin).collect() })
}

pub(crate) fn seed() -> Seed {
    Seed::default().with_package("shop-web", "1.4.2-h118")
}

pub(crate) fn world() -> World {
    seed().build(reader).unwrap()
}

/// A world with `shop-web-v000`, two healthy instances behind both balancers.
pub(crate) fn world_with_old_group() -> World {
    let old = GroupSeed {
        region: REGION.to_owned(),
        name: "shop-web-v000".to_owned(),
        size: 2,
        load_balancers: vec!["shop-web".to_owned()],
        target_groups: vec!["shop-web".to_owned()],
    };
    seed().with_group(old).build(reader).unwrap()
}

pub(crate) fn pass(world: &mut World, ms: u64) {
    let now = world.now_ms();
    world.advance(now + ms);
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(crate) fn builder_tags(key: &str) -> BTreeMap<String, String> {
    tags(&[("managed-by", "bowline"), ("bowline:bake-key", key), ("bowline:generation", "1")])
}

pub(crate) fn order(token: &str, user_data: &str) -> RunInstances {
    RunInstances {
        client_token: Some(token.to_owned()),
        image_id: Seed::base_image_id(REGION, BASE),
        instance_type: "t3.small".to_owned(),
        subnet_id: Some(Seed::subnet_id(&site(), "internal (vpc0)", "a")),
        security_groups: vec![Seed::security_group_id(&site(), "default")],
        key_name: None,
        instance_profile: None,
        user_data: user_data.to_owned(),
        on_shutdown: OnShutdown::Stop,
        tags: builder_tags("k1"),
    }
}

pub(crate) fn image_order(instance: &str, name: &str) -> CreateImage {
    CreateImage {
        instance_id: instance.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        tags: builder_tags("k1"),
    }
}

pub(crate) fn template_order(name: &str, token: &str) -> CreateTemplate {
    CreateTemplate {
        name: name.to_owned(),
        client_token: Some(token.to_owned()),
        data: TemplateData {
            image_id: Seed::base_image_id(REGION, BASE),
            instance_type: "t3.small".to_owned(),
            security_groups: vec![Seed::security_group_id(&site(), "default")],
            ..TemplateData::default()
        },
        tags: BTreeMap::new(),
    }
}

pub(crate) fn spec(name: &str, size: u32) -> GroupSpec {
    let tag =
        |value: &str| GroupTag { value: value.to_owned(), reach: TagReach::GroupAndInstances };
    GroupSpec {
        name: name.to_owned(),
        min: size,
        desired: size,
        max: size,
        subnets: ["a", "b"].map(|z| Seed::subnet_id(&site(), "internal (vpc0)", z)).to_vec(),
        load_balancers: vec!["shop-web".to_owned()],
        target_groups: vec![Seed::target_group_arn(&site(), "shop-web")],
        health_check_type: "EC2".to_owned(),
        tags: BTreeMap::from([
            ("bowline:task".to_owned(), tag(&format!("E-{name}/S/1"))),
            ("bowline:execution".to_owned(), tag(&format!("E-{name}"))),
        ]),
        ..GroupSpec::default()
    }
}

/// A template and a group of that name.
pub(crate) fn create_group(world: &mut World, name: &str, size: u32) -> Result<(), CallError> {
    let template = world.create_template(&me(), &template_order(name, name))?;
    world.create_group(&me(), &spec(name, size), &TemplateRef::Id(template.id))
}

pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, CallError>) -> String {
    match answer.unwrap_err() {
        CallError::Refused(error) => error.code,
        CallError::NoAnswer => "no answer".to_owned(),
    }
}

pub(crate) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}
