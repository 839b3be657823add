use wire::{BaseImage, PackageSpec};

use super::*;
use crate::config::{BaseImageConfig, PackageType};

fn request() -> BakeRequest {
    BakeRequest {
        application: "shop".to_owned(),
        pipeline: "deploy".to_owned(),
        region: "us-east-1".to_owned(),
        account: None,
        base: BaseImage { os: Some("bookworm".to_owned()), label: None, image: None },
        packages: vec![PackageSpec {
            name: "shop-web".to_owned(),
            version: Some("1.4.2-h118".to_owned()),
            arch: Some("all".to_owned()),
        }],
        image_name: None,
        rebake: false,
        upgrade: false,
        vm_type: "hvm".to_owned(),
        instance_type: None,
        enhanced_networking: false,
        attributes: BTreeMap::new(),
        build: None,
    }
}

fn table() -> BakeConfig {
    let row = |label: &str, vm_type: Option<&str>, image: &str| BaseImageConfig {
        os: "bookworm".to_owned(),
        label: label.to_owned(),
        package_type: PackageType::Deb,
        images: BTreeMap::from([("us-east-1".to_owned(), image.to_owned())]),
        vm_type: vm_type.map(str::to_owned),
        instance_type: None,
    };
    BakeConfig {
        base_images: vec![
            row("release", Some("hvm"), "ami-1a"),
            row("release", Some("pv"), "ami-1b"),
            row("candidate", None, "ami-1c"),
        ],
        ..BakeConfig::default()
    }
}

#[test]
fn a_good_request_passes() {
    let order = Order::check(request()).unwrap();
    assert_eq!(order.name_prefix, "shop-web");
    assert_eq!(order.architectures, Vec::<String>::new());
    assert!(!order.is_unpinned());
}

#[test]
fn every_problem_is_told_at_once() {
    let mut bad = request();
    bad.region = "us east".to_owned();
    bad.base.os = None;
    bad.packages[0].name = "-oDPkg::Pre-Install-Pkgs=id".to_owned();
    bad.packages[0].version = Some("@/etc/passwd".to_owned());
    bad.vm_type = "xen".to_owned();
    bad.attributes.insert("Name".to_owned(), "x".to_owned());
    let failure = Order::check(bad).unwrap_err();
    assert_eq!(failure.kind, FailureKind::User);
    for part in [
        "`us east` is not a region",
        "is not a package name",
        "is not a version",
        "`xen`",
        "`Name`",
        "neither a base image nor a base os",
    ] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
}

#[test]
fn an_image_beats_the_os() {
    let mut with_image = request();
    with_image.base.image = Some("ami-0abc".to_owned());
    assert_eq!(Order::check(with_image.clone()).unwrap().base, Base::Id("ami-0abc".to_owned()));
    with_image.base.image = Some("golden-2026".to_owned());
    assert_eq!(
        Order::check(with_image.clone()).unwrap().base,
        Base::Name("golden-2026".to_owned())
    );
    with_image.base.image = Some("golden;2026".to_owned());
    assert!(Order::check(with_image).is_err());
}

#[test]
fn rows_are_found_by_os_label_region_and_vm_type() {
    let mut order = Order::check(request()).unwrap();
    let config = table();
    assert_eq!(base_row(&config, &order, "bookworm", "release").unwrap().image_id, "ami-1a");
    order.vm_type = "pv".to_owned();
    assert_eq!(base_row(&config, &order, "bookworm", "release").unwrap().image_id, "ami-1b");
    assert_eq!(base_row(&config, &order, "bookworm", "candidate").unwrap().image_id, "ami-1c");
}

#[test]
fn what_the_table_lacks_is_said_with_what_it_has() {
    let mut order = Order::check(request()).unwrap();
    let config = table();
    let failure = base_row(&config, &order, "trusty", "release").unwrap_err();
    assert_eq!(failure.message, "base os `trusty` is not known; known are: bookworm");
    order.place.region = "us-west-2".to_owned();
    let failure = base_row(&config, &order, "bookworm", "release").unwrap_err();
    assert!(
        failure.message.contains("candidate in us-east-1 (any vm type)"),
        "{}",
        failure.message
    );
}
