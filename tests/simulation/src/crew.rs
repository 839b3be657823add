//! The programs of a run: started, and started again.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
};
use bus::SharedBus;
use coordinator::Jenkins;
use model::ExecutionId;
use store::SharedStore;
use tokio::time::Instant;
use tower::ServiceExt as _;
use worker::WorkerConfig;
use worker_bake::{Bake, Janitor};
use worker_deploy::Deployer;

use crate::{
    bus_port::BusPort,
    ground::Ground,
    group_port::GroupPort,
    image_port::{Hand, ImagePort},
    jenkins_port::JenkinsPort,
    process::{Process, Role},
    scene,
    setting::Crew,
    store_port::StorePort,
};

/// No answer of a gateway is longer.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Every program, dead or alive.
#[derive(Debug)]
pub(crate) struct Programs {
    ground: Arc<Ground>,
    places: Vec<Place>,
    returns: Vec<Return>,
}

/// One program, over its incarnations.
#[derive(Debug)]
struct Place {
    role: Role,
    incarnation: u32,
    process: Option<Arc<Process>>,
}

#[derive(Clone, Copy, Debug)]
struct Return {
    number: usize,
    at: Instant,
    drains: bool,
}

/// What a caller of a gateway gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A status and a body.
    Status(StatusCode, String),
    /// Nobody listens there.
    Nobody,
}

impl Programs {
    pub(crate) async fn start(crew: Crew, ground: &Arc<Ground>) -> Self {
        let mut places = Vec::new();
        for (role, count) in [
            (Role::Coordinator, crew.coordinators),
            (Role::Baker, crew.bakers),
            (Role::Deployer, crew.deployers),
            (Role::Gateway, crew.gateways),
        ] {
            for _ in 0..count {
                places.push(Place { role, incarnation: 0, process: None });
            }
        }
        let mut programs = Self { ground: Arc::clone(ground), places, returns: Vec::new() };
        for number in 0..programs.places.len() {
            programs.begin(number).await;
        }
        programs
    }

    /// Brings back what is due; says when to ask again.
    pub(crate) async fn tend(&mut self) -> Option<Instant> {
        for gone in self.ground.take_gone() {
            // Whatever was to become of it before: a process that dies while it drains is dead.
            self.returns.retain(|entry| entry.number != gone.number);
            let again = Return { number: gone.number, at: gone.back, drains: gone.drains };
            self.returns.push(again);
        }
        let now = Instant::now();
        let mut index = 0;
        while let Some(&Return { number, at, drains }) = self.returns.get(index) {
            if at > now {
                index += 1;
            } else if drains && self.still_drains(number) {
                // Asked again in a moment.
                if let Some(entry) = self.returns.get_mut(index) {
                    entry.at = now + std::time::Duration::from_secs(1);
                }
                index += 1;
            } else {
                self.returns.remove(index);
                self.begin(number).await;
            }
        }
        self.returns.iter().map(|entry| entry.at).min()
    }

    /// Whether every program is up.
    pub(crate) fn complete(&self) -> bool {
        self.returns.is_empty()
    }

    fn still_drains(&self, number: usize) -> bool {
        let process = self.places.get(number).and_then(|place| place.process.as_ref());
        process.is_some_and(|process| !process.is_dead() && !process.tasks.is_idle())
    }

    async fn begin(&mut self, number: usize) {
        let Some(place) = self.places.get_mut(number) else { return };
        if let Some(before) = place.process.take()
            && !before.is_dead()
        {
            // It has drained; nothing of it is left.
            before.tasks.abandon();
        }
        place.incarnation += 1;
        let process = Process::new(place.role, (number, place.incarnation), &self.ground);
        place.process = Some(Arc::clone(&process));
        self.ground.note(&format!("{} starts", process.name));
        run(&process).await;
    }

