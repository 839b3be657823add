//! The fields of a deploy stage, of a cluster and of what is inside a cluster.
//!
//! Source: names and defaults are those of Spinnaker's deploy wizard for AWS.

use model::fields::{Choices, Field, declared::Default};

/// A day: longer waits are a mistake in the unit.
const SECONDS_MAX: u64 = 86_400;
/// No group is larger; AWS's own default quota is far below.
const INSTANCES_MAX: u64 = 10_000;

/// Fields of the stage.
pub(super) const STAGE: &[Field] = &[
    Field::objects(
        "clusters",
        CLUSTER,
        "Clusters",
        "What is deployed: one server group in each cluster and region.",
    ),
    Field::json(
        "cluster",
        "Cluster (older form)",
        "A single cluster, as older definitions write it.",
    ),
    Field::text("account", "Account (older form)", "The account of the single cluster.")
        .choices(Choices::Accounts),
    Field::text("credentials", "Account (older name)", "The account of the single cluster.")
        .choices(Choices::Accounts),
    ROLLBACK,
    Field::text("cloudProvider", "Cloud", "The cloud of a single cluster.").kept(),
    Field::text("cloudProviderType", "Cloud", "The cloud of a single cluster.").kept(),
    Field::text("provider", "Cloud (older name)", "The cloud of a single cluster.").kept(),
    Field::json("isNew", "New", "A mark of Spinnaker's form.").kept(),
];

const ROLLBACK: Field = Field::object(
    "rollback",
    &[
        Field::flag("onFailure", "On failure", "Something is done when the deploy fails."),
        Field::flag(
            "destroyLatest",
            "Destroy the new group",
            "The new server group is destroyed, unless it has begun to take over.",
        ),
    ],
    "Rollback",
    "What becomes of the new server group when its deploy fails.",
);

/// The size of a server group.
const CAPACITY: &[Field] = &[
    Field::number("min", INSTANCES_MAX, "Min", "The fewest instances.")
        .default(Default::Described("the smaller of 1 and `desired`")),
    Field::number("desired", INSTANCES_MAX, "Desired", "The instances it begins with.")
        .default(Default::Described("`min`, or 1")),
    Field::number("max", INSTANCES_MAX, "Max", "The most instances.")
        .default(Default::Described("the larger of 1 and `desired`")),
];

const fn seconds(key: &'static str, label: &'static str, help: &'static str) -> Field {
    Field::number(key, SECONDS_MAX, label, help).unit("seconds")
}

