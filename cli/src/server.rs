//! The server as its clients see it: HTTP calls, and errors that say what to do.

mod control;

use std::time::Duration;

use model::{ExecutionId, ExecutionStatus};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wire::ExecutionView;

/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a start or a control is sent before giving up; every try carries the same idempotency key.
const TRIES_MAX: u32 = 4;

pub(crate) use control::Told;

/// A server and how to speak to it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    base: Url,
    client: reqwest::Client,
    token: Option<String>,
}

/// Something was asked of the server and not got.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    /// The address makes no sense.
    #[error("`{server}` is not the address of a server: {problem}")]
    Address { server: String, problem: String },
    /// No HTTP client on this machine.
    #[error("could not prepare an HTTP client")]
    Client(#[source] reqwest::Error),
    /// Nobody answered.
    #[error("could not {doing}: no answer from {server}")]
    Unreachable {
        doing: String,
        server: String,
        #[source]
        cause: reqwest::Error,
    },
    /// It said no.
    #[error("could not {doing}: {}", .problem.text(*.status))]
    Refused { doing: String, status: StatusCode, problem: Box<Problem> },
    /// It said something else than it should.
    #[error("could not {doing}: the answer of {server} is not understood")]
    Unreadable {
        doing: String,
        server: String,
        #[source]
        cause: serde_json::Error,
    },
}

/// `application/problem+json`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Problem {
    title: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    errors: Vec<Value>,
}

impl Problem {
    fn text(&self, status: StatusCode) -> String {
        let mut text = self
            .detail
            .clone()
            .or_else(|| self.title.clone())
            .unwrap_or_else(|| format!("the server answered {status}"));
        for problem in &self.errors {
            let field = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
            if field("message").is_empty() {
                continue;
            }
            text.push_str("\n  ");
            if !field("pointer").is_empty() {
                text.extend([field("pointer"), ": "]);
            }
            text.push_str(field("message"));
            if !field("hint").is_empty() {
                text.extend([" (", field("hint"), ")"]);
            }
        }
        text
    }
}

impl ServerError {
    /// True when the same question may be answered later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Address { .. } | Self::Client(_) | Self::Unreadable { .. } => false,
        }
    }

    /// True when the server knows no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Address { .. } => {
                Some("give a URL such as http://localhost:8084 with --server or BOWLINE_SERVER")
            }
            Self::Unreachable { .. } => Some(
                "is it running? start one with `bowline standalone`, or say where it is with --server or BOWLINE_SERVER",
            ),
            Self::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED => Some(
                "set BOWLINE_TOKEN to the server's API token (`gateway.api_token` in its configuration)",
            ),
            Self::Unreadable { .. } => {
                Some("is this a Bowline server, and of the same version as this command?")
            }
            Self::Refused { .. } | Self::Client(_) => None,
        }
    }
}

/// A stored definition, as the server shows it.
pub(crate) type Definition = Map<String, Value>;

