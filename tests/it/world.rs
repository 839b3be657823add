//! A world of processes as built: our programs, the fakes, a private RabbitMQ and Redis. Everything
//! is on loopback, in a folder of its own, and ends with the test.

use std::{
    future::Future,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// Name of the base image in the fake's seed.
const BASE_IMAGE: &str = "debian-12-amd64-20251112-2294";
/// Purpose of the subnets that server groups go to.
pub(crate) const PURPOSE: &str = "internal (vpc0)";
pub(crate) const JOB: &str = "shop/package";
pub(crate) const API_TOKEN: &str = "11fake0token";
pub(crate) const WEBHOOK_TOKEN: &str = "a-webhook-token-for-tests";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program of ours beside the test binary. `make test` builds them all before the tests run.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(path.exists(), "{} is not built: run the tests through `make test`", path.display());
    path
}

/// A process that is killed when the test ends.
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn spawn(dir: &Path, name: &str, command: &mut Command) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        command.stderr(Stdio::from(file)).stdin(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// The first line a program prints.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        let mut out = BufReader::new(self.child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{} said nothing:\n{}", self.name, self.logged());
        // The rest goes nowhere, and must not block the program.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        line.trim().to_owned()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn logged(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            println!("--- the end of {}'s log\n{}", self.name, self.logged());
        }
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks again and again until there is an answer, and says what it waited for when there is none.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    at_most: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(start.elapsed() < at_most, "{what} did not happen within {at_most:?}");
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

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

/// A private RabbitMQ and Redis.
pub(crate) struct Services {
    dir: PathBuf,
    pub(crate) amqp: String,
    pub(crate) redis: String,
}

impl Services {
    pub(crate) fn start(dir: &Path) -> Self {
        let dir = dir.join("services");
        let mut services = Self { dir, amqp: String::new(), redis: String::new() };
        services.run("start");
        let env = std::fs::read_to_string(services.dir.join("services.env")).unwrap();
        for line in env.lines() {
            match line.split_once('=') {
                Some(("BOWLINE_TEST_AMQP", url)) => services.amqp = url.to_owned(),
                Some(("BOWLINE_TEST_REDIS", url)) => services.redis = url.to_owned(),
                Some(_) | None => {}
            }
        }
        services
    }

    pub(crate) fn run(&self, verb: &str) {
        let script = root().join("deploy/dev/services.sh");
        let output = Command::new("bash").arg(script).arg(verb).arg(&self.dir).output().unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        let script = root().join("deploy/dev/services.sh");
        drop(Command::new("bash").arg(script).arg("stop").arg(&self.dir).output());
    }
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
            Mode::Distributed(_) => Some(Services::start(dir.path())),
        };
        let (cloud, cloud_url, base_image) = match cloud {
            Cloud::At { url, base_image } => (None, url, base_image),
            Cloud::Fake(seed) => {
                let (process, url) = fake_aws(dir.path(), &seed);
                // The fake's ids depend on nothing but names.
                let digest = model::digest(&format!("base\nus-east-1\n{BASE_IMAGE}"));
                (Some(process), url, format!("ami-0{}", &digest[..16]))
            }
        };
        let mut command = Command::new(program("fake-jenkins"));
        command.stdout(Stdio::piped());
        let mut jenkins = Process::spawn(dir.path(), "fake-jenkins", &mut command);
        let jenkins_url = jenkins.first_line();
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
        let pipeline = pipeline();
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
        let places = self.services.as_ref().map_or_else(String::new, |services| {
            format!("[store]\nurl = \"{}\"\n[bus]\nurl = \"{}\"", services.redis, services.amqp)
        });
        format!(
            r#"
{places}
[jenkins.controllers.ci-main]
url = "{jenkins}"
user = "bowline"
api_token = "{API_TOKEN}"
webhook_token = "{WEBHOOK_TOKEN}"
[aws.accounts.test]
regions = ["us-east-1"]
endpoint_url = "{cloud}"
[worker]
lease_ttl_ms = 3000
beat_interval_ms = 500
[bake]
poll_interval_ms = 50
repositories = ["deb http://packages.example.test/ stable main"]
[[bake.base_images]]
os = "bookworm"
package_type = "deb"
images = {{ us-east-1 = "{base}" }}
[deploy]
poll_interval_ms = 50
disabled_seconds = 0
"#,
            jenkins = self.jenkins,
            cloud = self.cloud,
            base = self.base_image,
        )
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

fn fake_aws(dir: &Path, seed: &Value) -> (Process, String) {
    let file = dir.join("seed.json");
    std::fs::write(&file, seed.to_string()).unwrap();
    let mut command = Command::new(program("fake-aws"));
    command.args(["--listen", "127.0.0.1:0", "--seed"]).arg(&file).stdout(Stdio::piped());
    let mut process = Process::spawn(dir, "fake-aws", &mut command);
    let url = format!("http://{}", process.first_line());
    (process, url)
}

/// A Jenkins build becomes an image, the image becomes the only server group.
pub(crate) fn pipeline() -> Value {
    json!({
        "application": "shop",
        "name": "ship",
        "triggers": [{ "type": "jenkins", "enabled": true, "master": "ci-main",
            "job": "shop/job/package" }],
        "stages": [
            { "refId": "1", "requisiteStageRefIds": [], "type": "bake", "name": "Bake",
              "cloudProviderType": "aws", "regions": ["us-east-1"], "package": "shop-web",
              "baseOs": "bookworm", "baseLabel": "release", "vmType": "hvm", "storeType": "ebs" },
            { "refId": "2", "requisiteStageRefIds": ["1"], "type": "deploy", "name": "Deploy",
              "clusters": [{
                "account": "test", "application": "shop", "stack": "test",
                "provider": "aws", "cloudProvider": "aws", "strategy": "highlander",
                "capacity": { "min": 1, "max": 1, "desired": 1 },
                "availabilityZones": { "us-east-1": ["us-east-1a", "us-east-1b"] },
                "subnetType": PURPOSE, "instanceType": "t3.small",
                "targetGroups": ["shop-test"], "loadBalancers": [],
                "securityGroups": ["shop"], "healthCheckType": "EC2"
              }] }
        ]
    })
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
