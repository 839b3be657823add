//! What this room asks of a cloud, in its own words.
//!
//! Two implementations exist: the AWS SDK behind the feature `aws`, and the strict in-process cloud of
//! the tests. The port is the safety fence too: it has no forced deletion, no termination of
//! instances, no deregistration of images, so no code path of this room can reach one.

mod images;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use wire::Capacity;

pub use self::images::{Image, ImageQuery, ImageState, TaggedImage};

/// A pending reply of the cloud.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, CloudError>>;

/// Server groups and what belongs to them, in any account and region.
///
/// Reads follow every page and show the world as the cloud tells it, which may lag behind: absent
/// after a creation does not mean "not created". No call repeats itself: the caller decides what an
/// error means.
pub trait ServerGroupCloud: fmt::Debug + Send + Sync + 'static {
    // Reads.

    /// Every server group whose name parses into the cluster (`shop-staging-web`), also those
    /// being deleted, in no particular order.
    fn cluster<'a>(&'a self, place: &'a Place, cluster: &'a str) -> Reply<'a, Vec<ServerGroup>>;
    /// The server groups with these exact names; unknown names are left out. No names: no groups.
    fn groups<'a>(&'a self, place: &'a Place, names: &'a [String]) -> Reply<'a, Vec<ServerGroup>>;
    /// An image by its id (`ami-…`) or by its name; the newest available one if the name is not
    /// unique over owners.
    fn image<'a>(&'a self, place: &'a Place, id_or_name: &'a str) -> Reply<'a, Option<Image>>;
    /// The image that a version of a launch template names, as it is written there: `ami-…`, as a rule.
    /// `None` when there is no such template or version, or when it names no image.
    fn template_image<'a>(
        &'a self,
        place: &'a Place,
        template: &'a TemplateRef,
    ) -> Reply<'a, Option<String>>;
    /// The account's own images that fit, in no particular order. More than [`ImageQuery::MAX`] are
    /// refused: a part of them would not tell which is the newest.
    fn tagged_images<'a>(&'a self, query: &'a ImageQuery) -> Reply<'a, Vec<TaggedImage>>;
    /// Every subnet of the region.
    fn subnets<'a>(&'a self, place: &'a Place) -> Reply<'a, Vec<Subnet>>;
    /// The security groups of a VPC which have one of these ids or names; unknown ones are left out.
    fn security_groups<'a>(
        &'a self,
        place: &'a Place,
        vpc: &'a str,
        ids_or_names: &'a [String],
    ) -> Reply<'a, Vec<SecurityGroup>>;
    /// Which of these classic load balancers exist, by name.
    fn load_balancers<'a>(
        &'a self,
        place: &'a Place,
        names: &'a [String],
    ) -> Reply<'a, Vec<String>>;
    /// The target groups with these names; unknown names are left out.
    fn target_groups<'a>(
        &'a self,
        place: &'a Place,
        names: &'a [String],
    ) -> Reply<'a, Vec<TargetGroup>>;
    /// What a balancer says of each instance registered with it, draining ones included. An
    /// instance it does not list is not registered and not draining.
    fn balancer_health<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
    ) -> Reply<'a, Vec<BalancedInstance>>;
    /// The state of these instances; unknown ids are left out.
    fn instances<'a>(
        &'a self,
        place: &'a Place,
        ids: &'a [String],
    ) -> Reply<'a, Vec<InstanceState>>;
    /// A launch template by its name.
    fn launch_template<'a>(
        &'a self,
        place: &'a Place,
        name: &'a str,
    ) -> Reply<'a, Option<LaunchTemplate>>;

    // Changes.

    /// Creates a launch template once per client token: a repeat with the same token answers with
    /// the same template. [`Fault::AlreadyExists`] when another has the name.
    fn create_launch_template<'a>(
        &'a self,
        place: &'a Place,
        template: &'a NewLaunchTemplate,
    ) -> Reply<'a, LaunchTemplate>;
    /// Deletes a launch template by its id; [`Fault::NotFound`] when it is gone.
    fn delete_launch_template<'a>(&'a self, place: &'a Place, id: &'a str) -> Reply<'a, ()>;
    /// Creates a server group, protected against forced deletion where the cloud can do that.
    /// [`Fault::AlreadyExists`] when its name is taken (also by one that is being deleted).
    fn create_group<'a>(&'a self, place: &'a Place, group: &'a NewServerGroup) -> Reply<'a, ()>;
    /// Sets minimum, desired and maximum size at once.
    fn set_capacity<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        capacity: Capacity,
    ) -> Reply<'a, ()>;
    /// Suspends scaling processes (`Launch`, `Terminate`, `AddToLoadBalancer`, …); those
    /// suspended already stay so.
    fn suspend<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        processes: &'a [String],
    ) -> Reply<'a, ()>;
    /// Resumes scaling processes; those running stay so.
    fn resume<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        processes: &'a [String],
    ) -> Reply<'a, ()>;
    /// Registers instances with a balancer; those registered stay so.
    fn register<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
        instances: &'a [String],
    ) -> Reply<'a, ()>;
    /// Begins to take instances out of a balancer: they drain, then vanish from
    /// [`ServerGroupCloud::balancer_health`]. Those not registered are ignored.
    fn deregister<'a>(
        &'a self,
        place: &'a Place,
        balancer: &'a Balancer,
        instances: &'a [String],
    ) -> Reply<'a, ()>;
    /// Sets a tag of a server group, not of its instances.
    fn tag<'a>(
        &'a self,
        place: &'a Place,
        group: &'a str,
        key: &'a str,
        value: &'a str,
    ) -> Reply<'a, ()>;
    /// Removes a tag of a server group.
    fn untag<'a>(&'a self, place: &'a Place, group: &'a str, key: &'a str) -> Reply<'a, ()>;
    /// Deletes an *empty* server group; never by force. [`Fault::InUse`] while it has instances or
    /// an activity runs, [`Fault::NotFound`] when it is gone.
    fn delete_group<'a>(&'a self, place: &'a Place, group: &'a str) -> Reply<'a, ()>;
}