impl Server {
    /// Prepares to speak to the server at `address`.
    pub(crate) fn new(address: &str, token: Option<String>) -> Result<Self, ServerError> {
        let wrong = |problem: &str| ServerError::Address {
            server: address.to_owned(),
            problem: problem.to_owned(),
        };
        let mut base = Url::parse(address).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong("it must begin with http:// or https://"));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .user_agent(concat!("bowline/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ServerError::Client)?;
        Ok(Self { base, client, token })
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> RequestBuilder {
        let mut url = self.base.clone();
        // Only a URL without a base has no segments, and `new` refuses those.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.client.request(method, url).header(header::ACCEPT, "application/json");
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn answer(&self, doing: &str, request: RequestBuilder) -> Result<Response, ServerError> {
        let unreachable = |cause: reqwest::Error| ServerError::Unreachable {
            doing: doing.to_owned(),
            server: self.base.to_string(),
            cause: cause.without_url(),
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.map_err(unreachable)?;
        // A proxy in between answers with a page; then the status has to do.
        let problem = Box::new(serde_json::from_slice(&body).unwrap_or_default());
        Err(ServerError::Refused { doing: doing.to_owned(), status, problem })
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        doing: &str,
        request: RequestBuilder,
    ) -> Result<T, ServerError> {
        let response = self.answer(doing, request).await?;
        let body = response.bytes().await.map_err(|cause| ServerError::Unreachable {
            doing: doing.to_owned(),
            server: self.base.to_string(),
            cause: cause.without_url(),
        })?;
        serde_json::from_slice(&body).map_err(|cause| ServerError::Unreadable {
            doing: doing.to_owned(),
            server: self.base.to_string(),
            cause,
        })
    }

    /// Sends a request that is carried out once, however often it has to be sent.
    async fn once<T: serde::de::DeserializeOwned>(
        &self,
        doing: &str,
        request: RequestBuilder,
    ) -> Result<T, ServerError> {
        let key = ulid::Ulid::new().to_string();
        let request = request.header("idempotency-key", &key);
        let mut tries = 1;
        loop {
            // Only a body that is a stream cannot be sent again, and there is none.
            let Some(again) = request.try_clone() else {
                return self.read(doing, request).await;
            };
            match self.read(doing, again).await {
                Err(error) if error.is_transient() && tries < TRIES_MAX => {
                    tokio::time::sleep(Duration::from_millis(250 << tries)).await;
                    tries += 1;
                }
                ended => return ended,
            }
        }
    }

    /// Every definition, of one application or of all.
    pub(crate) async fn pipelines(
        &self,
        application: Option<&str>,
    ) -> Result<Vec<Definition>, ServerError> {
        let (doing, path) = match application {
            Some(name) => (
                format!("list the pipelines of `{name}`"),
                vec!["applications", name, "pipelineConfigs"],
            ),
            None => ("list the pipelines".to_owned(), vec!["pipelineConfigs"]),
        };
        self.read(&doing, self.request(Method::GET, &path, &[])).await
    }

    /// One definition; `None` when there is none of that name.
    pub(crate) async fn pipeline(
        &self,
        application: &str,
        name: &str,
    ) -> Result<Option<Definition>, ServerError> {
        let doing = format!("read the pipeline `{name}` of `{application}`");
        let path = ["applications", application, "pipelineConfigs", name];
        match self.read(&doing, self.request(Method::GET, &path, &[])).await {
            Ok(definition) => Ok(Some(definition)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates or replaces a definition.
    ///
    /// What the server warns of comes back, one text each.
    pub(crate) async fn save(
        &self,
        name: &str,
        definition: String,
    ) -> Result<Vec<String>, ServerError> {
        let request = self
            .request(Method::POST, &["pipelines"], &[])
            .header(header::CONTENT_TYPE, "application/json")
            .body(definition);
        let response = self.answer(&format!("save the pipeline `{name}`"), request).await?;
        let warnings = response.headers().get_all(header::WARNING).into_iter();
        // `299 bowline "text"`
        let text = |value: &str| value.split('"').nth(1).unwrap_or(value).to_owned();
        Ok(warnings.filter_map(|value| value.to_str().ok().map(text)).collect())
    }

    /// Removes a definition.
    pub(crate) async fn delete(&self, application: &str, name: &str) -> Result<(), ServerError> {
        let request = self.request(Method::DELETE, &["pipelines", application, name], &[]);
        self.answer(&format!("delete the pipeline `{name}` of `{application}`"), request)
            .await
            .map(drop)
    }

    /// Starts a pipeline once, however often the question has to be asked.
    pub(crate) async fn start(
        &self,
        application: &str,
        name: &str,
        trigger: &Map<String, Value>,
    ) -> Result<ExecutionId, ServerError> {
        #[derive(Deserialize)]
        struct Started {
            r#ref: String,
        }
        let doing = format!("start the pipeline `{name}` of `{application}`");
        let request =
            self.request(Method::POST, &["pipelines", application, name], &[]).json(trigger);
        let started: Started = self.once(&doing, request).await?;
        let id = started.r#ref.rsplit('/').next().unwrap_or_default();
        id.parse().map_err(|error: model::IdError| ServerError::Unreadable {
            doing,
            server: self.base.to_string(),
            cause: serde::de::Error::custom(error),
        })
    }

    /// What a start would do; nothing is started.
    pub(crate) async fn plan(
        &self,
        application: &str,
        name: &str,
        trigger: &Map<String, Value>,
    ) -> Result<Value, ServerError> {
        let mut trigger = trigger.clone();
        trigger.insert("dryRun".to_owned(), json!(true));
        let request =
            self.request(Method::POST, &["pipelines", application, name], &[]).json(&trigger);
        self.once(&format!("plan the pipeline `{name}` of `{application}`"), request).await
    }

    /// One execution.
    pub(crate) async fn execution(&self, id: &ExecutionId) -> Result<ExecutionView, ServerError> {
        let request = self.request(Method::GET, &["pipelines", id.as_str()], &[]);
        self.read(&format!("read the execution {id}"), request).await
    }

    /// Executions of an application, newest first.
    pub(crate) async fn executions(
        &self,
        application: &str,
        statuses: &[ExecutionStatus],
        limit: u32,
    ) -> Result<Vec<ExecutionView>, ServerError> {
        let mut query = vec![("limit", limit.to_string())];
        if !statuses.is_empty() {
            let names: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
            query.push(("statuses", names.join(",")));
        }
        let request =
            self.request(Method::GET, &["applications", application, "pipelines"], &query);
        self.read(&format!("list the executions of `{application}`"), request).await
    }

    /// What was told to the server, newest first, and what came of it.
    pub(crate) async fn events(&self, limit: u32) -> Result<Vec<Value>, ServerError> {
        let query = [("limit", limit.to_string())];
        self.read("list the events", self.request(Method::GET, &["api", "v1", "events"], &query))
            .await
    }
}

/// The body of a start: who, with what, and from which build of which job.
pub(crate) fn manual_trigger(user: &str, parameters: &[(String, String)]) -> Map<String, Value> {
    let parameters: Map<String, Value> =
        parameters.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let mut trigger = Map::new();
    trigger.insert("type".to_owned(), json!("manual"));
    trigger.insert("user".to_owned(), json!(user));
    trigger.insert("parameters".to_owned(), Value::Object(parameters));
    trigger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_path_and_names_may_have_anything() {
        runtime::process::install_tls();
        let server = Server::new("http://bowline.test/ci", None).unwrap();
        let request =
            server.request(Method::GET, &["pipelines", "a b/ü"], &[("q", "x&y".to_owned())]);
        let url = request.build().unwrap().url().to_string();
        assert_eq!(url, "http://bowline.test/ci/pipelines/a%20b%2F%C3%BC?q=x%26y");
        for bad in ["localhost:8084", "", "ftp://x", "http://"] {
            assert!(matches!(Server::new(bad, None), Err(ServerError::Address { .. })), "{bad}");
        }
    }

    #[test]
    fn a_refusal_shows_every_problem() {
        let problem: Problem = serde_json::from_value(json!({
            "title": "Bad Request", "detail": "2 problems", "errors": [
                {"pointer": "/name", "message": "is missing", "hint": "add it"},
                {"pointer": "/stages/0", "message": "has no type"},
                {"message": "is empty"}, {"result": "rejected"}, 7,
            ],
        }))
        .unwrap();
        assert_eq!(
            problem.text(StatusCode::BAD_REQUEST),
            "2 problems\n  /name: is missing (add it)\n  /stages/0: has no type\n  is empty"
        );
        assert_eq!(
            Problem::default().text(StatusCode::BAD_GATEWAY),
            "the server answered 502 Bad Gateway"
        );
    }
}
