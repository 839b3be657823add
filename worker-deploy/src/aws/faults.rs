//! AWS's error codes in the words of the port.

use std::error::Error;

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use worker::aws::{Failure, FailureClass};

use crate::ports::{CloudError, Fault};

/// What EC2, Auto Scaling and the balancers call a name that is taken.
const EXISTS: [&str; 3] =
    ["AlreadyExists", "AlreadyExistsFault", "InvalidLaunchTemplateName.AlreadyExistsException"];

/// What they answer while something else is going on.
const IN_USE: [&str; 6] = [
    "ResourceInUse",
    "ResourceInUseFault",
    "ScalingActivityInProgress",
    "ScalingActivityInProgressFault",
    "ResourceContention",
    "ResourceContentionFault",
];

/// What they call something that is not there.
const NOT_FOUND: [&str; 10] = [
    "InvalidAMIID.NotFound",
    "InvalidAMIID.Unavailable",
    "InvalidInstanceID.NotFound",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.NotFoundException",
    "InvalidLaunchTemplateId.VersionNotFound",
    "InvalidLaunchTemplateName.NotFoundException",
    "LoadBalancerNotFound",
    "AccessPointNotFound",
    "TargetGroupNotFound",
];

/// Reads the error of a call.
pub(super) fn read<E>(call: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    move |error| CloudError::new(call, fault(Failure::of(&error)))
}

fn fault(failure: Failure) -> Fault {
    let Failure { class, code, message } = failure;
    let code = code.unwrap_or_default();
    if EXISTS.contains(&code.as_str()) {
        return Fault::AlreadyExists(message);
    }
    if IN_USE.contains(&code.as_str()) {
        return Fault::InUse(message);
    }
    // Auto Scaling has no code of its own for a group that is not there.
    let unknown_group = code == "ValidationError" && message.contains("name not found");
    if NOT_FOUND.contains(&code.as_str()) || unknown_group {
        return Fault::NotFound(message);
    }
    match class {
        FailureClass::Throttled => Fault::Throttled,
        FailureClass::UnknownOutcome => Fault::UnknownOutcome(message),
        FailureClass::Refused => Fault::Refused { code, message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_before_classes() {
        let read = |class, code: &str, message: &str| {
            fault(Failure { class, code: Some(code.to_owned()), message: message.to_owned() })
        };
        let refused = FailureClass::Refused;
        let text = "m".to_owned();
        assert_eq!(read(refused, "AlreadyExists", "m"), Fault::AlreadyExists(text.clone()));
        assert_eq!(read(refused, "ResourceInUse", "m"), Fault::InUse(text.clone()));
        let contended = read(FailureClass::UnknownOutcome, "ResourceContention", "m");
        assert_eq!(contended, Fault::InUse(text.clone()));
        assert_eq!(read(refused, "TargetGroupNotFound", "m"), Fault::NotFound(text.clone()));
        let gone = "AutoScalingGroup name not found - null";
        assert_eq!(read(refused, "ValidationError", gone), Fault::NotFound(gone.to_owned()));
        let wrong = Fault::Refused { code: "ValidationError".to_owned(), message: text };
        assert_eq!(read(refused, "ValidationError", "m"), wrong);
        assert_eq!(read(FailureClass::Throttled, "Throttling", "m"), Fault::Throttled);
    }
}
