//! A private RabbitMQ and Redis that can be killed, wiped, and told to be short of room.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::{end_of, root};

/// Both services, in a folder of their own.
#[derive(Debug)]
pub struct Services {
    dir: PathBuf,
    /// What the environment of the services holds beside ours.
    environment: Vec<(String, String)>,
    /// Where RabbitMQ answers.
    pub amqp: String,
    /// Where Redis answers.
    pub redis: String,
}

impl Services {
    /// Starts both. `broker_settings` is an Erlang list of the application `rabbit`.
    pub fn start(
        dir: &Path,
        broker_settings: Option<&str>,
        environment: Vec<(String, String)>,
    ) -> Self {
        let dir = dir.join("services");
        if let Some(settings) = broker_settings {
            std::fs::create_dir_all(dir.join("broker")).unwrap();
            let text = format!("[{{rabbit, [{settings}]}}].\n");
            std::fs::write(dir.join("broker/advanced.config"), text).unwrap();
        }
        let mut services = Self { dir, environment, amqp: String::new(), redis: String::new() };
        services.run("start");
        let env = std::fs::read_to_string(services.dir.join("services.env")).unwrap();
        for line in env.lines() {
            match line.split_once('=') {
                Some(("BOWLINE_TEST_AMQP", url)) => url.clone_into(&mut services.amqp),
                Some(("BOWLINE_TEST_REDIS", url)) => url.clone_into(&mut services.redis),
                Some(_) | None => {}
            }
        }
        services
    }

    /// Runs a verb of `services.sh`.
    pub fn run(&self, verb: &str) {
        let output = self.script(verb).output().unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn script(&self, verb: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg(root().join("deploy/dev/services.sh")).arg(verb).arg(&self.dir);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// As [`Self::run`], without holding up the rest of the test.
    pub async fn running(&self, verb: &str) {
        let output = tokio::process::Command::from(self.script(verb)).output().await.unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts a verb and does not wait for it.
    pub fn begin(&self, verb: &str) -> tokio::process::Child {
        let mut command = tokio::process::Command::from(self.script(verb));
        // Nobody reads what it says.
        command.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    }

    /// The process of a service (`broker` or `redis`) with the time it began: another pair is
    /// another process.
    pub fn pid(&self, service: &str) -> String {
        std::fs::read_to_string(self.dir.join(format!("{service}.pid"))).unwrap_or_default()
    }

    /// What a service wrote.
    pub fn log(&self, service: &str) -> String {
        std::fs::read_to_string(self.dir.join(format!("{service}.log"))).unwrap_or_default()
    }

    /// Redis' files.
    pub fn redis_files(&self) -> PathBuf {
        self.dir.join("redis")
    }

    /// Runs `rabbitmqctl` against the private broker.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) {
        let settings = std::fs::read_to_string(self.dir.join("settings")).unwrap();
        let setting = |name: &str| {
            let line = settings.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.strip_prefix('=')).unwrap_or_default().to_owned()
        };
        // Debian's wrapper insists on the user `rabbitmq`; the script behind it does not.
        let script = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "/usr/local/sbin/rabbitmqctl"];
        let script = script.iter().find(|path| Path::new(path).exists()).copied();
        let output = tokio::process::Command::new(script.unwrap_or("rabbitmqctl"))
            .env("HOME", self.dir.join("broker"))
            .env("ERL_EPMD_PORT", setting("epmd_port"))
            .env("RABBITMQ_CONF_ENV_FILE", self.dir.join("broker/env.conf"))
            .args(["--node", &setting("node")])
            .args(arguments)
            .output()
            .await
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {words}");
    }

    /// Where the service of a url answers.
    pub fn address(url: &str) -> SocketAddr {
        let (_, rest) = url.split_once("://").unwrap();
        let host = rest.rsplit('@').next().unwrap().split('/').next().unwrap();
        host.parse().unwrap()
    }
}

#[expect(clippy::print_stdout, reason = "a test that fails shows the end of each log")]
impl Drop for Services {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for service in ["broker", "redis"] {
                let log = self.log(service);
                println!("--- the end of {service}'s log\n{}", end_of(&log, 10));
            }
        }
        drop(self.script("stop").output());
    }
}
