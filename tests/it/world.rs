//! A world of processes as built: our programs, the fakes, a private RabbitMQ and Redis. Everything
//! is on loopback, in a folder of its own, and ends with the test.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use processes::{
    Process, Services, Settings, WEBHOOK_TOKEN, eventually, free_port, pipeline, program,
};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

pub(crate) const JOB: &str = "shop/package";

pub(crate) fn client() -> Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().timeout(Duration::from_secs(30)).build().unwrap()
}

pub(crate) async fn get(client: &Client, url: &str) -> Option<Value> {
    let answer = client.get(url).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    answer.json().await.ok()
}

/// How the programs run.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    /// One process, embedded store, in-process bus.
    Standalone,
    /// A process for each role, Redis, RabbitMQ.
    Distributed(Size),
}

/// What plays AWS.
pub(crate) enum Cloud {
    /// Our strict fake, with this seed.
    Fake(Value),
    /// Something at this address, which has this base image.
    At { url: String, base_image: String },
}

/// What a distributed world is made of.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) coordinators: usize,
    pub(crate) bakers: usize,
    pub(crate) deployers: usize,
    pub(crate) gateways: usize,
}

/// Everything, running.
pub(crate) struct World {
    pub(crate) http: Client,
    pub(crate) gateways: Vec<String>,
    pub(crate) processes: Vec<Process>,
    pub(crate) cloud: String,
    pub(crate) jenkins: String,
    services: Option<Services>,
    // Fields are dropped in order: the folder goes last.
    _cloud: Option<Process>,
    base_image: String,
    _jenkins: Process,
    dir: tempfile::TempDir,
}

