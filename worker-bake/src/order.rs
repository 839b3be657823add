//! A request, checked: from here on every value fits the grammar.

use std::collections::BTreeMap;

use wire::{BakeRequest, BuildLink, FailureKind, TaskFailure};
use worker::aws::is_region;

use crate::{
    config::BakeConfig,
    grammar,
    ports::Place,
    user_data::{Pin, Upgrade},
};

/// Most packages in one bake.
const PACKAGES_MAX: usize = 100;
/// Most free attributes: AWS takes 50 tags, and ten are ours.
const ATTRIBUTES_MAX: usize = 40;

/// What to bake, fit to be used in names, tags and scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Where.
    pub(crate) place: Place,
    /// From what.
    pub(crate) base: Base,
    /// What to install.
    pub(crate) packages: Vec<Pin>,
    /// Architectures the packages' files named, `all` left out.
    pub(crate) architectures: Vec<String>,
    /// First part of the image's name.
    pub(crate) name_prefix: String,
    /// What is done when the image exists.
    pub(crate) existing: Existing,
    /// What happens to the base's packages.
    pub(crate) upgrade: Upgrade,
    /// `hvm` or `pv`.
    pub(crate) vm_type: String,
    /// Type of the builder, if the request says one.
    pub(crate) instance_type: Option<String>,
    /// Whether the image must support it.
    pub(crate) enhanced_networking: EnhancedNetworking,
    /// Tags of the image, and part of the key.
    pub(crate) attributes: BTreeMap<String, String>,
    /// For tags.
    pub(crate) build: Option<BuildLink>,
    /// For tags.
    pub(crate) application: String,
    /// For tags.
    pub(crate) pipeline: String,
}

/// What to start from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// This image.
    Id(String),
    /// The newest image with this name.
    Name(String),
    /// A row of the base image table.
    Row {
        /// Which system.
        os: String,
        /// Which edition.
        label: String,
    },
}

/// What is done when there is an image with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It is the result.
    Reuse,
    /// Another is made.
    Rebake,
}

/// Enhanced networking (ENA) of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnhancedNetworking {
    /// As the base image has it.
    Inherit,
    /// On.
    Required,
}

impl Order {
    /// Checks a request.
    ///
    /// # Errors
    ///
    /// A failure of kind `User` that names every problem at once.
    pub(crate) fn check(request: BakeRequest) -> Result<Self, TaskFailure> {
        let mut problems = problems_of(&request);
        let base = match (&request.base.image, &request.base.os) {
            (Some(image), _) if image.starts_with("ami-") => Some(Base::Id(image.clone())),
            (Some(image), _) => Some(Base::Name(image.clone())),
            (None, Some(os)) => Some(Base::Row {
                os: os.clone(),
                label: request.base.label.clone().unwrap_or_else(|| "release".to_owned()),
            }),
            (None, None) => {
                problems.push("neither a base image nor a base os is given".to_owned());
                None
            }
        };
        let first = request.packages.first().map(|package| package.name.clone());
        let (Some(base), Some(first), true) = (base, first, problems.is_empty()) else {
            return Err(user_failure(format!(
                "the bake request is wrong: {}",
                problems.join("; ")
            )));
        };
        let architectures = request
            .packages
            .iter()
            .filter_map(|package| package.arch.clone())
            .filter(|arch| arch != "all")
            .collect();
        let pins = request
            .packages
            .into_iter()
            .map(|package| Pin { name: package.name, version: package.version })
            .collect();
        Ok(Self {
            place: Place { account: request.account, region: request.region },
            base,
            packages: pins,
            architectures,
            name_prefix: request.image_name.unwrap_or(first),
            existing: if request.rebake { Existing::Rebake } else { Existing::Reuse },
            upgrade: if request.upgrade { Upgrade::Full } else { Upgrade::No },
            vm_type: request.vm_type,
            instance_type: request.instance_type,
            enhanced_networking: if request.enhanced_networking {
                EnhancedNetworking::Required
            } else {
                EnhancedNetworking::Inherit
            },
            attributes: request.attributes,
            build: request.build,
            application: request.application,
            pipeline: request.pipeline,
        })
    }

    /// True when some version is left to the repository: what is newest changes, so an image made
    /// from such an order says nothing about the next.
    pub(crate) fn is_unpinned(&self) -> bool {
        self.packages.iter().any(|pin| pin.version.is_none())
    }
}

