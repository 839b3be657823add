//! Images.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Caller, World,
    error::{ApiError, CallError},
    filter::{Filter, Filtered, select},
    instance::InstanceState,
    ledger::Effect,
    tags,
    timer::Timer,
};
use crate::rules::Rule;

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// `ami-…`.
    pub id: String,
    /// Unique in its account and region.
    pub name: String,
    /// Account that owns it.
    pub owner: String,
    /// Who may launch it.
    pub launchable_by: LaunchableBy,
    /// Where it stands.
    pub state: ImageState,
    /// Why it failed, or will.
    pub state_reason: Option<String>,
    /// For people.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Epoch milliseconds.
    pub created_ms: u64,
    /// From when on reads show it.
    pub visible_ms: u64,
    /// `x86_64`.
    pub architecture: String,
    /// `hvm`.
    pub virtualization: String,
    /// Enhanced networking.
    pub ena_support: bool,
    /// The instance it was made of.
    pub source_instance: Option<String>,
    /// What is installed on it, as `name=version`.
    pub packages: Vec<String>,
}

/// Who may launch an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum LaunchableBy {
    /// Its owner.
    Owner,
    /// Everybody.
    Everybody,
}

/// Where an image stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ImageState {
    /// Being made.
    Pending,
    /// Usable.
    Available,
    /// Never usable.
    Failed,
}

impl ImageState {
    /// As AWS writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Failed => "failed",
        }
    }
}

impl Filtered for Image {
    const FILTERS: &'static [&'static str] = &[
        "image-id",
        "name",
        "state",
        "owner-id",
        "architecture",
        "virtualization-type",
        "description",
        "root-device-type",
        "image-type",
        "ena-support",
        "is-public",
    ];

    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn values(&self, filter: &str) -> Vec<String> {
        vec![match filter {
            "image-id" => self.id.clone(),
            "name" => self.name.clone(),
            "state" => self.state.as_str().to_owned(),
            "owner-id" => self.owner.clone(),
            "architecture" => self.architecture.clone(),
            "virtualization-type" => self.virtualization.clone(),
            "description" => self.description.clone(),
            "root-device-type" => "ebs".to_owned(),
            "image-type" => "machine".to_owned(),
            "ena-support" => self.ena_support.to_string(),
            "is-public" => (self.launchable_by == LaunchableBy::Everybody).to_string(),
            _ => return Vec::new(),
        }]
    }
}

/// Which images to describe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageQuery {
    /// These; empty is all. One that does not exist is an error.
    pub ids: Vec<String>,
    /// `self`, `amazon`, or account numbers; empty is all.
    pub owners: Vec<String>,
    /// All must fit.
    pub filters: Vec<Filter>,
}

/// What to make an image of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateImage {
    /// The instance.
    pub instance_id: String,
    /// The name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Of the image.
    pub tags: BTreeMap<String, String>,
}

impl World {
    /// EC2 `DescribeImages`.
    ///
    /// # Errors
    ///
    /// An image id or a filter that does not exist.
    pub fn describe_images(
        &mut self,
        caller: &Caller,
        query: &ImageQuery,
    ) -> Result<Vec<Image>, CallError> {
        self.read(caller, "DescribeImages", |world, region| {
            let account = &caller.site.account;
            let seen = |image: &Image| {
                let launchable =
                    image.owner == *account || image.launchable_by == LaunchableBy::Everybody;
                launchable && image.visible_ms <= world.now_ms
            };
            for id in &query.ids {
                if !region.images.get(id).is_some_and(seen) {
                    return Err(unknown(id));
                }
            }
            let owned = |image: &Image| {
                query.owners.is_empty()
                    || query.owners.iter().any(|owner| match owner.as_str() {
                        "self" => image.owner == *account,
                        other => image.owner == other,
                    })
            };
            let asked = |image: &&Image| {
                let named = query.ids.is_empty() || query.ids.contains(&image.id);
                named && seen(image) && owned(image)
            };
            select(region.images.values().filter(asked), &query.filters)
        })
    }

