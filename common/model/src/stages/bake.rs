//! The bake stage: packages become an image.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{add_once, other_cloud, runnable, tell_ignored};
use crate::{
    fields::{Fields, unresolved},
    limits,
    package::PackageRef,
    problem::{FieldProblem, Findings, Weight, shortened},
};

/// A bake stage.
///
/// Source: names and defaults are those of Spinnaker's bake stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are the fields of Spinnaker's stage")]
pub struct BakeStage {
    /// What to install, in this order: names, with or without a version.
    pub packages: Vec<String>,
    /// Where to bake. May be empty: deploys that build on the stage say where.
    pub regions: Vec<String>,
    /// Only the regions named here, not those of later deploys.
    pub skip_region_detection: bool,
    /// Key of the base image table.
    pub base_os: Option<String>,
    /// Which of the base images: `release` unless said otherwise.
    pub base_label: String,
    /// An image to start from, by id or name; beats `base_os`.
    pub base_ami: Option<String>,
    /// First part of the image's name.
    pub ami_name: Option<String>,
    /// `hvm` or `pv`.
    pub vm_type: String,
    /// Make a new image even if there is one.
    pub rebake: bool,
    /// Upgrade the whole system first.
    pub upgrade: bool,
    /// Set ENA support on the image.
    pub enhanced_networking: bool,
    /// Free attributes.
    pub extended_attributes: BTreeMap<String, String>,
    /// Type of the builder instance.
    pub instance_type: Option<String>,
    /// Account to bake in.
    pub account: Option<String>,
    /// Bake the newest package of the repository when the build archived none that fits.
    pub allow_missing_package_installation: bool,
}

/// Fields that say how Packer is to work, which is not used here, or that name things otherwise.
const IGNORED: [(&str, &str); 6] = [
    ("templateFileName", "images are made without Packer templates"),
    ("varFileName", "images are made without Packer templates"),
    ("amiSuffix", "an image's name ends with its bake key"),
    ("baseName", "an image's name begins with `amiName` or the first package"),
    ("rootVolumeSize", "the root volume is that of the base image"),
    ("packageArtifactIds", "packages are named in `package`"),
];

impl BakeStage {
    /// Reads a stage that is to run.
    ///
    /// # Errors
    /// Everything that is in the way, with pointers relative to the stage.
    pub fn read(config: &Map<String, Value>) -> Result<Self, Vec<FieldProblem>> {
        runnable(Self::inspect(config))
    }

    /// Reads as much as can be read, and tells everything that is odd. `None` for another cloud.
    pub fn inspect(config: &Map<String, Value>) -> (Option<Self>, Vec<FieldProblem>) {
        let mut found = Findings::default();
        let mut fields = Fields::new(String::new(), config, &mut found);
        let stage = Self::from_fields(&mut fields);
        (stage, found.into_list())
    }

    fn from_fields(fields: &mut Fields<'_, '_>) -> Option<Self> {
        if other_cloud(fields, &["cloudProviderType", "cloudProvider", "providerType"]) {
            return None;
        }
        let mut regions = fields.texts("regions");
        add_once(&mut regions, fields.text("region"));
        let stage = Self {
            packages: packages(fields),
            regions,
            skip_region_detection: fields.flag("skipRegionDetection").unwrap_or(false),
            base_os: fields.text("baseOs"),
            base_label: fields.text("baseLabel").unwrap_or_else(|| "release".to_owned()),
            base_ami: fields.text("baseAmi"),
            ami_name: fields.text("amiName"),
            vm_type: vm_type(fields),
            rebake: fields.flag("rebake").unwrap_or(false),
            upgrade: fields.flag("upgrade").unwrap_or(false),
            enhanced_networking: fields.flag("enhancedNetworking").unwrap_or(false),
            extended_attributes: fields.pairs("extendedAttributes"),
            instance_type: fields.text("instanceType").or_else(|| fields.text("instance_type")),
            account: fields.text("account").or_else(|| fields.text("accountName")),
            allow_missing_package_installation: fields
                .flag("allowMissingPackageInstallation")
                .unwrap_or(false),
        };
        if stage.base_os.is_none() && stage.base_ami.is_none() {
            fields.missing(
                Weight::Blocks,
                "baseOs",
                "write a key of the bake workers' base image table, or an image as `baseAmi`",
            );
        }
        if fields
            .value("storeType")
            .and_then(Value::as_str)
            .is_some_and(|store| store != "ebs" && !store.is_empty())
        {
            fields.hinted(
                Weight::Blocks,
                "unsupported-value",
                "storeType",
                ("only images on EBS volumes are made".to_owned(), "write \"ebs\"".to_owned()),
            );
        }
        tell_ignored(fields, &IGNORED);
        Some(stage)
    }
}