fn problems_of(request: &BakeRequest) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |fits: bool, text: String| {
        if !fits {
            problems.push(text);
        }
    };
    let shown = |text: &str| text.chars().take(80).collect::<String>().escape_debug().to_string();
    check(is_region(&request.region), format!("`{}` is not a region", shown(&request.region)));
    check(
        !request.packages.is_empty() && request.packages.len() <= PACKAGES_MAX,
        format!("{} packages are given, 1 to {PACKAGES_MAX} can be", request.packages.len()),
    );
    for package in &request.packages {
        let name = shown(&package.name);
        check(grammar::is_package_name(&package.name), format!("`{name}` is not a package name"));
        if let Some(version) = &package.version {
            check(
                grammar::is_package_version(version),
                format!("`{}` is not a version of package `{name}`", shown(version)),
            );
        }
        if let Some(arch) = &package.arch {
            check(
                grammar::is_package_arch(arch),
                format!("`{}` is not an architecture of package `{name}`", shown(arch)),
            );
        }
    }
    if let Some(prefix) = &request.image_name {
        check(
            grammar::is_image_name_prefix(prefix),
            format!("`{}` cannot begin an image's name", shown(prefix)),
        );
    }
    if let Some(image) = &request.base.image {
        check(
            if image.starts_with("ami-") {
                grammar::is_image_id(image)
            } else {
                grammar::is_image_name(image)
            },
            format!("`{}` is neither the id nor the name of an image", shown(image)),
        );
    }
    if let Some(kind) = &request.instance_type {
        check(
            grammar::is_instance_type(kind),
            format!("`{}` is not an instance type", shown(kind)),
        );
    }
    check(
        matches!(request.vm_type.as_str(), "hvm" | "pv"),
        format!("the vm type is `{}`, and `hvm` or `pv` can be", shown(&request.vm_type)),
    );
    check(
        request.attributes.len() <= ATTRIBUTES_MAX,
        format!("{} attributes are given, {ATTRIBUTES_MAX} can be", request.attributes.len()),
    );
    for (key, value) in &request.attributes {
        if let Err(text) = grammar::check_attribute(key, value) {
            problems.push(text);
        }
    }
    problems
}

/// What a base image is and what is special about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseRow {
    /// The image.
    pub(crate) image_id: String,
    /// Type of builders, if the row says one.
    pub(crate) instance_type: Option<String>,
}

/// Finds a row of the base image table.
///
/// # Errors
///
/// A failure of kind `User` that names what the table has.
pub(crate) fn base_row(
    config: &BakeConfig,
    order: &Order,
    os: &str,
    label: &str,
) -> Result<BaseRow, TaskFailure> {
    let region = &order.place.region;
    let of_os: Vec<_> = config.base_images.iter().filter(|row| row.os == os).collect();
    if of_os.is_empty() {
        return Err(TaskFailure {
            hint: Some("choose one of these, or add a row to `[[bake.base_images]]`".to_owned()),
            ..user_failure(format!(
                "base os `{os}` is not known; known are: {}",
                listed(config.base_images.iter().map(|row| row.os.as_str()))
            ))
        });
    }
    let row = of_os.iter().find_map(|row| {
        let fits = row.label == label
            && row.vm_type.as_ref().is_none_or(|vm_type| *vm_type == order.vm_type);
        row.images.get(region).filter(|_| fits).map(|image| (row, image))
    });
    let Some((row, image)) = row else {
        let known = of_os.iter().flat_map(|row| {
            let vm_type = row.vm_type.as_deref().unwrap_or("any vm type");
            row.images.keys().map(move |region| format!("{} in {region} ({vm_type})", row.label))
        });
        let known: Vec<String> = known.collect();
        return Err(user_failure(format!(
            "base os `{os}` has no image for label `{label}` in {region} ({}); it has: {}",
            order.vm_type,
            listed(known.iter().map(String::as_str))
        )));
    };
    Ok(BaseRow { image_id: image.clone(), instance_type: row.instance_type.clone() })
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: std::collections::BTreeSet<&str> = names.collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// A failure that trying again cannot help.
pub(crate) fn user_failure(message: String) -> TaskFailure {
    TaskFailure { kind: FailureKind::User, message, detail: None, hint: None }
}

#[cfg(test)]
mod tests;
