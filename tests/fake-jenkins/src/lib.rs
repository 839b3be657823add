//! A pretend Jenkins controller over real HTTP: jobs in folders, builds, artifacts, property files,
//! the Notification plugin, and the ways in which all of these go wrong.
//!
//! Three faces: [`FakeJenkins`] for the same process, `/_fake/…` for other processes, and
//! [`InProcess`] without any socket, for simulations.
//!
//! | path | what |
//! |---|---|
//! | `GET …/api/json[?tree=]` | the JSON API of the root, a folder, a job, a build |
//! | `GET …/job/NAME/N/artifact/PATH` | an artifact's bytes |
//! | `POST /_fake/builds` | adds (or replaces) a [`Build`] |
//! | `POST /_fake/notify` | sends a [`Notice`]; answers with what each receiver said |
//! | `POST /_fake/faults`, `DELETE /_fake/faults` | orders a [`Fault`]; forgets all of them |
//! | `GET /_fake/requests` | what was asked of the API so far |
//!
//! The API wants HTTP Basic with a user and an API token, as the real one does; the control paths
//! want nothing. Names, paths and bodies are built here from Jenkins' own rules and share no code
//! with what reads them in Bowline, so that a misreading on one side shows.

mod api;
mod controller;
mod fault;
mod http;
mod in_process;
mod notification;
mod path;
mod tree;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use controller::{Build, Commit, Request};
pub use fault::{Fault, Trouble};
pub use in_process::{Answer, InProcess};
pub use notification::{Notice, Phase, RootUrl, Told};
use runtime::Tasks;
use tokio::net::TcpListener;

use crate::controller::Controller;

/// How a controller presents itself.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The one user.
    pub user: String,
    /// That user's API token.
    pub api_token: String,
    /// Path under which Jenkins lives: empty, or `/jenkins`.
    pub context_path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            user: "bowline".to_owned(),
            api_token: "11fake0token".to_owned(),
            context_path: String::new(),
        }
    }
}

/// A controller could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("could not listen on `{address}`")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        cause: std::io::Error,
    },
    /// Notifications could not be sent at all.
    #[error("could not build the HTTP client which sends notifications")]
    Client(#[source] reqwest::Error),
}

/// A running controller. Cheap to clone; clones are the same controller.
#[derive(Clone, Debug)]
pub struct FakeJenkins {
    addr: SocketAddr,
    shared: Shared,
}

impl FakeJenkins {
    /// Starts a controller without jobs; it ends when `tasks` is told to stop.
    ///
    /// Needs a process-wide TLS provider, see `runtime::process::install_tls`.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn start(tasks: &Tasks, options: Options) -> Result<Self, StartError> {
        let listen = |cause| StartError::Listen { address: options.listen, cause };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        let addr = listener.local_addr().map_err(listen)?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(notification::SEND_TIMEOUT)
            .build()
            .map_err(StartError::Client)?;
        let root = format!("http://{addr}{}/", options.context_path);
        let shared = Shared { core: Core::new(root, options), client };
        let router = http::router(shared.clone());
        let stop = tasks.stop().clone();
        tasks.spawn(async move {
            let served = axum::serve(listener, router)
                .with_graceful_shutdown(async move { stop.cancelled().await })
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "fake Jenkins stopped serving");
            }
        });
        Ok(Self { addr, shared })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its root URL, context path and final slash included.
    pub fn url(&self) -> String {
        self.shared.lock().root().to_owned()
    }

    /// Adds a build, or replaces the one with the same job and number.
    pub fn add_build(&self, build: Build) {
        self.shared.lock().add(build);
    }

    /// Sends what the Notification plugin would send, one after the other, and tells what each
    /// receiver answered. Jenkins itself ignores those answers.
    pub async fn notify(&self, notice: &Notice) -> Vec<Told> {
        notification::send(&self.shared, notice).await
    }

    /// Orders something to go wrong.
    pub fn order(&self, fault: Fault) {
        self.shared.lock().order(fault);
    }

    /// Forgets everything that was to go wrong.
    pub fn forget_faults(&self) {
        self.shared.lock().forget_faults();
    }

    /// What was asked of the API so far, oldest first.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests().to_vec()
    }
}

/// What handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    core: Core,
    client: reqwest::Client,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Controller> {
        self.core.lock()
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }
}

/// The controller behind every face.
#[derive(Clone, Debug)]
pub(crate) struct Core {
    controller: Arc<Mutex<Controller>>,
    options: Arc<Options>,
}

impl Core {
    pub(crate) fn new(root: String, options: Options) -> Self {
        let controller = Arc::new(Mutex::new(Controller::new(root)));
        Self { controller, options: Arc::new(options) }
    }

    /// The state; a panic elsewhere does not make it unusable, because every change is one call.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Controller> {
        self.controller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }
}

/// Milliseconds since the epoch, by this machine's clock.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
