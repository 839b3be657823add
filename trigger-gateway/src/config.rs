//! `[gateway]`, and what the gateway reads of `[jenkins]`.

use std::net::{Ipv4Addr, SocketAddr};

use runtime::{JenkinsConfig, Settings};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::jenkins::DoneAt;

const WAY_OUT: &str = "other machines can reach this address: set gateway.api_token \
    (BOWLINE__GATEWAY__API_TOKEN), or listen on 127.0.0.1";

/// Everything a gateway needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[gateway]`.
    pub gateway: GatewayConfig,
    /// `[jenkins]`: who may send webhooks.
    pub jenkins: JenkinsConfig,
}

/// `[gateway]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What API callers show, as a bearer token or as a basic password. Without one, only this
    /// machine is served.
    pub api_token: Option<SecretString>,
    /// The phase of a notification at which a build counts as done.
    pub build_done_at: DoneAt,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8084)),
            api_token: None,
            build_done_at: DoneAt::Finalized,
        }
    }
}

impl GatewayConfig {
    /// What to do about an address that strangers can reach without a token.
    pub(crate) fn open_to_strangers(&self) -> Option<&'static str> {
        let open = !self.listen.ip().is_loopback() && self.api_token.is_none();
        open.then_some(WAY_OUT)
    }
}

impl Config {
    /// Reads the sections; `None` when something is wrong, which `settings.finish()` then tells.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let gateway: Option<GatewayConfig> = settings.section("gateway");
        let jenkins = settings.jenkins();
        if let Some(gateway) = &gateway {
            if let Some(text) = gateway.open_to_strangers() {
                settings.problem("gateway.listen", format!("{}: {text}", gateway.listen));
            }
            if gateway
                .api_token
                .as_ref()
                .is_some_and(|token| token.expose_secret().trim().is_empty())
            {
                settings.problem(
                    "gateway.api_token",
                    "is empty; leave it out, or set a long random text",
                );
            }
        }
        Some(Self { gateway: gateway?, jenkins: jenkins? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_strangers_reach_needs_a_token() {
        let open = "[gateway]\nlisten = \"0.0.0.0:8084\"\napi_tokn = \"x\"";
        let mut settings = Settings::from_toml(open).unwrap();
        Config::read(&mut settings);
        let error = settings.finish().unwrap_err().to_string();
        assert!(error.contains("gateway.api_tokn: unknown field"), "{error}");

        let mut settings = Settings::from_toml("[gateway]\nlisten = \"0.0.0.0:8084\"").unwrap();
        Config::read(&mut settings);
        let error = settings.finish().unwrap_err().to_string();
        assert!(error.contains("gateway.listen: 0.0.0.0:8084: other machines"), "{error}");

        let closed = "[gateway]\nlisten = \"0.0.0.0:8084\"\napi_token = \"t\"\nbuild_done_at = \"completed\"";
        let mut settings = Settings::from_toml(closed).unwrap();
        let config = Config::read(&mut settings).unwrap();
        assert_eq!(config.gateway.build_done_at, DoneAt::Completed);
        assert_eq!(settings.finish(), Ok(()));
    }
}
