//! Each program as built: how long until it is ready, how much memory it holds when idle.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{Args, Failure, figures};

/// The four roles, and where each is told to answer.
const ROLES: [(&str, &str); 4] = [
    ("bowline-coordinator", "BOWLINE__COORDINATOR__ADMIN_LISTEN"),
    ("bowline-worker-bake", "BOWLINE__BAKE__ADMIN_LISTEN"),
    ("bowline-worker-deploy", "BOWLINE__DEPLOY__ADMIN_LISTEN"),
    ("bowline-gateway", "BOWLINE__GATEWAY__LISTEN"),
];
/// Idle for so long before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);
const START_MAX: Duration = Duration::from_secs(30);

pub(crate) struct Running {
    child: Child,
    ready: Duration,
}

impl Running {
    /// Memory it holds now, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64, Failure> {
        resident_of(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) async fn measure(args: &Args) -> Result<(), Failure> {
    figures::heading("processes, idle, next to nothing in the store");
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("bowline.toml");
    let text =
        format!("[store]\nurl = \"{}?world=idle\"\n[bus]\nurl = \"{}\"\n", args.redis, args.amqp);
    std::fs::write(&config, text)?;
    let mut all = Vec::new();
    for (role, listen) in ROLES {
        let mut command = Command::new(args.program(role)?);
        command.arg("--config").arg(&config);
        all.push((role, start(command, listen).await?));
    }
    tokio::time::sleep(SETTLE).await;
    let mut together = 0;
    for (role, running) in &all {
        let resident = running.resident_kib()?;
        together += resident;
        show(role, running, resident);
    }
    figures::plain("the four together", &mebibytes(together));
    drop(all);

    let mut command = Command::new(args.program("bowline")?);
    command.args(["standalone", "--fake-aws", "--data-dir"]).arg(folder.path().join("data"));
    let running = start(command, "BOWLINE__GATEWAY__LISTEN").await?;
    tokio::time::sleep(SETTLE).await;
    let resident = running.resident_kib()?;
    show("bowline standalone", &running, resident);
    Ok(())
}

fn show(role: &str, running: &Running, resident: u64) {
    let ready = running.ready.as_millis();
    figures::plain(role, &format!("ready in {ready} ms, {}", mebibytes(resident)));
}

pub(crate) fn mebibytes(kib: u64) -> String {
    format!("{}.{} MiB", kib / 1_024, (kib % 1_024) * 10 / 1_024)
}

pub(crate) async fn start(mut command: Command, listen: &str) -> Result<Running, Failure> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    command.env(listen, address.to_string()).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let child = command.spawn()?;
    let mut running = Running { child, ready: Duration::ZERO };
    let url = format!("http://{address}/readyz");
    let client = reqwest::Client::new();
    loop {
        if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            running.ready = begun.elapsed();
            return Ok(running);
        }
        if begun.elapsed() > START_MAX || running.child.try_wait()?.is_some() {
            return Err(format!("{command:?} was not ready within {START_MAX:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn resident_of(pid: u32) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("the kernel does not say how much memory it holds")?.parse()?)
}