fn vm_type(fields: &mut Fields<'_, '_>) -> String {
    let text = fields.text("vmType").unwrap_or_else(|| "hvm".to_owned());
    if !matches!(text.as_str(), "hvm" | "pv") && unresolved(&text).is_none() {
        fields.hinted(
            Weight::Error,
            "bad-value",
            "vmType",
            (
                format!("`vmType` is \"{}\"", shortened(&text)),
                "write \"hvm\", or \"pv\" for old instance types".to_owned(),
            ),
        );
    }
    text
}

fn packages(fields: &mut Fields<'_, '_>) -> Vec<String> {
    let Some(text) = fields.text("package") else {
        if fields.value("package").is_none_or(Value::is_string) {
            let weight = if fields.says_something("packageArtifactIds") {
                Weight::Blocks
            } else {
                Weight::Error
            };
            fields.missing(
                weight,
                "package",
                "write the name of the package to install, or several with blanks between",
            );
        }
        return Vec::new();
    };
    // Blanks inside an expression do not separate packages.
    if unresolved(&text).is_some() {
        return vec![text];
    }
    let packages: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if packages.len() > limits::ENTRIES_MAX {
        let (many, max) = (packages.len(), limits::ENTRIES_MAX);
        let message = format!("`package` names {many} packages, {max} are allowed");
        let hint = "let one package depend on the others".to_owned();
        fields.hinted(Weight::Error, "too-many-entries", "package", (message, hint));
        return Vec::new();
    }
    for package in &packages {
        if package.contains("://") {
            fields.hinted(
                Weight::Blocks,
                "unsupported-value",
                "package",
                (
                    format!(
                        "`{}` is an address; packages are installed by name",
                        shortened(package)
                    ),
                    "put the package into a repository the bake workers know".to_owned(),
                ),
            );
        } else if let Err(error) = package.parse::<PackageRef>() {
            let hint = "write names, `name=version` or `name_version_arch`, with blanks between"
                .to_owned();
            fields.hinted(Weight::Error, "bad-package", "package", (error.to_string(), hint));
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inspect(value: &Value) -> (Option<BakeStage>, Vec<(Weight, &'static str, String)>) {
        let (stage, problems) = BakeStage::inspect(value.as_object().unwrap());
        (stage, problems.into_iter().map(|p| (p.weight, p.code, p.pointer)).collect())
    }

    #[test]
    fn defaults_are_spinnakers() {
        let (stage, problems) = inspect(
            &json!({"type": "bake", "package": "shop-web", "region": "us-west-2", "baseOs": "bookworm"}),
        );
        assert!(problems.is_empty(), "{problems:?}");
        let expected = BakeStage {
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
        let refused = |value: Value| BakeStage::read(value.as_object().unwrap()).is_err();
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
        assert_eq!(crate::stages::obstacles(crate::pipeline::StageType::Bake, stage), []);
        let stopped = BakeStage::read(stage).unwrap_err();
        assert_eq!((stopped[0].weight, stopped[0].pointer.as_str()), (Weight::Later, "/rebake"));
    }
}
