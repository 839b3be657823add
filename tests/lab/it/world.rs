//! Everything, running: our programs as built, RabbitMQ, Redis, the fakes, and proxies in between
//! where a test wants them.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use fault_proxy::Proxy;
use processes::{
    PURPOSE, Process, Services, Settings, base_image, eventually, fake_aws, fake_jenkins,
    free_port, pipeline, program,
};
use reqwest::Client;
use runtime::Tasks;
use serde_json::{Value, json};

/// Our programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Coordinator,
    Baker,
    Deployer,
    Gateway,
}

impl Role {
    pub(crate) const ALL: [Self; 4] =
        [Self::Coordinator, Self::Baker, Self::Deployer, Self::Gateway];

    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Coordinator => "bowline-coordinator",
            Self::Baker => "bowline-worker-bake",
            Self::Deployer => "bowline-worker-deploy",
            Self::Gateway => "bowline-gateway",
        }
    }
}

/// Whether our programs reach the outside through proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    Direct,
    Proxied,
}

/// What a world is made of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) coordinators: usize,
    pub(crate) bakers: usize,
    pub(crate) deployers: usize,
    pub(crate) gateways: usize,
    /// Pipelines, each with a job and a cluster of its own, with one old server group in it.
    pub(crate) clusters: usize,
    pub(crate) lines: Lines,
    /// How long a worker may be silent, in milliseconds. The product's 90 s is the most.
    pub(crate) lease_ms: u64,
    /// Between disabling an old group and taking it down, in seconds.
    pub(crate) disabled_seconds: u64,
    /// Delays of the fake cloud, by their names; the others are fast.
    pub(crate) lags: Value,
    /// Settings of RabbitMQ, an Erlang list.
    pub(crate) broker: Option<&'static str>,
    /// Environment of RabbitMQ and Redis.
    pub(crate) environment: Vec<(String, String)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            coordinators: 2,
            bakers: 2,
            deployers: 2,
            gateways: 1,
            clusters: 1,
            lines: Lines::Direct,
            lease_ms: 2_000,
            disabled_seconds: 0,
            lags: json!({}),
            broker: None,
            environment: Vec::new(),
        }
    }
}

/// Proxies in front of everything our programs talk to.
pub(crate) struct Wires {
    pub(crate) redis: Proxy,
    pub(crate) amqp: Proxy,
    pub(crate) aws: Proxy,
    tasks: Tasks,
}

impl Drop for Wires {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

/// Everything, running. Fields are dropped in order: the folder goes last.
pub(crate) struct World {
    pub(crate) http: Client,
    pub(crate) gateways: Vec<String>,
    pub(crate) processes: Vec<(Role, Process)>,
    pub(crate) services: Services,
    pub(crate) wires: Option<Wires>,
    pub(crate) cloud: String,
    pub(crate) jenkins: String,
    /// Ids of the pipelines, by the number of their cluster.
    pub(crate) pipelines: Vec<String>,
    pub(crate) builds: u64,
    launched: usize,
    _cloud: Process,
    _jenkins: Process,
    pub(crate) dir: tempfile::TempDir,
}

impl Plan {
    /// Starts everything and saves the pipelines.
    pub(crate) async fn start(self) -> World {
        drop(rustls::crypto::ring::default_provider().install_default());
        let dir = tempfile::tempdir().unwrap();
        let services = Services::start(dir.path(), self.broker, self.environment.clone());
        let (fake_aws, cloud) = fake_aws(dir.path(), &self.seed());
        let (fake_jenkins, jenkins) = fake_jenkins(dir.path());
        let wires = match self.lines {
            Lines::Direct => None,
            Lines::Proxied => Some(wires(&services, &cloud).await),
        };
        let mut world = World {
            http: Client::builder().timeout(Duration::from_secs(40)).build().unwrap(),
            gateways: Vec::new(),
            processes: Vec::new(),
            services,
            wires,
            cloud,
            jenkins,
            pipelines: Vec::new(),
            builds: 0,
            launched: 0,
            _cloud: fake_aws,
            _jenkins: fake_jenkins,
            dir,
        };
        std::fs::write(world.config_file(), self.config(&world)).unwrap();
        let counts = [self.coordinators, self.bakers, self.deployers, self.gateways];
        for (role, count) in Role::ALL.into_iter().zip(counts) {
            for _ in 0..count {
                world.launch(role);
            }
        }
        world.ready().await;
        for cluster in 0..self.clusters {
            let (name, job) = (format!("ship-{cluster}"), format!("shop-{cluster}"));
            let id = world.save(&pipeline(&name, &job, &format!("s{cluster}"))).await;
            world.pipelines.push(id);
        }
        world
    }

