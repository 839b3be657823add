//! The section `[bake]`.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};
use worker::{WorkerPace, aws::is_region};

use crate::grammar;

/// How this worker bakes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BakeConfig {
    /// Where health and metrics are served, when this worker is a process of its own; absent is
    /// nowhere.
    pub admin_listen: Option<SocketAddr>,
    /// `[worker]`, which is a section of its own.
    #[serde(skip)]
    pub pace: WorkerPace,
    /// Bakes in hand at once. They mostly wait, so many are cheap.
    pub slots: usize,
    /// How often each account and region is looked at, for all waiting bakes together.
    pub poll_interval_ms: u64,
    /// How long a builder may take from its start until it has stopped.
    pub builder_timeout_seconds: u64,
    /// How long the console of a stopped builder may lag behind.
    pub console_timeout_seconds: u64,
    /// How long an image may be pending.
    pub image_timeout_seconds: u64,
    /// Type of builders, unless the request or the base image says another.
    pub instance_type: String,
    /// Where builders run; absent is the default VPC.
    pub subnet_id: Option<String>,
    /// Firewalls of builders; empty is the VPC's default.
    pub security_group_ids: Vec<String>,
    /// Name of the builders' instance profile.
    pub iam_instance_profile: Option<String>,
    /// Lines of a sources list, there while packages are installed: `deb https://… stable main`.
    pub repositories: Vec<String>,
    /// What images are made from.
    pub base_images: Vec<BaseImageConfig>,
}

/// A row of the base image table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseImageConfig {
    /// What pipelines call it: `bookworm`.
    pub os: String,
    /// Which edition.
    #[serde(default = "release")]
    pub label: String,
    /// How packages are installed.
    #[serde(default)]
    pub package_type: PackageType,
    /// Image id by region.
    pub images: BTreeMap<String, String>,
    /// `hvm` or `pv`, if this row serves only one of them.
    #[serde(default)]
    pub vm_type: Option<String>,
    /// Type of builders.
    #[serde(default)]
    pub instance_type: Option<String>,
}

/// How packages are installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageType {
    /// With apt.
    #[default]
    Deb,
}

fn release() -> String {
    "release".to_owned()
}

impl Default for BakeConfig {
    fn default() -> Self {
        Self {
            admin_listen: None,
            pace: WorkerPace::default(),
            slots: 200,
            poll_interval_ms: 10_000,
            builder_timeout_seconds: 1_800,
            console_timeout_seconds: 300,
            image_timeout_seconds: 3_600,
            instance_type: "t3.small".to_owned(),
            subnet_id: None,
            security_group_ids: Vec::new(),
            iam_instance_profile: None,
            repositories: Vec::new(),
            base_images: Vec::new(),
        }
    }
}

impl BakeConfig {
    /// See [`Self::poll_interval_ms`].
    pub const fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_ms)
    }

    /// The longest a builder of a bake that goes well can live.
    pub(crate) const fn builder_life(&self) -> Duration {
        let seconds = self.builder_timeout_seconds.saturating_add(self.console_timeout_seconds);
        Duration::from_secs(seconds.saturating_add(self.image_timeout_seconds))
    }

    /// Everything that is wrong, as paths inside the section and texts.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut check = |fits: bool, path: String, text: String| {
            if !fits {
                problems.push((path, text));
            }
        };
        check(
            (1..=1_000).contains(&self.slots),
            "slots".to_owned(),
            format!("{} is not between 1 and 1000", self.slots),
        );
        for (path, value) in [
            ("poll_interval_ms", self.poll_interval_ms),
            ("builder_timeout_seconds", self.builder_timeout_seconds),
            ("console_timeout_seconds", self.console_timeout_seconds),
            ("image_timeout_seconds", self.image_timeout_seconds),
        ] {
            check(value > 0, path.to_owned(), "must be more than 0".to_owned());
        }
        check(
            self.poll_interval_ms <= 60_000,
            "poll_interval_ms".to_owned(),
            format!("{} is more than a minute", self.poll_interval_ms),
        );
        check(
            grammar::is_instance_type(&self.instance_type),
            "instance_type".to_owned(),
            format!("`{}` is not an instance type", self.instance_type),
        );
        for (number, line) in self.repositories.iter().enumerate() {
            let wrong = grammar::check_repository(line);
            check(wrong.is_ok(), format!("repositories[{number}]"), text_of(wrong));
        }
        for (number, row) in self.base_images.iter().enumerate() {
            row.check(&format!("base_images[{number}]"), &mut check);
            let twin = self.base_images.iter().take(number).find(|other| other.clashes_with(row));
            check(
                twin.is_none(),
                format!("base_images[{number}]"),
                format!(
                    "another row serves os `{}`, label `{}` in a region of this row",
                    row.os, row.label
                ),
            );
        }
        problems
    }
}

