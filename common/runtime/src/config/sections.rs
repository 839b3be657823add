//! Sections that several roles read.

use std::{collections::BTreeMap, fmt};

use axum::http::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Settings;

/// How the roles run: it decides which stores and buses make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// All roles in one process.
    Standalone,
    /// One role per process, any number of processes.
    Distributed,
}

/// Where something is, credentials included; prints without them.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ConnectionUrl(String);

impl ConnectionUrl {
    /// The whole text, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn is_any_of(&self, schemes: &[&str]) -> bool {
        schemes.iter().any(|scheme| self.0.starts_with(scheme))
    }
}

impl From<&str> for ConnectionUrl {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once("://") {
            Some((scheme, rest)) => {
                let open = rest.rsplit_once('@').map_or(rest, |(_, open)| open);
                write!(f, "{scheme}://{open}")
            }
            None => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// `[store]`: where the state of everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// `redis://…`, `rediss://…`, `embedded:DIRECTORY`, or `memory:`.
    pub url: ConnectionUrl,
}

/// `[bus]`: where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusConfig {
    /// `amqp://…`, `amqps://…`, or `in-process`.
    pub url: ConnectionUrl,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneUrl {
    url: Option<ConnectionUrl>,
}

/// `[jenkins]`: the controllers builds come from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JenkinsConfig {
    /// By the name pipelines know them by (Spinnaker's "master").
    #[serde(default)]
    pub controllers: BTreeMap<String, JenkinsController>,
}

/// One Jenkins controller.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JenkinsController {
    /// Its root, with the context path if there is one: `https://ci.example.com/jenkins`.
    pub url: String,
    /// Whose API token it is; without one, builds are read anonymously.
    #[serde(default)]
    pub user: Option<String>,
    /// An API token, never a password.
    #[serde(default)]
    pub api_token: Option<SecretString>,
    /// What senders of webhooks must show: one token, or two while it is changed. Without one the
    /// controller's webhook is closed.
    #[serde(default)]
    pub webhook_token: Option<WebhookTokens>,
}

/// One token, or a list of at most two.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum WebhookTokens {
    /// The usual case.
    One(SecretString),
    /// The old and the new one, while senders are changed over.
    Several(Vec<SecretString>),
}

impl WebhookTokens {
    /// Every token that is valid now.
    pub fn all(&self) -> &[SecretString] {
        match self {
            Self::One(token) => std::slice::from_ref(token),
            Self::Several(tokens) => tokens,
        }
    }
}

impl Settings {
    /// Reads `[store]`. Processes that run apart need a store they can share.
    pub fn store(&mut self, deployment: Deployment) -> Option<StoreConfig> {
        let url = self.one_url(
            "store",
            deployment,
            &Choice {
                shared: &["redis://", "rediss://"],
                own: &["embedded:", "memory:"],
                default: "embedded:./bowline-data",
                example: "redis://127.0.0.1:6379",
            },
        )?;
        Some(StoreConfig { url })
    }

    /// Reads `[bus]`. Processes that run apart need a broker between them.
    pub fn bus(&mut self, deployment: Deployment) -> Option<BusConfig> {
        let url = self.one_url(
            "bus",
            deployment,
            &Choice {
                shared: &["amqp://", "amqps://"],
                own: &["in-process"],
                default: "in-process",
                example: "amqp://user:password@127.0.0.1:5672/bowline",
            },
        )?;
        Some(BusConfig { url })
    }

    /// Reads `[jenkins]`.
    pub fn jenkins(&mut self) -> Option<JenkinsConfig> {
        let jenkins: JenkinsConfig = self.section("jenkins")?;
        for (name, controller) in &jenkins.controllers {
            let path = format!("jenkins.controllers.{name}");
            if !is_name(name) {
                self.problem(
                    &path,
                    "a controller's name is 1 to 64 letters, digits, `.`, `-` or `_`",
                );
            }
            if let Err(text) = base_url(&controller.url) {
                self.problem(format!("{path}.url"), text);
            }
            if controller.user.is_some() != controller.api_token.is_some() {
                self.problem(&path, "`user` and `api_token` come together");
            }
            let tokens = controller.webhook_token.as_ref().map_or(&[][..], WebhookTokens::all);
            if tokens.len() > 2
                || tokens.iter().any(|token| token.expose_secret().trim().is_empty())
            {
                let text = "must be a token that is not empty, or a list of at most two";
                self.problem(format!("{path}.webhook_token"), text);
            }
        }
        Some(jenkins)
    }