    fn seed(&self) -> Value {
        let names = 0..self.clusters;
        let targets: Vec<String> = names.clone().map(|n| format!("shop-s{n}")).collect();
        let groups: Vec<Value> = names
            .map(|n| {
                json!({ "region": "us-east-1", "name": format!("shop-s{n}-v007"), "size": 1,
                    "target_groups": [format!("shop-s{n}")] })
            })
            .collect();
        let mut lags = json!({ "boot": 150, "install": 250, "stop": 100, "terminate": 100,
            "console": 0, "image": 300, "scaling": 50, "in_service": 50, "health_check": 150,
            "drain": 150, "delete_group": 100, "visible": 0 });
        for (name, value) in self.lags.as_object().unwrap() {
            lags[name] = value.clone();
        }
        json!({ "regions": ["us-east-1"], "purposes": [PURPOSE],
            "security_groups": ["default", "shop"], "target_groups": targets,
            "groups": groups, "behaviour": { "lags": lags } })
    }

    fn config(&self, world: &World) -> String {
        let Services { amqp, redis, .. } = &world.services;
        let (mut amqp, mut redis, mut cloud) = (amqp.clone(), redis.clone(), world.cloud.clone());
        if let Some(wires) = &world.wires {
            for (url, proxy) in
                [(&mut amqp, &wires.amqp), (&mut redis, &wires.redis), (&mut cloud, &wires.aws)]
            {
                let behind = Services::address(url).to_string();
                *url = url.replace(&behind, &proxy.address().to_string());
            }
        }
        let settings = Settings {
            services: Some((&redis, &amqp)),
            jenkins: &world.jenkins,
            cloud: &cloud,
            base_image: &base_image(),
            lease_ms: self.lease_ms,
            beat_ms: (self.lease_ms / 5).min(15_000),
            disabled_seconds: self.disabled_seconds,
        };
        settings.to_string()
    }
}

async fn wires(services: &Services, cloud: &str) -> Wires {
    let tasks = Tasks::new();
    let any = "127.0.0.1:0".parse().unwrap();
    Wires {
        redis: Proxy::start(any, Services::address(&services.redis), &tasks).await.unwrap(),
        amqp: Proxy::start(any, Services::address(&services.amqp), &tasks).await.unwrap(),
        aws: Proxy::start(any, Services::address(cloud), &tasks).await.unwrap(),
        tasks,
    }
}

impl World {
    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join("bowline.toml")
    }

    /// Starts one more process of a role.
    pub(crate) fn launch(&mut self, role: Role) -> &mut Process {
        self.launch_with(role, &[])
    }

    /// The same, with settings of its own.
    pub(crate) fn launch_with(&mut self, role: Role, settings: &[(&str, String)]) -> &mut Process {
        let mut command = Command::new(program(role.program()));
        command.arg("--config").arg(self.config_file()).stdout(Stdio::null());
        // The chain of the SDK finds these; the fake does not check them.
        command.env("AWS_ACCESS_KEY_ID", "fake").env("AWS_SECRET_ACCESS_KEY", "fake");
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("BOWLINE__LOG__LEVEL", "info");
        if role == Role::Gateway {
            let listen = format!("127.0.0.1:{}", free_port());
            command.env("BOWLINE__GATEWAY__LISTEN", &listen);
            self.gateways.push(format!("http://{listen}"));
        }
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        self.launched += 1;
        let name = format!("{}-{}", role.program(), self.launched);
        let process = Process::spawn(self.dir.path(), &name, &mut command);
        self.processes.push((role, process));
        &mut self.processes.last_mut().unwrap().1
    }