impl World {
    /// Starts everything and saves the example pipeline.
    pub(crate) async fn start(mode: Mode, cloud: Cloud) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let services = match mode {
            Mode::Standalone => None,
            Mode::Distributed(_) => Some(Services::start(dir.path(), None, Vec::new())),
        };
        let (cloud, cloud_url, base_image) = match cloud {
            Cloud::At { url, base_image } => (None, url, base_image),
            Cloud::Fake(seed) => {
                let (process, url) = processes::fake_aws(dir.path(), &seed);
                (Some(process), url, processes::base_image())
            }
        };
        let (jenkins, jenkins_url) = processes::fake_jenkins(dir.path());
        let mut world = Self {
            http: client(),
            gateways: Vec::new(),
            processes: Vec::new(),
            cloud: cloud_url,
            jenkins: jenkins_url,
            services,
            _cloud: cloud,
            base_image,
            _jenkins: jenkins,
            dir,
        };
        match mode {
            Mode::Standalone => world.launch("bowline"),
            Mode::Distributed(size) => {
                for _ in 0..size.coordinators {
                    world.launch("bowline-coordinator");
                }
                for _ in 0..size.bakers {
                    world.launch("bowline-worker-bake");
                }
                for _ in 0..size.deployers {
                    world.launch("bowline-worker-deploy");
                }
                for _ in 0..size.gateways {
                    world.launch("bowline-gateway");
                }
            }
        }
        for gateway in world.gateways.clone() {
            world.ready(&gateway).await;
        }
        let pipeline = shipping();
        let answer = world
            .http
            .post(format!("{}/pipelines", world.gateways[0]))
            .json(&pipeline)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        world
    }

    async fn ready(&self, gateway: &str) {
        eventually("the gateway is ready", Duration::from_secs(20), || async {
            let answer = self.http.get(format!("{gateway}/readyz")).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Starts one more process of a role.
    pub(crate) fn launch(&mut self, role: &str) {
        let config = self.dir.path().join("bowline.toml");
        if !config.exists() {
            std::fs::write(&config, self.config()).unwrap();
        }
        let number = self.processes.len();
        let mut command = Command::new(program(role));
        if role == "bowline" {
            command.arg("standalone").arg("--data-dir").arg(self.dir.path().join("data"));
        }
        command.arg("--config").arg(config).stdout(Stdio::null());
        // The chain of the SDK finds these; the fake does not check them.
        command.env("AWS_ACCESS_KEY_ID", "fake").env("AWS_SECRET_ACCESS_KEY", "fake");
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        if role == "bowline-gateway" || role == "bowline" {
            let listen = format!("127.0.0.1:{}", free_port());
            command.env("BOWLINE__GATEWAY__LISTEN", &listen);
            self.gateways.push(format!("http://{listen}"));
        }
        let name = format!("{role}-{number}");
        self.processes.push(Process::spawn(self.dir.path(), &name, &mut command));
    }

    /// The broker and Redis of a distributed world.
    pub(crate) fn services(&self) -> &Services {
        self.services.as_ref().expect("this world has a broker")
    }

    fn config(&self) -> String {
        let services = self.services.as_ref();
        let settings = Settings {
            services: services.map(|services| (services.redis.as_str(), services.amqp.as_str())),
            jenkins: &self.jenkins,
            cloud: &self.cloud,
            base_image: &self.base_image,
            lease_ms: 3_000,
            beat_ms: 500,
            disabled_seconds: 0,
        };
        settings.to_string()
    }

    /// Jenkins finishes a build that archived version `1.0-h<number>` of the package.
    pub(crate) async fn build(&self, number: u64) {
        let artifact = format!("out/shop-web_1.0-h{number}_all.deb");
        let build = json!({ "job": JOB, "number": number, "result": "SUCCESS",
            "artifacts": [artifact] });
        let url = format!("{}/_fake/builds", self.jenkins);
        let answer = self.http.post(url).json(&build).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Jenkins tells every gateway of a build, each so many times; gives the answers' statuses.
    pub(crate) async fn notify(&self, number: u64, times: u32) -> Vec<u16> {
        let hook = |gateway: &String| format!("{gateway}/webhooks/jenkins/ci-main/{WEBHOOK_TOKEN}");
        let urls: Vec<String> = self.gateways.iter().map(hook).collect();
        let notice = json!({ "job": JOB, "number": number, "urls": urls, "times": times });
        let url = format!("{}/_fake/notify", self.jenkins);
        let answer = self.http.post(url).json(&notice).send().await.unwrap();
        let told: Value = answer.json().await.unwrap();
        told.as_array()
            .unwrap()
            .iter()
            .map(|one| u16::try_from(one["status"].as_u64().unwrap_or(0)).unwrap())
            .collect()
    }

    pub(crate) async fn executions(&self) -> Vec<Value> {
        for gateway in &self.gateways {
            let url = format!("{gateway}/applications/shop/pipelines?limit=100");
            if let Some(Value::Array(list)) = get(&self.http, &url).await {
                return list;
            }
        }
        Vec::new()
    }

    /// Waits until an execution has begun that was not in `known`.
    pub(crate) async fn new_execution(&self, known: &[String]) -> String {
        eventually("an execution", Duration::from_secs(20), || async {
            self.executions()
                .await
                .iter()
                .map(|found| found["id"].as_str().unwrap().to_owned())
                .find(|id| !known.contains(id))
        })
        .await
    }

    pub(crate) async fn execution(&self, id: &str) -> Option<Value> {
        for gateway in &self.gateways {
            if let Some(found) = get(&self.http, &format!("{gateway}/pipelines/{id}")).await {
                return Some(found);
            }
        }
        None
    }

    /// Waits for the end of an execution.
    pub(crate) async fn ended(&self, id: &str, at_most: Duration) -> Value {
        eventually(&format!("the end of {id}"), at_most, || async {
            let found = self.execution(id).await?;
            let ended =
                ["SUCCEEDED", "TERMINAL", "CANCELED"].contains(&found["status"].as_str().unwrap());
            ended.then_some(found)
        })
        .await
    }

    /// Every mutating call the cloud has seen.
    pub(crate) async fn ledger(&self) -> Vec<Value> {
        let ledger = get(&self.http, &format!("{}/_fake/ledger", self.cloud)).await;
        ledger.and_then(|ledger| ledger.as_array().cloned()).expect("the fake shows its ledger")
    }

    /// How often a call took effect.
    pub(crate) async fn effects(&self, call: &str, effect: &str) -> usize {
        let ledger = self.ledger().await;
        ledger.iter().filter(|line| line["call"] == call && line["effect"] == effect).count()
    }

    /// The cloud saw nothing that must never happen.
    pub(crate) async fn assert_safe(&self) {
        let url = format!("{}/_fake/violations", self.cloud);
        let violations = get(&self.http, &url).await.expect("the fake shows violations");
        assert_eq!(violations, json!([]), "safety rules were broken");
    }

    /// The ledger of one run of the canonical pipeline over an old group: one of each.
    pub(crate) async fn assert_done_once(&self) {
        self.assert_safe().await;
        for call in
            ["RunInstances", "CreateImage", "CreateLaunchTemplate", "CreateAutoScalingGroup"]
        {
            assert_eq!(
                self.effects(call, "Created").await,
                1,
                "{call}: {:#?}",
                self.ledger().await
            );
        }
    }

    pub(crate) fn processes_of(&mut self, role: &str) -> Vec<&mut Process> {
        self.processes.iter_mut().filter(|process| process.name.starts_with(role)).collect()
    }
}

/// The pipeline of these stories.
pub(crate) fn shipping() -> Value {
    pipeline("ship", "shop/job/package", "test")
}

/// The end state everybody wants: baked, deployed, the old group gone.
pub(crate) fn assert_shipped(execution: &Value, old: &str) {
    assert_eq!(execution["status"], "SUCCEEDED", "{execution:#}");
    let stage = |kind: &str| {
        let stages = execution["stages"].as_array().unwrap();
        stages.iter().find(|stage| stage["type"] == kind).cloned().unwrap_or_default()
    };
    let image = &stage("bake")["outputs"]["deploymentDetails"][0]["ami"];
    assert!(image.as_str().is_some_and(|id| id.starts_with("ami-")), "{execution:#}");
    let deployed = &stage("deploy")["outputs"];
    let group = &deployed["deploy.server.groups"]["us-east-1"][0];
    assert!(group.as_str().is_some_and(|name| name.starts_with("shop-test-v")), "{deployed:#}");
    assert_eq!(deployed["destroyedServerGroups"], json!([old]));
}

/// Reads a status and a body.
pub(crate) async fn answer(response: reqwest::Response) -> (StatusCode, String) {
    (response.status(), response.text().await.unwrap_or_default())
}