    fn one_url(
        &mut self,
        name: &str,
        deployment: Deployment,
        choice: &Choice<'_>,
    ) -> Option<ConnectionUrl> {
        let OneUrl { url } = self.section(name)?;
        let path = format!("{name}.url");
        let Some(url) = url else {
            return match deployment {
                Deployment::Standalone => Some(ConnectionUrl::from(choice.default)),
                Deployment::Distributed => {
                    self.problem(
                        path,
                        format!(
                            "is not set; roles that run apart share one: \"{}\"",
                            choice.example
                        ),
                    );
                    None
                }
            };
        };
        if url.is_any_of(choice.shared) {
            return Some(url);
        }
        if !url.is_any_of(choice.own) {
            let known = [choice.shared, choice.own].concat().join(", ");
            self.problem(path, format!("must begin with one of {known}"));
            return None;
        }
        match deployment {
            Deployment::Standalone => Some(url),
            Deployment::Distributed => {
                let text = format!(
                    "\"{url}\" belongs to one process (`bowline standalone`); roles that run apart share one: \"{}\"",
                    choice.example
                );
                self.problem(path, text);
                None
            }
        }
    }
}

/// What a `url` may be.
struct Choice<'a> {
    shared: &'a [&'a str],
    own: &'a [&'a str],
    default: &'a str,
    example: &'a str,
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn base_url(text: &str) -> Result<(), String> {
    let allowed = "must be the root of a controller, such as https://ci.example.com/jenkins";
    let uri: Uri = text.parse().map_err(|error| format!("{allowed} ({error})"))?;
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    let Some(authority) = uri.authority().filter(|_| http) else {
        return Err(allowed.to_owned());
    };
    if authority.as_str().contains('@') {
        return Err("has credentials in it; they go into `user` and `api_token`".to_owned());
    }
    if uri.query().is_some() {
        return Err(format!("{allowed}, without a query"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standalone_needs_no_settings() {
        let mut settings = Settings::from_toml("").unwrap();
        let store = settings.store(Deployment::Standalone).unwrap();
        assert_eq!(store.url.expose(), "embedded:./bowline-data");
        assert_eq!(settings.bus(Deployment::Standalone).unwrap().url.expose(), "in-process");
        assert!(settings.jenkins().unwrap().controllers.is_empty());
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn roles_that_run_apart_need_shared_services() {
        let mut settings = Settings::from_toml("[store]\nurl = \"embedded:/var/lib/x\"").unwrap();
        assert_eq!(settings.store(Deployment::Distributed), None);
        assert_eq!(settings.bus(Deployment::Distributed), None);
        let text = settings.finish().unwrap_err().to_string();
        assert!(
            text.contains("store.url: \"embedded:/var/lib/x\" belongs to one process"),
            "{text}"
        );
        assert!(text.contains("bus.url: is not set"), "{text}");
    }

    #[test]
    fn secrets_do_not_print() {
        let text = r#"
            [bus]
            url = "amqp://bowline:canary-1@mq.example.com/bowline"
            [jenkins.controllers.ci]
            url = "https://ci.example.com/jenkins"
            user = "bot"
            api_token = "canary-2"
            webhook_token = ["canary-3", "canary-4"]
        "#;
        let mut settings = Settings::from_toml(text).unwrap();
        let bus = settings.bus(Deployment::Distributed).unwrap();
        let jenkins = settings.jenkins().unwrap();
        let printed = format!("{bus:?} {} {jenkins:?}", bus.url);
        assert!(!printed.contains("canary"), "{printed}");
        assert!(printed.contains("amqp://mq.example.com/bowline"), "{printed}");
        assert_eq!(jenkins.controllers["ci"].webhook_token.as_ref().unwrap().all().len(), 2);
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn a_controller_is_checked_as_a_whole() {
        let text = r#"
            [jenkins.controllers."ci main"]
            url = "ftp://ci.example.com"
            user = "bot"
            webhook_token = ""
            [jenkins.controllers.two]
            url = "https://a:b@ci.example.com/"
        "#;
        let mut settings = Settings::from_toml(text).unwrap();
        settings.jenkins();
        let error = settings.finish().unwrap_err();
        assert_eq!(error.problems.len(), 5, "{error}");
    }
}
