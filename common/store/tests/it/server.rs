//! A private Redis on a free loopback port, gone when the test is gone.

use std::{
    io,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Kills the server when its own standard input closes, so that no way for the test to end leaves
/// a server behind: a drop, a panic, a SIGKILL.
const KEEPER: &str = r#"redis-server "$@" & server=$!; read -r _; kill -9 "$server"; wait"#;

/// The settings of production, which the gate asks for.
const DURABLE: [&str; 6] =
    ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"];

pub(crate) struct Server {
    keeper: Option<Child>,
    directory: TempDir,
    port: u16,
}

impl Server {
    /// A durable server with nothing in it.
    pub(crate) async fn start() -> Self {
        Self::start_with(&DURABLE).await
    }

    /// A server with these settings.
    pub(crate) async fn start_with(settings: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { keeper: None, directory: tempfile::tempdir().unwrap(), port };
        server.run(settings).await;
        server
    }

    /// Starts the process again after [`Self::kill`], on what it left.
    pub(crate) async fn restart(&mut self) {
        self.run(&DURABLE).await;
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn run(&mut self, settings: &[&str]) {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if let Err(cause) = found
            && cause.kind() == io::ErrorKind::NotFound
        {
            panic!(
                "these tests need `redis-server`: `make services-install` or \
                 `apt-get install redis-server`"
            );
        }
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper", "--bind", "127.0.0.1", "--save", "", "--loglevel"])
            .args(["warning", "--port", &self.port.to_string(), "--dir"])
            .arg(self.directory.path())
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.keeper = Some(keeper);
        let client = redis::Client::open(self.url()).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let ready = match client.get_multiplexed_async_connection().await {
                Ok(mut connection) => {
                    redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
                }
                Err(_) => false,
            };
            if ready {
                return;
            }
            assert!(Instant::now() < end, "redis-server did not answer on port {}", self.port);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
