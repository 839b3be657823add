use wire::{BakeRequest, BaseImage, BuildLink, PackageSpec};

use super::*;

fn order(version: Option<&str>) -> Order {
    Order::check(BakeRequest {
        application: "shop".to_owned(),
        pipeline: "deploy".to_owned(),
        region: "us-east-1".to_owned(),
        account: None,
        base: BaseImage { os: Some("bookworm".to_owned()), label: None, image: None },
        packages: vec![PackageSpec {
            name: "shop-web".to_owned(),
            version: version.map(str::to_owned),
            arch: None,
        }],
        image_name: None,
        rebake: false,
        upgrade: false,
        vm_type: "hvm".to_owned(),
        instance_type: None,
        enhanced_networking: false,
        attributes: BTreeMap::new(),
        build: Some(BuildLink {
            job: "shop/web/main".to_owned(),
            number: 118,
            url: Some("https://ci.example:8443/job/shop/118/".to_owned()),
            commit: Some("3f2a1bc9d0".to_owned()),
        }),
    })
    .unwrap()
}

fn task(text: &str) -> TaskId {
    text.parse().unwrap()
}

#[test]
fn equal_orders_have_equal_keys_whoever_asks() {
    let key = bake_key(&order(Some("1.4.2")), "ami-1", &[], &task("E1/S1/1"));
    assert_eq!(key, bake_key(&order(Some("1.4.2")), "ami-1", &[], &task("E2/S9/3")));
    assert_eq!(key.len(), 64);
}

#[test]
fn everything_that_changes_the_content_changes_the_key() {
    let task = task("E1/S1/1");
    let plain = order(Some("1.4.2"));
    let key = |order: &Order| bake_key(order, "ami-1", &[], &task);
    let mut others = vec![
        bake_key(&plain, "ami-2", &[], &task),
        bake_key(&plain, "ami-1", &["deb https://x y z".to_owned()], &task),
        key(&order(Some("1.4.3"))),
        key(&order(None)),
    ];
    let mut other = plain.clone();
    other.upgrade = Upgrade::Full;
    others.push(key(&other));
    let mut other = plain.clone();
    other.enhanced_networking = EnhancedNetworking::Required;
    others.push(key(&other));
    let mut other = plain.clone();
    other.attributes.insert("team".to_owned(), "x".to_owned());
    others.push(key(&other));
    let mut other = plain.clone();
    other.name_prefix = "other".to_owned();
    others.push(key(&other));
    let mut other = plain.clone();
    other.vm_type = "pv".to_owned();
    others.push(key(&other));
    let mut other = plain.clone();
    other.place.region = "us-west-2".to_owned();
    others.push(key(&other));
    others.push(key(&plain));
    let distinct: std::collections::BTreeSet<_> = others.iter().collect();
    assert_eq!(distinct.len(), others.len());
}

#[test]
fn the_newest_version_is_only_the_newest_within_an_execution() {
    let key = |task_id: &str| bake_key(&order(None), "ami-1", &[], &task(task_id));
    assert_eq!(key("E1/S1/1"), key("E1/S2/2"));
    assert_ne!(key("E1/S1/1"), key("E2/S1/1"));
}

#[test]
fn image_names_fit_what_aws_takes() {
    let key = "0123456789abcdef";
    let name = image_name(&order(Some("1:1.4.2~rc1+x-h118.3f2a1bc")), key, 2);
    assert_eq!(name, "shop-web-1-1.4.2-rc1-x-h118.3f2a1bc-0123456789ab-g2");
    assert_eq!(image_name(&order(None), key, 1), "shop-web-0123456789ab-g1");
    let long = image_name(&order(Some(&"9".repeat(128))), key, 4_000_000_000);
    assert_eq!(long.len(), 128);
    assert!(long.ends_with("-0123456789ab-g4000000000") && grammar::is_image_name(&long));
}

#[test]
fn client_tokens_are_short_and_differ_by_key_generation_and_number() {
    let tokens: std::collections::BTreeSet<String> =
        [("k", 1, 1), ("k", 1, 2), ("k", 2, 1), ("l", 1, 1)]
            .map(|(key, generation, number)| client_token(key, generation, number))
            .into();
    assert_eq!(tokens.len(), 4);
    assert!(tokens.iter().all(|token| token.len() <= 64 && token.is_ascii()));
}

#[test]
fn appversion_has_friggas_form_or_is_left_out() {
    let of = |version| appversion(&order(Some(version)));
    assert_eq!(
        of("1.4.2-h118.3f2a1bc").as_deref(),
        Some("shop-web-1.4.2-h118.3f2a1bc/shop-web-main/118")
    );
    assert_eq!(of("1.4.2").as_deref(), Some("shop-web-1.4.2-h118.3f2a1bc/shop-web-main/118"));
    assert_eq!(of("2:0.1~x-1").as_deref(), Some("shop-web-0.1~x-1/shop-web-main/118"));
    assert_eq!(of("1.0.0-rc1-2"), None);
    assert_eq!(of("1.0+b1-2"), None);
    assert_eq!(appversion(&order(None)), None);
}

#[test]
fn image_tags_link_the_build_and_keep_the_systems_own() {
    let mut order = order(Some("1.4.2-h118"));
    order.attributes.insert("team".to_owned(), "payments".to_owned());
    let tags = image_tags(&order, "k", 3, &task("E1/S1/2"));
    let expected = [
        ("Name", "shop-web-1.4.2-h118-k-g3"),
        ("appversion", "shop-web-1.4.2-h118/shop-web-main/118"),
        ("bowline:bake-key", "k"),
        ("bowline:execution", "E1"),
        ("bowline:generation", "3"),
        ("bowline:task", "E1/S1/2"),
        ("build_host", "https://ci.example:8443/"),
        ("build_info_url", "https://ci.example:8443/job/shop/118/"),
        ("managed-by", "bowline"),
        ("team", "payments"),
    ];
    let tags_as_text: Vec<(&str, &str)> =
        tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(tags_as_text, expected);
    assert!(is_ours(&tags, "k", 3) && !is_ours(&tags, "k", 2) && !is_ours(&tags, "l", 3));
    assert_eq!(generation_of(&tags), Some(3));
}

#[test]
fn links_that_are_no_web_pages_are_left_out() {
    for url in ["javascript:alert(1)", "https://me:word@ci.example/", "https:///x", "https://a b/"]
    {
        assert_eq!(host_of(url), None, "{url}");
    }
}
