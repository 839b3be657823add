//! Telling executions what to do.

use model::ExecutionId;
use reqwest::{Method, RequestBuilder, header::HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use wire::ExecutionView;

use super::{Server, ServerError};
use crate::args::{Decision, Stage, Target};

/// What the server says to a control.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Told {
    /// Carried out; the execution as it is now.
    Now(Box<ExecutionView>),
    /// Accepted, to be carried out when a coordinator gets to it.
    Accepted {
        /// The event it is known by.
        #[serde(rename = "eventId")]
        event_id: String,
    },
}

impl Server {
    /// Asks an execution to stop.
    pub(crate) async fn cancel(
        &self,
        target: &Target,
        reason: Option<&str>,
    ) -> Result<(), ServerError> {
        let query: Vec<(&str, String)> =
            reason.map(|reason| ("reason", reason.to_owned())).into_iter().collect();
        let request =
            self.request(Method::PUT, &["pipelines", target.id.as_str(), "cancel"], &query);
        let request = by(request, &target.who.user);
        self.answer(&format!("cancel the execution {}", target.id), request).await.map(drop)
    }

    /// Lets an execution begin nothing more.
    pub(crate) async fn pause(&self, target: &Target) -> Result<Told, ServerError> {
        self.whole(target, "pause").await
    }

    /// Lets a paused execution go on.
    pub(crate) async fn resume(&self, target: &Target) -> Result<Told, ServerError> {
        self.whole(target, "resume").await
    }

    async fn whole(&self, target: &Target, word: &str) -> Result<Told, ServerError> {
        let request = self.request(Method::PUT, &["pipelines", target.id.as_str(), word], &[]);
        let doing = format!("{word} the execution {}", target.id);
        self.once(&doing, by(request, &target.who.user)).await
    }

    /// Runs a stage again.
    pub(crate) async fn restart(&self, stage: &Stage) -> Result<Told, ServerError> {
        let path = ["pipelines", stage.id.as_str(), "stages", &stage.stage, "restart"];
        let request = self.request(Method::PUT, &path, &[]);
        let doing = format!("restart stage `{}` of execution {}", stage.stage, stage.id);
        self.once(&doing, by(request, &stage.who.user)).await
    }

    /// Answers a manual judgment.
    pub(crate) async fn judge(
        &self,
        stage: &Stage,
        decision: Decision,
        input: Option<&str>,
    ) -> Result<Told, ServerError> {
        let status = match decision {
            Decision::Continue => "continue",
            Decision::Stop => "stop",
        };
        let mut change = json!({ "judgmentStatus": status });
        if let (Some(input), Some(change)) = (input, change.as_object_mut()) {
            change.insert("judgmentInput".to_owned(), json!(input));
        }
        self.change(stage, "judge", &change).await
    }

    /// Ends the waiting of a stage.
    pub(crate) async fn skip_wait(&self, stage: &Stage) -> Result<Told, ServerError> {
        self.change(stage, "end the waiting of", &json!({ "skipRemainingWait": true })).await
    }

    /// Leaves a stage out.
    pub(crate) async fn leave_out(&self, stage: &Stage) -> Result<Told, ServerError> {
        self.change(stage, "leave out", &json!({ "manualSkip": true })).await
    }

    async fn change(&self, stage: &Stage, verb: &str, change: &Value) -> Result<Told, ServerError> {
        let path = ["pipelines", stage.id.as_str(), "stages", &stage.stage];
        let request = self.request(Method::PATCH, &path, &[]).json(change);
        let doing = format!("{verb} stage `{}` of execution {}", stage.stage, stage.id);
        self.once(&doing, by(request, &stage.who.user)).await
    }

    /// Removes a finished execution.
    pub(crate) async fn remove(&self, id: &ExecutionId) -> Result<(), ServerError> {
        let request = self.request(Method::DELETE, &["pipelines", id.as_str()], &[]);
        self.answer(&format!("delete the execution {id}"), request).await.map(drop)
    }
}

/// Says who asks; a name that no header can hold is left out.
fn by(request: RequestBuilder, user: &str) -> RequestBuilder {
    match HeaderValue::from_bytes(user.as_bytes()) {
        Ok(user) => request.header("x-spinnaker-user", user),
        Err(_) => request,
    }
}
