//! How the SDK is set up.

use std::{collections::BTreeMap, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider,
    timeout::TimeoutConfig,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use model::limits;
use tokio::sync::Mutex;

use super::{AccountError, AwsAccount, AwsConfig};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries of a read, the first included: a slow answer leaves time for a second inside
/// [`limits::AWS_CALL_TIMEOUT`], a quick error for a third.
const READ_ATTEMPTS: u32 = 3;
/// Longest single try of a read.
const READ_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(9);

const _: () = assert!(READ_ATTEMPT_TIMEOUT.as_secs() * 2 < limits::AWS_CALL_TIMEOUT.as_secs());

/// Set-up for the clients of one account in one region; cheap to clone.
#[derive(Clone, Debug)]
pub struct Sdk {
    /// For clients that only read: the SDK repeats failed calls a few times.
    pub reads: SdkConfig,
    /// For clients that change something: a call is sent once, and its outcome, also an unclear
    /// one, is the caller's to judge.
    pub writes: SdkConfig,
}

/// Makes and keeps an [`Sdk`] per account and region, so that credentials are fetched and
/// connections opened once.
#[derive(Debug)]
pub struct Accounts {
    config: AwsConfig,
    session_name: &'static str,
    // Held while one is loaded: loading twice would fetch credentials twice.
    loaded: Mutex<BTreeMap<(Option<String>, String), Sdk>>,
}

impl Accounts {
    /// With the configured accounts. The session name is what an account's audit log shows for
    /// calls under a role: `bowline-worker-bake`.
    pub fn new(config: AwsConfig, session_name: &'static str) -> Self {
        Self { config, session_name, loaded: Mutex::default() }
    }

    /// The set-up for an account (`None`: see [`AwsConfig::default_account`]) in a region.
    ///
    /// # Errors
    ///
    /// Names what is not configured. Credentials are fetched with the first call, so that their
    /// absence is an error of that call.
    pub async fn sdk(&self, account: Option<&str>, region: &str) -> Result<Sdk, AccountError> {
        let found = self.config.account(account, region)?;
        let key = (found.map(|(name, _)| name.to_owned()), region.to_owned());
        let mut loaded = self.loaded.lock().await;
        if let Some(sdk) = loaded.get(&key) {
            return Ok(sdk.clone());
        }
        let sdk = load(found.map(|(_, account)| account), region, self.session_name).await;
        loaded.insert(key, sdk.clone());
        Ok(sdk)
    }
}

async fn load(account: Option<&AwsAccount>, region: &str, session_name: &str) -> Sdk {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(http)
        .retry_config(RetryConfig::standard().with_max_attempts(READ_ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(READ_ATTEMPT_TIMEOUT)
                .operation_timeout(limits::AWS_CALL_TIMEOUT)
                .build(),
        );
    if let Some(url) = account.and_then(|account| account.endpoint_url.as_deref()) {
        loader = loader.endpoint_url(url);
    }
    let own = loader.load().await;
    let reads = match account.and_then(|account| account.role_arn.as_deref()) {
        Some(role) => {
            let mut provider =
                AssumeRoleProvider::builder(role).session_name(session_name).configure(&own);
            if let Some(id) = account.and_then(|account| account.external_id.as_deref()) {
                provider = provider.external_id(id);
            }
            let credentials = SharedCredentialsProvider::new(provider.build().await);
            own.into_builder().credentials_provider(credentials).build()
        }
        None => own,
    };
    let writes = reads
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_timeout(limits::AWS_CALL_TIMEOUT)
                .build(),
        )
        .build();
    Sdk { reads, writes }
}
