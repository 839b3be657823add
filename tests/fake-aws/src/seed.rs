//! What there is when a world begins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::world::{
    Site, World,
    balancer::{Balancer, BalancerRef},
    behaviour::{Behaviour, Lags},
    builder::ScriptReader,
    group::{GroupSpec, GroupTag, TagReach},
    image::{Image, ImageState, LaunchableBy},
    network::{SecurityGroup, Subnet},
    template::{Template, TemplateData},
};

/// Account that owns base images.
const PUBLISHER: &str = "136693071363";
/// Old things are a day old.
const AGE_MS: u64 = 24 * 60 * 60 * 1_000;

/// What there is when a world begins. Everything has a default; see [`Seed::default`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// Account of callers who took on no role.
    pub account: String,
    /// Further accounts, with the same network.
    pub more_accounts: Vec<String>,
    /// Where.
    pub regions: Vec<String>,
    /// World time at the beginning, epoch milliseconds.
    pub start_ms: u64,
    /// Base images, in every region.
    pub base_images: Vec<BaseImageSeed>,
    /// Purposes of subnets; each has one in every zone.
    pub purposes: Vec<String>,
    /// Security groups of the VPC, by name.
    pub security_groups: Vec<String>,
    /// Classic load balancers, by name.
    pub load_balancers: Vec<String>,
    /// Target groups, by name.
    pub target_groups: Vec<String>,
    /// The pretend apt repository: versions by package, the newest last.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Server groups that are there already, healthy.
    pub groups: Vec<GroupSeed>,
    /// How the world behaves.
    pub behaviour: Behaviour,
}

/// A public base image; its id is [`Seed::base_image_id`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseImageSeed {
    /// Its name.
    pub name: String,
    /// `hvm` or `paravirtual`.
    #[serde(default = "hvm")]
    pub virtualization: String,
}

fn hvm() -> String {
    "hvm".to_owned()
}

/// A server group that is there already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSeed {
    /// Where.
    pub region: String,
    /// `shop-staging-web-v003`.
    pub name: String,
    /// Its size; minimum and maximum are the same.
    pub size: u32,
    /// Classic load balancers it is registered with.
    #[serde(default)]
    pub load_balancers: Vec<String>,
    /// Target groups it is registered with, by name.
    #[serde(default)]
    pub target_groups: Vec<String>,
}

/// A seed that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// A region that is not seeded.
    #[error("server group `{group}` is in region `{region}`, which the seed does not open")]
    Region {
        /// The group.
        group: String,
        /// Its region.
        region: String,
    },
    /// A balancer that is not seeded.
    #[error("server group `{group}` names the balancer `{balancer}`, which the seed does not make")]
    Balancer {
        /// The group.
        group: String,
        /// What it names.
        balancer: String,
    },
}

impl Default for Seed {
    /// Two regions, a base image, a network with Spinnaker's purpose tags, one load balancer and one
    /// target group for an application `shop`. No packages, no server groups.
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Self {
            account: "123456789012".to_owned(),
            more_accounts: Vec::new(),
            regions: texts(&["us-east-1", "us-west-2"]),
            start_ms: 1_767_225_600_000, // 2026-01-01T00:00:00Z
            base_images: vec![BaseImageSeed {
                name: "debian-12-amd64-20251112-2294".to_owned(),
                virtualization: hvm(),
            }],
            purposes: texts(&["internal (vpc0)", "external (vpc0)"]),
            security_groups: texts(&["default", "shop-web"]),
            load_balancers: texts(&["shop-web"]),
            target_groups: texts(&["shop-web"]),
            packages: BTreeMap::new(),
            groups: Vec::new(),
            behaviour: Behaviour::default(),
        }
    }
}

/// An id that depends on nothing but its parts: seeded things are found without asking.
pub fn stable_id(prefix: &str, parts: &[&str]) -> String {
    let digest = model::digest(&parts.join("\n"));
    let hex: String = digest.chars().take(16).collect();
    format!("{prefix}-0{hex}")
}

impl Seed {
    /// Puts a package into the repository, as its newest version.
    #[must_use]
    pub fn with_package(mut self, name: &str, version: &str) -> Self {
        self.packages.entry(name.to_owned()).or_default().push(version.to_owned());
        self
    }

    /// Puts a healthy server group there.
    #[must_use]
    pub fn with_group(mut self, group: GroupSeed) -> Self {
        self.groups.push(group);
        self
    }