/// An account and a region: where things are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the account, as in the configuration.
    pub account: String,
    /// `us-east-1`.
    pub region: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// A server group (an Auto Scaling group) as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerGroup {
    /// `shop-staging-web-v004`.
    pub name: String,
    /// Its ARN: never used again for another group, unlike the name.
    pub arn: String,
    /// When it was created, epoch milliseconds.
    pub created_ms: u64,
    /// Its sizes.
    pub capacity: Capacity,
    /// Its instances, also starting and ending ones.
    pub instances: Vec<GroupInstance>,
    /// What its instances are made from; `None` for an old launch configuration.
    pub launch_template: Option<TemplateRef>,
    /// Names of its classic load balancers.
    pub load_balancers: Vec<String>,
    /// ARNs of its target groups.
    pub target_groups: Vec<String>,
    /// Scaling processes that are suspended.
    pub suspended: BTreeSet<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it is going.
    pub lifecycle: GroupLifecycle,
}

impl ServerGroup {
    /// Everything that sends traffic to its instances.
    pub fn balancers(&self) -> Vec<Balancer> {
        let classic = self.load_balancers.iter().cloned().map(Balancer::Classic);
        let targets = self.target_groups.iter().cloned().map(Balancer::TargetGroup);
        classic.chain(targets).collect()
    }
}

/// Whether a server group is there to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupLifecycle {
    /// It is.
    Active,
    /// The cloud is deleting it (status `Delete in progress`).
    Deleting,
}

/// An instance as its server group sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInstance {
    /// `i-…`.
    pub id: String,
    /// Its place in the group's life cycle.
    pub lifecycle: InstanceLifecycle,
    /// The group's own verdict.
    pub health: GroupHealth,
}

/// Where an instance stands in its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceLifecycle {
    /// `Pending` and its sub-states.
    Pending,
    /// `InService`.
    InService,
    /// `Terminating` and its sub-states, `Terminated`.
    Terminating,
    /// Anything else: `Standby`, `Detaching`, `Warmed:…`.
    Other(String),
}

/// What a server group says of an instance's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupHealth {
    /// `Healthy`.
    Healthy,
    /// `Unhealthy`: it is going to be replaced.
    Unhealthy,
}

/// The launch template a server group names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRef {
    /// `lt-…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The version: a number, `$Latest` or `$Default`.
    #[serde(default = "default_version")]
    pub version: String,
}

/// The version of a template that AWS takes when none is named.
pub(crate) fn default_version() -> String {
    "$Default".to_owned()
}

/// A launch template as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchTemplate {
    /// `lt-…`.
    pub id: String,
    /// Its name, unique in a region.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A launch template to make. It is committed before it is sent, so that a repeat is the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLaunchTemplate {
    /// Its name, unique in a region.
    pub name: String,
    /// The same token makes the same template, once.
    pub client_token: String,
    /// `ami-…`.
    pub image_id: String,
    /// `t3.small`.
    pub instance_type: String,
    /// SSH key.
    pub key_pair: Option<String>,
    /// Instance profile: a name, or an ARN.
    pub iam_role: Option<String>,
    /// `sg-…`.
    pub security_groups: Vec<String>,
    /// Base64.
    pub user_data: String,
    /// `None` lets the subnet decide.
    pub associate_public_ip: Option<bool>,
    /// EBS-optimized instances.
    pub ebs_optimized: bool,
    /// Detailed monitoring.
    pub instance_monitoring: bool,
    /// Tags of the template itself.
    pub tags: BTreeMap<String, String>,
}