/// Fields of a cluster.
pub(super) const CLUSTER: &[Field] = &[
    Field::text("account", "Account", "The AWS account to deploy to.")
        .choices(Choices::Accounts)
        .default(Default::Described("required")),
    Field::text("credentials", "Account (older name)", "The same as `account`.")
        .choices(Choices::Accounts),
    Field::text("application", "Application", "The first part of the server group's name.")
        .choices(Choices::Applications)
        .default(Default::Described("the pipeline's application")),
    Field::text("stack", "Stack", "The second part of the server group's name."),
    Field::text("freeFormDetails", "Detail", "The rest of the server group's name."),
    Field::text("detail", "Detail (older name)", "The same as `freeFormDetails`."),
    Field::text_lists(
        "availabilityZones",
        "Availability zones",
        "The regions to deploy to, each with its zones; a region without zones means all that the subnets are in.",
    )
    .choices(Choices::Zones),
    Field::text("region", "Region", "One more region, with all its zones.").choices(Choices::Regions),
    Field::texts("regions", "Regions", "More regions, with all their zones.").choices(Choices::Regions),
    Field::text(
        "strategy",
        "Strategy",
        "What happens to the older server groups of the cluster once the new one is healthy: nothing when it is empty; `highlander` destroys them.",
    )
    .choices(Choices::Fixed(&["", "none", "highlander"])),
    Field::object("capacity", CAPACITY, "Capacity", "The size of the new server group."),
    Field::flag(
        "useSourceCapacity",
        "Use the old size",
        "Take the size of the newest older group, if there is one.",
    ),
    Field::text("instanceType", "Instance type", "The type of the instances: `t3.small`.")
        .required_to_run("write a type of EC2 instance: \"t3.small\"")
        .choices(Choices::InstanceTypes),
    Field::text("keyPair", "Key pair", "The SSH key of the instances.").choices(Choices::KeyPairs),
    Field::text("iamRole", "IAM instance profile", "What the instances may do in AWS.")
        .choices(Choices::InstanceProfiles),
    Field::texts("securityGroups", "Security groups", "By name or id.")
        .choices(Choices::SecurityGroups),
    Field::texts("loadBalancers", "Load balancers", "Classic load balancers, by name.")
        .choices(Choices::LoadBalancers),
    Field::texts("targetGroups", "Target groups", "By name.").choices(Choices::TargetGroups),
    Field::text("subnetType", "Subnets", "The purpose of the subnets; empty is none.")
        .choices(Choices::SubnetPurposes),
    Field::text(
        "healthCheckType",
        "Health check",
        "Who tells Auto Scaling whether an instance is healthy.",
    )
    .choices(Choices::Fixed(&["EC2", "ELB"]))
    .default(Default::Text("EC2")),
    seconds("healthCheckGracePeriod", "Health check grace period", "How long a new instance's health does not count.")
        .default(Default::Number(600)),
    seconds("cooldown", "Cooldown", "The time between two scaling activities.")
        .default(Default::Number(10)),
    Field::texts("terminationPolicies", "Termination policies", "Which instances go first.")
        .default(Default::Text("Default")),
    Field::texts(
        "suspendedProcesses",
        "Suspended processes",
        "Scaling processes to suspend once the group is up.",
    )
    .choices(Choices::Fixed(&SCALING_PROCESSES)),
    Field::pairs("tags", "Tags", "Tags of the group and its instances."),
    Field::text("base64UserData", "User data", "Your own user data for the instances, as base64."),
    Field::number(
        "targetHealthyDeployPercentage",
        100,
        "Healthy instances",
        "How much of the desired capacity must be healthy before the deploy goes on.",
    )
    .unit("percent")
    .default(Default::Number(100)),
    Field::texts(
        "interestingHealthProviderNames",
        "Health providers",
        "Whose opinion about health counts; [\"Amazon\"] judges instances by their EC2 state alone.",
    ),
    Field::flag(
        "associatePublicIpAddress",
        "Public address",
        "Whether instances get a public address; when it is not written the subnet decides.",
    ),
    Field::flag("ebsOptimized", "EBS optimized", "Instances with their own line to EBS."),
    Field::flag("instanceMonitoring", "Detailed monitoring", "Instances report every minute."),
    seconds("delayBeforeDisableSec", "Delay before disabling", "The time between the new group's health and the disabling of the old ones."),
    seconds("delayBeforeScaleDownSec", "Delay before scaling down", "The time between the disabling of an old group and its scaling down."),
    Field::text("amiName", "Image by name", "The image; without it the image that stages before this one made or found is taken."),
    Field::text("imageId", "Image by id", "The image; without it the image that stages before this one made or found is taken."),
    ROLLBACK,
    Field::text("cloudProvider", "Cloud", "The cloud of the group.").choices(Choices::Fixed(&["aws"])),
    Field::text("provider", "Cloud (older name)", "The cloud of the group.").choices(Choices::Fixed(&["aws"])),
    Field::text("cloudProviderType", "Cloud (older name)", "The cloud of the group.")
        .choices(Choices::Fixed(&["aws"])),
    Field::json("cluster", "Cluster (older form)", "The same fields one level down."),
    Field::json("userDataOverride", "User data override", "Has no effect where `enabled` is true: the platform's own user data always comes first.").kept(),
    Field::json("source", "Source", "The group that the wizard was opened on.").kept(),
    Field::json("moniker", "Moniker", "The parts of the name, as Spinnaker's form writes them.").kept(),
    Field::json("viewState", "View state", "Marks of Spinnaker's form.").kept(),
    Field::json("securityGroupNames", "Security group names", "Marks of Spinnaker's form.").kept(),
    Field::text("reason", "Reason", "Why, in the author's words.").kept(),
    Field::text("comments", "Comments", "For other people.").kept(),
    Field::flag("useAmiBlockDeviceMappings", "Use the image's disks", "Disks are always those of the image.").kept(),
    Field::flag("usePreferredZones", "Use preferred zones", "A switch of Spinnaker's form.").kept(),
    Field::ignored("spotPrice", "instances are bought on demand"),
    Field::ignored("blockDevices", "disks are those of the image"),
    Field::ignored("copySourceCustomBlockDeviceMappings", "disks are those of the image"),
    Field::ignored("enabledMetrics", "group metrics are not switched on yet"),
    Field::ignored("lifecycleHooks", "hooks are not made yet"),
    Field::ignored("preferSourceCapacity", "use `useSourceCapacity`"),
    Field::ignored("scaleDown", "with highlander the older groups are destroyed, with none they stay as they are"),
    Field::ignored("maxRemainingAsgs", "with highlander one group remains, with none all do"),
    Field::ignored("placementGroup", "instances are placed by AWS"),
    Field::ignored("tenancy", "instances share their hosts"),
    Field::ignored("kernelId", "the kernel is that of the image"),
    Field::ignored("ramdiskId", "the RAM disk is that of the image"),
    Field::ignored("classicLinkVpcId", "EC2-Classic does not exist any more"),
    Field::ignored("classicLinkVpcSecurityGroups", "EC2-Classic does not exist any more"),
    Field::ignored("launchTemplateOverridesForInstanceType", "a group has one type of instances"),
    Field::ignored("spotAllocationStrategy", "instances are bought on demand"),
    Field::ignored("onDemandPercentageAboveBaseCapacity", "instances are bought on demand"),
    Field::ignored("onDemandBaseCapacity", "instances are bought on demand"),
    Field::ignored("onDemandAllocationStrategy", "instances are bought on demand"),
    Field::ignored("spotInstancePools", "instances are bought on demand"),
    Field::ignored("capacityRebalance", "instances are bought on demand"),
    Field::ignored("requireIMDSv2", "instance metadata options are not set yet"),
    Field::ignored("associateIPv6Address", "IPv6 addresses are not assigned yet"),
    Field::ignored("unlimitedCpuCredits", "CPU credits are those of the account"),
    Field::ignored("enableEnclave", "enclaves are not switched on"),
    Field::ignored("placement", "instances are placed by AWS"),
    Field::ignored("subnetIds", "subnets are found by their purpose: use `subnetType`"),
    Field::ignored("pinMinimumCapacity", "the minimum is not pinned while old groups go"),
    Field::kept(Field::flag("setLaunchTemplate", "Launch template", "A launch template is always made.")),
];

/// Source: the scaling processes of Amazon EC2 Auto Scaling.
pub(super) const SCALING_PROCESSES: [&str; 9] = [
    "Launch",
    "Terminate",
    "AddToLoadBalancer",
    "AlarmNotification",
    "AZRebalance",
    "HealthCheck",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "InstanceRefresh",
];