    /// Begins at a time, epoch milliseconds.
    #[must_use]
    pub const fn starting_at(mut self, start_ms: u64) -> Self {
        self.start_ms = start_ms;
        self
    }

    /// Changes how the world behaves.
    #[must_use]
    pub fn with_behaviour(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// Id of a base image in a region.
    pub fn base_image_id(region: &str, name: &str) -> String {
        stable_id("ami", &["base", region, name])
    }

    /// Id of the VPC of an account and region.
    pub fn vpc_id(site: &Site) -> String {
        stable_id("vpc", &[&site.account, &site.region])
    }

    /// Id of the subnet with a purpose in a zone (`a` or `b`).
    pub fn subnet_id(site: &Site, purpose: &str, zone: &str) -> String {
        stable_id("subnet", &[&site.account, &site.region, purpose, zone])
    }

    /// Id of a security group.
    pub fn security_group_id(site: &Site, name: &str) -> String {
        stable_id("sg", &[&site.account, &site.region, name])
    }

    /// ARN of a target group.
    pub fn target_group_arn(site: &Site, name: &str) -> String {
        let Site { account, region } = site;
        let id = stable_id("", &[account, region, "target-group", name]);
        let id = id.trim_start_matches('-');
        format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{id}")
    }

    /// The sites it opens.
    pub fn sites(&self) -> Vec<Site> {
        let accounts = std::iter::once(&self.account).chain(&self.more_accounts);
        accounts
            .flat_map(|account| {
                self.regions
                    .iter()
                    .map(|region| Site { account: account.clone(), region: region.clone() })
            })
            .collect()
    }

    /// Makes the world.
    ///
    /// # Errors
    ///
    /// A server group names a region or a balancer that is not there.
    pub fn build(&self, reader: ScriptReader) -> Result<World, SeedError> {
        // Old things are made a day before, without delays, and are settled when the world begins.
        let zero = Lags {
            visible: 0,
            boot: 0,
            install: 0,
            stop: 0,
            terminate: 0,
            console: 0,
            image: 0,
            scaling: 0,
            in_service: 0,
            health_check: 0,
            drain: 0,
            delete_group: 0,
        };
        let settled = Behaviour { lags: zero, ..Behaviour::default() };
        let born_ms = self.start_ms.saturating_sub(AGE_MS);
        let mut world = World::new(&self.account, born_ms, settled, reader);
        for site in self.sites() {
            self.furnish(&mut world, &site);
        }
        for (name, versions) in &self.packages {
            for version in versions {
                world.publish(name, version);
            }
        }
        for group in &self.groups {
            self.plant(&mut world, group)?;
        }
        world.advance(self.start_ms);
        world.set_behaviour(self.behaviour.clone());
        Ok(world)
    }

    fn furnish(&self, world: &mut World, site: &Site) {
        let created_ms = world.now_ms();
        let vpc = Self::vpc_id(site);
        let region = world.open(site);
        for base in &self.base_images {
            let image = base_image(&site.region, base, created_ms);
            region.images.insert(image.id.clone(), image);
        }
        let purposes = std::iter::once("").chain(self.purposes.iter().map(String::as_str));
        for (block, purpose) in (0_u8..).zip(purposes) {
            for (half, zone) in [(0_u8, "a"), (128, "b")] {
                let subnet = subnet(site, purpose, zone, &format!("10.0.{block}.{half}/25"));
                region.subnets.insert(subnet.id.clone(), subnet);
            }
        }
        for name in &self.security_groups {
            let id = Self::security_group_id(site, name);
            let group = SecurityGroup {
                id: id.clone(),
                name: name.clone(),
                vpc: vpc.clone(),
                description: format!("security group {name}"),
                tags: BTreeMap::new(),
            };
            region.security_groups.insert(id, group);
        }
        let balancer = |name: &String| Balancer {
            name: name.clone(),
            vpc: vpc.clone(),
            port: 80,
            registrations: BTreeMap::new(),
        };
        for name in &self.load_balancers {
            region.balancers.insert(BalancerRef::Classic(name.clone()), balancer(name));
        }
        for name in &self.target_groups {
            let arn = Self::target_group_arn(site, name);
            region.balancers.insert(BalancerRef::TargetGroup(arn), balancer(name));
        }
    }

    /// Puts a group there as if it had been made a day ago.
    fn plant(&self, world: &mut World, seed: &GroupSeed) -> Result<(), SeedError> {
        let site = Site { account: self.account.clone(), region: seed.region.clone() };
        if !self.regions.contains(&seed.region) {
            let (group, region) = (seed.name.clone(), seed.region.clone());
            return Err(SeedError::Region { group, region });
        }
        let named = seed.load_balancers.iter().map(|name| (name, &self.load_balancers));
        let named = named.chain(seed.target_groups.iter().map(|name| (name, &self.target_groups)));
        for (name, known) in named {
            if !known.contains(name) {
                let (group, balancer) = (seed.name.clone(), name.clone());
                return Err(SeedError::Balancer { group, balancer });
            }
        }
        // One after the other: their order of creation is their order in the seed.
        world.advance(world.now_ms() + 60_000);
        let created_ms = world.now_ms();
        let image = old_image(&site, &seed.name, created_ms);
        let template = old_template(&site, &seed.name, &image.id, created_ms);
        let spec = self.old_spec(&site, seed, &template.name);
        let template_id = template.id.clone();
        let region = world.open(&site);
        region.images.insert(image.id.clone(), image);
        region.templates.insert(template_id.clone(), template);
        world.plant_group(&site, spec, template_id);
        world.advance(world.now_ms());
        Ok(())
    }

    fn old_spec(&self, site: &Site, seed: &GroupSeed, template: &str) -> GroupSpec {
        let subnets = match self.purposes.first() {
            Some(purpose) => {
                ["a", "b"].iter().map(|zone| Self::subnet_id(site, purpose, zone)).collect()
            }
            None => vec![Self::subnet_id(site, "", "a")],
        };
        let tag = GroupTag { value: seed.name.clone(), reach: TagReach::GroupAndInstances };
        GroupSpec {
            name: seed.name.clone(),
            template: template.to_owned(),
            min: seed.size,
            desired: seed.size,
            max: seed.size,
            subnets,
            load_balancers: seed.load_balancers.clone(),
            target_groups: seed
                .target_groups
                .iter()
                .map(|name| Self::target_group_arn(site, name))
                .collect(),
            health_check_type: "EC2".to_owned(),
            grace_seconds: 600,
            cooldown_seconds: 10,
            termination_policies: vec!["Default".to_owned()],
            deletion_protection: None,
            tags: BTreeMap::from([("Name".to_owned(), tag)]),
        }
    }
}

fn base_image(region: &str, base: &BaseImageSeed, created_ms: u64) -> Image {
    Image {
        id: Seed::base_image_id(region, &base.name),
        name: base.name.clone(),
        owner: PUBLISHER.to_owned(),
        launchable_by: LaunchableBy::Everybody,
        state: ImageState::Available,
        state_reason: None,
        description: "base image".to_owned(),
        tags: BTreeMap::new(),
        created_ms,
        visible_ms: created_ms,
        architecture: "x86_64".to_owned(),
        virtualization: base.virtualization.clone(),
        ena_support: true,
        source_instance: None,
        packages: Vec::new(),
    }
}

fn old_image(site: &Site, group: &str, created_ms: u64) -> Image {
    let base = BaseImageSeed { name: format!("old-image-of-{group}"), virtualization: hvm() };
    Image {
        owner: site.account.clone(),
        launchable_by: LaunchableBy::Owner,
        description: format!("what {group} runs"),
        ..base_image(&site.region, &base, created_ms)
    }
}

fn old_template(site: &Site, group: &str, image_id: &str, created_ms: u64) -> Template {
    Template {
        id: stable_id("lt", &[&site.account, &site.region, group]),
        name: format!("{group}-12312025000000"),
        client_token: None,
        data: TemplateData {
            image_id: image_id.to_owned(),
            instance_type: "t3.small".to_owned(),
            ..TemplateData::default()
        },
        tags: BTreeMap::new(),
        created_ms,
        visible_ms: created_ms,
    }
}

/// A subnet with a purpose, or (empty purpose) the default one of a zone.
fn subnet(site: &Site, purpose: &str, zone: &str, cidr: &str) -> Subnet {
    let mut tags = BTreeMap::new();
    if !purpose.is_empty() {
        let metadata = serde_json::json!({ "purpose": purpose, "target": "ec2" });
        tags.insert("immutable_metadata".to_owned(), metadata.to_string());
    }
    Subnet {
        id: Seed::subnet_id(site, purpose, zone),
        vpc: Seed::vpc_id(site),
        zone: format!("{}{zone}", site.region),
        cidr: cidr.to_owned(),
        default_for_zone: purpose.is_empty(),
        tags,
    }
}