/// A server group to make. It is committed before it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewServerGroup {
    /// Its name, unique in a region.
    pub name: String,
    /// Name of its launch template; version 1 is used.
    pub launch_template: String,
    /// Its sizes.
    pub capacity: Capacity,
    /// Subnets for its instances, at least one.
    pub subnets: Vec<String>,
    /// Names of classic load balancers.
    pub load_balancers: Vec<String>,
    /// ARNs of target groups.
    pub target_groups: Vec<String>,
    /// `EC2` or `ELB`.
    pub health_check_type: String,
    /// Seconds before health counts.
    pub health_check_grace_period: u32,
    /// Seconds between scaling activities.
    pub cooldown: u32,
    /// Which instances go first; empty is the cloud's default.
    pub termination_policies: Vec<String>,
    /// Tags of the group; its instances get them too.
    pub tags: BTreeMap<String, String>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// Its zone: `us-east-1a`.
    pub zone: String,
    /// `vpc-…`.
    pub vpc: String,
    /// True for the one subnet per zone that is used when nothing else is said.
    pub default_for_zone: bool,
    /// Its tags; `immutable_metadata` and `Name` tell the purpose.
    pub tags: BTreeMap<String, String>,
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Its name, unique in its VPC.
    pub name: String,
}

/// A target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

/// Something that sends traffic to instances.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balancer {
    /// A classic load balancer, by name.
    Classic(String),
    /// A target group, by ARN.
    TargetGroup(String),
}

impl fmt::Display for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Classic(name) => write!(f, "load balancer `{name}`"),
            // arn:aws:elasticloadbalancing:region:account:targetgroup/NAME/id
            Self::TargetGroup(arn) => {
                write!(f, "target group `{}`", arn.split('/').nth(1).unwrap_or(arn))
            }
        }
    }
}

/// An instance as a balancer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalancedInstance {
    /// `i-…`.
    pub id: String,
    /// The balancer's verdict.
    pub health: BalancerHealth,
    /// The balancer's reason, for people: `Target.FailedHealthChecks: Health checks failed`.
    pub reason: Option<String>,
}

/// What a balancer says of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalancerHealth {
    /// Gets traffic (`healthy`, `InService`).
    Up,
    /// Registered, first checks not passed (`initial`).
    Starting,
    /// Checks fail (`unhealthy`, `OutOfService`).
    Down,
    /// Being taken out; gets no new connections.
    Draining,
    /// Registered, but not used (`unused`).
    OutOfService,
    /// The balancer does not say. Not healthy.
    Unknown,
}

impl fmt::Display for BalancerHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Starting => "starting",
            Self::Down => "down",
            Self::Draining => "draining",
            Self::OutOfService => "out of service",
            Self::Unknown => "unknown",
        })
    }
}

/// The state of an instance, whoever owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceState {
    /// `i-…`.
    pub id: String,
    /// Where it stands.
    pub power: Power,
    /// Why it stopped, if the cloud says: `Server.InternalError: …`.
    pub reason: Option<String>,
}

/// Where an instance stands in its own life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Starting.
    Pending,
    /// Running.
    Running,
    /// Stopping, or stopped.
    Stopped,
    /// Terminating, or terminated.
    Terminated,
}

/// A call to the cloud that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {fault}")]
pub struct CloudError {
    /// The call, in the cloud's own words: `CreateAutoScalingGroup`.
    pub call: String,
    /// What went wrong.
    pub fault: Fault,
}

impl CloudError {
    /// The failure of one call.
    pub fn new(call: impl Into<String>, fault: Fault) -> Self {
        Self { call: call.into(), fault }
    }
}

/// Why a call did not succeed, by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Too many calls; nothing happened. Wait, then go on.
    #[error("the cloud asks to slow down")]
    Throttled,
    /// Timeout, reset, or an error of the server: it may have happened. Read the world, then decide.
    #[error("no answer, so it may have happened ({0})")]
    UnknownOutcome(String),
    /// What the call names is not there.
    #[error("not found ({0})")]
    NotFound(String),
    /// Something of that name is there.
    #[error("exists already ({0})")]
    AlreadyExists(String),
    /// Busy with something else (`ResourceInUse`, `ScalingActivityInProgress`,
    /// `ResourceContention`). Wait, then look again.
    #[error("in use ({0})")]
    InUse(String),
    /// The cloud refuses it, and will again: a wrong value, a missing permission, a quota.
    #[error("refused with {code}: {message}")]
    Refused {
        /// The cloud's code: `ValidationError`.
        code: String,
        /// The cloud's words.
        message: String,
    },
}