    /// The gateway a sender reaches, if it lives.
    pub(crate) fn gateway(&self, nth: usize) -> Option<Router> {
        let all: Vec<&Place> =
            self.places.iter().filter(|place| place.role == Role::Gateway).collect();
        let place = all.get(nth.checked_rem(all.len())?)?;
        let process = place.process.as_ref()?;
        if process.is_dead() || process.tasks.stopping() {
            return None;
        }
        let store: SharedStore = Arc::new(StorePort(Arc::clone(process)));
        Some(trigger_gateway::router(scene::gateway_config(), store))
    }
}

/// Starts the program of a process. One that cannot start dies, and comes back.
async fn run(process: &Arc<Process>) {
    let store: SharedStore = Arc::new(StorePort(Arc::clone(process)));
    let bus: SharedBus = Arc::new(BusPort(Arc::clone(process)));
    let tasks = process.tasks.clone();
    let config = |slots| WorkerConfig {
        holder: process.name.clone(),
        ..WorkerConfig::new(process.role.name(), slots)
    };
    match process.role {
        Role::Coordinator => {
            let fetch = Arc::new(JenkinsPort(Arc::clone(process)));
            let jenkins = Jenkins::through(scene::jenkins_config(), fetch);
            let mut settings = coordinator::Config::default();
            // Elsewhere what is asked of Jenkins is what builds that were told need.
            if !process.ground.polls() {
                settings.poll_interval_ms = 0;
            }
            if coordinator::run_asking(settings, jenkins, store, bus, tasks).await.is_err() {
                process.kill(1_000);
            }
        }
        Role::Baker => {
            let cloud = |hand| Arc::new(ImagePort { process: Arc::clone(process), hand });
            let config_of_bake = scene::bake_config();
            let janitor =
                Janitor::new(&config_of_bake, cloud(Hand::Janitor), SharedStore::clone(&store));
            // The handle is not needed: it ends when it is told to stop.
            drop(tasks.spawn(janitor.run(tasks.stop().clone())));
            let bake = Arc::new(Bake::new(config_of_bake, cloud(Hand::Bake), &tasks));
            let serving =
                worker::serve(worker_bake::operations(&bake), config(4), store, bus, tasks.clone());
            serve(process, serving);
        }
        Role::Deployer => {
            let cloud = Arc::new(GroupPort(Arc::clone(process)));
            let deployer = Arc::new(Deployer::new(scene::deploy_config(), cloud));
            let serving = worker::serve(
                worker_deploy::operations(&deployer),
                config(4),
                store,
                bus,
                tasks.clone(),
            );
            serve(process, serving);
        }
        // It has no task of its own: it lives in its callers' requests.
        Role::Gateway => {}
    }
}

fn serve(
    process: &Arc<Process>,
    serving: impl Future<Output = Result<(), worker::ServeError>> + Send + 'static,
) {
    let of_task = Arc::clone(process);
    // The handle is not needed: a worker that fails ends its process.
    drop(process.tasks.spawn(async move {
        if serving.await.is_err() {
            of_task.kill(1_000);
        }
    }));
}

/// One request to a gateway.
pub(crate) async fn request(
    router: Option<Router>,
    (method, path): (Method, &str),
    headers: &[(&'static str, String)],
    body: String,
) -> Heard {
    let Some(router) = router else { return Heard::Nobody };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let Ok(request) = request.body(Body::from(body)) else { return Heard::Nobody };
    match router.oneshot(request).await {
        Ok(response) => {
            let status = response.status();
            let body = axum::body::to_bytes(response.into_body(), ANSWER_BYTES_MAX).await;
            let body = body.map_or_else(|_| Vec::new(), |body| body.to_vec());
            Heard::Status(status, String::from_utf8_lossy(&body).into_owned())
        }
        Err(never) => match never {},
    }
}

/// The path that cancels an execution.
pub(crate) fn cancel_path(id: &ExecutionId) -> String {
    format!("/pipelines/{id}/cancel?reason=enough")
}
