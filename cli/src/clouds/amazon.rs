//! AWS itself, through its SDK.

use std::{collections::BTreeMap, sync::Arc};

use runtime::Settings;
use worker::aws::{AwsAccount, AwsConfig};

use crate::clouds::Clouds;

/// Both ports over the configured accounts; `None` when something is wrong, which
/// `settings.finish()` then tells.
pub(crate) fn amazon(settings: &mut Settings) -> Option<Clouds> {
    let config: AwsConfig = settings.section("aws")?;
    for (path, text) in config.problems() {
        settings.problem(format!("aws.{path}"), text);
    }
    Some(over(config))
}

/// Both ports over one account whose services are all at an address.
pub(crate) fn at(url: &str, account: &str, region: &str) -> Clouds {
    let account_config = AwsAccount {
        regions: vec![region.to_owned()],
        role_arn: None,
        external_id: None,
        endpoint_url: Some(url.to_owned()),
    };
    over(AwsConfig {
        default_account: None,
        accounts: BTreeMap::from([(account.to_owned(), account_config)]),
    })
}

fn over(config: AwsConfig) -> Clouds {
    Clouds {
        images: Arc::new(worker_bake::aws::Ec2::new(config.clone())),
        server_groups: Arc::new(worker_deploy::aws::AwsCloud::new(config)),
    }
}
