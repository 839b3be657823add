//! Accounts at AWS: their configuration and, with the feature `aws`, how the SDK is set up for them
//! and how its errors are read. Both workers reach AWS only through what is said here.

#[cfg(feature = "aws")]
mod failure;
#[cfg(feature = "aws")]
mod sdk;

use std::collections::BTreeMap;

use serde::Deserialize;

#[cfg(feature = "aws")]
pub use failure::{Failure, FailureClass};
#[cfg(feature = "aws")]
pub use sdk::{Accounts, Sdk};

/// The section `[aws]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsConfig {
    /// The account meant when a request names none; without it the only configured account is
    /// meant, and the process's own credentials when there is none or are several.
    pub default_account: Option<String>,
    /// Accounts by the name pipelines call them.
    pub accounts: BTreeMap<String, AwsAccount>,
}

/// Named credentials and where they may be used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsAccount {
    /// Regions that may be worked in.
    pub regions: Vec<String>,
    /// Role to take on; without it the process's own credentials are used.
    #[serde(default)]
    pub role_arn: Option<String>,
    /// External id the role's trust policy wants.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Another endpoint for every service, such as a fake's: `http://127.0.0.1:4566`.
    #[serde(default)]
    pub endpoint_url: Option<String>,
}

/// An account or region that is not configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No such account.
    #[error("account `{account}` is not configured; configured are: {}", names(.known))]
    UnknownAccount {
        /// As asked for.
        account: String,
        /// The configured ones.
        known: Vec<String>,
    },
    /// The account may not be used there.
    #[error("region `{region}` is not configured for account `{account}`; configured are: {}", names(.known))]
    UnknownRegion {
        /// The account.
        account: String,
        /// As asked for.
        region: String,
        /// The configured ones.
        known: Vec<String>,
    },
}

fn names(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

impl AwsConfig {
    /// What a request for an account and a region means; `None` is the process's own credentials.
    ///
    /// # Errors
    ///
    /// Names what is not configured, and what is.
    pub fn account(
        &self,
        account: Option<&str>,
        region: &str,
    ) -> Result<Option<(&str, &AwsAccount)>, AccountError> {
        let asked = account.or(self.default_account.as_deref());
        let found = match asked {
            Some(name) => Some(self.accounts.get_key_value(name).ok_or_else(|| {
                AccountError::UnknownAccount {
                    account: name.to_owned(),
                    known: self.accounts.keys().cloned().collect(),
                }
            })?),
            None if self.accounts.len() == 1 => self.accounts.first_key_value(),
            None => None,
        };
        let Some((name, account)) = found else { return Ok(None) };
        if account.regions.iter().any(|known| known == region) {
            Ok(Some((name, account)))
        } else {
            Err(AccountError::UnknownRegion {
                account: name.clone(),
                region: region.to_owned(),
                known: account.regions.clone(),
            })
        }
    }

    /// Everything that is wrong, as paths inside the section and texts.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if let Some(name) = &self.default_account
            && !self.accounts.contains_key(name)
        {
            problems.push((
                "default_account".to_owned(),
                format!("`{name}` is not one of the accounts"),
            ));
        }
        for (name, account) in &self.accounts {
            let path = |key: &str| format!("accounts.{name}.{key}");
            if account.regions.is_empty() {
                problems.push((path("regions"), "name at least one region".to_owned()));
            }
            for region in account.regions.iter().filter(|region| !is_region(region)) {
                problems.push((path("regions"), format!("`{region}` is not a region")));
            }
            if let Some(arn) = &account.role_arn
                && !(arn.starts_with("arn:") && arn.contains(":role/"))
            {
                problems.push((path("role_arn"), format!("`{arn}` is not the ARN of a role")));
            }
            if let Some(url) = &account.endpoint_url
                && !(url.starts_with("http://") || url.starts_with("https://"))
            {
                problems.push((
                    path("endpoint_url"),
                    format!("`{url}` does not begin with http:// or https://"),
                ));
            }
        }
        problems
    }
}

/// True for what can be a region's name; regions become parts of host names.
pub fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(regions: &[&str]) -> AwsAccount {
        AwsAccount {
            regions: regions.iter().map(|&region| region.to_owned()).collect(),
            role_arn: None,
            external_id: None,
            endpoint_url: None,
        }
    }

    #[test]
    fn an_unnamed_account_is_the_default_or_the_only_one_or_our_own() {
        let mut config = AwsConfig::default();
        assert_eq!(config.account(None, "us-east-1"), Ok(None));
        config.accounts.insert("staging".to_owned(), account(&["us-east-1"]));
        assert_eq!(config.account(None, "us-east-1").unwrap().unwrap().0, "staging");
        config.accounts.insert("prod".to_owned(), account(&["us-east-1"]));
        assert_eq!(config.account(None, "us-east-1"), Ok(None));
        config.default_account = Some("prod".to_owned());
        assert_eq!(config.account(None, "us-east-1").unwrap().unwrap().0, "prod");
    }

    #[test]
    fn unknown_accounts_and_regions_are_named_with_the_known_ones() {
        let mut config = AwsConfig::default();
        config.accounts.insert("staging".to_owned(), account(&["us-east-1", "us-west-2"]));
        let error = config.account(Some("prod"), "us-east-1").unwrap_err();
        assert_eq!(error.to_string(), "account `prod` is not configured; configured are: staging");
        let error = config.account(Some("staging"), "eu-west-1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "region `eu-west-1` is not configured for account `staging`; configured are: us-east-1, us-west-2"
        );
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let mut config =
            AwsConfig { default_account: Some("x".to_owned()), ..AwsConfig::default() };
        config.accounts.insert(
            "a".to_owned(),
            AwsAccount {
                regions: vec!["US East".to_owned()],
                role_arn: Some("role".to_owned()),
                external_id: None,
                endpoint_url: Some("localhost:1".to_owned()),
            },
        );
        config.accounts.insert("b".to_owned(), account(&[]));
        let paths: Vec<String> = config.problems().into_iter().map(|(path, _)| path).collect();
        assert_eq!(
            paths,
            [
                "default_account",
                "accounts.a.regions",
                "accounts.a.role_arn",
                "accounts.a.endpoint_url",
                "accounts.b.regions"
            ]
        );
    }
}