fn text_of(checked: Result<(), String>) -> String {
    checked.err().unwrap_or_default()
}

impl BaseImageConfig {
    fn check(&self, path: &str, check: &mut impl FnMut(bool, String, String)) {
        check(!self.os.trim().is_empty(), format!("{path}.os"), "must not be empty".to_owned());
        check(
            !self.images.is_empty(),
            format!("{path}.images"),
            "name at least one image".to_owned(),
        );
        for (region, image) in &self.images {
            check(
                is_region(region),
                format!("{path}.images"),
                format!("`{region}` is not a region"),
            );
            check(
                grammar::is_image_id(image),
                format!("{path}.images.{region}"),
                format!("`{image}` is not an image id (`ami-…`)"),
            );
        }
        if let Some(vm_type) = &self.vm_type {
            check(
                matches!(vm_type.as_str(), "hvm" | "pv"),
                format!("{path}.vm_type"),
                format!("`{vm_type}` is neither `hvm` nor `pv`"),
            );
        }
        if let Some(instance_type) = &self.instance_type {
            check(
                grammar::is_instance_type(instance_type),
                format!("{path}.instance_type"),
                format!("`{instance_type}` is not an instance type"),
            );
        }
    }

    fn clashes_with(&self, other: &Self) -> bool {
        self.os == other.os
            && self.label == other.label
            && (self.vm_type.is_none() || other.vm_type.is_none() || self.vm_type == other.vm_type)
            && self.images.keys().any(|region| other.images.contains_key(region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(os: &str, region: &str, image: &str) -> BaseImageConfig {
        BaseImageConfig {
            os: os.to_owned(),
            label: release(),
            package_type: PackageType::Deb,
            images: BTreeMap::from([(region.to_owned(), image.to_owned())]),
            vm_type: None,
            instance_type: None,
        }
    }

    #[test]
    fn the_defaults_have_no_problems() {
        assert_eq!(BakeConfig::default().problems(), []);
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let config = BakeConfig {
            slots: 0,
            poll_interval_ms: 0,
            instance_type: "big one".to_owned(),
            repositories: vec!["deb https://user:word@repo.example stable main".to_owned()],
            base_images: vec![
                row("bookworm", "us-east-1", "ami-1234abcd"),
                row("bookworm", "us-east-1", "image-1"),
                BaseImageConfig {
                    vm_type: Some("xen".to_owned()),
                    ..row("", "US", "ami-1234abcd")
                },
            ],
            ..BakeConfig::default()
        };
        let paths: Vec<String> = config.problems().into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                "slots",
                "poll_interval_ms",
                "instance_type",
                "repositories[0]",
                "base_images[1].images.us-east-1",
                "base_images[1]",
                "base_images[2].os",
                "base_images[2].images",
                "base_images[2].vm_type",
            ]
        );
    }

    #[test]
    fn the_section_reads_from_json_and_refuses_unknown_keys() {
        let config: BakeConfig = serde_json::from_value(serde_json::json!({
            "slots": 5,
            "base_images": [{"os": "bookworm", "images": {"us-east-1": "ami-1234abcd"}}],
        }))
        .unwrap();
        assert_eq!(config.base_images[0].label, "release");
        assert_eq!(config.poll_interval(), Duration::from_secs(10));
        let unknown = serde_json::from_value::<BakeConfig>(serde_json::json!({"slot": 5}));
        assert!(unknown.unwrap_err().to_string().contains("slot"));
    }
}
