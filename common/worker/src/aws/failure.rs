//! How the SDK's errors are read.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use runtime::Chain;

/// A failed call to AWS, in the terms both workers judge by.
///
/// Look at `code` first: some answers that matter to a caller (no capacity) come with a status that
/// would otherwise mean an unclear outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What may have happened.
    pub class: FailureClass,
    /// AWS's code; `None` when AWS did not answer.
    pub code: Option<String>,
    /// AWS's words, or what was seen instead of an answer.
    pub message: String,
}

/// What may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// Too many calls; nothing happened.
    Throttled,
    /// No answer, or a failure inside AWS: it may have happened.
    UnknownOutcome,
    /// Refused, or never sent; nothing happened.
    Refused,
}

/// Codes of AWS services for "too many calls".
///
/// Source: the standard retry mode of the AWS SDKs, and EC2's list of client error codes.
const THROTTLING: [&str; 14] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

impl Failure {
    /// Reads an error of any call.
    pub fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            SdkError::ServiceError(answer) => Self::answered(
                answer.raw().status().as_u16(),
                answer.err().code(),
                answer.err().message(),
            ),
            SdkError::ConstructionFailure(_) => Self::unanswered(FailureClass::Refused, error),
            SdkError::DispatchFailure(_) if lacks_credentials(error) => {
                Self::unanswered(FailureClass::Refused, error)
            }
            // The SDK's enum is open: whatever it adds may have happened.
            SdkError::DispatchFailure(_)
            | SdkError::TimeoutError(_)
            | SdkError::ResponseError(_)
            | _ => Self::unanswered(FailureClass::UnknownOutcome, error),
        }
    }

    fn answered(status: u16, code: Option<&str>, message: Option<&str>) -> Self {
        let throttled = status == 429 || code.is_some_and(|code| THROTTLING.contains(&code));
        let class = if throttled {
            FailureClass::Throttled
        } else if status >= 500 {
            FailureClass::UnknownOutcome
        } else {
            FailureClass::Refused
        };
        Self {
            class,
            code: code.map(str::to_owned),
            message: message.map_or_else(|| format!("HTTP status {status}"), str::to_owned),
        }
    }

    fn unanswered(class: FailureClass, error: &(dyn Error + 'static)) -> Self {
        Self { class, code: None, message: Chain(error).to_string() }
    }
}

/// True when there are no credentials to sign with: configuration, not the network. A source of
/// credentials that failed just now is not meant.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(credentials) = error.downcast_ref::<CredentialsError>() {
            return matches!(
                credentials,
                CredentialsError::CredentialsNotLoaded(_)
                    | CredentialsError::InvalidConfiguration(_)
            );
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_classed_by_code_then_by_status() {
        let class = |status, code| Failure::answered(status, code, None).class;
        assert_eq!(class(503, Some("RequestLimitExceeded")), FailureClass::Throttled);
        assert_eq!(class(400, Some("Throttling")), FailureClass::Throttled);
        assert_eq!(class(429, None), FailureClass::Throttled);
        assert_eq!(class(500, Some("InternalError")), FailureClass::UnknownOutcome);
        assert_eq!(class(502, None), FailureClass::UnknownOutcome);
        assert_eq!(class(400, Some("InvalidAMIName.Duplicate")), FailureClass::Refused);
        assert_eq!(class(403, Some("UnauthorizedOperation")), FailureClass::Refused);
    }
}