    /// EC2 `CreateImage`: answers with the id of an image that is still pending.
    ///
    /// # Errors
    ///
    /// The name is taken or malformed, or the instance is not there or not in the right state.
    pub fn create_image(
        &mut self,
        caller: &Caller,
        request: &CreateImage,
    ) -> Result<String, CallError> {
        let summary = format!("{} of {}", request.name, request.instance_id);
        self.write(caller, "CreateImage", summary, |world, site| {
            check_name(&request.name)?;
            tags::check(&request.tags)?;
            let region = world.region(site)?;
            let source = region.known_instance(&request.instance_id, world.now_ms)?;
            let own = |image: &&Image| image.owner == site.account;
            if let Some(taken) =
                region.images.values().filter(own).find(|image| image.name == request.name)
            {
                return Err(ApiError::new(
                    Rule::ImageNameTaken,
                    format!("AMI name {} is already in use by AMI {}", taken.name, taken.id),
                ));
            }
            match source.state {
                InstanceState::Running | InstanceState::Stopped => {}
                InstanceState::Pending
                | InstanceState::Stopping
                | InstanceState::ShuttingDown
                | InstanceState::Terminated => {
                    return Err(ApiError::new(
                        Rule::ImageInstanceState,
                        format!(
                            "Instance {} is {}; an image is made of a running or stopped one",
                            source.id,
                            source.state.as_str()
                        ),
                    ));
                }
            }
            let base = region.images.get(&source.image_id);
            let image = Image {
                id: String::new(),
                name: request.name.clone(),
                owner: site.account.clone(),
                launchable_by: LaunchableBy::Owner,
                state: ImageState::Pending,
                state_reason: None,
                description: request.description.clone(),
                tags: request.tags.clone(),
                created_ms: world.now_ms,
                visible_ms: world.now_ms + world.behaviour.lags.visible,
                architecture: base.map_or_else(|| "x86_64".to_owned(), |b| b.architecture.clone()),
                virtualization: base.map_or_else(|| "hvm".to_owned(), |b| b.virtualization.clone()),
                ena_support: source.ena_support,
                source_instance: Some(source.id.clone()),
                packages: source.packages.clone(),
            };
            let id = world.new_id("ami");
            world.judge_new_image(site, &image);
            world.region_mut(site)?.images.insert(id.clone(), Image { id: id.clone(), ..image });
            world.after(site, world.behaviour.lags.image, Timer::ImageReady(id.clone()));
            Ok((id, Effect::Created))
        })
    }

    /// EC2 `DeregisterImage`. Nothing of ours calls it: calling it is a violation.
    ///
    /// # Errors
    ///
    /// The image is not there.
    pub fn deregister_image(&mut self, caller: &Caller, id: &str) -> Result<(), CallError> {
        self.write(caller, "DeregisterImage", id.to_owned(), |world, site| {
            world.violate("I26", format!("DeregisterImage was called for {id}"));
            match world.region_mut(site)?.images.remove(id) {
                Some(_) => Ok(((), Effect::Changed)),
                None => Err(unknown(id)),
            }
        })
    }

    /// Lets images that are pending now end as failed.
    pub fn fail_pending_images(&mut self, reason: &str) {
        for region in self.sites.values_mut() {
            for image in region.images.values_mut().filter(|i| i.state == ImageState::Pending) {
                image.state_reason = Some(reason.to_owned());
            }
        }
    }
}

pub(super) fn unknown(id: &str) -> ApiError {
    ApiError::new(Rule::ImageUnknown, format!("The image id '[{id}]' does not exist"))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(ApiError::new(
        Rule::ImageNameMalformed,
        format!(
            "AMI name '{name}' is invalid: AMI names must be between 3 and 128 characters long, \
             and may contain letters, numbers, '(', ')', '.', '-', '/' and '_'"
        ),
    ))
}
