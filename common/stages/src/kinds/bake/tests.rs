use serde_json::json;

use super::*;
use crate::stage_type;

fn inspect(value: &Value) -> (Option<Config>, Vec<(Weight, &'static str, String)>) {
    let (stage, problems) = stage_type::inspect::<Bake>(value.as_object().unwrap());
    (stage, problems.into_iter().map(|p| (p.weight, p.code, p.pointer)).collect())
}

#[test]
fn defaults_are_spinnakers() {
    let (stage, problems) = inspect(
        &json!({"type": "bake", "package": "shop-web", "region": "us-west-2", "baseOs": "bookworm"}),
    );
    assert!(problems.is_empty(), "{problems:?}");
    let expected = Config {
        packages: vec!["shop-web".to_owned()],
        regions: vec!["us-west-2".to_owned()],
        skip_region_detection: false,
        base_os: Some("bookworm".to_owned()),
        base_label: "release".to_owned(),
        base_ami: None,
        ami_name: None,
        vm_type: "hvm".to_owned(),
        rebake: false,
        upgrade: false,
        enhanced_networking: false,
        extended_attributes: BTreeMap::new(),
        instance_type: None,
        account: None,
        allow_missing_package_installation: false,
    };
    assert_eq!(stage, Some(expected));
}

#[test]
fn every_field_is_read() {
    let (stage, problems) = inspect(&json!({
        "package": " shop-web  shop-conf=1.2-h3 tool_1.0_all ",
        "regions": ["us-west-2", "eu-west-1"], "region": "us-west-2",
        "skipRegionDetection": true, "baseOs": "", "baseLabel": "candidate",
        "baseAmi": "ami-1", "amiName": "shop", "vmType": "pv", "rebake": "true", "upgrade": true,
        "enhancedNetworking": true, "extendedAttributes": {"team": "web", "n": 3},
        "instanceType": "m5.large", "account": "test", "storeType": "ebs",
        "allowMissingPackageInstallation": true,
    }));
    assert!(problems.is_empty(), "{problems:?}");
    let stage = stage.unwrap();
    assert_eq!(stage.packages, ["shop-web", "shop-conf=1.2-h3", "tool_1.0_all"]);
    assert_eq!(stage.regions, ["us-west-2", "eu-west-1"]);
    assert_eq!(stage.extended_attributes.get("n").map(String::as_str), Some("3"));
    assert_eq!((stage.base_os, stage.base_ami.as_deref()), (None, Some("ami-1")));
    assert!(stage.rebake && stage.upgrade && stage.enhanced_networking);
    assert!(stage.skip_region_detection && stage.allow_missing_package_installation);
    assert_eq!((stage.base_label.as_str(), stage.vm_type.as_str()), ("candidate", "pv"));
    assert_eq!(stage.account.as_deref(), Some("test"));
    assert_eq!(stage.instance_type.as_deref(), Some("m5.large"));
}

#[test]
fn what_cannot_run_is_refused_and_what_can_is_only_told() {
    let refused = |value: Value| read::<Bake>(value.as_object().unwrap()).is_err();
    let base = json!({"package": "shop", "region": "us-east-1", "baseOs": "bookworm"});
    assert!(!refused(base.clone()));
    for (key, value) in [
        ("package", json!("-rf")),
        ("package", json!("@shop")),
        ("package", json!("https://example.net/shop.deb")),
        ("package", json!(7)),
        ("vmType", json!("kvm")),
        ("storeType", json!("s3")),
        ("regions", json!("us-east-1")),
        ("rebake", json!("${ trigger.rebake }")),
        ("cloudProviderType", json!("gce")),
    ] {
        let mut stage = base.clone();
        stage[key] = value;
        assert!(refused(stage.clone()), "{stage}");
    }
    for (key, value, told) in [
        ("package", json!("${ trigger.properties['the package'] }"), 0),
        ("templateFileName", json!("mine.json"), 1),
    ] {
        let mut stage = base.clone();
        stage[key] = value;
        assert!(!refused(stage.clone()), "{stage}");
        assert_eq!(inspect(&stage).1.len(), told, "{stage}");
    }
}

#[test]
fn an_expression_in_place_of_a_value_stops_a_stage_only_when_it_runs() {
    let stage = json!({"package": "shop", "region": "us-east-1", "baseOs": "bookworm",
        "rebake": "${ trigger.rebake }"});
    let stage = stage.as_object().unwrap();
    assert_eq!(stage_type::of("bake").unwrap().obstacles(stage), []);
    let stopped = stage_type::runnable(stage_type::inspect::<Bake>(stage)).unwrap_err();
    assert_eq!((stopped[0].weight, stopped[0].pointer.as_str()), (Weight::Later, "/rebake"));
}