    /// Every process of a role.
    pub(crate) fn of(&mut self, role: Role) -> Vec<&mut Process> {
        let all = self.processes.iter_mut();
        all.filter(|(its, _)| *its == role).map(|(_, process)| process).collect()
    }

    /// Kills every process of a role and starts as many anew; how many a SIGKILL ended.
    pub(crate) fn replace(&mut self, role: Role) -> usize {
        if role == Role::Gateway {
            self.gateways.clear();
        }
        let killed = self.of(role).into_iter().map(Process::kill).filter(|by_us| *by_us).count();
        self.processes.retain(|(its, _)| *its != role);
        for _ in 0..killed {
            self.launch(role);
        }
        killed
    }

    /// What somebody who watches over processes does: those that ended begin again.
    pub(crate) fn tend(&mut self) -> usize {
        let mut gone = Vec::new();
        let mut gateway = 0;
        let mut index = 0;
        while index < self.processes.len() {
            let (role, process) = &mut self.processes[index];
            let role = *role;
            if process.ended().is_some() {
                gone.push(role);
                self.processes.remove(index);
                if role == Role::Gateway {
                    self.gateways.remove(gateway);
                }
            } else {
                gateway += usize::from(role == Role::Gateway);
                index += 1;
            }
        }
        for role in &gone {
            self.launch(*role);
        }
        gone.len()
    }

    /// Takes the process of a gateway out of what is tended; its address is told of builds until
    /// [`Self::forget_gateway`].
    pub(crate) fn take_gateway(&mut self, which: usize) -> Process {
        let mut gateways = self.processes.iter().enumerate();
        let (index, _) =
            gateways.by_ref().filter(|(_, (role, _))| *role == Role::Gateway).nth(which).unwrap();
        // Gateways stand in the order of their addresses.
        let address = self.gateways.remove(which);
        self.gateways.push(address);
        self.processes.remove(index).1
    }

    /// The address of the gateway that was taken last is nobody's.
    pub(crate) fn forget_gateway(&mut self) {
        self.gateways.pop();
    }

    /// Waits until every process has started, and every gateway answers for its store. Who ends while
    /// it starts, because the broker was too slow for it, begins again.
    pub(crate) async fn ready(&mut self) {
        let begun = Instant::now();
        while !self.processes.iter().all(|(_, process)| process.said("\"message\":\"started\"") > 0)
        {
            assert!(begun.elapsed() < Duration::from_mins(2), "not every process has started");
            tokio::time::sleep(Duration::from_millis(200)).await;
            self.tend();
        }
        for gateway in &self.gateways {
            eventually("the gateway is ready", Duration::from_secs(30), || async {
                let answer = self.http.get(format!("{gateway}/readyz")).send().await.ok()?;
                answer.status().is_success().then_some(())
            })
            .await;
        }
    }

    /// Saves a pipeline; its id.
    async fn save(&self, pipeline: &Value) -> String {
        let gateway = &self.gateways[0];
        let answer =
            self.http.post(format!("{gateway}/pipelines")).json(pipeline).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        let name = pipeline["name"].as_str().unwrap();
        let url = format!("{gateway}/applications/shop/pipelineConfigs/{name}");
        let saved = self.get(&url).await.expect("the pipeline is saved");
        saved["id"].as_str().unwrap().to_owned()
    }

    /// A JSON document, if it is there.
    pub(crate) async fn get(&self, url: &str) -> Option<Value> {
        let answer = self.http.get(url).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }

    /// The wires of a world that has them.
    pub(crate) fn wires(&self) -> &Wires {
        self.wires.as_ref().expect("this world has proxies")
    }
}
