//! The workers' ports over the state machine, in the same process.

mod bake;
mod deploy;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    FakeAws,
    world::{
        Caller, Site, World,
        error::{ApiError, CallError},
    },
};

/// The cloud as both workers see it. Cheap to clone; clones are the same cloud.
#[derive(Clone, Debug)]
pub struct InProcess {
    aws: FakeAws,
    accounts: BTreeMap<String, String>,
}

impl InProcess {
    /// Every configured account name means the seed's home account.
    pub const fn new(aws: FakeAws) -> Self {
        Self { aws, accounts: BTreeMap::new() }
    }

    /// This configured name means that account number.
    #[must_use]
    pub fn with_account(mut self, name: &str, number: &str) -> Self {
        self.accounts.insert(name.to_owned(), number.to_owned());
        self
    }

    /// The cloud below.
    pub const fn aws(&self) -> &FakeAws {
        &self.aws
    }

    fn call<T>(
        &self,
        account: Option<&str>,
        region: &str,
        act: impl FnOnce(&mut World, &Caller) -> T,
    ) -> T {
        let mut world = self.aws.world();
        let number = account.and_then(|name| self.accounts.get(name)).cloned();
        let caller = Caller {
            site: Site {
                account: number.unwrap_or_else(|| world.home_account().to_owned()),
                region: region.to_owned(),
            },
            actor: account.unwrap_or("own").to_owned(),
        };
        act(&mut world, &caller)
    }
}

/// A refusal by the way both ports look at it: some codes mean "may have happened".
enum Said {
    Throttled,
    Unknown(String),
    Refused(ApiError),
}

fn said(error: CallError) -> Said {
    match error {
        CallError::NoAnswer => Said::Unknown("no answer in time".to_owned()),
        CallError::Refused(error) => match error.code.as_str() {
            "Throttling" | "RequestLimitExceeded" => Said::Throttled,
            _ if error.status >= 500 => Said::Unknown(error.to_string()),
            _ => Said::Refused(error),
        },
    }
}

/// RFC 3339 with milliseconds, as AWS writes times.
pub(crate) fn rfc3339(at_ms: u64) -> String {
    let timestamp = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(String::new, |timestamp| format!("{timestamp:.3}"))
}
