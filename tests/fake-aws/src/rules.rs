//! What this cloud refuses, as one table.
//!
//! Each row has the code AWS answers with, what it is about, and the page of the AWS documentation
//! (or of a report, where the documentation is silent) it comes from. The state machine names rows; it has no error codes of its own.

macro_rules! rules {
    ($($name:ident: $code:literal $status:literal, $text:literal, $source:literal;)*) => {
        /// A rule by which a call is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $text] $name,)*
        }

        impl Rule {
            /// The whole table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The error code in the answer.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status of the answer.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What it is about.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Where it is written.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$name => $source,)* }
            }
        }
    };
}

rules! {
    // EC2: instances.
    TokenParameters: "IdempotentParameterMismatch" 400,
        "A client token belongs to one set of parameters; the same set again answers with the same thing.",
        "EC2 Developer Guide, Ensuring idempotency in Amazon EC2 API requests; EC2 API, RunInstances, ClientToken";
    TokenTerminated: "IdempotentInstanceTerminated" 400,
        "A client token whose instance is terminated starts nothing more.",
        "EC2 API, Error codes; observed since 2025-01, boto3 issue 4406";
    TokenLength: "InvalidParameterValue" 400,
        "A client token has at most 64 ASCII characters.",
        "EC2 API, RunInstances, ClientToken";
    InstanceQuota: "InstanceLimitExceeded" 400,
        "No more instances than the quota of the account and region run at once.",
        "EC2 API, Error codes, InstanceLimitExceeded";
    InstanceUnknown: "InvalidInstanceID.NotFound" 400,
        "An instance that is named exists and has become visible.",
        "EC2 API, Error codes; Troubleshooting, Eventual consistency in the Amazon EC2 API";
    InstanceState: "IncorrectInstanceState" 400,
        "Some attributes change, and images are made, only in the right instance state.",
        "EC2 API, ModifyInstanceAttribute; EC2 API, Error codes, IncorrectInstanceState";
    UserDataSize: "InvalidParameterValue" 400,
        "User data has at most 16 KB before it is encoded, and is valid base64.",
        "EC2 API, RunInstances, UserData; EC2 User Guide, Run commands at launch using user data";
    InstanceCount: "InvalidParameterCombination" 400,
        "This cloud starts one instance for one call of `RunInstances`.",
        "none: a limit of this fake, which refuses what it does not know how to do";
    SubnetUnknown: "InvalidSubnetID.NotFound" 400,
        "A subnet that is named exists.",
        "EC2 API, Error codes, InvalidSubnetID.NotFound";
    SecurityGroupUnknown: "InvalidGroup.NotFound" 400,
        "A security group that is named exists.",
        "EC2 API, Error codes, InvalidGroup.NotFound";
    SecurityGroupElsewhere: "InvalidParameter" 400,
        "Security groups and subnets of one instance are in one VPC.",
        "EC2 API, Error codes, InvalidParameter: security group and subnet belong to different networks";
    NoDefaultSubnet: "MissingInput" 400,
        "Without a subnet there must be a default VPC with a default subnet.",
        "EC2 API, Error codes, MissingInput: no subnets found for the default VPC";

    // EC2: images.
    ImageUnknown: "InvalidAMIID.NotFound" 400,
        "An image that is named exists and has become visible.",
        "EC2 API, Error codes, InvalidAMIID.NotFound";
    ImageUnavailable: "InvalidAMIID.Unavailable" 400,
        "Only an available image is launched.",
        "EC2 API, Error codes, InvalidAMIID.Unavailable";
    ImageNameTaken: "InvalidAMIName.Duplicate" 400,
        "An image name is unique in an account and region.",
        "EC2 API, Error codes, InvalidAMIName.Duplicate";
    ImageNameMalformed: "InvalidAMIName.Malformed" 400,
        "An image name has 3 to 128 letters, digits, or one of ( ) [ ] space . / - ' @ _.",
        "EC2 API, CreateImage, Name";
    ImageInstanceState: "IncorrectState" 400,
        "An image is made of a running or stopped instance.",
        "EC2 API, CreateImage; EC2 API, Error codes, IncorrectState";

    // EC2: launch templates, tags, the rest.
    TemplateNameTaken: "InvalidLaunchTemplateName.AlreadyExistsException" 400,
        "A launch template name is unique in an account and region.",
        "EC2 API, Error codes, InvalidLaunchTemplateName.AlreadyExistsException";
    TemplateNameUnknown: "InvalidLaunchTemplateName.NotFoundException" 400,
        "A launch template that is named exists and has become visible.",
        "EC2 API, Error codes, InvalidLaunchTemplateName.NotFoundException";
    TemplateIdUnknown: "InvalidLaunchTemplateId.NotFound" 400,
        "A launch template id that is given exists and has become visible.",
        "EC2 API, Error codes, InvalidLaunchTemplateId.NotFound";
    TagReserved: "InvalidParameterValue" 400,
        "Tag keys do not begin with `aws:`, have 1 to 128 characters, and values at most 256.",
        "EC2 User Guide, Tag restrictions";
    TagResourceUnknown: "InvalidID" 400,
        "Only existing resources are tagged.",
        "EC2 API, CreateTags; EC2 API, Error codes, InvalidID";
    FilterUnknown: "InvalidParameterValue" 400,
        "Only known filters are taken: `The filter '…' is invalid`.",
        "EC2 API, Error codes, InvalidParameterValue";

    // Auto Scaling.
    GroupNameTaken: "AlreadyExists" 400,
        "A group name is unique in an account and region, also while its group is being deleted.",
        "Auto Scaling API, CreateAutoScalingGroup, AlreadyExists";
    GroupUnknown: "ValidationError" 400,
        "A group that is named exists: `AutoScalingGroup name not found`.",
        "Auto Scaling API, Common errors, ValidationError; observed text";
    GroupNotEmpty: "ResourceInUse" 400,
        "A group with instances is not deleted without force.",
        "Auto Scaling API, DeleteAutoScalingGroup, ResourceInUse";
    GroupBusy: "ScalingActivityInProgress" 400,
        "A group with scaling activities in progress is not deleted without force.",
        "Auto Scaling API, DeleteAutoScalingGroup, ScalingActivityInProgress";
    GroupDeleting: "ValidationError" 400,
        "A group that is being deleted does not change any more.",
        "Auto Scaling API, AutoScalingGroup, Status; observed text";
    GroupProtected: "ResourceInUse" 400,
        "Deletion protection of a group refuses the deletions it names.",
        "Auto Scaling API, CreateAutoScalingGroup, DeletionProtection";
    GroupSizes: "ValidationError" 400,
        "The desired capacity lies between the minimum and the maximum size.",
        "Auto Scaling API, CreateAutoScalingGroup, DesiredCapacity; UpdateAutoScalingGroup";
    GroupTemplate: "ValidationError" 400,
        "A group's launch template exists and names an image that exists.",
        "Auto Scaling API, CreateAutoScalingGroup; Auto Scaling User Guide, Troubleshoot launch templates";
    GroupSubnets: "ValidationError" 400,
        "A group's subnets exist.",
        "Auto Scaling API, CreateAutoScalingGroup, VPCZoneIdentifier";
    GroupBalancers: "ValidationError" 400,
        "A group's load balancers and target groups exist.",
        "Auto Scaling API, AttachLoadBalancers; AttachLoadBalancerTargetGroups";
    ProcessUnknown: "ValidationError" 400,
        "Only known scaling processes are suspended and resumed.",
        "Auto Scaling API, SuspendProcesses, ScalingProcesses";

    // Balancers.
    LoadBalancerUnknown: "LoadBalancerNotFound" 400,
        "A classic load balancer that is named exists.",
        "ELB API 2012-06-01, Common errors, LoadBalancerNotFound";
    LoadBalancerInstance: "InvalidInstance" 400,
        "Only existing instances are registered with, asked of, or taken from a classic load balancer.",
        "ELB API 2012-06-01, RegisterInstancesWithLoadBalancer, InvalidInstance";
    TargetGroupUnknown: "TargetGroupNotFound" 400,
        "A target group that is named exists.",
        "ELB API 2015-12-01, DescribeTargetGroups, TargetGroupNotFound";
    TargetInvalid: "InvalidTarget" 400,
        "Targets are instances that exist and run in the group's VPC.",
        "ELB API 2015-12-01, RegisterTargets, InvalidTarget";

    // Of all services.
    Throttled: "Throttling" 400,
        "Calls over the rate are refused; EC2 says `RequestLimitExceeded` with status 503.",
        "Auto Scaling API, Common errors, ThrottlingException; EC2 Developer Guide, Request throttling";
    ThrottledEc2: "RequestLimitExceeded" 503,
        "Calls over the rate are refused.",
        "EC2 Developer Guide, Request throttling for the Amazon EC2 API";
    Internal: "InternalFailure" 500,
        "The service failed inside; the request may or may not have been carried out.",
        "EC2 API, Error codes, Server error codes";
    ParameterMissing: "MissingParameter" 400,
        "A required parameter is there.",
        "EC2 API, Error codes, MissingParameter";
    ParameterInvalid: "InvalidParameterValue" 400,
        "A parameter has a value of its kind.",
        "EC2 API, Error codes, InvalidParameterValue";
    ParameterUnknown: "UnknownParameter" 400,
        "This cloud refuses parameters it does not understand, rather than to pass over them.",
        "EC2 API, Error codes, UnknownParameter";
    ActionUnknown: "InvalidAction" 400,
        "The action is one this cloud knows.",
        "EC2 API, Error codes, InvalidAction";
    CredentialsMissing: "MissingAuthenticationToken" 403,
        "A request carries an Authorization header with a credential scope.",
        "EC2 API, Error codes, MissingAuthenticationToken; Signature Version 4, credential scope";
    PageToken: "InvalidNextToken" 400,
        "A page token is one that was handed out.",
        "Auto Scaling API, DescribeAutoScalingGroups, InvalidNextToken";
    RegionUnknown: "UnauthorizedOperation" 403,
        "Only regions of the world exist for the account.",
        "EC2 API, Error codes, UnauthorizedOperation (region not opted in: AuthFailure)";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_names_its_code_and_where_it_is_written() {
        for rule in Rule::ALL {
            assert!(!rule.code().is_empty() && rule.code().is_ascii(), "{rule:?}");
            assert!((400..=503).contains(&rule.status()), "{rule:?}");
            assert!(rule.source().len() > 4 && rule.text().ends_with('.'), "{rule:?}");
        }
    }
}
