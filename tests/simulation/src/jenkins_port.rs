//! Jenkins as one process reaches it.

use std::sync::Arc;

use coordinator::{Credentials, Fetch, FetchError, Fetched};
use fake_jenkins::{Fault, Trouble};
use futures::{FutureExt as _, future::BoxFuture};
use secrecy::ExposeSecret as _;

use crate::{
    fault::{Face, What},
    process::{Call, Lossy, Process},
};

/// A process's way to Jenkins.
#[derive(Clone, Debug)]
pub(crate) struct JenkinsPort(pub(crate) Arc<Process>);

impl Lossy for FetchError {
    fn no_answer(_: &'static str) -> Self {
        Self::Unreachable("the connection broke".into())
    }

    fn refusal(_: &'static str, _: What) -> Option<Self> {
        None
    }
}

impl Fetch for JenkinsPort {
    fn get<'a>(
        &'a self,
        url: &'a str,
        credentials: Option<Credentials<'a>>,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        async move {
            let ground = &self.0.ground;
            let jenkins = ground.jenkins();
            if let Some(trouble) = ground.next_fault(Face::Jenkins).and_then(trouble) {
                jenkins.order(Fault::new(1, trouble));
            }
            let shown = credentials.map(|shown| (shown.user, shown.token.expose_secret()));
            let act = || {
                async move {
                    let answer = jenkins.get(url, shown).await;
                    Ok(Fetched { status: answer.status, body: answer.body })
                }
                .boxed()
            };
            let name = if url.contains("allBuilds") { "list_builds" } else { "get_build" };
            let fetched = self.0.point(Call { face: Face::Jenkins, name }, act).await?;
            Ok(self.0.planted_answer(url, fetched))
        }
        .boxed()
    }
}

const fn trouble(what: What) -> Option<Trouble> {
    match what {
        What::ServerError => Some(Trouble::Status { status: 503 }),
        What::LoginPage => Some(Trouble::LoginPage),
        What::NotYetKnown => Some(Trouble::Unknown),
        What::StillBuilding => Some(Trouble::StillBuilding),
        What::Lost
        | What::Silent
        | What::Twice
        | What::Slow(_)
        | What::CrashBefore(_)
        | What::CrashAfter(_)
        | What::PauseBefore(_)
        | What::PauseAfter(_)
        | What::Drain(_)
        | What::Cut(_)
        | What::Vanish
        | What::Double
        | What::Late(_)
        | What::Refused
        | What::Unroutable
        | What::Wipe
        | What::Reconnect
        | What::Throttled
        | What::Rollback(_) => None,
    }
}
