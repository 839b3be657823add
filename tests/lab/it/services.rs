//! A private RabbitMQ and Redis that can be killed, wiped, and told to be short of room.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// Both services, in a folder of their own.
pub(crate) struct Services {
    dir: PathBuf,
    /// What the environment of the services holds beside ours.
    environment: Vec<(String, String)>,
    pub(crate) amqp: String,
    pub(crate) redis: String,
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap().to_owned()
}

impl Services {
    /// Starts both. `broker_settings` is an Erlang list of the application `rabbit`.
    pub(crate) fn start(
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
                Some(("BOWLINE_TEST_AMQP", url)) => services.amqp = url.to_owned(),
                Some(("BOWLINE_TEST_REDIS", url)) => services.redis = url.to_owned(),
                Some(_) | None => {}
            }
        }
        services
    }

    /// Runs a verb of `services.sh`.
    pub(crate) fn run(&self, verb: &str) {
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
    pub(crate) async fn running(&self, verb: &str) {
        let output = tokio::process::Command::from(self.script(verb)).output().await.unwrap();
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts a verb and does not wait for it.
    pub(crate) fn begin(&self, verb: &str) -> tokio::process::Child {
        let mut command = tokio::process::Command::from(self.script(verb));
        // Nobody reads what it says.
        command.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    }

    /// The process of a service (`broker` or `redis`) with the time it began: another pair is
    /// another process.
    pub(crate) fn pid(&self, service: &str) -> String {
        std::fs::read_to_string(self.dir.join(format!("{service}.pid"))).unwrap_or_default()
    }

    /// What a service wrote.
    pub(crate) fn log(&self, service: &str) -> String {
        std::fs::read_to_string(self.dir.join(format!("{service}.log"))).unwrap_or_default()
    }

    /// Redis' files.
    pub(crate) fn redis_files(&self) -> PathBuf {
        self.dir.join("redis")
    }

    /// Runs `rabbitmqctl` against the private broker.
    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) {
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

    /// One command to Redis.
    pub(crate) async fn redis(&self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let client = redis::Client::open(self.redis.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query_async(&mut connection).await
    }

    /// The same, for its text.
    pub(crate) async fn redis_text(&self, words: &[&str]) -> String {
        let value = self.redis(words).await.unwrap();
        redis::from_redis_value(value).unwrap()
    }

    /// Where the service of a url answers.
    pub(crate) fn address(url: &str) -> SocketAddr {
        let (_, rest) = url.split_once("://").unwrap();
        let host = rest.rsplit('@').next().unwrap().split('/').next().unwrap();
        host.parse().unwrap()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for service in ["broker", "redis"] {
                let log = self.log(service);
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(10)..].join("\n");
                println!("--- the end of {service}'s log\n{end}");
            }
        }
        drop(self.script("stop").output());
    }
}
